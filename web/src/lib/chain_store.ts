// SPDX-License-Identifier: Apache-2.0
import type { Chain, ChainRow, ChainSide } from '../api/types';

/** Which numbers of a side the page marks when a snapshot moves them. */
export const tracked = ['bid', 'ask', 'last'] as const;
export type Tracked = (typeof tracked)[number];
export type Moves = Partial<Record<Tracked, 'up' | 'down'>>;

export interface RowState {
  readonly row: ChainRow;
  /** Counts the snapshots that changed this row; a component keyed by it restarts its flash. */
  readonly version: number;
  readonly call_moves: Moves;
  readonly put_moves: Moves;
}

export type ChainHead = Omit<Chain, 'rows'> & {
  /** Milliseconds of the local clock at which the snapshot reached the page. */
  readonly received_at: number;
  readonly underlying_move: 'up' | 'down' | null;
};

const no_moves: Moves = {};

function moves(before: ChainSide | null | undefined, after: ChainSide | null | undefined): Moves {
  let found: Moves | undefined;
  for (const field of tracked) {
    const a = before?.[field];
    const b = after?.[field];
    // A value that appears or disappears has no direction.
    if (a == null || b == null || a === b) continue;
    found ??= {};
    found[field] = b > a ? 'up' : 'down';
  }
  return found ?? no_moves;
}

function same_side(a: ChainSide | null | undefined, b: ChainSide | null | undefined): boolean {
  if (!a || !b) return !a && !b;
  return (Object.keys(b) as (keyof ChainSide)[]).every((key) => a[key] === b[key]);
}

/**
 * The chain on screen, outside React: a snapshot wakes the head and only the rows it changed. Everything read
 * from it (`head`, `strikes`, `row`) keeps its identity until it changes, as useSyncExternalStore requires.
 */
export class ChainStore {
  private head_: ChainHead | null = null;
  private strikes_: readonly number[] = [];
  private rows_ = new Map<number, RowState>();
  private head_listeners_ = new Set<() => void>();
  private row_listeners_ = new Map<number, Set<() => void>>();

  head = (): ChainHead | null => this.head_;
  strikes = (): readonly number[] => this.strikes_;
  row = (strike: number): RowState | undefined => this.rows_.get(strike);

  subscribe_head = (listener: () => void): (() => void) => {
    this.head_listeners_.add(listener);
    return () => this.head_listeners_.delete(listener);
  };

  subscribe_row(strike: number, listener: () => void): () => void {
    const listeners = this.row_listeners_.get(strike) ?? new Set();
    this.row_listeners_.set(strike, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.row_listeners_.delete(strike);
    };
  }

  /**
   * Takes a snapshot received at `now` (local milliseconds). False, and nothing changes, when it is older than
   * what is shown: a slow reply must not overwrite a newer push.
   */
  apply(chain: Chain, now: number): boolean {
    const { rows, ...head } = chain;
    const before = this.head_;
    if (before && Date.parse(chain.as_of) < Date.parse(before.as_of)) return false;
    const again = before?.as_of === chain.as_of;

    const changed: number[] = [];
    const next = new Map<number, RowState>();
    for (const row of rows) {
      const old = this.rows_.get(row.strike);
      const same = old && same_side(old.row.call, row.call) && same_side(old.row.put, row.put);
      if (old && same && (again || (old.call_moves === no_moves && old.put_moves === no_moves))) {
        next.set(row.strike, old);
        continue;
      }
      next.set(row.strike, {
        row,
        version: same ? old.version : (old?.version ?? -1) + 1,
        call_moves: old ? moves(old.row.call, row.call) : no_moves,
        put_moves: old ? moves(old.row.put, row.put) : no_moves,
      });
      changed.push(row.strike);
    }
    for (const strike of this.rows_.keys()) if (!next.has(strike)) changed.push(strike);
    this.rows_ = next;

    const strikes = rows.map((row) => row.strike);
    const same_strikes =
      strikes.length === this.strikes_.length && strikes.every((k, i) => k === this.strikes_[i]);
    if (!same_strikes) this.strikes_ = strikes;

    const a = before?.underlying_price;
    const b = chain.underlying_price;
    const moved = a == null || b == null || a === b ? null : b > a ? 'up' : 'down';
    this.head_ = {
      ...head,
      received_at: now,
      underlying_move: again ? (before?.underlying_move ?? null) : moved,
    };

    for (const strike of changed) for (const wake of this.row_listeners_.get(strike) ?? []) wake();
    for (const wake of this.head_listeners_) wake();
    return true;
  }
}

/** Where the spot belongs among ascending strikes: the index of the first strike above it. */
export function spot_index(strikes: readonly number[], spot: number): number {
  let low = 0;
  let high = strikes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((strikes[middle] as number) <= spot) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the strike nearest to the spot; -1 without strikes. */
export function at_the_money(strikes: readonly number[], spot: number): number {
  if (strikes.length === 0) return -1;
  const above = spot_index(strikes, spot);
  if (above === 0) return 0;
  if (above === strikes.length) return above - 1;
  const low = strikes[above - 1] as number;
  const high = strikes[above] as number;
  return spot - low <= high - spot ? above - 1 : above;
}
