// SPDX-License-Identifier: Apache-2.0
import { type PointerEvent, useId, useState } from 'react';
import type { Densities, DensityKind, PayoffPoint, StrategyCandidate } from '../../api/types';
import { useSize } from '../../components/hooks';
import { curve_of, density_inside, likely_band } from '../../lib/density';
import { decimal, money, percent, signed_money, spot as spot_text } from '../../lib/format';
import { areas, extend, type Frame, line_inside, profit_at, ticks } from '../../lib/payoff';

const margin = { left: 58, right: 14, top: 26, bottom: 40 };
const strip = { tall: 62, gap: 6 };

/** The line as it is drawn: beyond its outer points a payoff goes on straight, a model's curve does not. */
export const drawn_points = (c: StrategyCandidate): readonly PayoffPoint[] =>
  c.model_dependent ? c.payoff : extend(c.payoff, c.legs);

function summary(c: StrategyCandidate, spot: number | null | undefined): string {
  const most = c.max_profit === null ? 'unlimited profit' : `at most ${money(c.max_profit)} profit`;
  const least = c.max_loss === null ? 'unlimited loss' : `at most ${money(c.max_loss)} loss`;
  const even = c.breakevens.map(spot_text).join(' and ');
  const now = spot == null ? '' : ` The underlying is at ${spot_text(spot)}.`;
  return `Profit at the first expiry: ${most}, ${least}, breakeven at ${even || 'no price'}.${now}`;
}

/**
 * Profit over the underlying at the first expiry, and below it how likely each price is. A pointer or the arrow keys
 * read values off the line.
 */
export function Payoff(props: {
  candidate: StrategyCandidate;
  frame: Frame | null;
  spot: number | null;
  densities: Densities | undefined;
  /** Which of them the ranking's probabilities are of. */
  ranked_under: DensityKind;
}) {
  const { candidate, frame, spot, densities, ranked_under } = props;
  const [box, width] = useSize<HTMLDivElement>();
  const [reading, set_reading] = useState<number | null>(null);
  const clip = useId();
  const curve = curve_of(densities?.curves, ranked_under);
  const band = likely_band(curve);
  const points = drawn_points(candidate);
  const line = frame ? line_inside(points, frame) : [];

  if (!frame || line.length < 2) {
    return <p className="caption">No payoff was served for this position.</p>;
  }

  const height = (width > 400 ? 174 : 190) + margin.bottom + strip.tall + strip.gap;
  const profits = line.map((p) => p.profit);
  const high = Math.max(...profits, 0);
  const low = Math.min(...profits, 0);
  const air = (high - low || 1) * 0.1;
  const inner = Math.max(1, width - margin.left - margin.right);
  const x = (s: number) => margin.left + ((s - frame.low) / (frame.high - frame.low)) * inner;
  const tall = height - margin.top - margin.bottom - strip.tall - strip.gap;
  const y = (p: number) => margin.top + ((high + air - p) / (high - low + 2 * air)) * tall;
  const path = (points: readonly PayoffPoint[]) =>
    points
      .map((p, i) => `${i ? 'L' : 'M'}${x(p.spot).toFixed(2)} ${y(p.profit).toFixed(2)}`)
      .join('');
  const bottom = height - margin.bottom;
  const gains = areas(line, 'gain').flatMap((area) => {
    const [from, to] = [area[0], area.at(-1)];
    return from && to ? [{ low: from.spot, high: to.spot }] : [];
  });
  const text = summary(candidate, spot);
  const levels = ticks(low - air, high + air, 5);
  const thousands = levels.some((p) => Math.abs(p) >= 10_000);
  const evens = candidate.breakevens.filter((b) => b >= frame.low && b <= frame.high);

  const at = reading === null ? null : Math.max(frame.low, Math.min(frame.high, reading));
  const profit = at === null ? null : profit_at(points, at);
  // Its label stands above the drawing, beside that of the spot.
  const band_has_room =
    band !== null &&
    band.low > frame.low &&
    band.high < frame.high &&
    (spot === null || Math.abs(x(spot) - x(band.low)) > 80);
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
          <rect x={margin.left} y={margin.top} width={inner} height={bottom - margin.top} />
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
              height={bottom - margin.top}
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
        {densities && (
          <DensityStrip
            densities={densities}
            ranked_under={ranked_under}
            frame={frame}
            gains={gains}
            x={x}
            top={bottom - strip.tall}
            bottom={bottom}
            clip={clip}
          />
        )}
        {band && band_has_room && (
          <text className="sigma-label" x={x(band.low)} y={margin.top - 10}>
            {`68\u202f%`}
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
            <line x1={x(b)} x2={x(b)} y1={y(0)} y2={bottom} />
            <circle cx={x(b)} cy={y(0)} r="3.5" />
            <text x={x(b)} y={bottom + 33} textAnchor={anchor(evens.map(x), i, width)}>
              {spot_text(b)}
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
          {curve && <span className="faint">{below_words(curve.points, at)}</span>}
        </p>
      )}
      <input
        type="range"
        className="cross-keys"
        aria-label="Underlying at the first expiry"
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

/** How likely each settlement is: where the position makes money, in the colour of gains. */
function DensityStrip(props: {
  densities: Densities;
  ranked_under: DensityKind;
  frame: Frame;
  gains: readonly Frame[];
  x: (spot: number) => number;
  top: number;
  bottom: number;
  clip: string;
}) {
  const { densities, ranked_under, frame, gains, x, top, bottom, clip } = props;
  const curves = densities.curves.map((c) => ({
    kind: c.label.kind,
    points: c.points,
    inside: density_inside(c.points, frame),
  }));
  const most = Math.max(...curves.flatMap((c) => c.inside.map((p) => p.density)));
  const main = curves.find((c) => c.kind === ranked_under);
  if (!(most > 0)) return null;
  const y = (d: number) => bottom - (d / most) * (bottom - top - 4);
  const path = (points: readonly { spot: number; density: number }[]) =>
    points
      .map((p, i) => `${i ? 'L' : 'M'}${x(p.spot).toFixed(2)} ${y(p.density).toFixed(2)}`)
      .join('');
  const area = (part: Frame) =>
    main
      ? `M${x(part.low).toFixed(2)} ${bottom}${path(density_inside(main.points, part)).replace('M', 'L')}` +
        `L${x(part.high).toFixed(2)} ${bottom}Z`
      : '';
  return (
    <g className="density" clipPath={`url(#${clip})`} data-testid="density">
      {main && <path className="mass loss" d={area(frame)} />}
      {gains.map((part) => (
        <path key={part.low} className="mass gain" d={area(part)} />
      ))}
      {[...curves]
        .sort((a) => (a.kind === ranked_under ? 1 : -1))
        .map((c) => (
          <path
            key={c.kind}
            className={`curve ${c.kind}`}
            data-main={c.kind === ranked_under || undefined}
            d={path(c.inside)}
          />
        ))}
      <line className="zero" x1={x(frame.low)} x2={x(frame.high)} y1={bottom} y2={bottom} />
    </g>
  );
}

/** "12.3 % settle below". */
function below_words(points: readonly { spot: number; cdf: number }[], at: number): string {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return '';
  const i = points.findIndex((p) => p.spot >= at);
  const b = points[i];
  const a = points[i - 1];
  const below =
    at <= first.spot
      ? 0
      : !b || !a
        ? 1
        : a.cdf + ((b.cdf - a.cdf) * (at - a.spot)) / (b.spot - a.spot);
  return `${percent(below)} settle below`;
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
