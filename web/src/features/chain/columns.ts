// SPDX-License-Identifier: Apache-2.0
import type { ChainRow, ChainSide } from '../../api/types';
import type { Tracked } from '../../lib/chain_store';
import { fit_columns, text_em } from '../../lib/fit';
import { count, percent_number, price, signed, strike } from '../../lib/format';

export interface Column {
  readonly id: keyof ChainSide;
  readonly label: string;
  readonly title: string;
  text(side: ChainSide): string;
  readonly tracked?: Tracked;
}

const open_interest: Column = {
  id: 'open_interest',
  label: 'OI',
  title: 'Open interest, contracts',
  text: (s) => count(s.open_interest),
};
const volume: Column = {
  id: 'volume',
  label: 'Vol',
  title: 'Volume so far today, contracts',
  text: (s) => count(s.volume),
};
const delta: Column = {
  id: 'delta',
  label: 'Delta',
  title: 'Delta, per share',
  text: (s) => signed(s.delta, 2),
};
const implied_vol: Column = {
  id: 'implied_vol',
  label: 'IV %',
  title: 'Implied volatility, percent a year',
  text: (s) => percent_number(s.implied_vol),
};
const last: Column = {
  id: 'last',
  label: 'Last',
  title: 'Last trade',
  text: (s) => price(s.last),
  tracked: 'last',
};
const bid_size: Column = {
  id: 'bid_size',
  label: 'Size',
  title: 'Contracts bid for',
  text: (s) => count(s.bid_size),
};
const bid: Column = {
  id: 'bid',
  label: 'Bid',
  title: 'Best bid',
  text: (s) => price(s.bid),
  tracked: 'bid',
};
const ask: Column = {
  id: 'ask',
  label: 'Ask',
  title: 'Best ask',
  text: (s) => price(s.ask),
  tracked: 'ask',
};
const ask_size: Column = {
  id: 'ask_size',
  label: 'Size',
  title: 'Contracts offered',
  text: (s) => count(s.ask_size),
};

const call_order = [
  open_interest,
  volume,
  delta,
  implied_vol,
  last,
  bid_size,
  bid,
  ask,
  ask_size,
] as const;
const put_order = [
  bid_size,
  bid,
  ask,
  ask_size,
  last,
  implied_vol,
  delta,
  volume,
  open_interest,
] as const;
/** What leaves first when the panel is narrow. Strike, bid and ask stay. */
const drop = [
  ['bid_size', 'ask_size'],
  ['volume'],
  ['last'],
  ['open_interest'],
  ['implied_vol'],
  ['delta'],
];

/** The widest text of each column, in em. */
export type Extent = Readonly<Record<string, number>>;

/** `before`, widened by what `rows` hold; the same object when nothing grew, so that columns never twitch. */
export function widen(before: Extent, rows: Iterable<ChainRow>): Extent {
  const grown: Record<string, number> = { ...before };
  const take = (id: string, text: string) => {
    grown[id] = Math.max(grown[id] ?? 0, text_em(text));
  };
  for (const row of rows) {
    take('strike', strike(row.strike));
    for (const side of [row.call, row.put]) {
      if (side) for (const column of call_order) take(column.id, column.text(side));
    }
  }
  return Object.keys(grown).some((id) => grown[id] !== before[id]) ? grown : before;
}

export interface ColumnSet {
  readonly calls: readonly Column[];
  readonly puts: readonly Column[];
  /** Grid tracks: calls, then strike, then puts. None is ever narrower than its text. */
  readonly template: string;
  /** CSS pixels below which the table scrolls sideways. */
  readonly least_width: number;
}

const phone_width = 520;
const heading_font = 11.5;
const font = 12.5;
/** Room for the triangle of a number that moved. */
const arrow = 8;

/** The columns that fit into `width` with all their texts whole; each takes its part of what is left over. */
export function columns_for(width: number, extent: Extent): ColumnSet {
  const padding = width < phone_width ? 8 : 10;
  const sized = (column: Column) => {
    const text = (extent[column.id] ?? 0) * font + (column.tracked ? arrow : 0);
    const label = text_em(column.label) * heading_font;
    return { id: column.id, column, width: Math.ceil(Math.max(text, label)) + padding };
  };
  const strike_width = Math.ceil(Math.max((extent.strike ?? 0) * font, 34)) + padding;
  // Both sides have the same columns, so half of the room decides for both.
  const half = fit_columns(call_order.map(sized), drop, (width - strike_width) / 2);
  const kept = new Map(half.map((c) => [c.id, c.width]));
  const calls = call_order.filter((c) => kept.has(c.id));
  const puts = put_order.filter((c) => kept.has(c.id));
  const track = (px: number | undefined) => `minmax(${px}px, ${px}fr)`;
  return {
    calls,
    puts,
    template: [
      ...calls.map((c) => track(kept.get(c.id))),
      track(strike_width),
      ...puts.map((c) => track(kept.get(c.id))),
    ].join(' '),
    least_width: strike_width + 2 * half.reduce((sum, c) => sum + c.width, 0),
  };
}

/**
 * Rows share the height when all fit, and are tall enough for a finger on a phone. A few strikes do not become a
 * poster: rows stop growing.
 */
export function row_height_for(width: number, room: number, rows: number): number {
  if (width < phone_width) return 40;
  return Math.max(25, Math.min(36, Math.floor(room / Math.max(1, rows))));
}
