// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import {
  amount_words,
  date_headings,
  exit_rule,
  fitting_part,
  fitting_spots,
  heat,
  price_headings,
  table_spots,
} from './profit_table';

describe('the prices of the table', () => {
  it('are round, ascending, no more than there is room for, and hold the spot itself', () => {
    for (const most of [5, 9, 15, 21]) {
      const spots = table_spots({ low: 4837, high: 5871 }, 5354.89, most);
      expect(spots.length).toBeLessThanOrEqual(most);
      expect(spots.length).toBeGreaterThanOrEqual(3);
      expect([...spots].sort((a, b) => a - b)).toEqual(spots);
      expect(spots).toContain(5354.89);
      expect(spots.filter((s) => s % 10 !== 0)).toEqual([5354.89]);
    }
  });
  it('are round alone where the spot is unknown or far away', () => {
    expect(table_spots({ low: 90, high: 110 }, null, 5)).toEqual([90, 95, 100, 105, 110]);
    expect(table_spots({ low: 90, high: 110 }, 200, 5)).toEqual([90, 95, 100, 105, 110]);
  });
  it('are none over no width', () => {
    expect(table_spots({ low: 0, high: 0 }, 100, 9)).toEqual([]);
  });
});

describe('an amount', () => {
  it('has six characters at most, also where rounding adds a digit', () => {
    const said: [number, string][] = [
      [-9_999.4, '\u22129,999'],
      [9_999.5, '+10.0k'],
      [-99_949, '\u221299.9k'],
      [99_950, '+100k'],
      [-999_499, '\u2212999k'],
      [-1_234_567, '\u22121.23M'],
      [9_996_000, '+10.0M'],
      [999_400_000, '+999M'],
    ];
    for (const [v, text] of said) {
      expect(amount_words(v, Math.abs(v))).toBe(text);
      expect(text.length).toBeLessThanOrEqual(6);
    }
  });
  it('too small for the unit of its table is 0', () => {
    expect(amount_words(-0.4, 300)).toBe('0');
    expect(amount_words(-400, 150_000)).toBe('0');
  });
});

describe('the headings of the table', () => {
  it('write a round price in full: no two prices read the same', () => {
    const text = (spots: number[], spot: number) => price_headings(spots, spot).map((h) => h.text);
    expect(text([5300, 5355.73, 5400], 5355.73)).toEqual(['5,300', '5,355.73', '5,400']);
    expect(text([97.5, 100, 102.5], 101)).toEqual(['97.50', '100.00', '102.50']);
    expect(text([1.025, 1.05, 1.075], 1.05)).toEqual(['1.025', '1.05', '1.075']);
  });
  it('tell the distance from the spot', () => {
    expect(price_headings([90, 100, 110], 100).map((h) => h.small)).toEqual([
      '\u221210.0\u202f%',
      'spot',
      '+10.0\u202f%',
    ]);
  });
});

describe('what fits side by side', () => {
  const as_of = '2026-05-01T15:00:00Z';
  const dates = (until: number) => Array.from({ length: 7 }, (_, i) => (i * until) / 6);
  const table = (spots: readonly number[], most: number, until = 11.9) => ({
    spots: [...spots],
    vol_shift: 0,
    days_forward: dates(until),
    profit: dates(until).map((_, day) => spots.map((_, i) => ((day + i) % 2 ? most : -most))),
  });

  it('is fewer prices where they are longer', () => {
    const short = fitting_spots({ low: 80, high: 130 }, 101.2, 900, 600);
    const long = fitting_spots({ low: 80_000, high: 130_000 }, 101_200.25, 900, 600);
    expect(short.length).toBeGreaterThan(long.length);
    expect(long).toContain(101_200.25);
  });
  it('is all that was asked for, when the amounts are as large as expected', () => {
    for (const [low, high, spot] of [
      [1.2, 1.52, 1.37],
      [38, 61, 48.21],
      [4837, 5871, 5354.89],
      [80_000, 120_000, 99_999.95],
    ] as const) {
      for (const most of [0.4, 900, 9_999.7, 12_345, 1_234_567]) {
        for (const width of [561, 831, 1006, 1600]) {
          const spots = fitting_spots({ low, high }, spot, most, width);
          expect(spots.length).toBeGreaterThanOrEqual(4);
          const shown = fitting_part(table(spots, most), as_of, spot, 'prices', width);
          expect(shown.prices).toEqual(spots.map((_, i) => i));
        }
      }
    }
  });
  it('keeps the spot and what is nearest to it in a panel that became narrower', () => {
    const spots = fitting_spots({ low: 4837, high: 5871 }, 5354.89, 900, 1600);
    const { prices } = fitting_part(table(spots, 900), as_of, 5354.89, 'prices', 600);
    expect(prices.length).toBeLessThan(spots.length);
    const kept = prices.map((i) => spots[i] as number);
    expect(kept).toContain(5354.89);
    expect(prices).toEqual(prices.map((_, i) => (prices[0] as number) + i));
    const off = (s: number) => Math.abs(s - 5354.89);
    const left = spots.filter((s) => !kept.includes(s));
    expect(Math.min(...left.map(off))).toBeGreaterThanOrEqual(Math.max(...kept.map(off)) - 50);
  });
  it('is all seven dates on a phone, and now and expiry where they are too long', () => {
    const ordinary = table(table_spots({ low: 4837, high: 5871 }, 5354.89, 15), 1_342);
    const all = fitting_part(ordinary, as_of, 5354.89, 'dates', 380);
    expect(all.dates).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(all.prices).toHaveLength(ordinary.spots.length);
    const long = table([90_000, 99_999.95, 110_000], 1_234_567, 1000);
    const few = fitting_part(long, as_of, 99_999.95, 'dates', 340).dates;
    expect(few.length).toBeLessThan(7);
    expect([few[0], few.at(-1)]).toEqual([0, 6]);
  });
  it('has dates told apart', () => {
    const said = date_headings(as_of, dates(1.5)).map((h) => h.small);
    expect(new Set(said).size).toBe(7);
    expect([said[0], said[6]]).toEqual(['now', 'expiry']);
  });
});

describe('the colour of a cell', () => {
  it('is as strong for a loss as for an equal gain, and full at the most', () => {
    expect(heat(400, 400)).toBe(1);
    expect(heat(-400, 400)).toBe(-1);
    expect(heat(100, 400)).toBe(-heat(-100, 400));
    expect(heat(100, 400)).toBeCloseTo(0.5);
    expect(heat(0, 400)).toBe(0);
    expect(heat(0, 0)).toBe(0);
  });
});

describe('when a position is closed', () => {
  const position = { max_profit: 200, max_loss: 300, credit: 2, model_dependent: false };
  it('is at half of the profit or the whole loss', () => {
    expect(exit_rule(position)).toEqual({ profit_target: 100, loss_limit: 300 });
  });
  it('is at twice the credit where the loss is larger or has no bound', () => {
    expect(exit_rule({ ...position, max_loss: 9800 })?.loss_limit).toBe(400);
    expect(exit_rule({ ...position, max_loss: null })?.loss_limit).toBe(400);
    expect(exit_rule({ ...position, max_loss: 700, credit: -7 })?.loss_limit).toBe(700);
  });
  it('is not told where nothing bounds the profit, or legs outlive the first expiry', () => {
    expect(exit_rule({ ...position, max_profit: null })).toBeNull();
    expect(exit_rule({ ...position, max_loss: null, credit: -1 })).toBeNull();
    expect(exit_rule({ ...position, model_dependent: true })).toBeNull();
  });
});
