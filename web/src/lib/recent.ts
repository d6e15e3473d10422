// SPDX-License-Identifier: Apache-2.0
// Which strategies stand beside the one on screen, and which one is on screen where the link's cannot be built.
import type { CatalogueEntry } from '../api/types';

export const most_recent = 3;

type Shows = (name: string) => boolean;

/**
 * The remembered strategies with `strategy` among them, at most `most_recent`; the same array where nothing changes.
 * Places stay while they can, and what this underlying does not show gives way first.
 */
export function remember(
  recent: readonly string[],
  strategy: string,
  shows: Shows,
): readonly string[] {
  if (recent.includes(strategy)) return recent;
  const shown = recent.filter(shows);
  const kept = shown.length < most_recent ? shown : shown.slice(0, most_recent - 1);
  const hidden = recent.filter((name) => !shows(name));
  return [...kept, strategy, ...hidden].slice(0, most_recent);
}

/**
 * The strategy to show: one that exists and is not offered here gives way to a recent one that is, else to the first.
 * A name that the catalogue lacks stays, for the server to say so.
 */
export function strategy_here(
  asked: string,
  all: readonly CatalogueEntry[],
  offered: readonly CatalogueEntry[],
  recent: readonly string[],
): string {
  const has = (entries: readonly CatalogueEntry[], name: string) =>
    entries.some((entry) => entry.name === name);
  if (has(offered, asked) || !has(all, asked)) return asked;
  return recent.find((name) => has(offered, name)) ?? offered[0]?.name ?? asked;
}
