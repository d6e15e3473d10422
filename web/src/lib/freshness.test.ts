// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { Health } from '../api/types';
import type { ChainHead } from './chain_store';
import { age_seconds, type FreshnessInput, freshness } from './freshness';
import { market_now, tick_clock } from './market_clock';

const as_of = '2014-06-05T14:00:00Z';
const head = { symbol: 'TWX', as_of, age_seconds: 10, received_at: 1000 } as ChainHead;

function health(over: Partial<Health> & { stale?: boolean; own_as_of?: string }): Health {
  return {
    status: 'ok',
    version: '1',
    now: as_of,
    simulated: false,
    market_open: true,
    dependencies: [],
    underlyings: [
      {
        symbol: 'TWX',
        as_of: over.own_as_of ?? as_of,
        age_seconds: 10,
        stale: over.stale ?? false,
      },
    ],
    ...over,
  };
}
const verdict = (over: Partial<FreshnessInput>) =>
  freshness({
    head,
    health: health({}),
    api_reachable: true,
    feed: 'live',
    clock: null,
    local_now: 2000,
    ...over,
  });

describe('the verdict', () => {
  it('is fresh while the API is, and the feed is live', () => {
    expect(verdict({})).toBe('fresh');
  });
  it('is stale when the API says so, also with a live feed', () => {
    expect(verdict({ health: health({ stale: true }) })).toBe('stale');
  });
  it('is ageing while the feed is away, and stale once the history has moved on', () => {
    expect(verdict({ feed: 'reconnecting' })).toBe('ageing');
    const moved = health({ own_as_of: '2014-06-05T14:05:00Z' });
    expect(verdict({ feed: 'reconnecting', health: moved })).toBe('stale');
    expect(verdict({ feed: 'live', health: moved })).toBe('fresh');
  });
  it('is stale when the collector goes on without this chain', () => {
    expect(verdict({ health: health({ own_as_of: '2014-06-05T14:15:00Z' }) })).toBe('stale');
  });
  it('takes an old snapshot for right when the session is over', () => {
    expect(verdict({ health: health({ market_open: false }), local_now: 4e7 })).toBe('closed');
  });
  it('does not trust what it cannot check for two intervals', () => {
    expect(verdict({ api_reachable: false })).toBe('ageing');
    expect(verdict({ api_reachable: false, local_now: 600_000 })).toBe('stale');
  });
});

describe('the age', () => {
  it('counts by the local clock until the market clock is known', () => {
    expect(age_seconds(head, null, 6000)).toBe(15);
  });
  it('follows a market that runs faster than the wall', () => {
    const start = Date.parse(as_of);
    const first = tick_clock(null, { market: start, local: 0 });
    const second = tick_clock(first, { market: start + 600_000, local: 10_000 });
    expect(second.pace).toBe(60);
    expect(market_now(second, 11_000)).toBe(start + 660_000);
    expect(age_seconds(head, second, 11_000)).toBe(660);
  });
  it('takes neither a restarted market nor a leap over a night for a pace', () => {
    const first = tick_clock(null, { market: 5e9, local: 0 });
    expect(tick_clock(first, { market: 1e9, local: 10_000 }).pace).toBe(1);
    const known = tick_clock(first, { market: 5e9 + 600_000, local: 10_000 });
    const leapt = tick_clock(known, { market: 5e9 + 64_200_000, local: 20_000 });
    expect(leapt.pace).toBe(60);
    expect(market_now(leapt, 21_000)).toBe(5e9 + 64_260_000);
  });
  it('believes another pace when it is measured twice', () => {
    let clock = tick_clock(null, { market: 0, local: 0 });
    for (const [market, local] of [
      [10, 10],
      [1010, 20],
      [2010, 30],
    ]) {
      clock = tick_clock(clock, { market: (market ?? 0) * 1000, local: (local ?? 0) * 1000 });
    }
    expect(clock.pace).toBe(100);
  });
});
