// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { PayoffPoint, StrategyCandidate } from '../api/types';
import { areas, extend, line_inside, profit_at, spot_frame, ticks } from './payoff';

// Condor 140/145/155/160 for a credit of 2: max profit 200, max loss (5 - 2) * 100, breakevens 143 and 157.
const condor: PayoffPoint[] = [
  { spot: 130, profit: -300 },
  { spot: 140, profit: -300 },
  { spot: 145, profit: 200 },
  { spot: 155, profit: 200 },
  { spot: 160, profit: -300 },
  { spot: 170, profit: -300 },
];
const legs = [140, 145, 155, 160].map((strike) => ({ strike }));

describe('the payoff line', () => {
  it('is straight between its points and unknown outside them', () => {
    expect(profit_at(condor, 142.5)).toBe(-50);
    expect(profit_at(condor, 145)).toBe(200);
    expect(profit_at(condor, 129)).toBeNull();
  });
  it('crosses zero at the breakevens', () => {
    const line = line_inside(condor, { low: 135, high: 165 });
    expect(line.filter((p) => p.profit === 0).map((p) => p.spot)).toEqual([143, 157]);
    expect(line[0]).toEqual({ spot: 135, profit: -300 });
    expect(line.at(-1)).toEqual({ spot: 165, profit: -300 });
  });
  it('goes on straight beyond the outer strikes', () => {
    const longer = extend(condor, legs);
    expect(longer[0]).toEqual({ spot: 0, profit: -300 });
    expect(profit_at(longer, 300)).toBe(-300);
    const call = [
      { spot: 95, profit: -250 },
      { spot: 100, profit: -250 },
      { spot: 110, profit: 750 },
    ];
    expect(profit_at(extend(call, [{ strike: 100 }]), 120)).toBe(1750);
  });
  it('is not drawn on when its points end inside the strikes', () => {
    expect(extend(condor.slice(1, 5), legs)).toEqual(condor.slice(1, 5));
  });
});

describe('the areas', () => {
  const line = line_inside(condor, { low: 135, high: 165 });
  it('of a condor are one gain between two losses', () => {
    const ends = (side: 'gain' | 'loss') =>
      areas(line, side).map((area) => [area[0]?.spot, area.at(-1)?.spot]);
    expect(ends('gain')).toEqual([[143, 157]]);
    expect(ends('loss')).toEqual([
      [135, 143],
      [157, 165],
    ]);
  });
  it('close on the zero line', () => {
    for (const area of [...areas(line, 'gain'), ...areas(line, 'loss')]) {
      expect(area[0]?.profit).toBe(0);
      expect(area.at(-1)?.profit).toBe(0);
    }
  });
  it('are absent where the position cannot lose', () => {
    const arbitrage = [
      { spot: 90, profit: 0 },
      { spot: 110, profit: 5 },
    ];
    expect(areas(arbitrage, 'loss')).toEqual([]);
    expect(areas(arbitrage, 'gain')).toHaveLength(1);
  });
});

describe('the frame', () => {
  const candidate = {
    legs,
    breakevens: [143, 157],
    payoff: condor,
  } as unknown as StrategyCandidate;
  it('holds strikes, breakevens, spot and the band, inside the known points', () => {
    const frame = spot_frame(candidate, 139, { low: 144, high: 156 });
    expect(frame?.low).toBeLessThanOrEqual(139);
    expect(frame?.high).toBeGreaterThanOrEqual(160);
    expect(frame?.low).toBeGreaterThanOrEqual(130);
    expect(frame?.high).toBeLessThanOrEqual(170);
  });
});

describe('axis ticks', () => {
  it('are round numbers inside the range', () => {
    expect(ticks(-330, 230, 4)).toEqual([-200, 0, 200]);
    expect(ticks(0.1, 0.42, 3)).toEqual([0.2, 0.4]);
    expect(ticks(5, 5, 3)).toEqual([]);
  });
});
