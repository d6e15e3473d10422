// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { DensityLabel, SearchedExpiry } from '../../api/types';
import { beyond_quotes_words, interest_words, rate_refusal } from './words';

const density = (mass_outside_quotes: number | null, years_to_expiry = 0.5): DensityLabel => ({
  kind: 'market_implied',
  method: 'fitted',
  anchor: 'put_call_parity_forward',
  day_count: 'ACT/365F',
  years_to_expiry,
  mean: 100,
  observations: null,
  independent_observations: null,
  mass_outside_quotes,
});

describe('what is said against an extrapolated density', () => {
  it('is said above a tenth of the probability', () => {
    expect(beyond_quotes_words(density(0.243))).toBe(
      '24\u202f% of the probability lies beyond the quoted strikes, where it is extrapolated.',
    );
    expect(beyond_quotes_words(density(0.1001))).not.toBe('');
  });
  it('is nothing up to a tenth, and where no quotes bound it', () => {
    expect(beyond_quotes_words(density(0.1))).toBe('');
    expect(beyond_quotes_words(density(null))).toBe('');
    expect(beyond_quotes_words(undefined)).toBe('');
  });
});

const expiry = (discount_source: string, rate: number, years: number, date = '2026-12-24') =>
  ({
    expiry: date,
    trading_class: 'BFX',
    discount_factor: Math.exp(-rate * years),
    discount_source,
    density: density(null, years),
  }) as SearchedExpiry;

describe('the interest behind a ranking', () => {
  const words = (...expiries: SearchedExpiry[]) => interest_words({ expiries });
  it('is told a year, with its source', () => {
    expect(words(expiry('given', 0.0425, 0.08))).toBe('Interest: 4.25\u202f% a year, as set.');
    expect(words(expiry('fitted', 0.028, 0.08))).toMatch(/2\.80\u202f% a year, as put–call parity/);
    expect(words(expiry('given', -0.005, 0.08))).toMatch(/\u22120\.50\u202f%/);
  });
  it('is told to be an assumption where it is one', () => {
    expect(words(expiry('carry', 0.03, 0.08))).toMatch(/as if no dividend were paid/);
    expect(words(expiry('assumed_zero', 0, 0.08))).toMatch(/0\.00\u202f% a year, assumed/);
  });
  it('keeps a source that the page has no words for', () => {
    expect(words(expiry('futures', 0.01, 0.08))).toContain('a year, futures.');
  });
  it('is told of each expiry where they differ', () => {
    const [front, later] = [
      expiry('fitted', 0.028, 0.08),
      expiry('fitted', 0.029, 0.2, '2027-01-08'),
    ];
    expect(words(front, later)).toMatch(/2\.80\u202f% until Dec 24 and 2\.90\u202f% until Jan 8 a/);
    expect(
      words(front, expiry('assumed_zero', 0, 0.2, '2027-01-08')).match(/Interest/g),
    ).toHaveLength(2);
  });
});

it('a rate that leaves nothing to rank is explained, another failure is not', () => {
  const detail = 'too few expiries can take part: 2026-12-24 no_american_price';
  expect(rate_refusal(detail)).toMatch(/cannot be priced at this rate/);
  expect(rate_refusal('the database did not answer in time')).toBe('');
});
