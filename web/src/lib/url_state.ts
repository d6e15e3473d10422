// SPDX-License-Identifier: Apache-2.0
import { useSyncExternalStore } from 'react';
import type { Fill, StrategyName } from '../api/types';

/** Everything a copied link brings back. Null: not chosen, the page picks. */
export interface UrlState {
  readonly symbol: string | null;
  readonly expiry: string | null;
  readonly trading_class: string | null;
  readonly strategy: StrategyName;
  readonly fill: Fill;
  readonly min_pop: number;
  readonly selected: string | null;
  readonly contract: string | null;
}

const defaults = { strategy: 'iron_condor', fill: 'natural', min_pop: 0.6 } as const;

/** Reads a query string; what it does not understand is as if it were absent. */
export function parse_url(search: string): UrlState {
  const q = new URLSearchParams(search);
  const expiry = q.get('expiry');
  const min_pop = Number(q.get('min_pop') ?? Number.NaN);
  return {
    symbol: q.get('symbol')?.toUpperCase() || null,
    expiry: expiry && /^\d{4}-\d\d-\d\d$/.test(expiry) ? expiry : null,
    trading_class: q.get('trading_class') || null,
    strategy: q.get('strategy') === 'covered_call' ? 'covered_call' : defaults.strategy,
    fill: q.get('fill') === 'mid' ? 'mid' : defaults.fill,
    min_pop: min_pop >= 0 && min_pop < 1 ? min_pop : defaults.min_pop,
    selected: q.get('selected') || null,
    contract: q.get('contract') || null,
  };
}

export function write_url(state: UrlState): string {
  const q = new URLSearchParams();
  if (state.symbol) q.set('symbol', state.symbol);
  if (state.expiry) q.set('expiry', state.expiry);
  if (state.trading_class) q.set('trading_class', state.trading_class);
  if (state.strategy !== defaults.strategy) q.set('strategy', state.strategy);
  if (state.fill !== defaults.fill) q.set('fill', state.fill);
  if (state.min_pop !== defaults.min_pop) q.set('min_pop', String(state.min_pop));
  if (state.selected) q.set('selected', state.selected);
  if (state.contract) q.set('contract', state.contract);
  const text = q.toString();
  return text ? `?${text}` : '';
}

const listeners = new Set<() => void>();
let seen: { search: string; state: UrlState } | null = null;

function current(): UrlState {
  const search = window.location.search;
  if (seen?.search !== search) seen = { search, state: parse_url(search) };
  return seen.state;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
  };
}

export const useUrlState = () => useSyncExternalStore(subscribe, current);

/** `push` makes a step for the Back button; `replace` only corrects the link. */
export function change_url(change: Partial<UrlState>, how: 'push' | 'replace' = 'push'): void {
  const search = write_url({ ...current(), ...change });
  if (search === window.location.search) return;
  const target = `${window.location.pathname}${search}`;
  if (how === 'push') window.history.pushState(null, '', target);
  else window.history.replaceState(null, '', target);
  for (const wake of listeners) wake();
}
