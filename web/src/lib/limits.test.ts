// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { from_percent, rate_of, to_percent, typed_number } from './limits';

const percent = { least: -50, most: 100 };

describe('a typed number', () => {
  it.each([
    ['4.25', 4.25],
    [' 4.25 ', 4.25],
    ['0', 0],
    ['-0.5', -0.5],
    ['\u22120.5', -0.5],
    ['.5', 0.5],
    ['-50', -50],
    ['100', 100],
  ])('%s is read', (text, number) => {
    expect(typed_number(text, percent)).toBe(number);
  });
  it.each(['', '  '])('"%s" asks for nothing', (text) => {
    expect(typed_number(text, percent)).toBeNull();
  });
  it.each(['4,25', '3,5', 'four', '-', '.', '1e1', '0x1', '-50.1', '100.01', 'Infinity'])(
    '%s is refused',
    (text) => {
      expect(typed_number(text, percent)).toBeUndefined();
    },
  );
  it('may have commas where thousands end', () => {
    const money = { least: 0, most: 1e9, above: true };
    expect(typed_number('12,500', money)).toBe(12_500);
    expect(typed_number('1,250,000.5', money)).toBe(1_250_000.5);
    expect(typed_number('1,25', money)).toBeUndefined();
    expect(typed_number('0', money)).toBeUndefined();
  });
  it('may have to be whole', () => {
    expect(typed_number('1.5', { least: 0, most: 9, whole: true })).toBeUndefined();
    expect(typed_number('2', { least: 0, most: 9, whole: true })).toBe(2);
  });
});

describe('a rate', () => {
  it('is per cent on screen and decimal in the link, without stray digits', () => {
    for (let hundredths = -5000; hundredths <= 10_000; hundredths++) {
      const shown = hundredths / 100;
      const decimal = from_percent(shown);
      expect(String(decimal).length).toBeLessThanOrEqual(7);
      expect(to_percent(decimal)).toBe(shown);
    }
  });
  it('is what a discount factor stands for', () => {
    expect(rate_of(Math.exp(-0.04 * 0.5), 0.5)).toBeCloseTo(0.04, 12);
    expect(rate_of(1, 0)).toBeNull();
  });
});
