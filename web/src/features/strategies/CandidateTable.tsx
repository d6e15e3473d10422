// SPDX-License-Identifier: Apache-2.0
import { type KeyboardEvent, useEffect, useId, useRef } from 'react';
import type { Strategies, StrategyCandidate } from '../../api/types';
import { greek, money, percent, price, strike } from '../../lib/format';
import { position_key } from '../../lib/legs';
import { density_words } from './words';

interface Column {
  readonly id: string;
  readonly label: string;
  readonly title: string;
  cell(c: StrategyCandidate): React.ReactNode;
}

const unlimited = (v: number | null) => (v === null ? 'unlimited' : money(v, 0));

/** "95 / 100 \u2013 110 / 115": puts below the dash, calls above; a covered call is its strike. */
function Legs({ candidate }: { candidate: StrategyCandidate }) {
  const puts = candidate.legs.filter((l) => l.kind === 'put');
  const calls = candidate.legs.filter((l) => l.kind === 'call');
  const mark = (legs: typeof puts) =>
    legs.map((l, i) => (
      <span key={`${l.kind}${l.strike}`}>
        {i > 0 && <i>/</i>}
        <b data-side={l.quantity < 0 ? 'sold' : 'bought'}>{strike(l.strike)}</b>
      </span>
    ));
  if (puts.length === 0) return <span className="legs">{mark(calls)} call</span>;
  return (
    <span className="legs">
      {mark(puts)}
      <i className="dash">{'\u2013'}</i>
      {mark(calls)}
    </span>
  );
}

const columns_of = (strategies: Strategies): readonly Column[] => [
  { id: 'rank', label: '#', title: 'Rank', cell: (c) => c.rank },
  {
    id: 'legs',
    label: 'Legs',
    title: 'Strikes; sold ones are underlined',
    cell: (c) => <Legs candidate={c} />,
  },
  {
    id: 'credit',
    label: 'Credit',
    title: 'Option premium per share at the chosen fill',
    cell: (c) => price(c.credit),
  },
  {
    id: 'max_profit',
    label: 'Max profit',
    title: 'Largest profit at expiry, one unit',
    cell: (c) => <span className="gain">{unlimited(c.max_profit)}</span>,
  },
  {
    id: 'max_loss',
    label: 'Max loss',
    title: 'Largest loss at expiry, one unit',
    cell: (c) => (
      <span className="loss">{c.max_loss === null ? 'unlimited' : money(-c.max_loss, 0)}</span>
    ),
  },
  {
    id: 'pop',
    label: 'POP',
    title: density_words(strategies.density),
    cell: (c) => percent(c.pop),
  },
  {
    id: 'return_on_risk',
    label: 'RoR',
    title: 'Return on risk: max profit / max loss',
    cell: (c) => percent(c.return_on_risk),
  },
  {
    id: 'annualised_return',
    label: 'Annual',
    title: 'Return on risk \u00d7 365 / days to expiry',
    cell: (c) => percent(c.annualised_return, 0),
  },
  {
    id: 'breakevens',
    label: 'Breakevens',
    title: 'Underlying prices at which the profit at expiry is zero',
    cell: (c) => c.breakevens.map((b) => price(b)).join('  '),
  },
  {
    id: 'delta',
    label: 'Delta',
    title: 'Net delta of one unit, shares',
    cell: (c) => greek(c.delta),
  },
  { id: 'gamma', label: 'Gamma', title: 'Net gamma of one unit', cell: (c) => greek(c.gamma) },
  {
    id: 'theta',
    label: 'Theta',
    title: 'Net theta of one unit, per calendar day',
    cell: (c) => greek(c.theta),
  },
  {
    id: 'vega',
    label: 'Vega',
    title: 'Net vega of one unit, per point of volatility',
    cell: (c) => greek(c.vega === null ? null : c.vega / 100),
  },
];

/** The ranking; the selection follows the arrow keys. */
export function CandidateTable(props: {
  strategies: Strategies;
  label: string;
  selected: StrategyCandidate | undefined;
  on_select: (candidate: StrategyCandidate) => void;
}) {
  const { strategies, label, selected, on_select } = props;
  const { candidates } = strategies;
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const columns = columns_of(strategies);
  const at = selected ? candidates.indexOf(selected) : -1;

  useEffect(() => {
    const row = box.current?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (at >= 0) row?.scrollIntoView?.({ block: 'nearest' });
  }, [at]);

  const pressed = (event: KeyboardEvent) => {
    const to: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: candidates.length - 1,
      PageDown: at + 8,
      PageUp: at - 8,
    };
    const wanted = to[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    const candidate = candidates[Math.max(0, Math.min(candidates.length - 1, wanted))];
    if (candidate) on_select(candidate);
  };

  return (
    <div className="candidates" ref={box}>
      <table
        role="grid"
        aria-label={label}
        tabIndex={0}
        onKeyDown={pressed}
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
      >
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c.id} scope="col" title={c.title} className={c.id}>
                {c.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {candidates.map((candidate, i) => (
            <tr
              key={position_key(candidate)}
              id={`${id}-${i}`}
              aria-selected={candidate === selected}
              data-position={position_key(candidate)}
              onClick={() => on_select(candidate)}
            >
              {columns.map((c) => (
                <td key={c.id} className={c.id}>
                  {c.cell(candidate)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
