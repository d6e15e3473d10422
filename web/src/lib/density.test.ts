// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { DensityCurve } from '../api/types';
import { curve_of, density_at, density_inside, likely_band } from './density';

// A triangle over 90 to 110 with its top, 0.1, at 100: probability 1.
const points = [90, 95, 100, 105, 110].map((spot) => ({
  spot,
  density: (10 - Math.abs(spot - 100)) / 100,
  cdf: 0,
}));
const quantiles = [
  { p: 0.16, spot: 95.7 },
  { p: 0.5, spot: 100 },
  { p: 0.84, spot: 104.3 },
];
const curve = { label: { kind: 'market_implied' }, quantiles, points } as unknown as DensityCurve;

describe('a density', () => {
  it('is straight between its points and nothing outside them', () => {
    expect(density_at(points, 92.5)).toBeCloseTo(0.025);
    expect(density_at(points, 89)).toBe(0);
    expect(density_at(points, 111)).toBe(0);
  });
  it('cut to a frame begins and ends at its edges', () => {
    const inside = density_inside(points, { low: 92.5, high: 120 });
    expect(inside.map((p) => p.spot)).toEqual([92.5, 95, 100, 105, 110, 120]);
    expect(inside[0]?.density).toBeCloseTo(0.025);
    expect(inside.at(-1)?.density).toBe(0);
  });
  it('has two of three settlements between its 16 % and 84 % quantiles', () => {
    expect(likely_band(curve)).toEqual({ low: 95.7, high: 104.3 });
    expect(likely_band({ ...curve, quantiles: [] })).toBeNull();
    expect(likely_band(undefined)).toBeNull();
  });
  it('is found by its kind', () => {
    expect(curve_of([curve], 'market_implied')).toBe(curve);
    expect(curve_of([curve], 'history')).toBeUndefined();
  });
});
