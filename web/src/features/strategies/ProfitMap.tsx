// SPDX-License-Identifier: Apache-2.0
import { type CSSProperties, useId } from 'react';
import type { ProfitTable } from '../../api/types';
import { decimal, exchange_date_after, percent, signed } from '../../lib/format';
import { heat } from '../../lib/profit_table';

/** "+1,342"; in thousands, "+13.4k", where seven dates of that size would not fit side by side. */
/** At most six characters wide, whatever the largest amount of the table. */
function amount(v: number, most: number): string {
  const text = most < 10_000 ? signed(v, 0) : `${signed(v / 1000, most < 100_000 ? 1 : 0)}k`;
  return /[1-9]/.test(text) ? text : '0';
}

/**
 * Profit over dates and prices as a table: dates downwards where there is room, prices downwards where there is not.
 * Colour only repeats what sign and size say: teal and orange, by the same scale.
 */
export function ProfitMap(props: {
  table: ProfitTable;
  as_of: string;
  spot: number;
  across: 'prices' | 'dates';
}) {
  const { table, as_of, spot, across } = props;
  const id = useId();
  const most = Math.max(...table.profit.flat().map(Math.abs));
  const digits = table.spots.every((s) => s === spot || Number.isInteger(s)) ? 0 : 2;
  const price_head = (s: number) => (
    <>
      {s === spot ? decimal(s, 2) : decimal(s, digits)}
      <small>{s === spot ? 'spot' : signed_percent(s / spot - 1)}</small>
    </>
  );
  const last = table.days_forward.length - 1;
  const date_head = (i: number) => {
    const days = table.days_forward[i] as number;
    return (
      <>
        {exchange_date_after(as_of, days)}
        <small>
          {i === last
            ? 'expiry'
            : days === 0
              ? 'now'
              : time_words(days, table.days_forward[last] as number)}
        </small>
      </>
    );
  };
  const cell = (day: number, at: number) => {
    const profit = table.profit[day]?.[at] as number;
    const level = heat(profit, most);
    return (
      <td
        key={`${day} ${at}`}
        className={level < 0 ? 'loss-cell' : 'gain-cell'}
        data-spot={table.spots[at] === spot || undefined}
        style={{ '--heat': Math.abs(level).toFixed(3) } as CSSProperties}
      >
        {amount(profit, most)}
      </td>
    );
  };
  const dates = table.days_forward.map((_, i) => i);
  const prices = table.spots.map((_, i) => i);
  const key = (i: number, of: readonly number[]) => of[i] as number;
  return (
    <div
      className={`profit-map ${across}-across`}
      data-testid="profit-map"
      tabIndex={0}
      role="region"
      aria-labelledby={id}
    >
      <table>
        <caption id={id} className="sr-only">
          Profit of one unit in dollars, over dates and prices of the underlying
        </caption>
        <thead>
          <tr>
            <td />
            {(across === 'prices' ? prices : dates).map((i) => (
              <th
                key={across === 'prices' ? key(i, table.spots) : key(i, table.days_forward)}
                scope="col"
                data-spot={(across === 'prices' && table.spots[i] === spot) || undefined}
              >
                {across === 'prices' ? price_head(key(i, table.spots)) : date_head(i)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {across === 'prices'
            ? dates.map((day) => (
                <tr key={key(day, table.days_forward)}>
                  <th scope="row">{date_head(day)}</th>
                  {prices.map((at) => cell(day, at))}
                </tr>
              ))
            : [...prices].reverse().map((at) => (
                <tr key={key(at, table.spots)}>
                  <th scope="row" data-spot={table.spots[at] === spot || undefined}>
                    {price_head(key(at, table.spots))}
                  </th>
                  {dates.map((day) => cell(day, at))}
                </tr>
              ))}
        </tbody>
      </table>
    </div>
  );
}

/** "in 5 d"; finer where two dates would read the same. */
function time_words(days: number, until: number): string {
  if (until < 2) return `in ${decimal(days * 24, 0)}\u202fh`;
  return `in ${decimal(days, until < 12 ? 1 : 0)}\u202fd`;
}

const signed_percent = (v: number) => `${v > 0 ? '+' : ''}${percent(v)}`;
