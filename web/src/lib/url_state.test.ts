// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { parse_contract } from './contract';
import { position_key } from './legs';
import { parse_url, write_url } from './url_state';

describe('the link', () => {
  it('brings back everything it was made from', () => {
    const state = {
      symbol: 'BRK B',
      expiry: '2014-06-21',
      trading_class: 'BRKB',
      strategy: 'covered_call',
      fill: 'mid',
      min_pop: 0.75,
      selected: '100S_-1C97.5',
      contract: 'P97.5',
    } as const;
    expect(parse_url(write_url(state))).toEqual(state);
  });
  it('says nothing of what is the default', () => {
    expect(write_url(parse_url('?strategy=iron_condor&fill=natural&min_pop=0.6'))).toBe('');
  });
  it('takes what it does not understand as absent', () => {
    const state = parse_url('?expiry=tomorrow&min_pop=7&fill=free&strategy=x&symbol=twx');
    expect(state).toMatchObject({
      symbol: 'TWX',
      expiry: null,
      min_pop: 0.6,
      fill: 'natural',
      strategy: 'iron_condor',
    });
  });
  it('names a contract by right and strike', () => {
    expect(parse_contract('P97.5')).toEqual({ right: 'put', strike: 97.5 });
    expect(parse_contract('X1')).toBeNull();
    expect(parse_contract('C1e9')).toBeNull();
  });
  it('names a position by its legs', () => {
    const leg = { entry_price: 1, implied_vol: null, delta: null };
    const legs = [
      { ...leg, kind: 'stock', quantity: 100, strike: null },
      { ...leg, kind: 'call', quantity: -1, strike: 97.5 },
    ] as const;
    expect(position_key({ legs: [...legs] })).toBe('100S_-1C97.5');
  });
});
