// SPDX-License-Identifier: Apache-2.0
import { type PointerEvent, useMemo, useState } from 'react';
import type { HistoryPoint } from '../../api/types';
import { useSize } from '../../components/hooks';
import { text_em } from '../../lib/fit';
import { decimal, exchange_moment, expiry_short, percent, price } from '../../lib/format';
import { ticks } from '../../lib/payoff';
import { make_timeline, stretches } from '../../lib/timeline';

export type Measure = 'price' | 'implied_vol';

const edges = { right: 12, top: 12, bottom: 28 };
const axis_font = 11;

const both = ({ quote: { bid, ask } }: HistoryPoint) =>
  bid === null || ask === null ? null : { bid, ask, mid: (bid + ask) / 2 };

/** Bid, ask and mid (or implied volatility) of one contract over its snapshots. */
export function HistoryChart({ points, measure }: { points: HistoryPoint[]; measure: Measure }) {
  const [box, width] = useSize<HTMLDivElement>();
  const [at, set_at] = useState<number | null>(null);
  const height = width > 500 ? 380 : 280;

  const data = useMemo(() => {
    const line = make_timeline(points);
    const quotes = stretches(points, line, both);
    const vols = stretches(points, line, (p) => p.quote.implied_vol);
    const values =
      measure === 'price'
        ? quotes.flat().flatMap((q) => [q.value.bid, q.value.ask])
        : vols.flat().map((v) => v.value);
    const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    return { line, quotes, vols, low, high };
  }, [points, measure]);

  const { line, quotes, vols } = data;
  const known = data.high >= data.low;
  const air = Math.max((data.high - data.low) * 0.08, Math.abs(data.high) * 0.01, 1e-6);
  const low = Math.max(0, data.low - air);
  const high = data.high + air;
  const levels = known ? ticks(low, high, 5) : [];
  const level_text = (v: number) =>
    measure === 'price' ? decimal(v, 2) : `${decimal(v * 100, 1)}\u202f%`;
  const label_room = Math.max(0, ...levels.map((v) => text_em(level_text(v)))) * axis_font;
  const margin = { ...edges, left: Math.max(44, Math.ceil(label_room) + 12) };
  const inner = Math.max(1, width - margin.left - margin.right);
  const tall = height - margin.top - margin.bottom;
  const x = (t: number) => margin.left + line.position(t) * inner;
  const y = (v: number) => margin.top + ((high - v) / (high - low)) * tall;
  const path = (values: readonly { t: number; v: number }[]) =>
    values.map((p, i) => `${i ? 'L' : 'M'}${x(p.t).toFixed(1)} ${y(p.v).toFixed(1)}`).join('');
  // A lone value between two gaps would be an invisible line.
  const dots = (measure === 'price' ? quotes : vols).filter((s) => s.length === 1).flat();

  const pointed = (event: PointerEvent<SVGSVGElement>) => {
    const left = event.currentTarget.getBoundingClientRect().left;
    const wanted = event.clientX - left;
    let best = 0;
    for (let i = 1; i < points.length; i++) {
      const here = Math.abs(x(Date.parse((points[i] as HistoryPoint).as_of)) - wanted);
      const there = Math.abs(x(Date.parse((points[best] as HistoryPoint).as_of)) - wanted);
      if (here < there) best = i;
    }
    set_at(best);
  };
  const read = at === null ? undefined : points[at];
  const every = Math.ceil((line.sessions.length * 64) / inner);

  return (
    <div className="history-chart" ref={box}>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={
          known
            ? `${measure === 'price' ? 'Bid and ask' : 'Implied volatility'} over ${points.length} snapshots, between ${value_text(data.low, measure)} and ${value_text(data.high, measure)}`
            : 'No quote in this range'
        }
        onPointerMove={pointed}
        onPointerDown={pointed}
        onPointerLeave={() => set_at(null)}
      >
        {levels.map((v) => (
          <g key={v} className="tick">
            <line x1={margin.left} x2={margin.left + inner} y1={y(v)} y2={y(v)} />
            <text x={margin.left - 8} y={y(v) + 4} textAnchor="end">
              {level_text(v)}
            </text>
          </g>
        ))}
        {line.sessions.map((s, i) => (
          <g key={s.day} className="session-mark">
            {i > 0 && (
              <line
                x1={margin.left + s.from * inner}
                x2={margin.left + s.from * inner}
                y1={margin.top}
                y2={margin.top + tall}
              />
            )}
            {i % every === 0 && (
              <text
                x={margin.left + ((s.from + s.to) / 2) * inner}
                y={height - 8}
                textAnchor="middle"
              >
                {expiry_short(s.day)}
              </text>
            )}
          </g>
        ))}
        {measure === 'price' &&
          quotes.map((s) => {
            const key = s[0]?.t;
            const asks = s.map((q) => ({ t: q.t, v: q.value.ask }));
            const bids = s.map((q) => ({ t: q.t, v: q.value.bid }));
            const band = `${path(asks)}${path(bids.toReversed()).replace('M', 'L')}Z`;
            return (
              <g key={key}>
                <path className="quote-band" d={band} />
                <path className="quote-edge" d={path(asks)} />
                <path className="quote-edge" d={path(bids)} />
                <path className="quote-mid" d={path(s.map((q) => ({ t: q.t, v: q.value.mid })))} />
              </g>
            );
          })}
        {measure === 'implied_vol' &&
          vols.map((s) => (
            <path
              key={s[0]?.t}
              className="quote-mid"
              d={path(s.map((v) => ({ t: v.t, v: v.value })))}
            />
          ))}
        {dots.map((d) => (
          <circle
            key={d.t}
            className="quote-dot"
            cx={x(d.t)}
            cy={y(typeof d.value === 'number' ? d.value : d.value.mid)}
            r="2.5"
          />
        ))}
        {read && (
          <line
            className="cross-line"
            x1={x(Date.parse(read.as_of))}
            x2={x(Date.parse(read.as_of))}
            y1={margin.top}
            y2={margin.top + tall}
          />
        )}
      </svg>
      <input
        type="range"
        className="cross-keys"
        aria-label="Snapshot of the history"
        aria-valuetext={read ? reading_words(read, measure) : 'none read yet'}
        min={0}
        max={points.length - 1}
        step={1}
        value={at ?? points.length - 1}
        onChange={(event) => set_at(Number(event.target.value))}
        onBlur={() => set_at(null)}
      />
      <p className="history-read" aria-live="off">
        {read ? (
          <>
            <span>{exchange_moment(read.as_of)}</span>
            <span>bid {price(read.quote.bid) || 'none'}</span>
            <span>ask {price(read.quote.ask) || 'none'}</span>
            <span>IV {percent(read.quote.implied_vol) || 'unknown'}</span>
            <span>underlying {price(read.underlying_price) || 'unknown'}</span>
          </>
        ) : (
          <span className="faint">
            Point at the chart, or use the arrow keys, to read a snapshot.
          </span>
        )}
      </p>
    </div>
  );
}

const reading_words = (p: HistoryPoint, measure: Measure) => {
  const value =
    measure === 'price'
      ? `bid ${price(p.quote.bid) || 'none'}, ask ${price(p.quote.ask) || 'none'}`
      : `IV ${percent(p.quote.implied_vol) || 'unknown'}`;
  return `${exchange_moment(p.as_of)}: ${value}`;
};

const value_text = (v: number, measure: Measure) => (measure === 'price' ? price(v) : percent(v));
