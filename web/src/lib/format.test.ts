// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import * as f from './format';

describe('unknown and zero', () => {
  const writers = [
    f.price,
    f.spot,
    f.strike,
    f.count,
    f.money,
    f.percent,
    f.percent_number,
    f.greek,
  ];
  it('writes nothing for an unknown value', () => {
    for (const write of writers) {
      expect(write(null)).toBe('');
      expect(write(undefined)).toBe('');
    }
    expect(f.decimal(null, 2)).toBe('');
    expect(f.signed(null, 2)).toBe('');
  });
  it('writes a quoted zero', () => {
    expect(f.price(0)).toBe('0.00');
    expect(f.count(0)).toBe('0');
    expect(f.money(0)).toBe('$0.00');
    expect(f.greek(0)).toBe('0.0000');
  });
});

describe('numbers', () => {
  it('keeps every digit of a fine tick', () => {
    expect(f.price(27.6)).toBe('27.60');
    expect(f.price(0.0525)).toBe('0.0525');
  });
  it('never writes a negative zero', () => {
    expect(f.signed(-0.001, 2)).toBe('0.00');
    expect(f.signed_money(-0.001)).toBe('$0.00');
  });
  it('gives gains and losses a sign', () => {
    expect(f.signed_money(1065)).toBe('+$1,065.00');
    expect(f.signed_money(-235)).toBe('\u2212$235.00');
    expect(f.money(-1032.5, 0)).toBe('\u2212$1,033');
  });
  it('shortens only what does not fit a column', () => {
    expect(f.count(99_999)).toBe('99,999');
    expect(f.count(123_456)).toBe('123k');
    expect(f.count(1_234_567)).toBe('1.2M');
  });
  it('keeps three digits of a greek whatever its size', () => {
    expect(f.greek(-0.00021)).toBe('\u22120.0002');
    expect(f.greek(0.5553)).toBe('+0.555');
    expect(f.greek(12.345)).toBe('+12.35');
  });
});

describe('time', () => {
  it('reads an age at any scale', () => {
    expect(f.age(8.9)).toBe('8 s');
    expect(f.age(245)).toBe('4 min 05 s');
    expect(f.age(7800)).toBe('2 h 10 min');
    expect(f.age(3 * 86_400 + 4 * 3600)).toBe('3 d 4 h');
    expect(f.age(2750 * 86_400 + 4 * 3600)).toBe('2,750 d');
    expect(f.age(-3)).toBe('0 s');
  });
  it('shows instants in New York time, summer and winter', () => {
    expect(f.exchange_clock('2014-06-05T13:35:00Z')).toBe('09:35:00 ET');
    expect(f.exchange_clock('2014-01-06T14:35:00Z')).toBe('09:35:00 ET');
    expect(f.exchange_moment('2014-06-05T13:35:00Z')).toBe('Thu 5 Jun, 09:35 ET');
  });
  it('takes a late evening in UTC for the New York day before', () => {
    expect(f.exchange_day('2014-06-06T01:00:00Z')).toBe('2014-06-05');
  });
  it('does not move an expiry by a time zone', () => {
    expect(f.expiry_short('2014-06-21')).toBe('Jun 21');
  });
});
