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
  /** A pace measured once that differs wildly from the one before; believed when measured again. */
  readonly doubted: number | null;
}

export function tick_clock(before: MarketClock | null, reading: ClockReading): MarketClock {
  if (!before) return { last: reading, pace: 1, doubted: 1 };
  const local = reading.local - before.last.local;
  if (local < 500) return before;
  const pace = (reading.market - before.last.market) / local;
  // A simulated market may leap over a night, and a restarted one may step back: neither is a pace.
  if (pace < 0) return { last: reading, pace: before.pace, doubted: before.doubted };
  const near = (other: number) => pace <= other * 3 + 1 && other <= pace * 3 + 1;
  const first = before.doubted === 1 && before.pace === 1;
  if (first || near(before.pace) || (before.doubted !== null && near(before.doubted))) {
    return { last: reading, pace, doubted: null };
  }
  return { last: reading, pace: before.pace, doubted: pace };
}

export function market_now(clock: MarketClock, local_now: number): number {
  return clock.last.market + (local_now - clock.last.local) * clock.pace;
}
