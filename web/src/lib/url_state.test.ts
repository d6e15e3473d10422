// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { parse_contract } from './contract';
import { leg_lines, leg_words, position_key } from './legs';
import { parse_url, write_url } from './url_state';

describe('the link', () => {
  it('brings back everything it was made from', () => {
    const state = {
      symbol: 'BRK B',
      expiry: '2014-06-21',
      trading_class: 'BRKB',
      strategy: 'jade_lizard',
      objective: 'expected_profit_on_margin',
      density: 'lognormal',
      fill: 'mid',
      min_pop: 0.75,
      max_loss: 2500,
      max_short_delta: 0.3,
      min_open_interest: 100,
      rate: 0.0425,
      selected: '100S_-1C97.5',
      contract: 'P97.5',
    } as const;
    expect(parse_url(write_url(state))).toEqual(state);
  });
  it('says nothing of what is the default', () => {
    expect(
      write_url(parse_url('?strategy=iron_condor&density=market_implied&fill=natural&min_pop=0.6')),
    ).toBe('');
  });
  it('takes what it does not understand as absent', () => {
    const state = parse_url(
      '?expiry=tomorrow&min_pop=7&fill=free&strategy=X!&symbol=twx&objective=luck&density=x' +
        '&max_loss=-5&max_short_delta=3&min_open_interest=many',
    );
    expect(state).toMatchObject({
      symbol: 'TWX',
      expiry: null,
      min_pop: 0.6,
      fill: 'natural',
      strategy: 'iron_condor',
      objective: 'return_on_risk',
      density: 'market_implied',
      max_loss: null,
      max_short_delta: null,
      min_open_interest: null,
    });
  });
  it('takes rates that the API takes, zero among them', () => {
    const rate = (text: string) => parse_url(`?rate=${text}`).rate;
    expect([rate('0'), rate('-0.5'), rate('1'), rate('0.0425')]).toEqual([0, -0.5, 1, 0.0425]);
    expect([rate(''), rate('-0.51'), rate('4.25'), rate('high')]).toEqual([null, null, null, null]);
    expect(write_url(parse_url('?rate=0'))).toBe('?rate=0');
  });
  it('names a contract by right and strike', () => {
    expect(parse_contract('P97.5')).toEqual({ right: 'put', strike: 97.5 });
    expect(parse_contract('X1')).toBeNull();
    expect(parse_contract('C1e9')).toBeNull();
  });
  it('names a position by its legs', () => {
    expect(position_key({ legs: [stock, option('call', -1, 97.5)] })).toBe('100S_-1C97.5');
  });
  it('names the expiry of legs that outlive the first', () => {
    const legs = [option('call', -1, 100), option('call', 1, 100, '2026-12-18')];
    expect(position_key({ legs })).toBe('-1C100_1C100@2026-12-18');
  });
});

const rest = { trading_class: 'TWX', entry_price: 1, implied_vol: null, delta: null } as const;
const stock = { ...rest, kind: 'stock', quantity: 100, strike: null, expiry: null } as const;
const option = (kind: 'call' | 'put', quantity: number, strike: number, expiry = '2026-11-20') =>
  ({ ...rest, kind, quantity, strike, expiry }) as const;

describe('the legs of a position', () => {
  const lines = (legs: Parameters<typeof leg_lines>[0]['legs']) =>
    leg_lines({ legs }).map((line) => [
      line.expiry,
      ...line.groups.map((g) => `${g.legs.map((l) => l.strike).join()}${g.after}`),
    ]);
  it('stand left and right of the dash when puts and calls expire together', () => {
    expect(lines([option('call', -1, 110), option('put', -1, 90), option('put', 1, 85)])).toEqual([
      ['', '90,85', '110'],
    ]);
  });
  it('say what they are when only one kind is there, and the stock is left to the name', () => {
    expect(lines([stock, option('call', -1, 110)])).toEqual([['', '110call']]);
  });
  it('have a line for each expiry as soon as they do not expire together', () => {
    const legs = [
      option('put', 1, 95, '2026-12-18'),
      option('put', -1, 90),
      option('call', -1, 99),
    ];
    expect(lines(legs)).toEqual([
      ['Nov 20', '90', '99'],
      ['Dec 18', '95put'],
    ]);
    expect(leg_words(option('put', -1, 90), true)).toBe('Sell 1 put 90 Nov\u00a020');
  });
});
