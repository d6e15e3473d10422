// SPDX-License-Identifier: Apache-2.0
// The finder's strategies as a trader looks for them: by a plain name, in groups, with the shape of their payoff.
import type { CatalogueEntry, CatalogueLeg, Objective } from '../api/types';

/** "poor_mans_covered_call" is "Poor man's covered call". */
export function strategy_name(name: string): string {
  const words = name.replaceAll('_', ' ').replace(/\bmans\b/, "man's");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const groups = [
  'Single options',
  'With shares',
  'Vertical spreads',
  'Ratio spreads',
  'A call and a put',
  'Butterflies, ladders, lizards',
  'Condors and boxes',
  'Two expiries',
] as const;
export type Group = (typeof groups)[number];

/** By the legs, so that a strategy that the server learns has a place here without a change. */
export function group_of(entry: Pick<CatalogueEntry, 'legs' | 'strikes' | 'expiries'>): Group {
  const { legs } = entry;
  const kinds = new Set(legs.map((leg) => leg.kind));
  if (entry.expiries > 1) return 'Two expiries';
  if (kinds.has('stock')) return 'With shares';
  if (legs.length === 1) return 'Single options';
  if (legs.length === 2 && kinds.size === 2) return 'A call and a put';
  if (legs.length === 2) {
    return legs.every((leg) => Math.abs(leg.quantity) === 1) ? 'Vertical spreads' : 'Ratio spreads';
  }
  return entry.strikes === 3 ? 'Butterflies, ladders, lizards' : 'Condors and boxes';
}

/** Whether what was typed finds the strategy: each word in its name or group, or the initials ("pmcc"). */
export function matches(entry: CatalogueEntry, typed: string): boolean {
  const name = strategy_name(entry.name).toLowerCase();
  const text = typed.trim().toLowerCase();
  if (text.length > 1 && initials(entry.name) === text) return true;
  const where = `${name} ${group_of(entry).toLowerCase()}`;
  return text.split(/\s+/).every((word) => where.includes(word));
}

const initials = (name: string) =>
  name
    .split('_')
    .map((word) => word.charAt(0))
    .join('');

/** What can be built on an underlying: nobody holds shares of an index. The server refuses the same ones. */
export const offered = (
  entries: readonly CatalogueEntry[],
  is_index: boolean,
): readonly CatalogueEntry[] =>
  is_index ? entries.filter((entry) => entry.legs.every((leg) => leg.kind !== 'stock')) : entries;

export interface Grouped {
  readonly group: Group;
  readonly entries: readonly CatalogueEntry[];
}

/** What was found, group by group; groups without a match are left out. */
export function grouped(entries: readonly CatalogueEntry[], typed = ''): readonly Grouped[] {
  const found = entries.filter((entry) => matches(entry, typed));
  return groups.flatMap((group) => {
    const of_group = found.filter((entry) => group_of(entry) === group);
    return of_group.length > 0 ? [{ group, entries: of_group }] : [];
  });
}

/** Rounded where a later expiry still has time. */
function leg_value(leg: CatalogueLeg, x: number): number {
  if (leg.kind === 'stock') return leg.quantity * x;
  const inside = (leg.kind === 'call' ? 1 : -1) * (x - ((leg.rung ?? 0) + 1));
  const time = leg.expiry_rung > 0 ? 0.9 : 0;
  return (leg.quantity * (inside + Math.sqrt(inside * inside + time * time))) / 2;
}

/**
 * The payoff's shape on strikes 1, 2, ..., in a box of 1 by 1 with y downwards, as a drawing has it. A shape only:
 * it has no premium, so no zero line.
 */
export function shape_line(entry: CatalogueEntry): readonly (readonly [number, number])[] {
  const right = entry.strikes + 1;
  const steps = entry.expiries > 1 ? 40 : 2 * right;
  const xs = Array.from({ length: steps + 1 }, (_, i) => (i * right) / steps);
  const ys = xs.map((x) => entry.legs.reduce((sum, leg) => sum + leg_value(leg, x), 0));
  const low = Math.min(...ys);
  const tall = Math.max(...ys) - low;
  return xs.map((x, i) => [x / right, tall === 0 ? 0.5 : 1 - ((ys[i] as number) - low) / tall]);
}

/** Why an objective cannot rank a strategy; null when it can. The server refuses the same ones. */
export function objective_refusal(
  entry: Pick<CatalogueEntry, 'loss_is_bounded' | 'profit_is_bounded'> | undefined,
  objective: Objective,
): string | null {
  if (!entry) return null;
  const needs_loss = objective.endsWith('_on_max_loss') || objective === 'return_on_risk';
  if (needs_loss && !entry.loss_is_bounded) return 'its loss has no bound';
  if (objective.startsWith('return_') && !entry.profit_is_bounded) return 'its profit has no bound';
  return null;
}

/** The objective asked for, or the server's own where that cannot rank the strategy. */
export const objective_for = (entry: CatalogueEntry | undefined, asked: Objective): Objective =>
  entry && objective_refusal(entry, asked) !== null
    ? (entry.default_objective as Objective)
    : asked;
