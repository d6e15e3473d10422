// SPDX-License-Identifier: Apache-2.0
import { useId, useMemo, useState } from 'react';
import type { ChainTopic, Found, StrategyCandidate } from '../../api/types';
import { useSize } from '../../components/hooks';
import { ProblemLine } from '../../components/notes';
import { Skeleton } from '../../components/Skeleton';
import { curve_of, likely_band } from '../../lib/density';
import { expiry_long, greek, money, percent, price, signed, signed_money } from '../../lib/format';
import { expiries_of, leg_words } from '../../lib/legs';
import { type Frame, spot_frame } from '../../lib/payoff';
import { exit_rule, fitting_spots, table_spots } from '../../lib/profit_table';
import { useDensities, usePosition } from '../../queries';
import { drawn_points, Payoff } from './Payoff';
import { ProfitMap } from './ProfitMap';
import { Exits, Margin } from './Risk';
import {
  beyond_quotes_words,
  density_kind,
  density_words,
  fill_of,
  front_density,
  interest_words,
  probability_words,
} from './words';

/** The selected candidate: its payoff, how likely each price is, and the numbers that decide. */
export function Position(props: {
  topic: ChainTopic;
  candidate: StrategyCandidate;
  found: Found;
  rate: number | null;
}) {
  const { topic, candidate: c, found, rate } = props;
  const densities = useDensities(topic, rate);
  const ranked_under = front_density(found)?.kind === 'lognormal' ? 'lognormal' : 'market_implied';
  const band = likely_band(curve_of(densities.data?.curves, ranked_under));
  const frame = spot_frame({ ...c, payoff: [...drawn_points(c)] }, found.underlying_price, band);
  const several = expiries_of(c).length > 1;
  const front = front_density(found);
  const beyond = beyond_quotes_words(front);
  const doubt = useId();
  const doubted = beyond ? doubt : undefined;
  return (
    <>
      <div className="position">
        <div className="position-drawing">
          <h2>
            {several ? 'Profit at the first expiry' : 'Profit at expiry'}
            <span>
              one unit at {fill_of(found)},{' '}
              {c.fees > 0 ? `fees of ${money(c.fees)}` : 'before fees'}
              {c.model_dependent && ', model dependent'}
            </span>
          </h2>
          <Payoff
            candidate={c}
            frame={frame}
            spot={found.underlying_price}
            densities={densities.data}
            ranked_under={ranked_under}
            key={found.strategy}
          />
          {densities.error ? (
            <ProblemLine error={densities.error} retry={() => densities.refetch()} />
          ) : (
            <ul className="legend" aria-label="Densities">
              {densities.data?.curves.map((curve) => (
                <li key={curve.label.kind} title={density_words(curve.label)}>
                  <i
                    className={curve.label.kind}
                    data-main={curve.label.kind === ranked_under || undefined}
                  />
                  {legend_words(curve.label.kind)}
                </li>
              ))}
              {densities.data?.missing.map((m) => (
                <li key={m.kind} className="faint" title={m.reason.replaceAll('_', ' ')}>
                  no {legend_words(m.kind)} yet
                </li>
              ))}
            </ul>
          )}
          <p className="caption">
            {probability_words(found)} <span data-testid="interest">{interest_words(found)}</span>
          </p>
        </div>
        <div className="position-numbers">
          <dl className="numbers">
            <Figure label="Max profit" tone="gain">
              {c.max_profit === null ? 'unlimited' : signed_money(c.max_profit)}
            </Figure>
            <Figure label="Max loss" tone="loss">
              {c.max_loss === null ? 'unlimited' : money(-c.max_loss)}
            </Figure>
            <Figure label="POP" doubt={doubted} title={front && density_words(front)}>
              {percent(c.pop)}
            </Figure>
            <Figure label="Expected profit" doubt={doubted} title={front && density_words(front)}>
              {signed_money(c.expected_profit)}
            </Figure>
            <Figure label={c.credit < 0 ? 'Debit' : 'Credit'} title="Per share, options only">
              {price(Math.abs(c.credit))}
            </Figure>
            {c.return_on_risk !== null && (
              <Figure label="Return on risk">{percent(c.return_on_risk)}</Figure>
            )}
            {c.return_on_margin !== null && (
              <Figure label="Return on margin">{percent(c.return_on_margin)}</Figure>
            )}
          </dl>
          {beyond && (
            <p className="doubt" id={doubt} data-testid="beyond-quotes">
              {beyond}
            </p>
          )}
          <dl className="numbers greeks">
            <Figure label="Delta" title="One unit, in shares">
              {greek(c.delta)}
            </Figure>
            <Figure label="Gamma" title="One unit">
              {greek(c.gamma)}
            </Figure>
            <Figure label="Theta" title="One unit, per calendar day">
              {greek(c.theta)}
            </Figure>
            <Figure label="Vega" title="One unit, per point of volatility">
              {greek(c.vega === null ? null : c.vega / 100)}
            </Figure>
          </dl>
          <ul className="leg-list" aria-label="Legs">
            {c.legs.map((leg) => (
              <li key={`${leg.kind}${leg.strike}${leg.expiry}`}>
                <span
                  data-side={leg.quantity < 0 ? 'sold' : 'bought'}
                  title={leg.expiry ? expiry_long(leg.expiry) : undefined}
                >
                  {leg_words(leg, several)}
                </span>
                <span>{leg.implied_vol === null ? '' : `IV ${percent(leg.implied_vol)}`}</span>
                <span>at {price(leg.entry_price)}</span>
              </li>
            ))}
          </ul>
        </div>
      </div>
      <Scenarios topic={topic} candidate={c} found={found} rate={rate} frame={frame} />
    </>
  );
}

const legend_words = (kind: string) =>
  kind === 'lognormal' ? 'lognormal' : kind === 'history' ? 'past returns' : density_kind(kind);

/** What one analysis of the server tells: profit over dates and prices, margin, and which exit comes first. */
function Scenarios(props: {
  topic: ChainTopic;
  candidate: StrategyCandidate;
  found: Found;
  rate: number | null;
  frame: Frame | null;
}) {
  const { topic, candidate, found, rate, frame } = props;
  const [box, width] = useSize<HTMLDivElement>();
  const [vol_points, set_vol_points] = useState(0);
  const across = width > 560 ? 'prices' : 'dates';
  const spot = found.underlying_price;
  const { low, high } = frame ?? { low: 0, high: 0 };
  const most = Math.max(...candidate.payoff.map((p) => Math.abs(p.profit)));
  const spots = useMemo(() => {
    if (width === 0) return [];
    return across === 'prices'
      ? fitting_spots({ low, high }, spot, most, width)
      : table_spots({ low, high }, spot, 15);
  }, [low, high, spot, most, width, across]);
  const rule = exit_rule(candidate);
  const { data, error, refetch, isPlaceholderData } = usePosition(topic.symbol, {
    as_of: found.as_of,
    candidate,
    spot,
    spots,
    vol_shift: vol_points / 100,
    rate,
    exit: rule,
  });
  return (
    <div className="scenarios" ref={box} data-waiting={isPlaceholderData || undefined}>
      <div className="scenarios-head">
        <h2>
          Profit over dates and prices<span>one unit, dollars, by the model</span>
        </h2>
        <label className="vol-shift">
          <span>Volatility</span>
          <input
            type="range"
            min="-10"
            max="10"
            step="1"
            value={vol_points}
            aria-label="Change of every volatility, points"
            onChange={(event) => set_vol_points(Number(event.target.value))}
          />
          <output>{vol_points === 0 ? 'unchanged' : `${signed(vol_points, 0)} pts`}</output>
        </label>
      </div>
      {error && <ProblemLine error={error} retry={() => refetch()} />}
      {!data && !error && <Skeleton rows={7} label="Analysing the position" />}
      {data && (
        <>
          <ProfitMap
            table={data.table}
            as_of={data.as_of}
            spot={data.spot ?? data.underlying_price}
            across={across}
            width={width}
          />
          <div className="risks">
            <Margin margin={data.margin} />
            {rule && data.exit ? (
              <Exits odds={data.exit} rule={rule} />
            ) : (
              <section aria-label="Exit odds" className="risk">
                <h2>Exit odds</h2>
                <p className="caption">
                  {candidate.model_dependent
                    ? 'Not told for several expiries: no one density says how both get there.'
                    : 'Not told: nothing bounds the profit, so there is no half of it to aim for.'}
                </p>
              </section>
            )}
          </div>
        </>
      )}
    </div>
  );
}

function Figure(props: {
  label: string;
  tone?: 'gain' | 'loss';
  /** The id of what is said against it; then it is marked. */
  doubt?: string;
  title?: string;
  children: React.ReactNode;
}) {
  return (
    <div title={props.title} data-doubt={props.doubt && true}>
      <dt>{props.label}</dt>
      <dd aria-describedby={props.doubt} className={`live-number ${props.tone ?? ''}`}>
        {props.children}
      </dd>
    </div>
  );
}
