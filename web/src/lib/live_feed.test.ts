// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { back_off, type FeedHooks, type FeedState, type FeedWorld, LiveFeed } from './live_feed';

const topic = { symbol: 'TWX', expiry: '2014-06-21', trading_class: 'TWX' };

class FakeSocket {
  readyState = 0;
  sent: unknown[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
    this.onclose?.();
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  push(sequence: number) {
    const message = { type: 'snapshot', sequence, chain: { ...topic, rows: [] } };
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

let sockets: FakeSocket[];
let waiting: { run: () => void; ms: number }[];
let states: FeedState[];
let hooks: { [K in keyof FeedHooks]: ReturnType<typeof vi.fn> };
let feed: LiveFeed;
const socket = () => sockets.at(-1) as FakeSocket;

beforeEach(() => {
  sockets = [];
  waiting = [];
  states = [];
  hooks = {
    on_snapshot: vi.fn(),
    on_gap: vi.fn(),
    on_state: vi.fn((s: FeedState) => states.push(s)),
  };
  const world: FeedWorld = {
    open: () => {
      sockets.push(new FakeSocket());
      return socket() as unknown as WebSocket;
    },
    later: (run, ms) => waiting.push({ run, ms }),
    cancel: () => waiting.pop(),
    random: () => 0.5,
  };
  feed = new LiveFeed('ws://test/api/ws', hooks as unknown as FeedHooks, world);
  feed.start();
});

describe('the feed', () => {
  it('subscribes when the connection opens, and what comes later at once', () => {
    feed.subscribe(topic);
    expect(socket().sent).toEqual([]);
    socket().open();
    const other = { ...topic, expiry: '2014-07-19' };
    feed.subscribe(other);
    expect(socket().sent).toEqual([{ subscribe: topic }, { subscribe: other }]);
    expect(hooks.on_gap).not.toHaveBeenCalled();
  });

  it('unsubscribes when the last user of a chain leaves', () => {
    socket().open();
    const leave = [feed.subscribe(topic), feed.subscribe(topic)];
    leave[0]?.();
    expect(socket().sent).toEqual([{ subscribe: topic }]);
    leave[1]?.();
    expect(socket().sent).toEqual([{ subscribe: topic }, { unsubscribe: topic }]);
  });

  it('comes back after a loss, subscribes again and reports the gap', () => {
    feed.subscribe(topic);
    socket().open();
    socket().close();
    expect(states).toEqual(['connecting', 'live', 'reconnecting']);
    waiting.shift()?.run();
    socket().open();
    expect(sockets).toHaveLength(2);
    expect(socket().sent).toEqual([{ subscribe: topic }]);
    expect(hooks.on_gap).toHaveBeenCalledExactlyOnceWith(topic);
    expect(states.at(-1)).toBe('live');
  });

  it('reports a hole in the sequence, and a server that counts from the start again', () => {
    feed.subscribe(topic);
    socket().open();
    socket().push(7);
    socket().push(8);
    socket().push(8);
    expect(hooks.on_gap).not.toHaveBeenCalled();
    socket().push(10);
    expect(hooks.on_gap).toHaveBeenCalledTimes(1);
    socket().push(1);
    expect(hooks.on_gap).toHaveBeenCalledTimes(2);
    expect(hooks.on_snapshot).toHaveBeenCalledTimes(5);
  });

  it('passes over what it does not understand and what it did not ask for', () => {
    feed.subscribe(topic)();
    socket().open();
    socket().onmessage?.({ data: 'no json' });
    socket().onmessage?.({ data: '{"type":"later"}' });
    socket().push(1);
    expect(hooks.on_snapshot).not.toHaveBeenCalled();
  });

  it('stops for good', () => {
    socket().open();
    feed.stop();
    expect(waiting).toEqual([]);
  });

  it('does not wait out the back-off when told to hurry', () => {
    socket().close();
    expect(waiting).toHaveLength(1);
    feed.hurry();
    expect(waiting).toHaveLength(0);
    expect(sockets).toHaveLength(2);
  });
});

describe('the back-off', () => {
  it('doubles from half a second to thirty', () => {
    expect([0, 1, 2, 6, 60].map((n) => back_off(n, 1))).toEqual([500, 1000, 2000, 30_000, 30_000]);
  });
  it('spreads over the upper half of its range', () => {
    expect(back_off(3, 0)).toBe(2000);
    expect(back_off(3, 1)).toBe(4000);
  });
});
