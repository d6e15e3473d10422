// SPDX-License-Identifier: Apache-2.0

/** One reading of the market's clock: what the API said, and the local time at which it said it. */
export interface ClockReading {
  readonly market: number; // milliseconds since the epoch
  readonly local: number;
}

/**
 * The market's clock between two readings. A simulator may run it at any speed, so the pace is measured
 * instead of taken for granted; a pace of one second per second is assumed until two readings exist.
 */
export interface MarketClock {
  readonly last: ClockReading;
  readonly pace: number;
}

export function tick_clock(before: MarketClock | null, reading: ClockReading): MarketClock {
  if (!before) return { last: reading, pace: 1 };
  const local = reading.local - before.last.local;
  if (local < 500) return before;
  const pace = (reading.market - before.last.market) / local;
  // A clock that stepped back or leapt is a restarted market, not a pace.
  return { last: reading, pace: pace >= 0 && pace <= 100_000 ? pace : 1 };
}

export function market_now(clock: MarketClock, local_now: number): number {
  return clock.last.market + (local_now - clock.last.local) * clock.pace;
}
