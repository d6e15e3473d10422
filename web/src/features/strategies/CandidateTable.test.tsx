// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Found, StrategyCandidate } from '../../api/types';
import { CandidateTable } from './CandidateTable';

afterEach(cleanup);

// jsdom lays nothing out: the table stays at width 0 and shows every column.
vi.stubGlobal(
  'ResizeObserver',
  class {
    observe() {}
    disconnect() {}
  },
);

const leg = (
  kind: 'put' | 'call',
  quantity: number,
  strike: number,
  expiry = '2026-12-24',
): StrategyCandidate['legs'][number] => ({
  kind,
  quantity,
  expiry,
  trading_class: 'BFXW',
  strike,
  entry_price: 1,
  implied_vol: null,
  delta: null,
});

function condor(rank: number, short_put: number): StrategyCandidate {
  return {
    rank,
    score: 0.1,
    legs: [
      leg('put', 1, short_put - 5),
      leg('put', -1, short_put),
      leg('call', -1, 155),
      leg('call', 1, 160),
    ],
    credit: 2,
    fees: 0,
    model_dependent: false,
    max_profit: 200,
    max_loss: null,
    breakevens: [143, 157],
    delta: 0.01,
    gamma: 0,
    theta: 0,
    vega: 0,
    pop: 0.653,
    expected_profit: -12.4,
    margin: 500,
    return_on_margin: 0.4,
    return_on_risk: 0.667,
    annualised_return: 8,
    payoff: [],
  };
}
const candidates = [condor(1, 145), condor(2, 140)];
const expiries = [{ density: { kind: 'market_implied', method: 'fitted' } }];
const found = { candidates, expiries } as unknown as Found;

describe('the ranking', () => {
  it('shows each candidate in its rank, and unlimited in words', () => {
    render(
      <CandidateTable
        found={found}
        label="Iron condor"
        selected={candidates[0]}
        on_select={() => {}}
      />,
    );
    const rows = screen.getAllByRole('row').slice(1);
    expect(rows).toHaveLength(2);
    expect(rows[0]?.textContent).toContain('140/145\u2013155/160');
    expect(rows[0]?.textContent).toContain('65.3');
    expect(rows[0]?.textContent).toContain('unlimited');
    expect(rows[0]?.getAttribute('aria-selected')).toBe('true');
  });

  it('names the density where probability and expected profit stand', () => {
    render(
      <CandidateTable
        found={found}
        label="Iron condor"
        selected={candidates[0]}
        on_select={() => {}}
      />,
    );
    const headings = screen.getAllByRole('columnheader').map((h) => h.textContent);
    expect(headings).toContain('POP\nimplied');
    expect(headings).toContain('Exp. P/L\nimplied');
    expect(screen.getAllByRole('row')[1]?.textContent).toContain('\u2212$12');
  });

  it('says of every leg of a calendar when it expires', () => {
    const legs = [leg('call', -1, 5400), leg('call', 1, 5400, '2027-01-08')];
    const calendar = { ...condor(1, 145), legs, model_dependent: true };
    const several = { ...found, candidates: [calendar] };
    render(
      <CandidateTable
        found={several}
        label="Long call calendar"
        selected={calendar}
        on_select={() => {}}
      />,
    );
    const row = screen.getAllByRole('row')[1];
    expect(row?.textContent).toContain('Dec 24 5,400 callJan 8 5,400 call');
  });

  it('moves the selection with the arrow keys and stays inside', () => {
    const on_select = vi.fn();
    render(
      <CandidateTable
        found={found}
        label="Iron condor"
        selected={candidates[0]}
        on_select={on_select}
      />,
    );
    const grid = screen.getByRole('grid');
    fireEvent.keyDown(grid, { key: 'ArrowDown' });
    expect(on_select).toHaveBeenLastCalledWith(candidates[1]);
    fireEvent.keyDown(grid, { key: 'ArrowUp' });
    expect(on_select).toHaveBeenLastCalledWith(candidates[0]);
  });
});
