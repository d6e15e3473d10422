// SPDX-License-Identifier: Apache-2.0
import { type PointerEvent, useId, useState } from 'react';
import type { Density, PayoffPoint, StrategyCandidate } from '../../api/types';
import { useSize } from '../../components/hooks';
import { decimal, money, percent, price, signed_money, spot as spot_text } from '../../lib/format';
import {
  areas,
  extend,
  line_inside,
  profit_at,
  sigma_band,
  spot_frame,
  ticks,
} from '../../lib/payoff';

const margin = { left: 58, right: 14, top: 26, bottom: 40 };

function summary(c: StrategyCandidate, spot: number | null | undefined): string {
  const most = c.max_profit === null ? 'unlimited profit' : `at most ${money(c.max_profit)} profit`;
  const least = c.max_loss === null ? 'unlimited loss' : `at most ${money(c.max_loss)} loss`;
  const even = c.breakevens.map((b) => price(b)).join(' and ');
  const now = spot == null ? '' : ` The underlying is at ${spot_text(spot)}.`;
  return `Profit at expiry: ${most}, ${least}, breakeven at ${even || 'no price'}.${now}`;
}

/** Profit over the underlying at expiry. A pointer or the arrow keys read values off the line. */
export function Payoff(props: {
  candidate: StrategyCandidate;
  density: Density;
  spot: number | null;
}) {
  const { candidate, density, spot } = props;
  const [box, width] = useSize<HTMLDivElement>();
  const [reading, set_reading] = useState<number | null>(null);
  const clip = useId();
  const height = width > 400 ? 300 : 240;
  const band = sigma_band(density);
  const points = extend(candidate.payoff, candidate.legs);
  const frame = spot_frame({ ...candidate, payoff: [...points] }, spot, band);
  const line = frame ? line_inside(points, frame) : [];

  if (!frame || line.length < 2) {
    return <p className="caption">No payoff was served for this position.</p>;
  }

  const profits = line.map((p) => p.profit);
  const high = Math.max(...profits, 0);
  const low = Math.min(...profits, 0);
  const air = (high - low || 1) * 0.1;
  const inner = Math.max(1, width - margin.left - margin.right);
  const x = (s: number) => margin.left + ((s - frame.low) / (frame.high - frame.low)) * inner;
  const tall = height - margin.top - margin.bottom;
  const y = (p: number) => margin.top + ((high + air - p) / (high - low + 2 * air)) * tall;
  const path = (points: readonly PayoffPoint[]) =>
    points
      .map((p, i) => `${i ? 'L' : 'M'}${x(p.spot).toFixed(2)} ${y(p.profit).toFixed(2)}`)
      .join('');
  const bottom = height - margin.bottom;
  const text = summary(candidate, spot);
  const levels = ticks(low - air, high + air, 5);
  const thousands = levels.some((p) => Math.abs(p) >= 10_000);
  const evens = candidate.breakevens.filter((b) => b >= frame.low && b <= frame.high);

  const at = reading === null ? null : Math.max(frame.low, Math.min(frame.high, reading));
  const profit = at === null ? null : profit_at(points, at);
  const digits = frame.high - frame.low > 200 ? 0 : frame.high - frame.low > 20 ? 1 : 2;
  const pointed = (event: PointerEvent<SVGSVGElement>) => {
    const left = event.currentTarget.getBoundingClientRect().left;
    const part = (event.clientX - left - margin.left) / inner;
    set_reading(frame.low + Math.max(0, Math.min(1, part)) * (frame.high - frame.low));
  };

  return (
    <div className="payoff" ref={box} data-testid="payoff">
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={text}
        onPointerMove={pointed}
        onPointerDown={pointed}
        onPointerLeave={() => set_reading(null)}
      >
        <clipPath id={clip}>
          <rect x={margin.left} y={margin.top} width={inner} height={tall} />
        </clipPath>
        {levels.map((p) => (
          <g key={p} className="tick">
            <line x1={margin.left} x2={margin.left + inner} y1={y(p)} y2={y(p)} />
            <text x={margin.left - 8} y={y(p) + 4} textAnchor="end">
              {axis_money(p, thousands)}
            </text>
          </g>
        ))}
        {ticks(frame.low, frame.high, Math.max(2, Math.floor(inner / 90))).map((s) => (
          <g key={s} className="tick">
            <text x={x(s)} y={bottom + 16} textAnchor="middle">
              {decimal(s, Number.isInteger(s) ? 0 : 1)}
            </text>
          </g>
        ))}
        <g clipPath={`url(#${clip})`}>
          {band && (
            <rect
              className="sigma"
              x={x(band.low)}
              width={Math.max(0, x(band.high) - x(band.low))}
              y={margin.top}
              height={tall}
            />
          )}
          {(['gain', 'loss'] as const).map((side) =>
            areas(line, side).map((area) => (
              <path
                key={`${side}${area[0]?.spot}`}
                className={`area ${side}`}
                d={`${path(area)}Z`}
              />
            )),
          )}
          <line className="zero" x1={margin.left} x2={margin.left + inner} y1={y(0)} y2={y(0)} />
          <path className="line" d={path(line)} />
        </g>
        {band && band.low > frame.low && band.high < frame.high && (
          <text className="sigma-label" x={x(band.low) + 5} y={bottom - 7}>
            {'\u00b11\u03c3'}
          </text>
        )}
        {spot !== null && spot >= frame.low && spot <= frame.high && (
          <g className="spot-mark">
            <line x1={x(spot)} x2={x(spot)} y1={margin.top} y2={bottom} />
            <text x={x(spot)} y={margin.top - 10} textAnchor="middle">
              {`spot ${spot_text(spot)}`}
            </text>
          </g>
        )}
        {evens.map((b, i) => (
          <g key={b} className="breakeven" data-breakeven={b}>
            <line x1={x(b)} x2={x(b)} y1={y(0)} y2={bottom + 22} />
            <circle cx={x(b)} cy={y(0)} r="3.5" />
            <text x={x(b)} y={bottom + 33} textAnchor={anchor(evens.map(x), i, width)}>
              {price(b)}
            </text>
          </g>
        ))}
        {at !== null && profit !== null && (
          <g className="cross">
            <line x1={x(at)} x2={x(at)} y1={margin.top} y2={bottom} />
            <circle cx={x(at)} cy={y(profit)} r="4" />
          </g>
        )}
      </svg>
      {at !== null && profit !== null && (
        <p className="read-out">
          <span>{decimal(at, digits === 0 ? 0 : 2)}</span>
          {spot !== null && <span className="faint">{signed_percent(at / spot - 1)}</span>}
          <strong className={profit < 0 ? 'loss' : 'gain'}>{signed_money(profit)}</strong>
        </p>
      )}
      <input
        type="range"
        className="cross-keys"
        aria-label="Underlying at expiry"
        aria-valuetext={
          at === null || profit === null
            ? text
            : `${decimal(at, 2)}: ${profit < 0 ? 'loss' : 'profit'} ${money(Math.abs(profit))}`
        }
        min={frame.low}
        max={frame.high}
        step={(frame.high - frame.low) / 100}
        value={at ?? spot ?? frame.low}
        onChange={(event) => set_reading(Number(event.target.value))}
        onBlur={() => set_reading(null)}
      />
    </div>
  );
}

const signed_percent = (v: number) => `${v > 0 ? '+' : ''}${percent(v)}`;

/** Where the label of the mark `i` hangs, so that it meets neither its neighbour nor the edge of the drawing. */
function anchor(marks: readonly number[], i: number, width: number): 'start' | 'middle' | 'end' {
  const at = marks[i] as number;
  const half = 34;
  if (at < half || at - (marks[i - 1] ?? -Infinity) < 2 * half) return 'start';
  if (at > width - half || (marks[i + 1] ?? Infinity) - at < 2 * half) return 'end';
  return 'middle';
}

/** One unit for the whole axis: dollars, or thousands of them. */
function axis_money(v: number, thousands: boolean): string {
  const size = Math.abs(v) / (thousands ? 1000 : 1);
  const text = `$${decimal(size, Number.isInteger(size) ? 0 : thousands ? 1 : 2)}`;
  return `${v < 0 ? '\u2212' : ''}${text}${thousands && v !== 0 ? 'k' : ''}`;
}
