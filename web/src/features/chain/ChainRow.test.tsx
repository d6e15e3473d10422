// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';
import type { Chain, ChainSide } from '../../api/types';
import { ChainStore } from '../../lib/chain_store';
import { ChainGridRow } from './ChainRow';
import { columns_for } from './columns';

afterEach(cleanup);

const side = (over: Partial<ChainSide>): ChainSide => ({
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
  ...over,
});
const snapshot = (minute: number, call: ChainSide): Chain =>
  ({
    as_of: `2014-06-05T14:0${minute}:00Z`,
    underlying_price: 101,
    rows: [{ strike: 97.5, call, put: null }],
  }) as unknown as Chain;

function show(store: ChainStore) {
  const { container } = render(
    <div role="grid">
      <ChainGridRow
        store={store}
        strike={97.5}
        index={4}
        top={0}
        columns={columns_for(1000, {})}
        in_the_money="call"
        at_the_money={false}
        active={null}
      />
    </div>,
  );
  return (selector: string) => container.querySelector(selector);
}

describe('a chain row', () => {
  it('leaves unknown blank and shows zero as zero', () => {
    const store = new ChainStore();
    store.apply(snapshot(0, side({ bid: 0, volume: 0, ask: 0.05 })), 0);
    const cell = show(store);
    expect(cell('.call.bid')?.textContent).toBe('0.00');
    expect(cell('.call.volume')?.textContent).toBe('0');
    expect(cell('.call.open_interest')?.textContent).toBe('');
    expect(cell('.call.implied_vol')?.textContent).toBe('');
    expect(cell('.put.bid')?.textContent).toBe('');
  });

  it('follows the store and marks the direction', () => {
    const store = new ChainStore();
    store.apply(snapshot(0, side({ bid: 1.2 })), 0);
    const cell = show(store);
    act(() => {
      store.apply(snapshot(5, side({ bid: 1.3 })), 0);
    });
    expect(cell('.call.bid')?.textContent).toBe('1.30');
    expect(cell('.call.bid [data-move]')?.getAttribute('data-move')).toBe('up');
  });

  it('tells its true place among all rows', () => {
    const store = new ChainStore();
    store.apply(snapshot(0, side({})), 0);
    show(store);
    // Two header rows come first, and rows count from one.
    expect(screen.getByRole('row').getAttribute('aria-rowindex')).toBe('7');
  });
});
