// SPDX-License-Identifier: Apache-2.0
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type MouseEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { ChainRow, Right } from '../../api/types';
import { usePageKey, useSize } from '../../components/hooks';
import { at_the_money, type ChainStore, spot_index } from '../../lib/chain_store';
import { spot as spot_text } from '../../lib/format';
import { useChainHead, useStrikes } from '../../live';
import { ChainGridRow, cell_id } from './ChainRow';
import { type Column, columns_for, type Extent, row_height_for, widen } from './columns';

const header_height = 50;
/** Room between two rows in which the spot line is drawn. */
const spot_gap = 20;

/** Calls, strikes, puts. Only the rows in view exist; aria-rowindex tells the true place of each. */
export function ChainGrid(props: {
  store: ChainStore;
  label: string;
  on_choose: (strike: number, right: Right) => void;
}) {
  const { store, label, on_choose } = props;
  const strikes = useStrikes(store);
  const head = useChainHead(store);
  const spot = head?.underlying_price ?? null;
  const [scroller, width, height] = useSize<HTMLDivElement>();
  const extent = useRef<Extent>({});
  // Read at every snapshot, which makes a new head.
  extent.current = useMemo(() => {
    const rows = strikes.map((k) => store.row(k)?.row).filter((r): r is ChainRow => !!r);
    return head ? widen(extent.current, rows) : extent.current;
  }, [store, strikes, head]);
  const widest = extent.current;
  const columns = useMemo(() => columns_for(width, widest), [width, widest]);
  const gap = spot === null ? 0 : spot_gap;
  const row_height = row_height_for(width, height - header_height - gap, strikes.length);
  const [active, set_active] = useState<{ index: number; right: Right } | null>(null);
  const centred = useRef(false);

  const rows = useVirtualizer({
    count: strikes.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => row_height,
    scrollMargin: header_height,
    overscan: 8,
  });

  const middle = spot === null ? strikes.length >> 1 : at_the_money(strikes, spot);
  const below_spot = spot === null ? strikes.length : spot_index(strikes, spot);
  const top_of = (index: number) => index * row_height + (index >= below_spot ? gap : 0);
  const centre = () => {
    const box = scroller.current;
    if (!box || middle < 0) return;
    const room = box.clientHeight - header_height;
    box.scrollTop = top_of(middle) + row_height / 2 - room / 2;
  };
  usePageKey('.', centre);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the row height decides where the middle is
  useEffect(() => {
    rows.measure();
    centred.current = false;
  }, [row_height]);
  useEffect(() => {
    // Once per chain and layout: later snapshots must not pull the table from under the reader.
    if (centred.current || strikes.length === 0 || width === 0) return;
    centred.current = true;
    centre();
  });

  const move = (index: number, right: Right) => {
    const to = Math.max(0, Math.min(strikes.length - 1, index));
    set_active({ index: to, right });
    const box = scroller.current;
    if (!box) return;
    const room = box.clientHeight - header_height - row_height;
    box.scrollTop = Math.min(top_of(to), Math.max(box.scrollTop, top_of(to) - room));
  };
  const pressed = (event: KeyboardEvent) => {
    const at = active ?? { index: middle, right: 'call' as Right };
    const page = Math.max(1, Math.floor((rows.scrollRect?.height ?? 400) / row_height) - 3);
    const first = active === null;
    switch (event.key) {
      case 'ArrowDown':
        move(first ? at.index : at.index + 1, at.right);
        break;
      case 'ArrowUp':
        move(first ? at.index : at.index - 1, at.right);
        break;
      case 'PageDown':
        move(at.index + page, at.right);
        break;
      case 'PageUp':
        move(at.index - page, at.right);
        break;
      case 'Home':
        move(0, at.right);
        break;
      case 'End':
        move(strikes.length - 1, at.right);
        break;
      case 'ArrowLeft':
        move(at.index, 'call');
        break;
      case 'ArrowRight':
        move(at.index, 'put');
        break;
      case 'Enter':
      case ' ':
        if (active) on_choose(strikes[active.index] as number, active.right);
        break;
      default:
        return;
    }
    event.preventDefault();
  };
  const clicked = (event: MouseEvent) => {
    const cell = (event.target as Element).closest<HTMLElement>('[data-right]');
    const row = cell?.closest<HTMLElement>('[data-index]');
    if (!cell || !row) return;
    const right = cell.dataset.right as Right;
    const index = Number(row.dataset.index);
    set_active({ index, right });
    on_choose(strikes[index] as number, right);
  };

  const visible = rows.getVirtualItems();
  const active_mounted = active !== null && visible.some((v) => v.index === active.index);
  const template = {
    '--calls': columns.calls.length,
    '--puts': columns.puts.length,
    '--columns': columns.template,
    '--least': `${columns.least_width}px`,
    '--row': `${row_height}px`,
  } as React.CSSProperties;

  return (
    <div
      ref={scroller}
      className="chain-grid"
      style={template}
      role="grid"
      tabIndex={0}
      aria-label={label}
      aria-rowcount={strikes.length + 2}
      aria-colcount={columns.calls.length + columns.puts.length + 1}
      aria-activedescendant={active_mounted ? cell_id(active.index, active.right) : undefined}
      onKeyDown={pressed}
      onClick={clicked}
    >
      <div className="chain-head" role="rowgroup">
        <div role="row" aria-rowindex={1} className="chain-sides">
          <div role="columnheader" aria-colspan={columns.calls.length} className="calls">
            Calls
          </div>
          <div role="columnheader" className="strike">
            <span className="sr-only">Strike</span>
          </div>
          <div role="columnheader" aria-colspan={columns.puts.length} className="puts">
            Puts
          </div>
        </div>
        <div role="row" aria-rowindex={2} className="chain-columns">
          {columns.calls.map((c) => heading(c))}
          <div role="columnheader" className="strike">
            Strike
          </div>
          {columns.puts.map((c) => heading(c))}
        </div>
      </div>
      <div
        role="rowgroup"
        className="chain-body"
        style={{ height: strikes.length * row_height + gap }}
      >
        {visible.map((item) => {
          const strike = strikes[item.index] as number;
          return (
            <ChainGridRow
              key={strike}
              store={store}
              strike={strike}
              index={item.index}
              top={top_of(item.index)}
              columns={columns}
              in_the_money={
                spot === null || strike === spot ? null : strike < spot ? 'call' : 'put'
              }
              at_the_money={item.index === middle && spot !== null}
              active={active?.index === item.index ? active.right : null}
            />
          );
        })}
        {spot !== null && strikes.length > 0 && (
          <div
            className="spot-line"
            aria-hidden="true"
            style={{ top: below_spot * row_height + gap / 2 }}
          >
            <span>{spot_text(spot)}</span>
          </div>
        )}
      </div>
    </div>
  );
}

const heading = (column: Column) => (
  <div key={column.id} role="columnheader" title={column.title} className={column.id}>
    {column.label}
  </div>
);
