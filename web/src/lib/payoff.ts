// SPDX-License-Identifier: Apache-2.0
import type { PayoffPoint, StrategyCandidate, StrategyLeg } from '../api/types';

/** Profit at `spot` on the straight lines between the points; null outside them. */
export function profit_at(points: readonly PayoffPoint[], spot: number): number | null {
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1] as PayoffPoint;
    const b = points[i] as PayoffPoint;
    if (spot < a.spot || spot > b.spot) continue;
    if (b.spot === a.spot) return b.profit;
    return a.profit + ((b.profit - a.profit) * (spot - a.spot)) / (b.spot - a.spot);
  }
  return null;
}

/**
 * The points with the two outer lines drawn on, down to zero and far up. The API ends its points beyond the last
 * strikes, where the payoff stays straight; points that end inside the strikes are left as they are.
 */
export function extend(
  points: readonly PayoffPoint[],
  legs: readonly Pick<StrategyLeg, 'strike'>[],
): readonly PayoffPoint[] {
  const [a, b] = points;
  const [y, z] = points.slice(-2);
  const strikes = legs.flatMap((leg) => (leg.strike == null ? [] : [leg.strike]));
  if (!a || !b || !y || !z || strikes.length === 0) return points;
  const on = (from: PayoffPoint, to: PayoffPoint, spot: number) => ({
    spot,
    profit: from.profit + ((to.profit - from.profit) * (spot - from.spot)) / (to.spot - from.spot),
  });
  const left = a.spot > 0 && a.spot < Math.min(...strikes) ? [on(a, b, 0)] : [];
  const right = z.spot > Math.max(...strikes) ? [on(y, z, z.spot * 2)] : [];
  return [...left, ...points, ...right];
}

export interface Frame {
  readonly low: number;
  readonly high: number;
}

/** The spots worth drawing: strikes, breakevens, the spot and two sigmas, with air, inside the known points. */
export function spot_frame(
  candidate: Pick<StrategyCandidate, 'legs' | 'breakevens' | 'payoff'>,
  spot: number | null | undefined,
  band: { low: number; high: number } | null,
): Frame | null {
  const first = candidate.payoff[0];
  const last = candidate.payoff.at(-1);
  if (!first || !last || !(last.spot > first.spot)) return null;
  const marks = [
    ...candidate.legs.flatMap((leg) => (leg.strike == null ? [] : [leg.strike])),
    ...candidate.breakevens,
    ...(spot == null ? [] : [spot]),
    ...(band
      ? [band.low - (band.high - band.low) / 3, band.high + (band.high - band.low) / 3]
      : []),
  ].filter((m) => m >= first.spot && m <= last.spot);
  if (marks.length === 0) return { low: first.spot, high: last.spot };
  const low = Math.min(...marks);
  const high = Math.max(...marks);
  const air = Math.max((high - low) * 0.08, high * 0.004);
  return { low: Math.max(first.spot, low - air), high: Math.min(last.spot, high + air) };
}

/** The drawn line: the points inside the frame, its two ends, and every crossing of zero as a point. */
export function line_inside(points: readonly PayoffPoint[], frame: Frame): PayoffPoint[] {
  const inside: PayoffPoint[] = [];
  const push = (spot: number, profit: number | null) => {
    if (profit === null || inside.at(-1)?.spot === spot) return;
    const before = inside.at(-1);
    if (before && before.profit * profit < 0) {
      const part = before.profit / (before.profit - profit);
      inside.push({ spot: before.spot + (spot - before.spot) * part, profit: 0 });
    }
    inside.push({ spot, profit });
  };
  push(frame.low, profit_at(points, frame.low));
  for (const point of points) {
    if (point.spot > frame.low && point.spot < frame.high) push(point.spot, point.profit);
  }
  push(frame.high, profit_at(points, frame.high));
  return inside;
}

/** The areas above (`gain`) or below (`loss`) zero as closed polygons. */
export function areas(line: readonly PayoffPoint[], side: 'gain' | 'loss'): PayoffPoint[][] {
  const on_side = (profit: number) => (side === 'gain' ? profit > 0 : profit < 0);
  const found: PayoffPoint[][] = [];
  let current: PayoffPoint[] = [];
  const close = () => {
    const first = current[0];
    const last = current.at(-1);
    if (first && last && current.some((p) => on_side(p.profit))) {
      found.push([{ spot: first.spot, profit: 0 }, ...current, { spot: last.spot, profit: 0 }]);
    }
    current = [];
  };
  for (const point of line) {
    if (on_side(point.profit)) {
      current.push(point);
    } else if (point.profit === 0) {
      current.push(point);
      if (current.length > 1) {
        close();
        current = [point];
      }
    } else {
      close();
    }
  }
  close();
  return found;
}

/** Round numbers for an axis: about `wanted` of them within [low, high]. */
export function ticks(low: number, high: number, wanted: number): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [];
  const raw = span / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find((m) => m * power >= raw) ?? 10) * power;
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}
