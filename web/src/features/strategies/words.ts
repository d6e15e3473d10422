// SPDX-License-Identifier: Apache-2.0
import type { Density, Fill, Strategies, StrategyName } from '../../api/types';
import { decimal, percent } from '../../lib/format';

export const strategy_words: Record<StrategyName, string> = {
  iron_condor: 'Iron condors',
  covered_call: 'Covered calls',
};

const methods: Record<string, string> = {
  lognormal_atm_forward: 'lognormal at the at-the-money volatility, without the smile',
};
const anchors: Record<string, string> = {
  put_call_parity_forward: 'put\u2013call parity forward',
};

/** The assumptions behind a probability, in a sentence; the API's own word where this page knows none. */
export function density_words(d: Density): string {
  const method = methods[d.method] ?? d.method;
  const anchor = anchors[d.anchor] ?? d.anchor;
  return (
    `Probability of profit at expiry: ${method} (${percent(d.implied_vol)}), centred on the ` +
    `${anchor} ${decimal(d.forward, 2)}, ${decimal(d.years_to_expiry, 4)} years by ${d.day_count}` +
    `${d.discount_source === 'assumed_zero' ? ', no interest assumed' : ''}.`
  );
}

const orders: Record<string, string> = {
  return_on_risk:
    'return on risk: an order by payoff ratio (max profit / max loss), not by expected value',
  annualised_return: 'annualised return: an order by payoff ratio, not by expected value',
  pop: 'probability of profit, not by expected value',
};
const fills: Record<Fill, string> = {
  natural: 'natural (sell at the bid, buy at the ask)',
  mid: 'mid (every leg halfway between bid and ask)',
};

/** What the order of the ranking means and what its prices leave out. */
export function ranking_words(
  found: Pick<Strategies, 'ranked_by' | 'fill' | 'short_strikes' | 'strikes_left_out'>,
): string {
  const sold =
    found.short_strikes === 'out_of_the_money' ? 'Options are sold out of the money only. ' : '';
  const left_out =
    found.strikes_left_out > 0
      ? `${found.strikes_left_out} strikes far from the money took no part. `
      : '';
  return (
    `ranked by ${orders[found.ranked_by] ?? found.ranked_by}. ${sold}${left_out}` +
    `Prices are at the chosen fill, ${fills[found.fill]}, before fees.`
  );
}
