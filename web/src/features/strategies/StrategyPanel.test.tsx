// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { cleanup, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CatalogueEntry } from '../../api/types';
import { change_url, useUrlState } from '../../lib/url_state';
import { StrategyPanel } from './StrategyPanel';

const entry = (name: string, kind: 'stock' | 'call'): CatalogueEntry => ({
  name,
  legs: [{ kind, quantity: 1, rung: kind === 'stock' ? null : 0, expiry_rung: 0 }],
  strikes: 1,
  expiries: 1,
  loss_is_bounded: true,
  profit_is_bounded: true,
  default_objective: 'return_on_risk',
});
const strategies = [
  entry('covered_call', 'stock'),
  entry('long_call', 'call'),
  entry('bear_call_spread', 'call'),
  entry('iron_condor', 'call'),
];
const asked = vi.hoisted(() => [] as string[]);
vi.mock('../../queries', () => ({
  useCatalogue: () => ({ data: { strategies }, isPending: false, error: null }),
  useFind: (question: { strategy: string }) => {
    asked.push(question.strategy);
    return { data: undefined, error: null, isPlaceholderData: false };
  },
}));

function Panel({ symbol, is_index }: { symbol: string; is_index: boolean }) {
  const topic = { symbol, expiry: '2026-12-18', trading_class: symbol };
  return <StrategyPanel topic={topic} url={useUrlState()} is_index={is_index} />;
}

const tabs = () => screen.getAllByRole('tab').map((tab) => tab.textContent);
const shown = () => new URLSearchParams(window.location.search).get('strategy') ?? 'iron_condor';

beforeEach(() => {
  asked.length = 0;
  window.history.replaceState(null, '', '/');
});
afterEach(cleanup);

describe('the strategies of an index', () => {
  it('replace the one that needs shares, and never search for it', async () => {
    change_url({ strategy: 'covered_call' });
    const page = render(<Panel symbol="AAPL" is_index={false} />);
    expect(tabs()).toEqual(['Iron condor', 'Covered call']);
    asked.length = 0;
    page.rerender(<Panel symbol="SPX" is_index={true} />);
    await waitFor(() => expect(shown()).toBe('iron_condor'));
    expect(tabs()).toEqual(['Iron condor']);
    expect(asked).not.toContain('covered_call');
  });
  it('have three tabs of their own', async () => {
    render(<Panel symbol="SPX" is_index={true} />);
    change_url({ strategy: 'long_call' });
    await waitFor(() => expect(tabs()).toEqual(['Iron condor', 'Long call']));
    change_url({ strategy: 'bear_call_spread' });
    await waitFor(() => expect(tabs()).toEqual(['Iron condor', 'Long call', 'Bear call spread']));
  });
  it('leave a name that nobody knows to the server', () => {
    change_url({ strategy: 'martingale' });
    render(<Panel symbol="SPX" is_index={true} />);
    expect(asked.at(-1)).toBe('martingale');
    expect(shown()).toBe('martingale');
  });
});
