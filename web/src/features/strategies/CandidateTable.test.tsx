// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Strategies, StrategyCandidate } from '../../api/types';
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

function condor(rank: number, short_put: number): StrategyCandidate {
  const leg = (kind: 'put' | 'call', quantity: number, strike: number) => ({
    kind,
    quantity,
    strike,
    entry_price: 1,
    implied_vol: null,
    delta: null,
  });
  return {
    rank,
    legs: [
      leg('put', 1, short_put - 5),
      leg('put', -1, short_put),
      leg('call', -1, 155),
      leg('call', 1, 160),
    ],
    credit: 2,
    max_profit: 200,
    max_loss: null,
    breakevens: [143, 157],
    delta: 0.01,
    gamma: 0,
    theta: 0,
    vega: 0,
    pop: 0.653,
    return_on_risk: 0.667,
    annualised_return: 8,
    payoff: [],
  };
}
const candidates = [condor(1, 145), condor(2, 140)];
const strategies = { candidates, density: {} } as unknown as Strategies;

describe('the ranking', () => {
  it('shows each candidate in its rank, and unlimited in words', () => {
    render(
      <CandidateTable
        strategies={strategies}
        label="Iron condors"
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

  it('moves the selection with the arrow keys and stays inside', () => {
    const on_select = vi.fn();
    render(
      <CandidateTable
        strategies={strategies}
        label="Iron condors"
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
