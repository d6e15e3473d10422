// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { ChainSide, HistoryPoint } from '../api/types';
import { make_timeline, stretches } from './timeline';

const point = (as_of: string, bid: number | null): HistoryPoint => ({
  as_of,
  underlying_price: null,
  quote: { bid } as ChainSide,
});
const points = [
  point('2014-06-05T19:50:00Z', 1),
  point('2014-06-05T19:55:00Z', 1.1),
  point('2014-06-05T20:00:00Z', null),
  point('2014-06-06T13:35:00Z', 1.3),
  point('2014-06-06T13:40:00Z', 1.4),
  point('2014-06-06T14:00:00Z', 1.5),
];

describe('the time axis', () => {
  const line = make_timeline(points);
  it('gives nights no room', () => {
    expect(line.sessions.map((s) => s.day)).toEqual(['2014-06-05', '2014-06-06']);
    expect(line.sessions[0]?.to).toBeCloseTo(line.sessions[1]?.from ?? -1);
    expect(line.sessions[1]?.to).toBeCloseTo(1);
  });
  it('keeps time in proportion inside a session', () => {
    const at = (i: number) => line.position(Date.parse((points[i] as HistoryPoint).as_of));
    expect((at(5) - at(4)) / (at(4) - at(3))).toBeCloseTo(4);
  });
});

describe('the line', () => {
  it('breaks at a missing value, over night, and where snapshots are missing', () => {
    const cut = stretches(points, make_timeline(points), (p) => p.quote.bid);
    expect(cut.map((s) => s.map((v) => v.value))).toEqual([[1, 1.1], [1.3, 1.4], [1.5]]);
  });
  it('joins the points of a day at the pace of that day, whatever that of the others', () => {
    const half_hours = ['14:00', '14:30', '15:00'].map((at) => point(`2014-06-04T${at}:00Z`, 2));
    const all = [...half_hours, ...points];
    const cut = stretches(all, make_timeline(all), (p) => p.quote.bid);
    expect(cut.map((s) => s.length)).toEqual([3, 2, 2, 1]);
  });
  it('does not take zero for missing', () => {
    const zero = [point('2014-06-05T19:50:00Z', 0)];
    const cut = stretches(zero, make_timeline(zero), (p) => p.quote.bid);
    expect(cut).toHaveLength(1);
  });
});
