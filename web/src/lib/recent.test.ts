// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { CatalogueEntry } from '../api/types';
import { remember, strategy_here } from './recent';

const everything = () => true;
const of_an_index = (name: string) => name !== 'covered_call';
const first = ['iron_condor', 'covered_call'];

describe('the recent strategies', () => {
  it('are three, and the last one gives way', () => {
    const three = remember(first, 'long_call', everything);
    expect(three).toEqual(['iron_condor', 'covered_call', 'long_call']);
    expect(remember(three, 'long_put', everything)).toEqual([
      'iron_condor',
      'covered_call',
      'long_put',
    ]);
    expect(remember(three, 'covered_call', everything)).toBe(three);
  });
  it('are three of those that an index shows', () => {
    const two = remember(first, 'long_call', of_an_index);
    const three = remember(two, 'long_put', of_an_index);
    expect(three).toEqual(['iron_condor', 'long_call', 'long_put']);
    expect(remember(three, 'long_box', of_an_index)).toEqual([
      'iron_condor',
      'long_call',
      'long_box',
    ]);
  });
  it('keep what the index hides while there is room', () => {
    expect(remember(first, 'long_call', of_an_index)).toEqual([
      'iron_condor',
      'long_call',
      'covered_call',
    ]);
  });
});

describe('the strategy on screen', () => {
  const entry = (name: string): CatalogueEntry => ({
    name,
    legs: [],
    strikes: 1,
    expiries: 1,
    loss_is_bounded: true,
    profit_is_bounded: true,
    default_objective: 'return_on_risk',
  });
  const all = ['covered_call', 'long_call', 'iron_condor'].map(entry);
  const offered = all.slice(1);
  it('is the one of the link where it is offered', () => {
    expect(strategy_here('covered_call', all, all, first)).toBe('covered_call');
    expect(strategy_here('long_call', all, offered, first)).toBe('long_call');
  });
  it('gives way to a recent one that is offered, else to the first', () => {
    expect(strategy_here('covered_call', all, offered, first)).toBe('iron_condor');
    expect(strategy_here('covered_call', all, offered, ['covered_call'])).toBe('long_call');
  });
  it('stays where the catalogue does not know it, or is not there yet', () => {
    expect(strategy_here('martingale', all, offered, first)).toBe('martingale');
    expect(strategy_here('covered_call', [], [], first)).toBe('covered_call');
  });
});
