// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest';
import type { Chain, ChainSide } from '../api/types';
import { at_the_money, ChainStore, spot_index } from './chain_store';

const unknown: ChainSide = {
  bid: null,
  ask: null,
  last: null,
  bid_size: null,
  ask_size: null,
  volume: null,
  open_interest: null,
  implied_vol: null,
  delta: null,
  gamma: null,
  theta: null,
  vega: null,
  greeks_from: null,
  observed_at: null,
};

function chain(as_of: string, bids: Record<number, number | null>, spot = 100): Chain {
  return {
    symbol: 'TWX',
    trading_class: 'TWX',
    expiry: '2014-06-21',
    days_to_expiry: 16,
    as_of,
    age_seconds: 0,
    source: 'simulated',
    served_from: 'history',
    notice: null,
    complete: true,
    underlying_price: spot,
    rows: Object.entries(bids).map(([strike, bid]) => ({
      strike: Number(strike),
      call: { ...unknown, bid },
      put: null,
    })),
  };
}
const at = (minute: number) => `2014-06-05T14:${String(minute).padStart(2, '0')}:00Z`;

describe('a snapshot', () => {
  it('wakes the rows it changed and no other', () => {
    const store = new ChainStore();
    store.apply(chain(at(0), { 95: 6, 100: 3 }), 0);
    const woken = { 95: vi.fn(), 100: vi.fn() };
    store.subscribe_row(95, woken[95]);
    store.subscribe_row(100, woken[100]);
    const quiet = store.row(95);
    store.apply(chain(at(5), { 95: 6, 100: 3.1 }), 0);
    expect(woken[95]).not.toHaveBeenCalled();
    expect(woken[100]).toHaveBeenCalledOnce();
    expect(store.row(95)).toBe(quiet);
  });

  it('marks which way a price went, and forgets it with the next snapshot', () => {
    const store = new ChainStore();
    store.apply(chain(at(0), { 95: 6 }), 0);
    expect(store.row(95)?.call_moves).toEqual({});
    store.apply(chain(at(5), { 95: 5.9 }), 0);
    expect(store.row(95)?.call_moves).toEqual({ bid: 'down' });
    store.apply(chain(at(10), { 95: 5.9 }), 0);
    expect(store.row(95)?.call_moves).toEqual({});
  });

  it('gives no direction to a price that appears, also from unknown to zero', () => {
    const store = new ChainStore();
    store.apply(chain(at(0), { 95: null }), 0);
    store.apply(chain(at(5), { 95: 0 }), 0);
    expect(store.row(95)?.call_moves).toEqual({});
    expect(store.row(95)?.row.call?.bid).toBe(0);
  });

  it('is refused when older than what is shown', () => {
    const store = new ChainStore();
    store.apply(chain(at(5), { 95: 6 }), 0);
    expect(store.apply(chain(at(0), { 95: 1 }), 0)).toBe(false);
    expect(store.row(95)?.row.call?.bid).toBe(6);
    expect(store.head()?.as_of).toBe(at(5));
  });

  it('served twice changes nothing, and keeps the marks', () => {
    const store = new ChainStore();
    store.apply(chain(at(0), { 95: 6 }, 99), 0);
    store.apply(chain(at(5), { 95: 6.2 }, 100), 0);
    const row = store.row(95);
    store.apply(chain(at(5), { 95: 6.2 }, 100), 9);
    expect(store.row(95)).toBe(row);
    expect(store.head()?.underlying_move).toBe('up');
  });

  it('with other strikes replaces the list and drops the rows that went', () => {
    const store = new ChainStore();
    store.apply(chain(at(0), { 95: 6, 100: 3 }), 0);
    const strikes = store.strikes();
    store.apply(chain(at(5), { 95: 7, 100: 3 }), 0);
    expect(store.strikes()).toBe(strikes);
    store.apply(chain(at(10), { 100: 3, 105: 1 }), 0);
    expect(store.strikes()).toEqual([100, 105]);
    expect(store.row(95)).toBeUndefined();
  });
});

describe('the spot among the strikes', () => {
  it('lies below the first strike above it', () => {
    expect(spot_index([95, 100, 105], 101)).toBe(2);
    expect(spot_index([95, 100, 105], 90)).toBe(0);
    expect(spot_index([95, 100, 105], 200)).toBe(3);
  });
  it('makes the nearest strike the at-the-money one', () => {
    expect(at_the_money([95, 100, 105], 102)).toBe(1);
    expect(at_the_money([95, 100, 105], 103)).toBe(2);
    expect(at_the_money([95], 500)).toBe(0);
    expect(at_the_money([], 100)).toBe(-1);
  });
});
