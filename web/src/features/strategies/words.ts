// SPDX-License-Identifier: Apache-2.0
import type { Density, StrategyName } from '../../api/types';
import { decimal, percent } from '../../lib/format';

export const strategy_words: Record<StrategyName, string> = {
  iron_condor: 'Iron condors',
  covered_call: 'Covered calls',
};

const methods: Record<string, string> = {
  lognormal_atm_forward: 'lognormal at the at-the-money volatility',
  lognormal_atm_vol: 'lognormal at the at-the-money volatility',
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

export const ranked_words: Record<string, string> = {
  return_on_risk: 'return on risk',
  annualised_return: 'annualised return',
  pop: 'probability of profit',
};
