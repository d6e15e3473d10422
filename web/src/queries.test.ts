// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { Expiration } from './api/types';
import { default_expiration } from './queries';

const listed = (...all: [days: number, trading_class: string, contracts: number][]) =>
  all.map(
    ([days_to_expiry, trading_class, contracts]): Expiration => ({
      expiry: `day ${days_to_expiry}`,
      trading_class,
      days_to_expiry,
      contracts,
    }),
  );
const opened = (...all: Parameters<typeof listed>) => {
  const found = default_expiration(listed(...all));
  return found && `${found.days_to_expiry} ${found.trading_class}`;
};

describe('the expiry to open with', () => {
  it('is the fullest among those 20 to 45 days out', () => {
    expect(opened([7, 'W', 300], [21, 'W', 50], [28, 'M', 26], [41, 'W', 52])).toBe('41 W');
  });
  it('is nearest to a month among equally full ones', () => {
    expect(opened([21, 'W', 52], [28, 'M', 26], [28, 'W', 52], [34, 'W', 52])).toBe('28 W');
  });
  it('is the next later one when none is about a month out', () => {
    expect(opened([0, 'W', 90], [14, 'W', 90], [63, 'M', 40], [63, 'W', 44], [91, 'M', 99])).toBe(
      '63 W',
    );
  });
  it('is the last when all are sooner, and none without any', () => {
    expect(opened([0, 'M', 90], [14, 'M', 20], [14, 'W', 30])).toBe('14 W');
    expect(opened()).toBeUndefined();
  });
});
