// SPDX-License-Identifier: Apache-2.0
// Which columns a table has room for. A number that is cut off is a wrong number, so columns are as wide as their
// widest text, and those that matter least leave when the room ends.

// Advances of Inter with tabular figures, in em, rounded up; what is not listed counts as a wide lower-case letter.
const advances: Record<string, number> = {
  ',': 0.272,
  '.': 0.272,
  ' ': 0.28,
  '\u202f': 0.24,
  '/': 0.38,
  '#': 0.65,
  '%': 1.02,
  A: 0.755,
  D: 0.73,
  M: 0.935,
  N: 0.77,
  O: 0.775,
  S: 0.66,
  w: 0.85,
  l: 0.27,
  i: 0.27,
  t: 0.36,
};
const figure = 0.652;
const letter = 0.61;

/** An upper bound of the width of `text` in em, at any weight the page uses. */
export function text_em(text: string): number {
  let em = 0;
  for (const c of text) em += advances[c] ?? (/[\d+$\u2212\u2013]/.test(c) ? figure : letter);
  return em;
}

export interface Sized {
  readonly id: string;
  /** CSS pixels, padding included. */
  readonly width: number;
}

export const total_width = (columns: readonly Sized[]): number =>
  columns.reduce((sum, c) => sum + c.width, 0);

/**
 * The columns that stay when those named in `drop` leave, group after group, until the rest fits into `room`. What
 * is never dropped may still be wider than the room: then the table scrolls.
 */
export function fit_columns<C extends Sized>(
  columns: readonly C[],
  drop: readonly (readonly string[])[],
  room: number,
): readonly C[] {
  let kept = columns;
  for (const group of drop) {
    if (total_width(kept) <= room) break;
    kept = kept.filter((c) => !group.includes(c.id));
  }
  return kept;
}
