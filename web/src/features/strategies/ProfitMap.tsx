// SPDX-License-Identifier: Apache-2.0
import { type CSSProperties, useId } from 'react';
import type { ProfitTable } from '../../api/types';
import {
  type Across,
  amount_words,
  date_headings,
  fitting_part,
  type Heading,
  heat,
  price_headings,
} from '../../lib/profit_table';

/**
 * Profit over dates and prices as a table: dates downwards where there is room, prices downwards where there is not.
 * Colour only repeats what sign and size say: teal and orange, by the same scale. `spot` is the one that the table's
 * prices were chosen around, which may be older than the newest.
 */
export function ProfitMap(props: {
  table: ProfitTable;
  as_of: string;
  spot: number;
  across: Across;
  width: number;
}) {
  const { table, as_of, spot, across, width } = props;
  const id = useId();
  const most = Math.max(...table.profit.flat().map(Math.abs));
  const by_price = price_headings(table.spots, spot);
  const by_date = date_headings(as_of, table.days_forward);
  const price_head = (i: number) => <Head {...(by_price[i] as Heading)} />;
  const date_head = (i: number) => <Head {...(by_date[i] as Heading)} />;
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
        {amount_words(profit, most)}
      </td>
    );
  };
  const { prices, dates } = fitting_part(table, as_of, spot, across, width);
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
                {across === 'prices' ? price_head(i) : date_head(i)}
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
                    {price_head(at)}
                  </th>
                  {dates.map((day) => cell(day, at))}
                </tr>
              ))}
        </tbody>
      </table>
    </div>
  );
}

function Head({ text, small }: Heading) {
  return (
    <>
      {text}
      <small>{small}</small>
    </>
  );
}
