// SPDX-License-Identifier: Apache-2.0
//
// Talks to bifrost-sim with the unmodified npm client @stoqey/ib, which refuses surplus and missing fields.
//
// Usage: node conformance.mjs PATH_TO_BIFROST_SIM
// Exit: 0 all passed, 1 a check failed, 2 wrong usage.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import ib from "@stoqey/ib";

const { BarSizeSetting, EventName, IBApi, MarketDataType, SecType, WhatToShow } = ib;

const program = process.argv[2];
if (!program) {
  console.error("usage: node conformance.mjs PATH_TO_BIFROST_SIM");
  process.exit(2);
}

// Live data of all but one share, which is delayed for whoever asks for that.
const folder = mkdtempSync(join(tmpdir(), "bifrost-conformance-"));
const script = join(folder, "faults.txt");
writeFileSync(script, "at 0s: entitle delayed symbol=VALK\n");

const start = "2026-03-02T15:00:00Z";
const clientMaximum = 193;
const answerWithin = 15_000;

let passed = 0;
let failed = 0;
function check(name, ok, detail = "") {
  console.log(`${ok ? "ok  " : "FAIL"} ${name}${ok || detail === "" ? "" : `: ${detail}`}`);
  ok ? ++passed : ++failed;
}

async function startSimulator(maxVersion) {
  const pin = maxVersion ? ["--max-version", String(maxVersion)] : [];
  const child = spawn(program, ["--port", "0", "--seed", "7", "--start", start, "--speed", "30", "--script", script, ...pin], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = new Promise((resolve) => child.once("exit", resolve));
  const port = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (line) => {
      const match = /^listening on .*:(\d+)$/.exec(line);
      match ? resolve(Number(match[1])) : reject(new Error(`unexpected first line: ${line}`));
    });
    child.once("error", reject);
    exit.then((code) => reject(new Error(`simulator ended with ${code}`)));
  });
  return {
    port,
    async stop() {
      child.kill("SIGTERM");
      return exit;
    },
  };
}

/// Gathers what `events` report for one request until `until` says that it is complete.
function gather(api, events, send, until) {
  return new Promise((resolve, reject) => {
    const got = [];
    const listeners = [];
    const finish = (settle, value) => {
      clearTimeout(timer);
      for (const [event, listener] of listeners) api.removeListener(event, listener);
      settle(value);
    };
    const timer = setTimeout(
      () => finish(reject, new Error(`no answer, only ${got.map((g) => g.event).join(" ")}`)), answerWithin);
    for (const event of events) {
      const listener = (...values) => {
        got.push({ event, values });
        if (until(got)) finish(resolve, got);
      };
      listeners.push([event, listener]);
      api.on(event, listener);
    }
    send();
  });
}
const ended = (event) => (got) => got.at(-1).event === event;
const count = (n) => (got) => got.length >= n;
const of = (got, event) => got.filter((g) => g.event === event).map((g) => g.values);

async function converse(label, maxVersion) {
  const simulator = await startSimulator(maxVersion);
  const api = new IBApi({ host: "127.0.0.1", port: simulator.port, clientId: 17 });
  const decoding = [];
  const errors = [];
  api.on(EventName.error, (error, code, reqId) => {
    errors.push({ code, reqId, text: String(error) });
    if (code === 505 || /unprocessed data|Underrun/i.test(String(error))) decoding.push(String(error));
  });
  const attempt = async (name, work) => {
    try {
      const detail = await work();
      check(`${label} ${name}`, detail === true, String(detail));
      return detail;
    } catch (error) {
      check(`${label} ${name}`, false, String(error));
    }
  };
  const refusal = async (name, code, reqId, send) =>
    attempt(name, async () => {
      await gather(api, [EventName.error], send, (got) => got.at(-1).values[2] === reqId);
      return errors.some((e) => e.reqId === reqId && e.code === code) || JSON.stringify(errors.at(-1));
    });

  await attempt("connects, names account and next id", async () => {
    const got = await gather(
      api, [EventName.server, EventName.managedAccounts, EventName.nextValidId], () => api.connect(),
      (all) => [EventName.server, EventName.managedAccounts, EventName.nextValidId].every((e) =>
        all.some((g) => g.event === e)));
    const version = of(got, EventName.server)[0][0];
    const accounts = of(got, EventName.managedAccounts)[0][0];
    if (version !== Math.min(maxVersion ?? clientMaximum, clientMaximum)) return `version ${version}`;
    return accounts === "SIM1000001" || accounts;
  });
  await attempt("tells simulated time", async () => {
    const got = await gather(api, [EventName.currentTime], () => api.reqCurrentTime(), count(1));
    const late = got[0].values[0] - Date.parse(start) / 1000;
    return (late >= 0 && late < 3600) || `${late} s off`;
  });

  let index;
  await attempt("describes an index", async () => {
    const got = await gather(
      api, [EventName.contractDetails, EventName.contractDetailsEnd],
      () => api.reqContractDetails(1, { symbol: "BFX", secType: SecType.IND, exchange: "CBOE", currency: "USD" }),
      ended(EventName.contractDetailsEnd));
    index = of(got, EventName.contractDetails)[0][1];
    return (got.length === 2 && index.contract.conId > 0) || JSON.stringify(index);
  });
  await attempt("describes a share", async () => {
    const got = await gather(
      api, [EventName.contractDetails, EventName.contractDetailsEnd],
      () => api.reqContractDetails(2, { symbol: "VALK", secType: SecType.STK, exchange: "SMART", currency: "USD" }),
      ended(EventName.contractDetailsEnd));
    const details = of(got, EventName.contractDetails)[0][1];
    return details.longName === "VALKYRIE SYSTEMS" || JSON.stringify(details);
  });

  let expirations;
  await attempt("lists option parameters of two trading classes", async () => {
    const got = await gather(
      api,
      [EventName.securityDefinitionOptionParameter, EventName.securityDefinitionOptionParameterEnd],
      () => api.reqSecDefOptParams(3, "BFX", "", "IND", index.contract.conId),
      ended(EventName.securityDefinitionOptionParameterEnd));
    const smart = of(got, EventName.securityDefinitionOptionParameter).filter((v) => v[1] === "SMART");
    const weekly = smart.find((v) => v[3] === "BFXW");
    expirations = weekly?.[5] ?? [];
    return (smart.length === 2 && expirations.length === 8 && weekly[6].length > 30) || JSON.stringify(smart);
  });

  let chain = [];
  await attempt("lists one expiry", async () => {
    const got = await gather(
      api, [EventName.contractDetails, EventName.contractDetailsEnd],
      () => api.reqContractDetails(4, {
        symbol: "BFX", secType: SecType.OPT, exchange: "SMART", currency: "USD", tradingClass: "BFXW",
        lastTradeDateOrContractMonth: expirations[1],
      }),
      ended(EventName.contractDetailsEnd));
    chain = of(got, EventName.contractDetails).map((v) => v[1]);
    const ids = new Set(chain.map((d) => d.contract.conId));
    const right = chain.every((d) => d.contract.lastTradeDateOrContractMonth === expirations[1] &&
      d.underConId === index.contract.conId && d.contract.multiplier === 100);
    return (chain.length > 60 && ids.size === chain.length && right) ||
      `${chain.length} contracts, ${JSON.stringify(chain[0])}`;
  });

  const middle = chain[Math.floor(chain.length / 2)]?.contract;
  const option = { conId: middle?.conId, exchange: "SMART" };
  const quoteEvents = [EventName.marketDataType, EventName.tickReqParams, EventName.tickPrice, EventName.tickSize,
    EventName.tickOptionComputation];
  const field = (got, event, type) => of(got, event).find((v) => v[0] > 0 && v[1] === type);
  await attempt("streams an option with open interest and greeks, the model last", async () => {
    const got = await gather(
      api, quoteEvents, () => api.reqMktData(5, option, "100,101,106", false, false),
      (all) => all.at(-1).event === EventName.tickOptionComputation && all.at(-1).values[1] === 13);
    const bid = field(got, EventName.tickPrice, 1)?.[2];
    const ask = field(got, EventName.tickPrice, 2)?.[2];
    const interest = field(got, EventName.tickSize, middle.right === "C" ? 27 : 28)?.[2];
    const model = field(got, EventName.tickOptionComputation, 13);
    return (got[0].event === EventName.marketDataType && ask > bid && bid >= 0 && interest >= 0 && model[3] > 0 &&
      Math.abs(model[4]) <= 1 && model[10] > 1000) || JSON.stringify(got);
  });
  await attempt("streams changes", async () => {
    const got = await gather(api, quoteEvents, () => {}, (all) => field(all, EventName.tickOptionComputation, 13));
    return got.every((g) => g.values[0] === 5) || JSON.stringify(got);
  });
  await refusal("refuses a request id in use", 322, 5, () => api.reqMktData(5, option, "", false, false));
  await attempt("streams an index", async () => {
    const got = await gather(
      api, quoteEvents, () => api.reqMktData(6, index.contract, "", false, false),
      (all) => all.some((g) => g.event === EventName.tickPrice && g.values[0] === 6 && g.values[1] === 4));
    return field(got.filter((g) => g.values[0] === 6), EventName.tickPrice, 4)[2] > 1000;
  });
  api.cancelMktData(5);
  api.cancelMktData(6);
  await attempt("ends a snapshot", async () => {
    api.reqMarketDataType(MarketDataType.FROZEN);
    const got = await gather(
      api, [...quoteEvents, EventName.tickSnapshotEnd], () => api.reqMktData(7, option, "", true, false),
      ended(EventName.tickSnapshotEnd));
    return field(got, EventName.tickPrice, 2)?.[2] > 0 || JSON.stringify(got);
  });
  await refusal("refuses generic ticks on a snapshot", 321, 8, () => api.reqMktData(8, option, "101", true, false));
  await refusal("knows no such contract", 200, 9, () => api.reqContractDetails(9, {
    symbol: "NONE", secType: SecType.STK, exchange: "SMART", currency: "USD" }));
  await refusal("cannot cancel what was never asked", 300, 99, () => api.cancelMktData(99));

  const bars = (reqId, what) => gather(
    api, [EventName.historicalData],
    () => api.reqHistoricalData(reqId, index.contract, "", "30 D", BarSizeSetting.DAYS_ONE, what, 1, 1, false),
    (got) => String(got.at(-1).values[1]).startsWith("finished"));
  await attempt("has daily prices", async () => (await bars(10, WhatToShow.TRADES)).length === 31);
  await attempt("has daily implied volatilities", async () => {
    const got = await bars(11, WhatToShow.OPTION_IMPLIED_VOLATILITY);
    return got.slice(0, -1).every((g) => g.values[5] > 0.03 && g.values[5] < 1.5);
  });

  await attempt("has daily realised volatilities", async () => {
    const got = await bars(23, WhatToShow.HISTORICAL_VOLATILITY);
    return (got.length === 31 && got.slice(0, -1).every((g) => g.values[5] > 0.03)) || `${got.length} bars`;
  });
  await attempt("has five-minute prices", async () => {
    const got = await gather(
      api, [EventName.historicalData],
      () => api.reqHistoricalData(24, index.contract, "", "2 D", BarSizeSetting.MINUTES_FIVE, WhatToShow.TRADES, 1, 1,
        false),
      (all) => String(all.at(-1).values[1]).startsWith("finished"));
    return got.length > 80 || `${got.length} bars`;
  });
  await attempt("keeps bars up to date", async () => {
    const got = await gather(
      api, [EventName.historicalData, EventName.historicalDataUpdate],
      () => api.reqHistoricalData(25, index.contract, "", "2 D", BarSizeSetting.DAYS_ONE, WhatToShow.TRADES, 1, 1, true),
      ended(EventName.historicalDataUpdate));
    api.cancelHistoricalData(25);
    return got.at(-1).values[5] > 1000 || JSON.stringify(got.at(-1));
  });

  await attempt("says first that data is delayed, and sends delayed ticks", async () => {
    const valk = { symbol: "VALK", secType: SecType.STK, exchange: "SMART", currency: "USD" };
    await gather(api, [EventName.error], () => {
      api.reqMarketDataType(MarketDataType.REALTIME);
      api.reqMktData(26, valk, "", false, false);
    }, (all) => all.at(-1).values[2] === 26 && all.at(-1).values[1] === 354);
    const got = await gather(api, [...quoteEvents, EventName.error], () => {
      api.reqMarketDataType(MarketDataType.DELAYED);
      api.reqMktData(27, valk, "", false, false);
    }, (all) => all.some((g) => g.event === EventName.tickPrice && g.values[1] === 75));
    api.cancelMktData(27);
    const ticks = of(got, EventName.tickPrice).filter((v) => v[0] === 27).map((v) => v[1]);
    const advised = got[0].event === EventName.error && got[0].values[1] === 10167;
    const type = of(got, EventName.marketDataType)[0]?.[1];
    return (advised && type === 3 && ticks.includes(66) && ticks.includes(67) && ticks.every((t) => t >= 66)) ||
      JSON.stringify(got);
  });
  await attempt("sends delayed computations", async () => {
    const [{ values: [, details] }] = await gather(
      api, [EventName.contractDetails], () => api.reqContractDetails(28, {
        symbol: "VALK", secType: SecType.OPT, exchange: "SMART", currency: "USD", right: "C",
        lastTradeDateOrContractMonth: expirations[1],
      }), count(1));
    const got = await gather(
      api, quoteEvents, () => api.reqMktData(29, { conId: details.contract.conId, exchange: "SMART" }, "101", false,
        false),
      (all) => all.at(-1).event === EventName.tickOptionComputation && all.at(-1).values[1] === 83);
    api.cancelMktData(29);
    api.reqMarketDataType(MarketDataType.FROZEN);
    return of(got, EventName.tickOptionComputation).every((v) => v[1] >= 80) || JSON.stringify(got);
  });

  const spread = {
    symbol: "BFX", secType: SecType.BAG, exchange: "SMART", currency: "USD",
    comboLegs: [
      { conId: chain[40]?.contract.conId, ratio: 1, action: "BUY", exchange: "SMART" },
      { conId: chain[44]?.contract.conId, ratio: 1, action: "SELL", exchange: "SMART" },
    ],
  };
  const order = {
    action: "BUY", orderType: "LMT", totalQuantity: 2, lmtPrice: 2.35, tif: "DAY", transmit: true,
    smartComboRoutingParams: [{ tag: "NonGuaranteed", value: "1" }],
  };
  await attempt("answers what a combination costs in margin", async () => {
    let statuses = 0;
    api.on(EventName.orderStatus, () => ++statuses);
    const got = await gather(
      api, [EventName.openOrder], () => api.placeOrder(501, spread, { ...order, whatIf: true }), count(1));
    const [id, contract, echoed, state] = got[0].values;
    await gather(api, [EventName.currentTime], () => api.reqCurrentTime(), count(1));
    return (id === 501 && contract.comboLegs.length === 2 && echoed.whatIf === true &&
      state.status === "PreSubmitted" && Number(state.initMarginChange) >= 0 &&
      Number(state.initMarginAfter) >= Number(state.initMarginBefore) && Number(state.minCommission) > 0 &&
      statuses === 0) || JSON.stringify([got[0].values, statuses]);
  });
  await refusal("takes no order", 321, 502, () => api.placeOrder(502, spread, order));
  await refusal("has no order to cancel", 321, 503, () => api.cancelOrder(503, ""));

  await attempt("calculates implied volatility and back", async () => {
    const contract = { ...middle, exchange: "SMART" };
    const [{ values: price }] = await gather(
      api, [EventName.tickOptionComputation], () => api.calculateOptionPrice(12, contract, 0.2, 5200), count(1));
    const [{ values: vol }] = await gather(
      api, [EventName.tickOptionComputation], () => api.calculateImpliedVolatility(13, contract, price[5], 5200),
      count(1));
    return Math.abs(vol[3] - 0.2) < 1e-6 || JSON.stringify([price, vol]);
  });

  await attempt("summarises the account", async () => {
    const got = await gather(
      api, [EventName.accountSummary, EventName.accountSummaryEnd],
      () => api.reqAccountSummary(14, "All", "NetLiquidation,BuyingPower"), ended(EventName.accountSummaryEnd));
    return got.length === 3 || JSON.stringify(got);
  });
  await attempt("lists positions, options of its own catalogue", async () => {
    const got = await gather(
      api, [EventName.position, EventName.positionEnd], () => api.reqPositions(), ended(EventName.positionEnd));
    const held = of(got, EventName.position);
    return (held.length === 2 && held.every((v) => v[1].secType === SecType.OPT && v[1].conId > 0 && v[3] > 0) &&
      held[0][2] === 2 && held[1][2] === -1) || JSON.stringify(got);
  });
  await attempt("lists positions of a model", async () => {
    const got = await gather(
      api, [EventName.positionMulti, EventName.positionMultiEnd], () => api.reqPositionsMulti(15, "SIM1000001", ""),
      ended(EventName.positionMultiEnd));
    return got.length === 3 || JSON.stringify(got);
  });
  await attempt("updates values and portfolio of the account", async () => {
    const got = await gather(
      api, [EventName.updateAccountValue, EventName.updatePortfolio, EventName.updateAccountTime,
        EventName.accountDownloadEnd],
      () => api.reqAccountUpdates(true, "SIM1000001"), ended(EventName.accountDownloadEnd));
    const portfolio = of(got, EventName.updatePortfolio);
    return (portfolio.length === 2 && portfolio.every((v) => v[2] > 0) &&
      of(got, EventName.updateAccountValue).some((v) => v[0] === "NetLiquidation") &&
      of(got, EventName.updateAccountTime).length === 1) || JSON.stringify(got);
  });
  for (const [name, event, send] of [
    ["account updates of a model", EventName.accountUpdateMultiEnd,
      () => api.reqAccountUpdatesMulti(16, "SIM1000001", "", false)],
    ["open orders", EventName.openOrderEnd, () => api.reqAllOpenOrders()],
    ["completed orders", EventName.completedOrdersEnd, () => api.reqCompletedOrders(false)],
    ["executions", EventName.execDetailsEnd, () => api.reqExecutions(17, {})],
    ["matching symbols", EventName.symbolSamples, () => api.reqMatchingSymbols(18, "BFX")],
    ["a market rule", EventName.marketRule, () => api.reqMarketRule(109)],
    ["profit and loss", EventName.pnl, () => api.reqPnL(19, "SIM1000001", "")],
    ["family codes", EventName.familyCodes, () => api.reqFamilyCodes()],
    ["soft dollar tiers", EventName.softDollarTiers, () => api.reqSoftDollarTiers(20)],
    ["smart components", EventName.smartComponents, () => api.reqSmartComponents(21, "9c0001")],
    // The client itself refuses to ask an older server.
    ...((maxVersion ?? clientMaximum) >= 167 ? [["user info", EventName.userInfo, () => api.reqUserInfo(22)]] : []),
    ["ids", EventName.nextValidId, () => api.reqIds()],
  ]) {
    await attempt(`answers ${name}`, async () => (await gather(api, [event], send, count(1))).length === 1);
  }
  check(`${label} every message was decoded without surplus or missing fields`, decoding.length === 0,
    decoding.slice(0, 3).join(" | "));

  api.disconnect();
  const code = await simulator.stop();
  check(`${label} simulator ends cleanly`, code === 0, `exit ${code}`);
}

await converse("native:", undefined);
for (const version of [163, 176, 178, 182, 186, 193]) await converse(`pinned to ${version}:`, version);

rmSync(folder, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
