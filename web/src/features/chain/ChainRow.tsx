// SPDX-License-Identifier: Apache-2.0
import { memo, useCallback, useSyncExternalStore } from 'react';
import type { ChainSide, Right } from '../../api/types';
import type { ChainStore, Moves } from '../../lib/chain_store';
import { strike as strike_text } from '../../lib/format';
import type { Column, ColumnSet } from './columns';

interface Props {
  store: ChainStore;
  strike: number;
  index: number;
  top: number;
  columns: ColumnSet;
  /** In-the-money side of this strike; null while the spot is unknown. */
  in_the_money: Right | null;
  at_the_money: boolean;
  active: Right | null;
}

export const cell_id = (index: number, right: Right) => `chain-${index}-${right}`;

/** One strike. Wakes by itself when the store changes it; the grid re-renders only to scroll. */
export const ChainGridRow = memo(function ChainGridRow(props: Props) {
  const { store, strike, index, columns, in_the_money, active } = props;
  const subscribe = useCallback(
    (wake: () => void) => store.subscribe_row(strike, wake),
    [store, strike],
  );
  const state = useSyncExternalStore(subscribe, () => store.row(strike));
  if (!state) return null;

  const side = (right: Right, set: readonly Column[], quote: ChainSide | null, moves: Moves) =>
    set.map((column, i) => (
      <div
        key={`${column.id}`}
        id={i === 0 ? cell_id(index, right) : undefined}
        role="gridcell"
        className={`cell ${right} ${column.id}`}
        data-right={right}
        data-itm={in_the_money === right || undefined}
        data-active={active === right || undefined}
      >
        {quote && <Value column={column} quote={quote} moves={moves} version={state.version} />}
      </div>
    ));

  return (
    <div
      role="row"
      className="chain-row"
      aria-rowindex={index + 3}
      aria-selected={active !== null}
      data-index={index}
      data-strike={strike}
      data-atm={props.at_the_money || undefined}
      style={{ transform: `translateY(${props.top}px)` }}
    >
      {side('call', columns.calls, state.row.call, state.call_moves)}
      <div role="rowheader" className="cell strike">
        {strike_text(strike)}
      </div>
      {side('put', columns.puts, state.row.put, state.put_moves)}
    </div>
  );
});

function Value(props: { column: Column; quote: ChainSide; moves: Moves; version: number }) {
  const { column, quote, moves, version } = props;
  const move = column.tracked ? moves[column.tracked] : undefined;
  const text = column.text(quote);
  if (!move) return text;
  return (
    <span key={version} className="moved" data-move={move}>
      {text}
    </span>
  );
}
