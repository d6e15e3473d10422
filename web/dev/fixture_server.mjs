// SPDX-License-Identifier: Apache-2.0
// The API's shape with invented data, for developing the page: REST, WebSocket, and web/dist under the page's
// real Content-Security-Policy.
//
// Usage: node dev/fixture_server.mjs [--port 8090] [--every 5] [--source simulated|live|delayed]
// (--every: seconds between snapshots)
// Knobs while it runs: GET /dev/fail?status=503 (next requests fail), /dev/ok, /dev/drop (closes sockets),
// /dev/stale, /dev/closed.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { analyze, catalogue, densities, find } from './finder.mjs';
import { chain, cycle_ms, expirations, history, iso, spot_at, underlyings } from './market.mjs';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '8090' },
    every: { type: 'string', default: '5' },
    source: { type: 'string', default: 'simulated' },
  },
});
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const csp =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

// A Thursday noon in New York, so that the market is open whenever this is run.
const started = Date.parse('2023-08-31T16:00:00Z');
const pace = cycle_ms / (Number(options.every) * 1000);
const boot = Date.now();
const state = { fail: 0, stale: false, closed: false, sequence: 0 };
const market_now = () => started + (Date.now() - boot) * pace;
const cycle = () => Math.floor(market_now() / cycle_ms) * cycle_ms;

class Refused extends Error {
  constructor(status, code, title, detail, errors = []) {
    super(title);
    Object.assign(this, { status, code, title, detail, errors });
  }
}
const known = (symbol) => {
  if (!underlyings[symbol]) {
    throw new Refused(404, 'not_found', 'Not found', `no snapshot of ${symbol} is stored`);
  }
  return symbol;
};
function listed(symbol, query) {
  const of_date = expirations(symbol, cycle()).filter((e) => e.expiry === query.expiry);
  const found = query.trading_class
    ? of_date.find((e) => e.trading_class === query.trading_class)
    : of_date[0];
  if (!found)
    throw new Refused(404, 'not_found', 'Not found', `${symbol} lists no expiry ${query.expiry}`);
  return sourced(chain(symbol, found.expiry, found.trading_class, cycle(), market_now()));
}

const sourced = (made) => ({ ...made, source: options.source });

const routes = {
  health: () => ({
    status: state.stale ? 'degraded' : 'ok',
    version: 'fixture',
    now: iso(Math.floor(market_now() / 1000) * 1000),
    simulated: options.source === 'simulated',
    market_open: !state.closed,
    dependencies: [
      { name: 'database', healthy: true, detail: 'PostgreSQL 15' },
      {
        name: 'gateway',
        healthy: !state.stale,
        detail: state.stale ? 'connection refused' : 'simulated',
      },
      { name: 'collector', healthy: !state.stale, detail: 'cycle 300 s' },
    ],
    underlyings: Object.keys(underlyings).map((symbol) => ({
      symbol,
      as_of: iso(cycle()),
      age_seconds: Math.round((market_now() - cycle()) / 1000),
      stale: state.stale,
    })),
  }),
  underlyings: () => ({
    underlyings: Object.keys(underlyings).map((symbol) => ({
      symbol,
      underlying_price: spot_at(symbol, cycle()),
      as_of: iso(cycle()),
      source: options.source,
      is_index: symbol === 'SPX',
    })),
  }),
  expirations: (symbol) => ({
    symbol: known(symbol),
    as_of: iso(cycle()),
    expirations: expirations(symbol, cycle()),
  }),
  chain: (symbol, query) => ({
    ...listed(known(symbol), query),
    notice:
      query.from === 'any'
        ? 'the gateway did not answer within 5 s; this is the stored chain'
        : null,
  }),
  history: (symbol, query) => history(known(symbol), query, cycle()),
  'market-conditions': (symbol) => ({
    ...Object.fromEntries(
      [
        'term_slope skew_25_delta historical_vol_20d historical_vol_30d historical_vol_source',
        'put_volume call_volume put_call_volume_ratio put_open_interest call_open_interest',
        'put_call_open_interest_ratio implied_vol_60d',
      ]
        .join(' ')
        .split(' ')
        .map((name) => [name, null]),
    ),
    symbol: known(symbol),
    as_of: iso(cycle()),
    age_seconds: Math.round((market_now() - cycle()) / 1000),
    source: 'simulated',
    underlying_price: spot_at(symbol, cycle()),
    implied_vol_30d: 0.187,
    iv_rank: 0.43,
    iv_percentile: 0.61,
    iv_rank_n: 252,
    iv_rank_source: 'broker',
    iv_rank_of: 0.184,
    iv_rank_day: iso(cycle() - 86_400_000).slice(0, 10),
  }),
  catalogue,
  find: (symbol, query) => {
    if (!catalogue().strategies.some((s) => s.name === query.strategy)) {
      throw new Refused(404, 'not_found', 'Not found', `no strategy is called '${query.strategy}'`);
    }
    const front = listed(known(symbol), query);
    const next = expirations(symbol, cycle()).find(
      (e) => e.expiry > query.expiry && e.trading_class === front.trading_class,
    );
    return find(front, next && listed(symbol, next), query);
  },
  density: (symbol, query) =>
    densities(
      listed(known(symbol), query),
      query.rate === undefined ? undefined : Number(query.rate),
    ),
  analyze: (symbol, _query, body) =>
    analyze((expiry, trading_class) => listed(known(symbol), { expiry, trading_class }), body),
};

async function body_of(req) {
  let text = '';
  for await (const chunk of req) text += chunk;
  return text === '' ? null : JSON.parse(text);
}

async function answer_api(url, req, res) {
  const [, , name, symbol] = url.pathname.split('/').map(decodeURIComponent);
  const request_id = Math.random().toString(16).slice(2, 14);
  try {
    if (state.fail) {
      throw new Refused(
        state.fail,
        'unavailable',
        'Unavailable',
        'the database did not answer in time',
      );
    }
    const route = routes[name];
    if (!route) throw new Refused(404, 'not_found', 'Not found', `no endpoint ${url.pathname}`);
    const query = Object.fromEntries(url.searchParams);
    const body = JSON.stringify(route(symbol, query, await body_of(req)));
    res.writeHead(200, { 'content-type': 'application/json' }).end(body);
  } catch (error) {
    const status = error.status ?? 500;
    const { title, code, detail, errors } = error;
    res.writeHead(status, { 'content-type': 'application/problem+json' }).end(
      JSON.stringify({
        type: 'about:blank',
        title: title ?? 'Fixture broke',
        status,
        code: code ?? 'internal',
        detail: detail ?? String(error),
        request_id,
        errors: errors ?? [],
      }),
    );
  }
}

async function answer_page(url, res) {
  const path = normalize(url.pathname).replace(/^\/+/, '') || 'index.html';
  const file = join(dist, path);
  try {
    const body = await readFile(file);
    res
      .writeHead(200, {
        'content-type': types[extname(file)] ?? 'application/octet-stream',
        'content-security-policy': csp,
      })
      .end(body);
  } catch {
    res.writeHead(404).end('not found');
  }
}

const server = createServer((req, res) => {
  const url = new URL(req.url, 'http://localhost');
  if (url.pathname.startsWith('/api/')) return answer_api(url, req, res);
  if (url.pathname.startsWith('/dev/')) {
    const what = url.pathname.slice(5);
    if (what === 'fail') state.fail = Number(url.searchParams.get('status') ?? 503);
    if (what === 'ok') Object.assign(state, { fail: 0, stale: false, closed: false });
    if (what === 'stale') state.stale = true;
    if (what === 'closed') state.closed = true;
    if (what === 'drop') for (const client of sockets.clients) client.terminate();
    return res.end(`${JSON.stringify(state)}\n`);
  }
  return answer_page(url, res);
});

const sockets = new WebSocketServer({ server, path: '/api/ws' });
const topics = new Map();
sockets.on('connection', (socket) => {
  topics.set(socket, new Map());
  socket.on('close', () => topics.delete(socket));
  socket.on('message', (data) => {
    const { subscribe, unsubscribe } = JSON.parse(data);
    if (subscribe) topics.get(socket).set(JSON.stringify(subscribe), subscribe);
    if (unsubscribe) topics.get(socket).delete(JSON.stringify(unsubscribe));
  });
});

let pushed = 0;
setInterval(() => {
  const as_of = cycle();
  if (as_of === pushed || state.stale) return;
  pushed = as_of;
  state.sequence++;
  for (const [socket, wanted] of topics) {
    for (const { symbol, expiry, trading_class } of wanted.values()) {
      const event = {
        type: 'snapshot',
        sequence: state.sequence,
        chain: sourced(chain(symbol, expiry, trading_class, as_of, market_now())),
      };
      socket.send(JSON.stringify(event));
    }
  }
}, 100);

server.listen(Number(options.port), '127.0.0.1', () => {
  console.log(`fixture: http://127.0.0.1:${options.port}/`);
});
