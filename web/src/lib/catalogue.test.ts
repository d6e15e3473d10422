// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { CatalogueEntry } from '../api/types';
import {
  group_of,
  grouped,
  matches,
  objective_for,
  objective_refusal,
  offered,
  shape_line,
  strategy_name,
} from './catalogue';

type Leg = CatalogueEntry['legs'][number];
const leg = (kind: Leg['kind'], quantity: number, rung: number | null, expiry_rung = 0): Leg => ({
  kind,
  quantity,
  rung,
  expiry_rung,
});
function entry(name: string, strikes: number, legs: Leg[], bounded = true): CatalogueEntry {
  const expiries = 1 + Math.max(...legs.map((l) => l.expiry_rung));
  return {
    name,
    legs,
    strikes,
    expiries,
    loss_is_bounded: bounded,
    profit_is_bounded: true,
    default_objective: bounded ? 'return_on_risk' : 'return_on_margin',
  };
}
const condor = entry('iron_condor', 4, [
  leg('put', 1, 0),
  leg('put', -1, 1),
  leg('call', -1, 2),
  leg('call', 1, 3),
]);
const covered = entry('covered_call', 1, [leg('stock', 1, null), leg('call', -1, 0)]);
const ratio = entry('call_front_ratio', 2, [leg('call', 1, 0), leg('call', -2, 1)], false);
const strangle = entry('short_strangle', 2, [leg('put', -1, 0), leg('call', -1, 1)], false);
const lizard = entry('jade_lizard', 3, [leg('put', -1, 0), leg('call', -1, 1), leg('call', 1, 2)]);
const calendar = entry('long_call_calendar', 1, [leg('call', -1, 0), leg('call', 1, 0, 1)]);
const pmcc = entry('poor_mans_covered_call', 2, [leg('call', 1, 0, 1), leg('call', -1, 1)]);
const all = [covered, ratio, strangle, lizard, condor, calendar, pmcc];

describe('the catalogue', () => {
  it('has plain names', () => {
    expect(strategy_name('iron_condor')).toBe('Iron condor');
    expect(strategy_name('poor_mans_covered_call')).toBe("Poor man's covered call");
  });
  it('is grouped by the legs', () => {
    expect(all.map(group_of)).toEqual([
      'With shares',
      'Ratio spreads',
      'A call and a put',
      'Butterflies, ladders, lizards',
      'Condors and boxes',
      'Two expiries',
      'Two expiries',
    ]);
  });
  it('has nothing with shares for an index', () => {
    expect(offered(all, false)).toEqual(all);
    expect(offered(all, true)).toEqual(all.filter((e) => e !== covered));
  });
  it('is found by words of the name, of the group, and by initials', () => {
    const found = (text: string) => all.filter((e) => matches(e, text)).map((e) => e.name);
    expect(found('cond')).toEqual(['iron_condor']);
    expect(found('call covered')).toEqual(['covered_call', 'poor_mans_covered_call']);
    expect(found('pmcc')).toEqual(['poor_mans_covered_call']);
    expect(found('two exp')).toEqual(['long_call_calendar', 'poor_mans_covered_call']);
    expect(found('martingale')).toEqual([]);
    expect(grouped(all, 'cond').map((g) => g.group)).toEqual(['Condors and boxes']);
    expect(grouped(all).flatMap((g) => g.entries)).toHaveLength(all.length);
  });
});

describe('the drawn shape', () => {
  // In a drawing y goes downwards: 0 is the most that is made.
  const at = (e: CatalogueEntry, x: number) =>
    shape_line(e).reduce((best, p) => (Math.abs(p[0] - x) < Math.abs(best[0] - x) ? p : best))[1];
  it('of a condor is a plateau between two floors', () => {
    expect([at(condor, 0), at(condor, 0.5), at(condor, 1)]).toEqual([1, 0, 1]);
  });
  it('of a covered call rises and then stays', () => {
    expect([at(covered, 0), at(covered, 0.5), at(covered, 1)]).toEqual([1, 0, 0]);
  });
  it('of a calendar peaks at its strike', () => {
    const top = shape_line(calendar).find((p) => p[1] === 0);
    expect(top?.[0]).toBeCloseTo(0.5);
    expect(at(calendar, 0)).toBeGreaterThan(0.8);
  });
});

describe('an objective', () => {
  it('is refused where it has no value', () => {
    expect(objective_refusal(strangle, 'expected_profit_on_max_loss')).toMatch(/loss/);
    expect(objective_refusal(strangle, 'return_on_risk')).toMatch(/loss/);
    expect(objective_refusal(strangle, 'expected_profit')).toBeNull();
    expect(objective_refusal(strangle, 'expected_profit_on_margin')).toBeNull();
    expect(objective_refusal({ ...condor, profit_is_bounded: false }, 'return_on_risk')).toMatch(
      /profit/,
    );
    expect(objective_refusal({ ...condor, profit_is_bounded: false }, 'return_on_margin')).toMatch(
      /profit/,
    );
    expect(objective_refusal(strangle, 'return_on_margin')).toBeNull();
    expect(objective_refusal(condor, 'return_on_risk')).toBeNull();
    expect(objective_refusal(undefined, 'return_on_risk')).toBeNull();
  });
  it('gives way to the default of a strategy that it cannot rank', () => {
    expect(objective_for(condor, 'return_on_risk')).toBe('return_on_risk');
    expect(objective_for(undefined, 'return_on_risk')).toBe('return_on_risk');
    expect(objective_for(strangle, 'return_on_risk')).toBe('return_on_margin');
    expect(objective_for(strangle, 'pop')).toBe('pop');
  });
});
