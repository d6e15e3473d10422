// SPDX-License-Identifier: Apache-2.0
import type {
  DensityKind,
  DensityLabel,
  Fill,
  Found,
  Objective,
  SearchedExpiry,
} from '../../api/types';
import { count, decimal, expiry_short, percent } from '../../lib/format';
import { rate_of } from '../../lib/limits';

export interface ObjectiveWords {
  readonly label: string;
  /** One sentence: what it ranks by, and what it says nothing of. */
  readonly told: string;
}

const fair =
  'under the market\u2019s own density that is minus what entering costs, so it finds what is cheap to enter';

export const objective_words: Record<Objective, ObjectiveWords> = {
  expected_profit_on_max_loss: {
    label: 'Expected profit / max loss',
    told: `average profit per dollar that can be lost; ${fair}`,
  },
  expected_profit_on_margin: {
    label: 'Expected profit / margin',
    told: `average profit per dollar tied up; ${fair}`,
  },
  expected_profit: {
    label: 'Expected profit',
    told: `average profit in dollars, whatever is risked for it; ${fair}`,
  },
  return_on_risk: {
    label: 'Return on risk',
    told: 'payoff ratio (max profit / max loss); it says nothing of how likely either is',
  },
  return_on_margin: {
    label: 'Return on margin',
    told: 'most that is made per dollar tied up (max profit / margin); it says nothing of how likely that is, nor of losses beyond the margin',
  },
  pop: {
    label: 'Probability of profit',
    told: 'how often any profit is left at expiry; it says nothing of how large the losses are',
  },
  theta_on_max_loss: {
    label: 'Time decay / max loss',
    told: 'decay of one calendar day per dollar that can be lost; it says nothing of what a move costs',
  },
  credit: {
    label: 'Credit',
    told: 'premium received per share; it says nothing of what is risked for it',
  },
};

export const density_names: Record<DensityKind, string> = {
  market_implied: 'Market-implied',
  lognormal: 'Lognormal',
};

const kinds: Record<string, string> = {
  market_implied: 'market-implied',
  lognormal: 'lognormal at the at-the-money volatility, without the smile',
  history: 'past returns',
  forecast: 'forecast',
};
const anchors: Record<string, string> = {
  put_call_parity_forward: 'put\u2013call parity forward',
};

export const density_kind = (kind: string) => kinds[kind] ?? kind;

/** What a probability was computed from; the API's own word where this page knows none. */
export function density_words(d: DensityLabel): string {
  const made = d.kind === 'lognormal' ? '' : ` (${d.method})`;
  const outside =
    d.mass_outside_quotes === null
      ? ''
      : `, ${percent(d.mass_outside_quotes)} beyond the quoted strikes`;
  const sample =
    d.independent_observations === null
      ? ''
      : `, ${count(d.independent_observations)} independent returns`;
  return (
    `${density_kind(d.kind)}${made}, mean ${decimal(d.mean, 2)} ` +
    `(${anchors[d.anchor] ?? d.anchor}), ${decimal(d.years_to_expiry, 4)} years by ${d.day_count}` +
    `${outside}${sample}`
  );
}

/** The density behind the probabilities of a ranking: that of the first expiry. */
export const front_density = (found: Found): DensityLabel | undefined => found.expiries[0]?.density;

export const fill_words: Record<Fill, string> = {
  natural: 'natural (sell at the bid, buy at the ask)',
  mid: 'mid (every leg halfway between bid and ask)',
};
export const fill_of = (found: Pick<Found, 'fill_position'>): Fill =>
  found.fill_position === 0 ? 'mid' : 'natural';

/** How many combinations there were, and what became of them. */
export function search_words(found: Pick<Found, 'combinations' | 'visited' | 'pruned'>): string {
  const { combinations, visited, pruned } = found;
  return (
    `${count(combinations)} combinations: ${count(visited)} looked at, ` +
    `${count(pruned)} passed over because they cannot rank higher.`
  );
}

/** What the order of the ranking means and what its prices leave out. */
export function ranking_words(found: Found): string {
  const told = objective_words[found.objective as Objective]?.told ?? found.objective;
  const sold =
    found.short_strikes === 'out_of_the_money'
      ? ' Options are sold out of the money only.'
      : found.min_short_delta !== null && found.max_short_delta !== null
        ? ` Options are sold at deltas of ${found.min_short_delta} to ${found.max_short_delta}.`
        : '';
  const fees = found.fee_per_contract > 0 ? 'fees included' : 'before fees';
  return `Ranked by ${told}.${sold} Fill ${fill_words[fill_of(found)]}, ${fees}.`;
}

export function probability_words(found: Found): string {
  const density = front_density(found);
  if (!density) return '';
  return `POP and expected profit: ${density_words(density)}.`;
}

/**
 * Above this much probability beyond the quoted strikes the page says so beside POP and expected profit. No quote says
 * anything out there, so that much of POP is the extrapolation's: 10 points less turn the 60 % that the page asks for
 * at first into a coin toss.
 */
const told_beyond_quotes = 0.1;

/** Of a density that is to that extent extrapolated; empty otherwise. */
export function beyond_quotes_words(density: DensityLabel | undefined): string {
  const beyond = density?.mass_outside_quotes ?? 0;
  if (!(beyond > told_beyond_quotes)) return '';
  return `${percent(beyond, 0)} of the probability lies beyond the quoted strikes, where it is extrapolated.`;
}

const discount_sources: Record<string, string> = {
  given: 'as set',
  fitted: 'as put\u2013call parity of the quotes implies',
  carry:
    'all that the forward grows by, as if no dividend were paid: American quotes do not tell the two apart, a rate ' +
    'set under More does',
  assumed_zero: 'assumed, because the quotes do not tell the rate; one can be set under More',
};

/** The interest behind a ranking, of each expiry, and where it was taken from. */
export function interest_words(found: Pick<Found, 'expiries'>): string {
  const sources = [...new Set(found.expiries.map((e) => e.discount_source))];
  return sources
    .map((source) => {
      const there = found.expiries.filter((e) => e.discount_source === source);
      return `Interest: ${interest_rates(there)} a year, ${discount_sources[source] ?? source}.`;
    })
    .join(' ');
}

function interest_rates(expiries: readonly SearchedExpiry[]): string {
  const rates = expiries.map((e) =>
    percent(rate_of(e.discount_factor, e.density.years_to_expiry), 2),
  );
  if (new Set(rates).size < 2) return rates[0] ?? '';
  return expiries.map((e, i) => `${rates[i]} until ${expiry_short(e.expiry)}`).join(' and ');
}

/** Why a rate that was set leaves nothing to rank, where the API's word for it is known. */
export const rate_refusal = (detail: string): string =>
  detail.includes('no_american_price')
    ? 'American options cannot be priced at this rate: it is not above zero while the forward of the quotes grows ' +
      'faster, so early exercise would pay between two prices and not beyond one.'
    : '';

/** Of strategies with several expiries: what the numbers rest on. */
export function model_words(found: Found): string {
  if (!found.candidates.some((c) => c.model_dependent)) return '';
  const left_out = found.left_out
    .map((e) => `${expiry_short(e.expiry)} (${e.reason.replaceAll('_', ' ')})`)
    .join(', ');
  return (
    'Model dependent: what outlives the first expiry is repriced there at today\u2019s smile.' +
    (left_out ? ` Left out: ${left_out}.` : '')
  );
}
