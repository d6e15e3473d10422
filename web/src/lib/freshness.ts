// SPDX-License-Identifier: Apache-2.0
import type { Health, Source } from '../api/types';
import type { ChainHead } from './chain_store';
import type { FeedState } from './live_feed';
import { type MarketClock, market_now } from './market_clock';

/**
 * fresh: trust it. ageing: the next cycle is late. stale: dimmed, do not trade on it. closed: the session is
 * over, so an old snapshot is the right one.
 */
export type Freshness = 'fresh' | 'ageing' | 'stale' | 'closed';

/** The collector's default interval; only a fallback, the API says by itself when an underlying is stale. */
const interval_seconds = 300;

export interface FreshnessInput {
  head: ChainHead;
  health: Health | undefined;
  /** False when the last health request failed. */
  api_reachable: boolean;
  feed: FeedState;
  clock: MarketClock | null;
  local_now: number;
}

/** Seconds between the snapshot and the market's present. */
export function age_seconds(
  head: Pick<ChainHead, 'as_of' | 'age_seconds' | 'received_at'>,
  clock: MarketClock | null,
  local_now: number,
): number {
  if (clock) return Math.max(0, (market_now(clock, local_now) - Date.parse(head.as_of)) / 1000);
  return Math.max(0, head.age_seconds + (local_now - head.received_at) / 1000);
}

export function freshness(input: FreshnessInput): Freshness {
  const { head, health, api_reachable, feed, clock, local_now } = input;
  const age = age_seconds(head, clock, local_now);
  if (!api_reachable) return age > 2 * interval_seconds ? 'stale' : 'ageing';
  const own = health?.underlyings.find((u) => u.symbol === head.symbol);
  if (own?.stale) return 'stale';
  // The history moved on and the page did not: what is on screen is old whatever the collector does.
  const behind = own?.as_of ? (Date.parse(own.as_of) - Date.parse(head.as_of)) / 1000 : 0;
  if (behind > (feed === 'live' ? 2 * interval_seconds : 0)) return 'stale';
  if (health && !health.market_open) return 'closed';
  if (!own && age > 2 * interval_seconds) return 'stale';
  return feed === 'live' ? 'fresh' : 'ageing';
}

export const source_words: Record<Source, string> = {
  live: 'Live',
  // The age beside it is that of the snapshot; its quotes were as old again when they came.
  delayed: 'Delayed 15–20 min',
  imported: 'Imported',
  simulated: 'Simulated',
};

export const freshness_words: Record<Freshness, string> = {
  fresh: 'up to date',
  ageing: 'update late',
  stale: 'stale',
  closed: 'session over',
};
