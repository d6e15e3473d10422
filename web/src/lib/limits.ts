// SPDX-License-Identifier: Apache-2.0
// Numbers that a trader types, and the bounds that the API sets them.

export interface Bounds {
  /** Itself refused where `above` is set. */
  readonly least: number;
  readonly most: number;
  readonly above?: boolean;
  readonly whole?: boolean;
}

export const inside = (number: number, { least, most, above, whole }: Bounds): boolean =>
  number <= most && (above ? number > least : number >= least) && (!whole || number % 1 === 0);

/** Figures with a point, or with commas where thousands end: "3,5" is refused, as it could be read as 35. */
const written = /^[+-]?(\d+|\d{1,3}(,\d{3})+)?(\.\d*)?$/;

/** Null: left empty. Undefined: no number, or one out of bounds. */
export function typed_number(text: string, bounds: Bounds): number | null | undefined {
  const plain = text.replaceAll('\u2212', '-').replace(/\s+/g, '');
  if (plain === '') return null;
  if (!written.test(plain) || !/\d/.test(plain)) return undefined;
  const number = Number(plain.replaceAll(',', ''));
  return inside(number, bounds) ? number : undefined;
}

/** Of the rate in requests: continuously compounded, a year, decimal. */
export const rate_bounds: Bounds = { least: -0.5, most: 1 };

// A product of two binary fractions may be off in the 17th digit, which a link would show.
const tidy = (number: number) => Number(number.toPrecision(12));
export const to_percent = (decimal: number) => tidy(decimal * 100);
export const from_percent = (percent: number) => tidy(percent / 100);

/** The interest that a discount factor stands for; null without time. */
export const rate_of = (discount_factor: number, years: number): number | null =>
  years > 0 ? -Math.log(discount_factor) / years : null;
