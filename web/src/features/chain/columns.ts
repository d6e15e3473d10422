// SPDX-License-Identifier: Apache-2.0
import type { ChainSide } from '../../api/types';
import type { Tracked } from '../../lib/chain_store';
import { count, percent_number, price, signed } from '../../lib/format';

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

export interface ColumnSet {
  readonly calls: readonly Column[];
  readonly puts: readonly Column[];
  /** Widths in proportion, calls then strike then puts. */
  readonly template: string;
  readonly row_height: number;
}

const full: ColumnSet = {
  calls: [open_interest, volume, delta, implied_vol, last, bid_size, bid, ask, ask_size],
  puts: [bid_size, bid, ask, ask_size, last, implied_vol, delta, volume, open_interest],
  template:
    '1.2fr 1.05fr 1fr .92fr 1.12fr .72fr 1.12fr 1.12fr .84fr 1.3fr ' +
    '.72fr 1.12fr 1.12fr .84fr 1.12fr .92fr 1fr 1.05fr 1.2fr',
  row_height: 25,
};
const medium: ColumnSet = {
  calls: [open_interest, delta, implied_vol, bid, ask],
  puts: [bid, ask, implied_vol, delta, open_interest],
  template: 'repeat(5, 1fr) 1.25fr repeat(5, 1fr)',
  row_height: 28,
};
/** For a phone: rows are tall enough for a finger. */
const narrow: ColumnSet = {
  calls: [delta, bid, ask],
  puts: [bid, ask, delta],
  template: 'repeat(3, 1fr) 1.15fr repeat(3, 1fr)',
  row_height: 40,
};

export const columns_for = (width: number): ColumnSet =>
  width >= 800 ? full : width >= 520 ? medium : narrow;
