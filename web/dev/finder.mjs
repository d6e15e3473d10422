// SPDX-License-Identifier: Apache-2.0
// Iron condors and covered calls of a fixture chain, good enough to fill the page.

const cdf = (x) => {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const tail =
    (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return x > 0 ? 1 - tail : tail;
};

const profit_at = (legs, spot) =>
  legs.reduce((sum, leg) => {
    const size = leg.kind === 'stock' ? leg.quantity : leg.quantity * 100;
    const value =
      leg.kind === 'stock'
        ? spot
        : Math.max(0, leg.kind === 'call' ? spot - leg.strike : leg.strike - spot);
    return sum + size * (value - leg.entry_price);
  }, 0);

function candidate(legs, greeks, density, days) {
  const kinks = [0, ...new Set(legs.flatMap((l) => (l.strike == null ? [] : [l.strike])))];
  kinks.sort((a, b) => a - b);
  const spots = [...kinks, kinks.at(-1) * 1.6];
  const corners = spots.map((spot) => ({ spot, profit: Number(profit_at(legs, spot).toFixed(4)) }));
  const breakevens = [];
  for (let i = 1; i < corners.length; i++) {
    const [a, b] = [corners[i - 1], corners[i]];
    if (a.profit * b.profit < 0) {
      breakevens.push(
        Number((a.spot + ((b.spot - a.spot) * a.profit) / (a.profit - b.profit)).toFixed(4)),
      );
    }
  }
  const profits = corners.map((p) => p.profit);
  const marks = [...kinks.slice(1), ...breakevens].sort((a, b) => a - b);
  const edge = Math.max((marks.at(-1) - marks[0]) / 2, marks.at(-1) / 10);
  const payoff = [Math.max(0, marks[0] - edge), ...marks, marks.at(-1) + edge].map((spot) => ({
    spot,
    profit: Number(profit_at(legs, spot).toFixed(4)),
  }));
  const max_profit = Math.max(...profits);
  const max_loss = -Math.min(...profits);
  const width = density.implied_vol * Math.sqrt(density.years_to_expiry);
  const below = (k) => cdf((Math.log(k / density.forward) + (width * width) / 2) / width);
  let pop = profits.at(-1) > 0 ? 1 : 0;
  if (breakevens.length === 2) pop = below(breakevens[1]) - below(breakevens[0]);
  if (breakevens.length === 1) pop = 1 - below(breakevens[0]);
  const option_legs = legs.filter((l) => l.kind !== 'stock');
  return {
    rank: 0,
    legs,
    credit: Number((-option_legs.reduce((s, l) => s + l.quantity * l.entry_price, 0)).toFixed(4)),
    max_profit,
    max_loss,
    breakevens,
    ...greeks,
    pop,
    return_on_risk: max_profit / max_loss,
    annualised_return: ((max_profit / max_loss) * 365) / Math.max(days, 1),
    payoff,
  };
}

export function strategies(chain, query) {
  const fill = query.fill ?? 'natural';
  const min_pop = Number(query.min_pop ?? 0.6);
  const limit = Number(query.limit ?? 20);
  const spot = chain.underlying_price;
  const years = Math.max(chain.days_to_expiry, 0.5) / 365;
  const middle = chain.rows.reduce((a, b) =>
    Math.abs(b.strike - spot) < Math.abs(a.strike - spot) ? b : a,
  );
  const density = {
    method: 'lognormal_atm_forward',
    anchor: 'put_call_parity_forward',
    day_count: 'ACT/365F',
    forward: spot * Math.exp(0.03 * years),
    discount_factor: Math.exp(-0.03 * years),
    discount_source: 'fitted',
    implied_vol: middle.call.implied_vol ?? middle.put.implied_vol ?? 0.2,
    years_to_expiry: years,
  };
  const near = density.implied_vol * Math.sqrt(years) * spot * 2.2;
  const rows = chain.rows.filter((r) => Math.abs(r.strike - spot) < near);
  const leg = (kind, row, quantity) => {
    const q = row[kind];
    if (!q || q.ask == null || !(q.bid > 0) || q.implied_vol == null) return null;
    const entry_price =
      fill === 'mid' ? Number(((q.bid + q.ask) / 2).toFixed(4)) : quantity > 0 ? q.ask : q.bid;
    return {
      kind,
      quantity,
      strike: row.strike,
      entry_price,
      implied_vol: q.implied_vol,
      delta: q.delta,
      q,
    };
  };
  const net = (legs, shares = 0) => {
    const sum = (name) => legs.reduce((s, l) => s + l.quantity * 100 * l.q[name], 0);
    return {
      delta: sum('delta') + shares,
      gamma: sum('gamma'),
      theta: sum('theta'),
      vega: sum('vega'),
    };
  };
  const clean = (legs) => legs.map(({ q, ...rest }) => rest);
  const found = [];
  let examined = 0;
  if (query.strategy === 'covered_call') {
    for (const row of chain.rows) {
      const call = leg('call', row, -1);
      if (!call) continue;
      examined++;
      const stock = {
        kind: 'stock',
        quantity: 100,
        strike: null,
        entry_price: spot,
        implied_vol: null,
        delta: 1,
      };
      const legs = [stock, ...clean([call])];
      found.push(candidate(legs, net([call], 100), density, chain.days_to_expiry));
    }
  } else {
    const puts = rows.filter((r) => r.strike < spot);
    const calls = rows.filter((r) => r.strike > spot);
    for (let a = 0; a < puts.length; a++)
      for (let b = a + 1; b < Math.min(puts.length, a + 5); b++)
        for (let c = 0; c < calls.length; c++)
          for (let d = c + 1; d < Math.min(calls.length, c + 5); d++) {
            examined++;
            const legs = [
              leg('put', puts[a], 1),
              leg('put', puts[b], -1),
              leg('call', calls[c], -1),
              leg('call', calls[d], 1),
            ];
            if (legs.some((l) => !l)) continue;
            const made = candidate(clean(legs), net(legs), density, chain.days_to_expiry);
            if (made.max_profit > 0 && made.max_loss > 0) found.push(made);
          }
  }
  const inside = found.filter((c) => c.pop >= min_pop);
  inside.sort((x, y) => y.return_on_risk - x.return_on_risk);
  const candidates = inside.slice(0, limit);
  candidates.forEach((c, i) => {
    c.rank = i + 1;
  });
  const { symbol, trading_class, expiry, days_to_expiry, as_of, age_seconds, source } = chain;
  return {
    symbol,
    trading_class,
    expiry,
    days_to_expiry,
    strategy: query.strategy,
    as_of,
    age_seconds,
    source,
    underlying_price: spot,
    fill,
    ranked_by: 'return_on_risk',
    density,
    examined,
    qualified: inside.length,
    candidates,
  };
}
