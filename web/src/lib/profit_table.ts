// SPDX-License-Identifier: Apache-2.0
// Which prices and dates a table of profit shows, what its cells say, how strongly they are coloured, and when a
// position would be closed.
import type { ProfitTable, StrategyCandidate } from '../api/types';
import { text_em } from './fit';
import { decimal, exchange_date_after, percent, signed } from './format';
import { type Frame, ticks } from './payoff';

/**
 * Round prices over the frame, at most `most` of them, in ascending order; a finer step may cost the outermost ones.
 * The one nearest to the underlying's price is replaced by that price itself, so that the table has a column of
 * "nothing moves".
 */
export function table_spots(frame: Frame, spot: number | null, most: number): readonly number[] {
  const middle = spot ?? (frame.low + frame.high) / 2;
  let round: number[] = [];
  for (let wanted = Math.round(most * 1.3); wanted > 1; wanted--) {
    round = ticks(frame.low, frame.high, wanted);
    if (round.length <= most * 1.3) break;
  }
  while (round.length > most) {
    const [first, last] = [round[0] as number, round.at(-1) as number];
    if (middle - first > last - middle) round.shift();
    else round.pop();
  }
  if (spot === null || round.length === 0 || spot < frame.low || spot > frame.high) return round;
  const off = (s: number) => Math.abs(s - spot);
  const nearest = round.reduce((best, s) => (off(s) < off(best) ? s : best));
  return round.map((s) => (s === nearest ? spot : s));
}

/** "+1,342", "+13.4k", "+1.23M": six characters at most below a thousand million, as the largest of its table needs. */
export function amount_words(v: number, most: number): string {
  const text =
    most < 9_999.5
      ? signed(v, 0)
      : most < 999_500
        ? `${signed(v / 1e3, most < 99_950 ? 1 : 0)}k`
        : `${signed(v / 1e6, most < 9_995_000 ? 2 : most < 99_950_000 ? 1 : 0)}M`;
  return /[1-9]/.test(text) ? text : '0';
}

export interface Heading {
  readonly text: string;
  readonly small: string;
}

/** Round prices with as many decimals as the finest of them has; the spot to the cent. */
export function price_headings(spots: readonly number[], spot: number): readonly Heading[] {
  const exact = (digits: number) =>
    spots.every((s) => s === spot || Number(s.toFixed(digits)) === s);
  const digits = ([0, 2, 3] as const).find(exact) ?? 4;
  return spots.map((s) => {
    const away = s / spot - 1;
    return s === spot
      ? { text: decimal(s, 2), small: 'spot' }
      : { text: decimal(s, digits), small: `${away > 0 ? '+' : ''}${percent(away)}` };
  });
}

/** "in 5 d"; finer where two dates would read the same. */
function time_words(days: number, until: number): string {
  if (until < 2) return `in ${decimal(days * 24, 0)}\u202fh`;
  return `in ${decimal(days, until < 12 ? 1 : 0)}\u202fd`;
}

export function date_headings(as_of: string, days_forward: readonly number[]): readonly Heading[] {
  const until = days_forward.at(-1) ?? 0;
  return days_forward.map((days, i) => ({
    text: exchange_date_after(as_of, days),
    small: i === days_forward.length - 1 ? 'expiry' : days === 0 ? 'now' : time_words(days, until),
  }));
}

/** CSS pixels, as strategies.css has them: padding of a cell with the gap beside it, of the table with its last gap. */
const sizes = {
  prices: { font: 11, small: 10, cell: 9, table: 17 },
  dates: { font: 10.5, small: 10, cell: 5, table: 11 },
} as const;
export type Across = keyof typeof sizes;

/** Where dates are rows, their date and time stand side by side: at most a day of May and four digits of days. */
const date_label =
  text_em('May 30') * sizes.prices.font + 5 + text_em('in 1,000\u202fd') * sizes.prices.small;

function column_width(across: Across, heading: Heading, amounts: readonly string[]): number {
  const { font, small, cell } = sizes[across];
  const widest = Math.max(text_em(heading.text), ...amounts.map(text_em)) * font;
  return Math.max(widest, text_em(heading.small) * small) + cell;
}

const sum = (widths: readonly number[]) => widths.reduce((total, w) => total + w, 0);

/**
 * Prices for a table of them side by side: as many as fit into `width` while no amount is longer than that of `most`.
 */
export function fitting_spots(
  frame: Frame,
  spot: number | null,
  most: number,
  width: number,
): readonly number[] {
  const room = width - sizes.prices.table - sizes.prices.cell - date_label;
  const amounts = [amount_words(-most, most)];
  for (let count = 21; count > 3; count--) {
    const spots = table_spots(frame, spot, count);
    const headings = price_headings(spots, spot ?? (frame.low + frame.high) / 2);
    if (sum(headings.map((h) => column_width('prices', h, amounts))) <= room) return spots;
  }
  return table_spots(frame, spot, 3);
}

/** What of a table to show; indices into its prices and dates. */
export interface Shown {
  readonly prices: readonly number[];
  readonly dates: readonly number[];
}

/**
 * All of a table that fits into `width`. It was asked for with another width or smaller amounts in mind: of too many
 * prices those farthest from the spot leave; of too many dates those between stay evenly spread.
 */
export function fitting_part(
  table: ProfitTable,
  as_of: string,
  spot: number,
  across: Across,
  width: number,
): Shown {
  const { spots, days_forward, profit } = table;
  const most = Math.max(...profit.flat().map(Math.abs));
  const at = (day: number, price: number) =>
    amount_words((profit[day] as readonly number[])[price] as number, most);
  let prices = spots.map((_, i) => i);
  let dates = days_forward.map((_, i) => i);
  const by_price = price_headings(spots, spot);
  const { cell, font, table: edges } = sizes[across];
  if (across === 'prices') {
    const room = width - edges - cell - date_label;
    const widths = by_price.map((h, i) =>
      column_width(
        across,
        h,
        dates.map((day) => at(day, i)),
      ),
    );
    const needed = () => sum(prices.map((i) => widths[i] as number));
    while (prices.length > 1 && needed() > room) {
      const below = spot - (spots[prices[0] as number] as number);
      const above = (spots[prices.at(-1) as number] as number) - spot;
      prices = below > above ? prices.slice(1) : prices.slice(0, -1);
    }
  } else {
    const room = width - edges - cell - Math.max(...by_price.map((h) => text_em(h.text))) * font;
    const widths = date_headings(as_of, days_forward).map((h, day) =>
      column_width(
        across,
        h,
        prices.map((i) => at(day, i)),
      ),
    );
    const last = days_forward.length - 1;
    const spread = (count: number) =>
      Array.from({ length: count }, (_, i) => Math.round((i * last) / (count - 1)));
    while (dates.length > 2 && sum(dates.map((day) => widths[day] as number)) > room) {
      dates = spread(dates.length - 1);
    }
  }
  return { prices, dates };
}

/**
 * From -1 (the most that the table loses) to 1 (the most that it makes). By the square root, so that small amounts
 * still differ from none; one scale for both, so that equal amounts look equally strong.
 */
export function heat(profit: number, most: number): number {
  if (!(most > 0)) return 0;
  return Math.sign(profit) * Math.sqrt(Math.min(1, Math.abs(profit) / most));
}

export interface ExitRule {
  readonly profit_target: number;
  readonly loss_limit: number;
}

/**
 * Half of the most it can make against the most it can lose; for a position opened for a credit, whose loss may be far
 * larger or without bound, at most twice what it can make. Null where nothing bounds the profit, and for several
 * expiries, whose way there no density tells.
 */
export function exit_rule(
  candidate: Pick<StrategyCandidate, 'max_profit' | 'max_loss' | 'credit' | 'model_dependent'>,
): ExitRule | null {
  const { max_profit, max_loss, credit, model_dependent } = candidate;
  if (model_dependent || max_profit === null || !(max_profit > 0)) return null;
  const loss_limit =
    credit > 0 ? Math.min(max_loss ?? Number.POSITIVE_INFINITY, 2 * max_profit) : max_loss;
  return loss_limit !== null && loss_limit > 0
    ? { profit_target: max_profit / 2, loss_limit }
    : null;
}
