// SPDX-License-Identifier: Apache-2.0
import type { Chain, ChainTopic, SnapshotEvent } from '../api/types';

export type FeedState = 'connecting' | 'live' | 'reconnecting';

export interface FeedHooks {
  /** A pushed snapshot of a subscribed chain. */
  on_snapshot(chain: Chain): void;
  /** Snapshots of this chain were missed (reconnect, or a hole in the sequence): ask the API again. */
  on_gap(topic: ChainTopic): void;
  on_state(state: FeedState): void;
}

/** What the feed needs of the world; tests hand in their own. */
export interface FeedWorld {
  open(url: string): WebSocket;
  later(run: () => void, ms: number): number;
  cancel(timer: number): void;
  random(): number;
}

const browser: FeedWorld = {
  open: (url) => new WebSocket(url),
  later: (run, ms) => window.setTimeout(run, ms),
  cancel: (timer) => window.clearTimeout(timer),
  random: Math.random,
};

/** Doubling from half a second to thirty, each wait drawn from its upper half so that clients spread out. */
export function back_off(attempt: number, random: number): number {
  const ceiling = Math.min(30_000, 500 * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling * (0.5 + 0.5 * random));
}

export const topic_key = (t: ChainTopic) => `${t.symbol}|${t.expiry}|${t.trading_class}`;

function is_snapshot(message: unknown): message is SnapshotEvent {
  if (typeof message !== 'object' || message === null) return false;
  const m = message as Partial<SnapshotEvent>;
  return m.type === 'snapshot' && typeof m.sequence === 'number' && Array.isArray(m.chain?.rows);
}

interface Subscription {
  readonly topic: ChainTopic;
  sequence: number | null;
  users: number;
}

/** The one socket of the page. Subscriptions outlive it: every new connection subscribes again. */
export class LiveFeed {
  private topics_ = new Map<string, Subscription>();
  private socket_: WebSocket | null = null;
  private timer_: number | null = null;
  private attempt_ = 0;
  private was_live_ = false;
  private closed_ = true;

  constructor(
    private readonly url_: string,
    private readonly hooks_: FeedHooks,
    private readonly world_: FeedWorld = browser,
  ) {}

  start(): void {
    this.closed_ = false;
    this.connect();
  }

  stop(): void {
    this.closed_ = true;
    if (this.timer_ !== null) this.world_.cancel(this.timer_);
    this.timer_ = null;
    const socket = this.socket_;
    this.socket_ = null;
    socket?.close();
  }

  /** Tries at once when waiting out a back-off (the network came back, the tab was shown again). */
  hurry(): void {
    if (this.timer_ === null) return;
    this.world_.cancel(this.timer_);
    this.timer_ = null;
    this.connect();
  }

  /** Call the returned function exactly once, when the chain is no longer shown. */
  subscribe(topic: ChainTopic): () => void {
    const key = topic_key(topic);
    const entry = this.topics_.get(key) ?? { topic, sequence: null, users: 0 };
    this.topics_.set(key, entry);
    if (entry.users++ === 0) this.send({ subscribe: topic });
    return () => {
      if (--entry.users > 0) return;
      this.topics_.delete(key);
      this.send({ unsubscribe: topic });
    };
  }

  private send(message: object): void {
    if (this.socket_?.readyState === 1) this.socket_.send(JSON.stringify(message));
  }

  private connect(): void {
    this.hooks_.on_state(this.was_live_ ? 'reconnecting' : 'connecting');
    const socket = this.world_.open(this.url_);
    this.socket_ = socket;
    socket.onopen = () => {
      if (socket !== this.socket_) return;
      const again = this.was_live_;
      this.attempt_ = 0;
      this.was_live_ = true;
      for (const entry of this.topics_.values()) {
        entry.sequence = null;
        this.send({ subscribe: entry.topic });
        if (again) this.hooks_.on_gap(entry.topic);
      }
      this.hooks_.on_state('live');
    };
    socket.onmessage = (event) => {
      if (socket === this.socket_) this.receive(event.data);
    };
    socket.onclose = () => {
      if (socket !== this.socket_ || this.closed_) return;
      this.socket_ = null;
      this.hooks_.on_state(this.was_live_ ? 'reconnecting' : 'connecting');
      this.timer_ = this.world_.later(
        () => {
          this.timer_ = null;
          this.connect();
        },
        back_off(this.attempt_++, this.world_.random()),
      );
    };
  }

  private receive(data: unknown): void {
    let message: unknown;
    try {
      message = JSON.parse(String(data));
    } catch {
      return;
    }
    if (!is_snapshot(message)) return;
    const entry = this.topics_.get(topic_key(message.chain));
    if (!entry) return;
    const last = entry.sequence;
    entry.sequence = message.sequence;
    this.hooks_.on_snapshot(message.chain);
    // The same number again is the present state, sent to every new subscription.
    if (last === null || message.sequence === last || message.sequence === last + 1) return;
    this.hooks_.on_gap(entry.topic);
  }
}
