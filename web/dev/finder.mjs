// SPDX-License-Identifier: Apache-2.0
// The finder's answers for a fixture chain, good enough to fill the page: a handful of strategies, one lognormal
// density, invented margins.

import { option } from './market.mjs';

const leg = (kind, quantity, rung, expiry_rung = 0) => ({ kind, quantity, rung, expiry_rung });
const entry = (name, legs) => {
  const rises = legs.reduce((sum, l) => sum + (l.kind === 'put' ? 0 : l.quantity), 0);
  return {
    name,
    legs,
    strikes: 1 + Math.max(...legs.map((l) => l.rung ?? 0)),
    expiries: 1 + Math.max(...legs.map((l) => l.expiry_rung)),
    loss_is_bounded: rises >= 0,
    profit_is_bounded: rises <= 0,
    default_objective:
      rises > 0 ? 'expected_profit_on_max_loss' : rises < 0 ? 'return_on_margin' : 'return_on_risk',
  };
};
const strategies = [
  entry('long_call', [leg('call', 1, 0)]),
  entry('covered_call', [leg('stock', 1, null), leg('call', -1, 0)]),
  entry('bull_put_spread', [leg('put', 1, 0), leg('put', -1, 1)]),
  entry('call_front_ratio', [leg('call', 1, 0), leg('call', -2, 1)]),
  entry('short_strangle', [leg('put', -1, 0), leg('call', -1, 1)]),
  entry('jade_lizard', [leg('put', -1, 0), leg('call', -1, 1), leg('call', 1, 2)]),
  entry('iron_condor', [
    leg('put', 1, 0),
    leg('put', -1, 1),
    leg('call', -1, 2),
    leg('call', 1, 3),
  ]),
  entry('long_put_calendar', [leg('put', -1, 0), leg('put', 1, 0, 1)]),
];
export const catalogue = () => ({ strategies });

const years_of = (chain) => Math.max(chain.days_to_expiry, 0.5) / 365;
const steps = (low, high, n) =>
  Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1));

/** The lognormal at the volatility of the row nearest to the money. */
function settlement(chain, rate = 0.03) {
  const years = years_of(chain);
  const spot = chain.underlying_price;
  const off = (row) => Math.abs(row.strike - spot);
  const middle = chain.rows.reduce((a, b) => (off(b) < off(a) ? b : a));
  const vol = middle.call.implied_vol ?? middle.put.implied_vol ?? 0.2;
  const mean = spot * Math.exp(rate * years);
  const width = vol * Math.sqrt(years);
  const at = (z) => mean * Math.exp(z * width - (width * width) / 2);
  const density = (s) => {
    const z = (Math.log(s / mean) + (width * width) / 2) / width;
    return Math.exp((-z * z) / 2) / (s * width * Math.sqrt(2 * Math.PI));
  };
  const points = steps(at(-3.5), at(3.5), 161).map((spot) => ({
    spot,
    density: density(spot),
    cdf: 0,
  }));
  const step = points[1].spot - points[0].spot;
  points.forEach((p, i) => {
    p.cdf = (points[i - 1]?.cdf ?? 0) + p.density * step;
  });
  // One symbol whose strikes end early.
  const beyond = chain.symbol === 'TWX' ? 0.23 : 0.021;
  return { years, vol, mean, at, points, step, beyond };
}

const label = (kind, s) => ({
  kind,
  method: kind === 'lognormal' ? 'lognormal, flat vol' : 'invented for the fixture',
  anchor: 'put_call_parity_forward',
  day_count: 'ACT/365F',
  years_to_expiry: s.years,
  mean: s.mean,
  observations: null,
  independent_observations: null,
  mass_outside_quotes: kind === 'market_implied' ? s.beyond : null,
});

/** Of one leg per share, on a day before its expiry or at it. */
const worth = (l, spot, years, shift = 0) => {
  if (l.kind === 'stock') return spot;
  if (years > 1e-6)
    return option(l.kind, spot, l.strike, years, (l.implied_vol ?? 0.2) + shift).price;
  return Math.max(0, l.kind === 'call' ? spot - l.strike : l.strike - spot);
};
const size = (l) => (l.kind === 'stock' ? l.quantity : 100 * l.quantity);
const profit_at = (legs, spot, left, shift) =>
  legs.reduce((sum, l) => sum + size(l) * (worth(l, spot, left(l), shift) - l.entry_price), 0);

/** Everything that follows from the legs. */
function candidate(legs, front, s, rises) {
  const several = legs.some((l) => l.expiry && l.expiry !== front.expiry);
  const left = (l) =>
    l.expiry && l.expiry !== front.expiry ? (l.days - front.days_to_expiry) / 365 : 0;
  const strikes = legs.flatMap((l) => (l.strike == null ? [] : [l.strike])).sort((a, b) => a - b);
  const [lowest, highest] = [strikes[0], strikes.at(-1)];
  const edge = Math.max((highest - lowest) / 2, highest / 8);
  const spots = several
    ? steps(lowest * 0.6, lowest * 1.5, 181)
    : [lowest - edge, ...new Set(strikes), highest + edge];
  const corners = spots.map((spot) => ({ spot, profit: profit_at(legs, spot, left) }));
  const breakevens = corners.slice(1).flatMap((b, i) => {
    const a = corners[i];
    if (a.profit * b.profit >= 0) return [];
    return [Number((a.spot + ((b.spot - a.spot) * a.profit) / (a.profit - b.profit)).toFixed(4))];
  });
  const profits = [profit_at(legs, 1e-6, left), ...corners.map((p) => p.profit)];
  const max_profit = rises > 0 ? null : Math.max(...profits);
  const max_loss = rises < 0 ? null : -Math.min(...profits);
  const paid = s.points.map((p) => profit_at(legs, p.spot, left));
  const mass = s.points.reduce((sum, p) => sum + p.density, 0);
  const mean_of = (value) =>
    s.points.reduce((sum, p, i) => sum + p.density * value(paid[i]), 0) / mass;
  const net = (name) =>
    legs.reduce(
      (sum, l) => sum + size(l) * (l.kind === 'stock' ? Number(name === 'delta') : l[name]),
      0,
    );
  const options = legs.filter((l) => l.kind !== 'stock');
  const credit = -options.reduce((sum, l) => sum + l.quantity * l.entry_price, 0);
  const ratio = max_profit !== null && max_loss > 0 ? max_profit / max_loss : null;
  const margin =
    max_loss === null
      ? 20 * front.underlying_price + Math.max(0, 100 * credit)
      : max_loss + Math.max(0, 100 * credit);
  return {
    rank: 0,
    score: 0,
    legs: legs.map(({ gamma, theta, vega, days, ...rest }) => rest),
    credit: Number(credit.toFixed(4)),
    fees: 0,
    model_dependent: several,
    max_profit,
    max_loss,
    breakevens,
    delta: net('delta'),
    gamma: net('gamma'),
    theta: net('theta'),
    vega: net('vega'),
    pop: mean_of((p) => Number(p > 0)),
    expected_profit: mean_of((p) => p),
    return_on_risk: ratio,
    margin,
    return_on_margin: max_profit === null ? null : max_profit / margin,
    annualised_return: ratio === null ? null : (ratio * 365) / Math.max(front.days_to_expiry, 1),
    payoff: corners,
  };
}

const scores = {
  expected_profit: (c) => c.expected_profit,
  expected_profit_on_max_loss: (c) => c.expected_profit / c.max_loss,
  expected_profit_on_margin: (c) => c.expected_profit / c.margin,
  credit: (c) => c.credit,
  return_on_risk: (c) => c.return_on_risk,
  return_on_margin: (c) => c.return_on_margin,
  pop: (c) => c.pop,
  theta_on_max_loss: (c) => c.theta / c.max_loss,
};

/** Ascending choices of `rungs` out of `rows`. */
function* choices(rows, rungs, from = 0) {
  if (rungs === 0) yield [];
  else {
    for (let i = from; i < rows.length; i++) {
      for (const rest of choices(rows, rungs - 1, i + 1)) yield [rows[i], ...rest];
    }
  }
}

/** `later` is the chain of the next expiry, for strategies of two. */
export function find(front, later, query) {
  const shape = strategies.find((e) => e.name === query.strategy);
  const rate = query.rate === undefined ? undefined : Number(query.rate);
  const s = settlement(front, rate);
  const spot = front.underlying_price;
  const fill = Number(query.fill_position ?? 1);
  const near = s.vol * Math.sqrt(s.years) * spot * 2.2;
  const close = front.rows.filter((r) => Math.abs(r.strike - spot) < near);
  // Few enough that four of them are chosen in no time.
  const every = Math.ceil(close.length / { 1: 200, 2: 60, 3: 28, 4: 16 }[shape.strikes]);
  const rows = close.filter((_, i) => i % every === 0);
  const rises = shape.legs.reduce((sum, l) => sum + (l.kind === 'put' ? 0 : l.quantity), 0);
  const place = (l, at) => {
    if (l.kind === 'stock') {
      const shares = {
        kind: 'stock',
        quantity: 100 * l.quantity,
        expiry: null,
        trading_class: null,
      };
      return { ...shares, strike: null, entry_price: spot, implied_vol: null, delta: 1 };
    }
    const chain = l.expiry_rung > 0 ? later : front;
    const strike = at[l.rung].strike;
    const q = chain?.rows.find((r) => r.strike === strike)?.[l.kind];
    if (!q || !(q.bid > 0) || q.ask == null || q.implied_vol == null) return null;
    if (
      l.quantity < 0 &&
      shape.expiries === 1 &&
      (l.kind === 'call' ? strike < spot : strike > spot)
    )
      return null;
    const half = ((q.ask - q.bid) / 2) * fill;
    const entry_price = Number(((q.bid + q.ask) / 2 + Math.sign(l.quantity) * half).toFixed(4));
    const { kind, quantity } = l;
    const { expiry, trading_class, days_to_expiry: days } = chain;
    const { implied_vol, delta, gamma, theta, vega } = q;
    const named = { kind, quantity, expiry, trading_class, strike, entry_price, implied_vol };
    return { ...named, delta, gamma, theta, vega, days };
  };
  let combinations = 0;
  const objective = query.objective ?? shape.default_objective;
  const score = scores[objective];
  const best = [];
  for (const at of choices(rows, shape.strikes)) {
    const legs = shape.legs.map((l) => place(l, at));
    if (legs.some((l) => l === null)) continue;
    combinations++;
    const made = candidate(legs, front, s, rises);
    if (made.max_profit !== null && made.max_profit <= 0) continue;
    if (made.max_loss !== null && made.max_loss <= 0) continue;
    if (made.pop < Number(query.min_pop ?? 0)) continue;
    if (query.max_loss && !(made.max_loss <= Number(query.max_loss))) continue;
    made.score = score(made);
    best.push(made);
  }
  best.sort((a, b) => b.score - a.score);
  const candidates = best.slice(0, Number(query.limit ?? 20));
  candidates.forEach((c, i) => {
    c.rank = i + 1;
  });
  const searched = (chain) => ({
    expiry: chain.expiry,
    trading_class: chain.trading_class,
    days_to_expiry: chain.days_to_expiry,
    forward: settlement(chain, rate).mean,
    discount_factor: Math.exp(-(rate ?? 0.03) * years_of(chain)),
    discount_source: rate === undefined ? 'carry' : 'given',
    atm_implied_vol: settlement(chain).vol,
    density: label(query.density ?? 'market_implied', settlement(chain, rate)),
  });
  return {
    symbol: front.symbol,
    strategy: query.strategy,
    objective,
    as_of: front.as_of,
    age_seconds: front.age_seconds,
    source: front.source,
    underlying_price: spot,
    style: 'american',
    fill_position: fill,
    fee_per_contract: 0,
    min_pop: Number(query.min_pop ?? 0),
    short_strikes: 'out_of_the_money',
    expiries: shape.expiries > 1 ? [searched(front), searched(later)] : [searched(front)],
    left_out: [],
    combinations,
    visited: combinations,
    pruned: 0,
    candidates,
    qualified: null,
    unfit: [],
    certificate: null,
    why_not: null,
  };
}

export function densities(chain, rate) {
  const s = settlement(chain, rate);
  const z = { 0.16: -0.9945, 0.5: 0, 0.84: 0.9945 };
  const quantiles = Object.entries(z).map(([p, d]) => ({ p: Number(p), spot: s.at(d) }));
  const { symbol, expiry, trading_class, as_of, age_seconds, source, underlying_price } = chain;
  return {
    ...{ symbol, expiry, trading_class, as_of, age_seconds, source, underlying_price },
    curves: ['market_implied', 'lognormal'].map((kind) => ({
      label: label(kind, s),
      quantiles,
      points: s.points,
    })),
    missing: [{ kind: 'history', reason: 'the fixture has no daily closes' }],
  };
}

/** What the page reads of an analysis. `chain_of` gives the chain of an expiry. */
export function analyze(chain_of, body) {
  const options = body.legs.filter((l) => l.kind !== 'stock');
  const dates = options.map((l) => l.expiry).sort();
  const chain = chain_of(dates[0], options.find((l) => l.expiry === dates[0]).trading_class);
  const legs = body.legs.map((l) => {
    if (l.kind === 'stock') return { ...l, days: 0 };
    const of = chain_of(l.expiry, l.trading_class);
    const quote = of.rows.find((r) => r.strike === l.strike)[l.kind];
    return { ...l, implied_vol: quote.implied_vol, days: of.days_to_expiry };
  });
  const last = chain.days_to_expiry;
  const days_forward = steps(0, last, 7);
  const vol_shift = body.table.vol_shift ?? 0;
  const profit = days_forward.map((day) =>
    body.table.spots.map((spot) => profit_at(legs, spot, (l) => (l.days - day) / 365, vol_shift)),
  );
  const worst = Math.max(0, -Math.min(...profit.at(-1)));
  const rule = (rules, factor) => ({
    ...{ rules, valid_from: '2020-01-01', source: 'invented', proven_minimal: true, offsets: [] },
    initial: worst * factor,
    maintenance: worst * factor,
  });
  return {
    symbol: chain.symbol,
    as_of: chain.as_of,
    age_seconds: chain.age_seconds,
    source: chain.source,
    underlying_price: chain.underlying_price,
    margin: {
      ...{ worst_loss: worst, unlimited_up: false, defined_risk: true },
      rules: [rule('reg_t', 1), rule('ibkr', 1.1)],
      ...{ stress: worst * 0.8, stress_rules: 'equity', stress_worst_shift: -0.15 },
    },
    exit: body.profit_target
      ? {
          ...{ target_first: 0.62, stop_first: 0.2, neither: 0.18, numerical_error: 0 },
          ...{ path_model: 'invented', density: label('market_implied', settlement(chain)) },
        }
      : null,
    table: { days_forward, spots: body.table.spots, vol_shift, profit },
  };
}
