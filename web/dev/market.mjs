// SPDX-License-Identifier: Apache-2.0
// A believable option market for developing the page without a server. Seeded: the same seed and cycle give the
// same chain. The numbers only have to look right; the real ones come from bifrost-sim through the real API.

const day_ms = 86_400_000;
export const cycle_ms = 300_000;

function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const hash = (text) =>
  [...text].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619), 2166136261);

function cdf(x) {
  // Abramowitz & Stegun 26.2.17.
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const tail =
    (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return x > 0 ? 1 - tail : tail;
}
const pdf = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const rate = 0.03;

export function option(right, spot, strike, years, vol) {
  const width = vol * Math.sqrt(years);
  const d1 = (Math.log(spot / strike) + (rate + (vol * vol) / 2) * years) / width;
  const d2 = d1 - width;
  const discount = Math.exp(-rate * years);
  const sign = right === 'call' ? 1 : -1;
  const decay = (-spot * pdf(d1) * vol) / (2 * Math.sqrt(years));
  return {
    price: sign * (spot * cdf(sign * d1) - strike * discount * cdf(sign * d2)),
    delta: sign * cdf(sign * d1),
    gamma: pdf(d1) / (spot * width),
    theta: (decay - sign * rate * strike * discount * cdf(sign * d2)) / 365,
    vega: spot * pdf(d1) * Math.sqrt(years),
  };
}

export const underlyings = {
  AAPL: { spot: 187.4, vol: 0.27, step: 2.5, width: 0.35, classes: ['AAPL'] },
  SPX: { spot: 4512.6, vol: 0.15, step: 10, width: 0.16, classes: ['SPXW', 'SPX'] },
  TWX: { spot: 71.3, vol: 0.22, step: 1, width: 0.4, classes: ['TWX'] },
};

export const iso = (ms) => new Date(ms).toISOString().replace('.000Z', 'Z');
export const date_of = (ms) => new Date(ms).toISOString().slice(0, 10);
export const days_between = (from, date) =>
  Math.round((Date.parse(date) - Date.parse(date_of(from))) / day_ms);

export function expirations(symbol, as_of) {
  const { classes } = underlyings[symbol];
  const found = [];
  const today = Date.parse(date_of(as_of));
  for (let d = 1; d <= 190; d++) {
    const at = new Date(today + d * day_ms);
    if (at.getUTCDay() !== 5) continue;
    const third = at.getUTCDate() >= 15 && at.getUTCDate() <= 21;
    if (d > 50 && !third) continue;
    const names = classes.length === 1 ? classes : third ? classes : [classes[0]];
    for (const trading_class of names) {
      const expiry = date_of(at.getTime());
      found.push({
        expiry,
        trading_class,
        days_to_expiry: d,
        contracts: 2 * strikes(symbol).length,
      });
    }
  }
  return found;
}

function strikes(symbol) {
  const { spot, step, width } = underlyings[symbol];
  const found = [];
  for (let k = Math.ceil((spot * (1 - width)) / step) * step; k <= spot * (1 + width); k += step) {
    found.push(Number(k.toFixed(4)));
  }
  return found;
}

export function spot_at(symbol, as_of) {
  const { spot } = underlyings[symbol];
  const n = Math.floor(as_of / cycle_ms);
  const h = hash(symbol);
  const wave =
    0.006 * Math.sin(n / 17 + h) + 0.004 * Math.sin(n / 5.3) + 0.0015 * Math.sin(n * 1.7 + h);
  return Number((spot * (1 + wave)).toFixed(2));
}

const tick = (p, up) => {
  const size = p < 3 ? 0.01 : 0.05;
  return Number(
    ((up ? Math.ceil(p / size - 1e-9) : Math.floor(p / size + 1e-9)) * size).toFixed(2),
  );
};

function side(symbol, right, strike, spot, expiry, as_of) {
  const { vol } = underlyings[symbol];
  const years = Math.max((Date.parse(`${expiry}T20:00:00Z`) - as_of) / (365 * day_ms), 1e-4);
  const money = Math.log(strike / spot) / Math.sqrt(Math.max(years, 0.02));
  const n = Math.floor(as_of / cycle_ms);
  const shift = 0.006 * Math.sin(n / 11 + hash(symbol));
  const iv = Math.max(0.06, vol + shift - 0.16 * money * vol + 0.35 * money * money * vol);
  const value = option(right, spot, strike, years, iv);
  const still = random(hash(`${symbol}${right}${strike}${expiry}`));
  const now = random(hash(`${symbol}${right}${strike}${expiry}${n}`));
  const popular = Math.exp(-Math.abs(money) * 4);
  const half = Math.max(0.01, value.price * 0.012 + 0.01) * (0.6 + 0.8 * now());
  const bid = tick(Math.max(0, value.price - half), false);
  const ask = tick(value.price + half, true);
  const dead = still() < 0.06 * (1 - popular);
  const traded = still() < 0.35 + 0.6 * popular;
  const solvable = bid > 0 && Math.abs(value.delta) < 0.985;
  return {
    bid: dead ? null : bid,
    ask: dead ? null : ask,
    last: traded ? tick(value.price + half * (now() - 0.5), now() > 0.5) : null,
    bid_size: dead ? null : bid > 0 ? Math.ceil(now() * 180 * popular + 2) : 0,
    ask_size: dead ? null : Math.ceil(now() * 180 * popular + 2),
    volume: traded ? Math.floor(still() * 5200 * popular * ((n % 78) / 78 + 0.2)) : 0,
    open_interest: still() < 0.04 ? null : Math.floor(still() * 61_000 * popular),
    implied_vol: solvable && !dead ? iv : null,
    delta: solvable && !dead ? value.delta : null,
    gamma: solvable && !dead ? value.gamma : null,
    theta: solvable && !dead ? value.theta : null,
    vega: solvable && !dead ? value.vega : null,
    greeks_from: solvable && !dead ? 'computed' : null,
    observed_at: dead ? null : iso(as_of - Math.floor(now() * 40_000)),
  };
}

export function chain(symbol, expiry, trading_class, as_of, now) {
  const spot = spot_at(symbol, as_of);
  return {
    symbol,
    trading_class,
    expiry,
    days_to_expiry: days_between(as_of, expiry),
    as_of: iso(as_of),
    age_seconds: Math.max(0, Math.round((now - as_of) / 1000)),
    source: 'simulated',
    served_from: 'history',
    notice: null,
    complete: true,
    underlying_price: spot,
    rows: strikes(symbol).map((strike) => ({
      strike,
      call: side(symbol, 'call', strike, spot, expiry, as_of),
      put: side(symbol, 'put', strike, spot, expiry, as_of),
    })),
  };
}

export function history(symbol, query, as_of) {
  const points = [];
  const start = query.start ? Date.parse(query.start) : as_of - 30 * day_ms;
  for (let t = as_of - 30 * day_ms; t <= as_of; t += cycle_ms) {
    const at = new Date(t);
    const minutes = at.getUTCHours() * 60 + at.getUTCMinutes();
    if (t < start || at.getUTCDay() % 6 === 0 || minutes < 815 || minutes > 1200) continue;
    const n = Math.floor(t / cycle_ms);
    if (n % 293 < 14) continue; // the collector was away
    points.push({
      as_of: iso(t),
      underlying_price: spot_at(symbol, t),
      quote: side(symbol, query.right, Number(query.strike), spot_at(symbol, t), query.expiry, t),
    });
  }
  const { trading_class, expiry, right } = query;
  return { symbol, trading_class, expiry, strike: Number(query.strike), right, points };
}
