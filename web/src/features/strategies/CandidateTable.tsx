// SPDX-License-Identifier: Apache-2.0
import { type KeyboardEvent, useEffect, useId, useMemo } from 'react';
import type { Found, StrategyCandidate, StrategyLeg } from '../../api/types';
import { useSize } from '../../components/hooks';
import { fit_columns, text_em, total_width } from '../../lib/fit';
import { greek, money, percent, price, spot } from '../../lib/format';
import { type LegLine, leg_lines, leg_strike, position_key } from '../../lib/legs';
import { beyond_quotes_words, density_words, front_density } from './words';

interface Column {
  readonly id: string;
  readonly label: string;
  readonly title: string;
  text(c: StrategyCandidate): string;
  /** How the text is drawn, where it is more than text. */
  readonly draw?: (c: StrategyCandidate) => React.ReactNode;
  /** It rests on more than the quotes. */
  readonly doubt?: boolean;
}

/** How the table is set, from the roomiest; the next is taken where the columns that stay do not fit. */
interface Layout {
  readonly name: 'wide' | 'stacked' | 'tight';
  /** Puts and calls have a line each. */
  readonly stacked: boolean;
  // CSS pixels, as in strategies.css; the padding is of both sides.
  readonly font: number;
  readonly heading_font: number;
  readonly padding: number;
}
const layouts: readonly [Layout, ...Layout[]] = [
  { name: 'wide', stacked: false, font: 12.5, heading_font: 11.5, padding: 12 },
  { name: 'stacked', stacked: true, font: 12.5, heading_font: 11.5, padding: 12 },
  { name: 'tight', stacked: true, font: 11.5, heading_font: 11, padding: 7 },
];

/** What leaves first when the panel is narrow. Legs, credit, POP and expected profit stay. */
const drop = [
  ['vega'],
  ['gamma'],
  ['theta'],
  ['delta'],
  ['annualised_return'],
  ['rank'],
  ['margin'],
  ['breakevens'],
  ['return_on_margin'],
  ['return_on_risk'],
  ['max_profit'],
  ['max_loss'],
];

const max_profit = (c: StrategyCandidate) =>
  c.max_profit === null ? 'unlimited' : money(c.max_profit, 0);
const max_loss = (c: StrategyCandidate) =>
  c.max_loss === null ? 'unlimited' : money(-c.max_loss, 0);
const dash = '\u2013';

/** What the strikes of a group are, where neither the dash nor a word tells. */
const suffix = ({ legs, after }: LegLine['groups'][number], stacked: boolean) =>
  after || !stacked ? after : legs[0]?.kind === 'put' ? 'P' : 'C';

/** A line for each expiry; stacked, one for the puts and one for the calls. */
const legs_text = (c: StrategyCandidate, stacked: boolean): string =>
  leg_lines(c)
    .map(({ expiry, groups }) =>
      [
        expiry,
        groups
          .map((group) => `${group.legs.map(leg_strike).join(' / ')} ${suffix(group, stacked)}`)
          .join(stacked ? '\n' : ` ${dash}  `),
      ].join(' '),
    )
    .join('\n');

/** "95 / 100 \u2013 110 / 115": puts below the dash, calls above; elsewhere the legs say what they are. */
function Legs({ candidate, stacked }: { candidate: StrategyCandidate; stacked: boolean }) {
  const one = (leg: StrategyLeg, i: number) => (
    <span key={`${leg.kind}${leg.strike}`}>
      {i > 0 && <i>/</i>}
      <b data-side={leg.quantity < 0 ? 'sold' : 'bought'}>{leg_strike(leg)}</b>
    </span>
  );
  return leg_lines(candidate).map(({ expiry, groups }) => (
    <span className="leg-line" key={expiry}>
      {expiry && <em>{expiry} </em>}
      {groups.map((group, i) => (
        <span key={group.legs[0]?.kind} className="leg-group">
          {i > 0 && !stacked && <i className="dash">{dash}</i>}
          {group.legs.map(one)}
          {suffix(group, stacked) && <small> {suffix(group, stacked)}</small>}
        </span>
      ))}
    </span>
  ));
}

const assumed = (found: Found) => {
  const density = front_density(found);
  return density ? density_words(density) : '';
};
/** The density is named where its numbers stand: no two are comparable without. */
const density_mark = (found: Found) => {
  const kind = front_density(found)?.kind ?? '';
  return kind === 'market_implied' ? 'implied' : kind;
};

const columns_of = (found: Found, stacked: boolean): readonly Column[] => [
  { id: 'rank', label: '#', title: 'Rank', text: (c) => String(c.rank) },
  {
    id: 'legs',
    label: 'Legs',
    title: `Strikes; sold ones are underlined. ${stacked ? 'Puts above, calls below' : 'Puts left of the dash, calls right of it'}`,
    text: (c) => legs_text(c, stacked),
    draw: (c) => <Legs candidate={c} stacked={stacked} />,
  },
  {
    id: 'credit',
    label: 'Credit',
    title: 'Option premium per share at the chosen fill',
    text: (c) => price(c.credit),
  },
  {
    id: 'max_profit',
    label: 'Max profit',
    title: 'Largest profit at expiry, one unit',
    text: max_profit,
    draw: (c) => <span className="gain">{max_profit(c)}</span>,
  },
  {
    id: 'max_loss',
    label: 'Max loss',
    title: 'Largest loss at expiry, one unit',
    text: max_loss,
    draw: (c) => <span className="loss">{max_loss(c)}</span>,
  },
  {
    id: 'pop',
    label: `POP\n${density_mark(found)}`,
    title: `Probability of profit at the first expiry, ${assumed(found)}`,
    text: (c) => percent(c.pop),
    doubt: beyond_quotes_words(front_density(found)) !== '',
  },
  {
    id: 'expected_profit',
    label: `Exp. P/L\n${density_mark(found)}`,
    title: `Average profit of one unit at the first expiry, ${assumed(found)}`,
    text: (c) => money(c.expected_profit, 0),
    doubt: beyond_quotes_words(front_density(found)) !== '',
  },
  {
    id: 'return_on_risk',
    label: 'RoR',
    title: 'Return on risk: max profit / max loss',
    text: (c) => percent(c.return_on_risk),
  },
  {
    id: 'return_on_margin',
    label: 'RoM',
    title: 'Return on margin: max profit / margin',
    text: (c) => percent(c.return_on_margin),
  },
  {
    id: 'annualised_return',
    label: 'RoR\nannual',
    title: 'Return on risk \u00d7 365 / days to expiry',
    text: (c) => percent(c.annualised_return, 0),
  },
  {
    id: 'margin',
    label: 'Margin',
    title:
      'What one unit ties up: Regulation T\u2019s initial requirement, plus a debit paid; other rules are told below',
    text: (c) => (c.margin === null ? '\u2013' : money(c.margin, 0)),
  },
  {
    id: 'breakevens',
    label: 'Breakevens',
    title: 'Underlying prices at which the profit at expiry is zero',
    text: (c) => c.breakevens.map((b) => spot(b)).join('  '),
  },
  {
    id: 'delta',
    label: 'Delta',
    title: 'Net delta of one unit, shares',
    text: (c) => greek(c.delta),
  },
  { id: 'gamma', label: 'Gamma', title: 'Net gamma of one unit', text: (c) => greek(c.gamma) },
  {
    id: 'theta',
    label: 'Theta',
    title: 'Net theta of one unit, per calendar day',
    text: (c) => greek(c.theta),
  },
  {
    id: 'vega',
    label: 'Vega',
    title: 'Net vega of one unit, per point of volatility',
    text: (c) => greek(c.vega === null ? null : c.vega / 100),
  },
];

const widest_line = (text: string) => Math.max(...text.split('\n').map(text_em));

interface Setting {
  readonly layout: Layout;
  readonly columns: readonly Column[];
}

/** The roomiest layout whose remaining columns fit; the last one scrolls if they do not. */
function setting_for(found: Found, room: number): Setting {
  let setting: Setting | undefined;
  for (const layout of layouts) {
    // What no candidate has, such as a ratio on a loss without bound, is no column.
    const all = columns_of(found, layout.stacked).filter((c) =>
      found.candidates.some((each) => c.text(each) !== ''),
    );
    if (room === 0) return { layout, columns: all };
    const sized = all.map((column) => {
      const texts = found.candidates.map((c) => widest_line(column.text(c)));
      const label = widest_line(column.label) * layout.heading_font;
      const widest = Math.max(label, ...texts.map((em) => em * layout.font));
      return { id: column.id, column, width: widest + layout.padding };
    });
    const kept = fit_columns(sized, drop, room);
    setting = { layout, columns: kept.map((s) => s.column) };
    if (total_width(kept) <= room) return setting;
  }
  return setting as Setting;
}

/** Scrolls the ranking alone: on a narrow screen the page around it scrolls, and must not jump when ranks change. */
function show_row(box: HTMLElement, row: HTMLElement): void {
  const heading = box.querySelector('thead')?.clientHeight ?? 0;
  const above = row.offsetTop - heading - box.scrollTop;
  const below = row.offsetTop + row.offsetHeight - box.scrollTop - box.clientHeight;
  if (above < 0) box.scrollTop += above;
  else if (below > 0) box.scrollTop += below;
}

/** The ranking; the selection follows the arrow keys. */
export function CandidateTable(props: {
  found: Found;
  label: string;
  selected: StrategyCandidate | undefined;
  on_select: (candidate: StrategyCandidate) => void;
}) {
  const { found, label, selected, on_select } = props;
  const { candidates } = found;
  const id = useId();
  const [box, width] = useSize<HTMLDivElement>();
  const { layout, columns } = useMemo(() => setting_for(found, width), [found, width]);
  const at = selected ? candidates.indexOf(selected) : -1;

  useEffect(() => {
    const row = box.current?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (at >= 0 && box.current && row) show_row(box.current, row);
  }, [at, box]);

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
        data-layout={layout.name}
        aria-label={label}
        tabIndex={0}
        onKeyDown={pressed}
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
      >
        <thead>
          <tr>
            {columns.map((c) => (
              <th
                key={c.id}
                scope="col"
                title={c.title}
                className={c.id}
                data-doubt={c.doubt || undefined}
              >
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
                  {c.draw?.(candidate) ?? c.text(candidate)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
