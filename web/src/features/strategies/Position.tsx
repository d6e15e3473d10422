// SPDX-License-Identifier: Apache-2.0
import type { Strategies, StrategyCandidate } from '../../api/types';
import { greek, money, percent, price, signed_money } from '../../lib/format';
import { leg_words } from '../../lib/legs';
import { Payoff } from './Payoff';
import { density_words } from './words';

/** The selected candidate: its payoff at expiry, and the numbers that decide. */
export function Position(props: { candidate: StrategyCandidate; strategies: Strategies }) {
  const { candidate: c, strategies } = props;
  return (
    <div className="position">
      <div className="position-drawing">
        <h2>
          Profit at expiry
          <span>one unit at {strategies.fill}, before fees</span>
        </h2>
        <Payoff
          candidate={c}
          density={strategies.density}
          spot={strategies.underlying_price}
          key={strategies.strategy}
        />
      </div>
      <div className="position-numbers">
        <dl className="numbers">
          <Figure label="Max profit" tone="gain">
            {c.max_profit === null ? 'unlimited' : signed_money(c.max_profit)}
          </Figure>
          <Figure label="Max loss" tone="loss">
            {c.max_loss === null ? 'unlimited' : money(-c.max_loss)}
          </Figure>
          <Figure label="POP" title={density_words(strategies.density)}>
            {percent(c.pop)}
          </Figure>
          <Figure label={c.credit < 0 ? 'Debit' : 'Credit'} title="Per share, options only">
            {price(Math.abs(c.credit))}
          </Figure>
          <Figure label="Return on risk">{percent(c.return_on_risk)}</Figure>
          <Figure label="Annualised">{percent(c.annualised_return, 0)}</Figure>
        </dl>
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
            <li key={`${leg.kind}${leg.strike}`}>
              <span data-side={leg.quantity < 0 ? 'sold' : 'bought'}>{leg_words(leg)}</span>
              <span>{leg.implied_vol === null ? '' : `IV ${percent(leg.implied_vol)}`}</span>
              <span>at {price(leg.entry_price)}</span>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

function Figure(props: {
  label: string;
  tone?: 'gain' | 'loss';
  title?: string;
  children: React.ReactNode;
}) {
  return (
    <div title={props.title}>
      <dt>{props.label}</dt>
      <dd className={`live-number ${props.tone ?? ''}`}>{props.children}</dd>
    </div>
  );
}
