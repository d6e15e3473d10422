// SPDX-License-Identifier: Apache-2.0
import { useSyncExternalStore } from 'react';
import type { DensityKind, Fill, Objective } from '../api/types';
import { type Bounds, inside, rate_bounds } from './limits';

/** Everything a copied link brings back. Null: not chosen, the page picks or nothing is asked for. */
export interface UrlState {
  readonly symbol: string | null;
  readonly expiry: string | null;
  readonly trading_class: string | null;
  readonly strategy: string;
  readonly objective: Objective;
  readonly density: DensityKind;
  readonly fill: Fill;
  readonly min_pop: number;
  readonly max_loss: number | null;
  readonly max_short_delta: number | null;
  readonly min_open_interest: number | null;
  /** Of interest, as the API takes it: a year, decimal. Null: as the quotes imply. */
  readonly rate: number | null;
  readonly selected: string | null;
  readonly contract: string | null;
}

export const objectives = [
  'return_on_risk',
  'return_on_margin',
  'expected_profit_on_max_loss',
  'expected_profit_on_margin',
  'expected_profit',
  'pop',
  'theta_on_max_loss',
  'credit',
] as const satisfies readonly Objective[];

const defaults = {
  strategy: 'iron_condor',
  objective: 'return_on_risk',
  density: 'market_implied',
  fill: 'natural',
  min_pop: 0.6,
} as const;

/** Null for what is no number or out of bounds. */
function number_in(text: string | null, bounds: Bounds): number | null {
  const number = text === null || text.trim() === '' ? Number.NaN : Number(text);
  return inside(number, bounds) ? number : null;
}
const positive = (text: string | null, most: number) =>
  number_in(text, { least: 0, most, above: true });

/** Reads a query string; what it does not understand is as if it were absent. */
export function parse_url(search: string): UrlState {
  const q = new URLSearchParams(search);
  const expiry = q.get('expiry');
  const strategy = q.get('strategy') ?? '';
  const min_pop = Number(q.get('min_pop') ?? Number.NaN);
  const open_interest = positive(q.get('min_open_interest'), 1e9);
  return {
    symbol: q.get('symbol')?.toUpperCase() || null,
    expiry: expiry && /^\d{4}-\d\d-\d\d$/.test(expiry) ? expiry : null,
    trading_class: q.get('trading_class') || null,
    // Which names there are, the server knows.
    strategy: /^[a-z_]{1,40}$/.test(strategy) ? strategy : defaults.strategy,
    objective: objectives.find((o) => o === q.get('objective')) ?? defaults.objective,
    density: q.get('density') === 'lognormal' ? 'lognormal' : defaults.density,
    fill: q.get('fill') === 'mid' ? 'mid' : defaults.fill,
    min_pop: min_pop >= 0 && min_pop < 1 ? min_pop : defaults.min_pop,
    max_loss: positive(q.get('max_loss'), 1e9),
    max_short_delta: positive(q.get('max_short_delta'), 1),
    min_open_interest: open_interest === null ? null : Math.ceil(open_interest),
    rate: number_in(q.get('rate'), rate_bounds),
    selected: q.get('selected') || null,
    contract: q.get('contract') || null,
  };
}

export function write_url(state: UrlState): string {
  const q = new URLSearchParams();
  for (const name of ['symbol', 'expiry', 'trading_class'] as const) {
    if (state[name]) q.set(name, state[name]);
  }
  for (const name of ['strategy', 'objective', 'density', 'fill', 'min_pop'] as const) {
    if (state[name] !== defaults[name]) q.set(name, String(state[name]));
  }
  for (const name of ['max_loss', 'max_short_delta', 'min_open_interest', 'rate'] as const) {
    if (state[name] !== null) q.set(name, String(state[name]));
  }
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
