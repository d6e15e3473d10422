// SPDX-License-Identifier: Apache-2.0
import type { DensityCurve, DensityPoint } from '../api/types';
import type { Frame } from './payoff';

export const curve_of = (
  curves: readonly DensityCurve[] | undefined,
  kind: string,
): DensityCurve | undefined => curves?.find((curve) => curve.label.kind === kind);

/** Where two of three settlements fall: the 16 % and the 84 % quantile. */
export function likely_band(curve: DensityCurve | undefined): { low: number; high: number } | null {
  const at = (p: number) => curve?.quantiles.find((q) => Math.abs(q.p - p) < 1e-9)?.spot;
  const low = at(0.16);
  const high = at(0.84);
  return low !== undefined && high !== undefined && high > low ? { low, high } : null;
}

/** Of a curve, on the straight lines between its points; 0 outside them, where next to nothing is. */
export function density_at(points: readonly DensityPoint[], spot: number): number {
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1] as DensityPoint;
    const b = points[i] as DensityPoint;
    if (spot < a.spot || spot > b.spot) continue;
    return a.density + ((b.density - a.density) * (spot - a.spot)) / (b.spot - a.spot);
  }
  return 0;
}

/** The points of a curve between two spots, both ends included. */
export function density_inside(
  points: readonly DensityPoint[],
  { low, high }: Frame,
): readonly { spot: number; density: number }[] {
  const between = points
    .filter((p) => p.spot > low && p.spot < high)
    .map(({ spot, density }) => ({ spot, density }));
  const end = (spot: number) => ({ spot, density: density_at(points, spot) });
  return [end(low), ...between, end(high)];
}
