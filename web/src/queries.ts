// SPDX-License-Identifier: Apache-2.0
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api } from './api/client';
import type { ChainTopic, Expiration, Fill, StrategyCandidate } from './api/types';
import type { ContractChoice } from './lib/contract';
import { position_key } from './lib/legs';
import { type MarketClock, tick_clock } from './lib/market_clock';
import type { ExitRule } from './lib/profit_table';
import type { UrlState } from './lib/url_state';

const health_poll_ms = 10_000;

/** Health, and the market's clock as its readings tell it. */
export function useHealth() {
  const query = useQuery({
    queryKey: ['health'],
    queryFn: ({ signal }) => api.health(signal),
    refetchInterval: health_poll_ms,
    retry: false,
  });
  const [clock, set_clock] = useState<MarketClock | null>(null);
  const { data, dataUpdatedAt } = query;
  useEffect(() => {
    if (!data) return;
    const reading = { market: Date.parse(data.now), local: dataUpdatedAt };
    set_clock((before) => tick_clock(before, reading));
  }, [data, dataUpdatedAt]);
  return { health: data, reachable: !query.isError, clock, query };
}

export const useUnderlyings = () =>
  useQuery({
    queryKey: ['underlyings'],
    queryFn: ({ signal }) => api.underlyings(signal),
    // An empty desk fills itself as soon as the collector has stored something.
    refetchInterval: (q) => (q.state.data?.underlyings.length ? 60_000 : 3_000),
  });

export const useExpirations = (symbol: string | null) =>
  useQuery({
    queryKey: ['expirations', symbol],
    queryFn: ({ signal }) => api.expirations(symbol ?? '', signal),
    enabled: symbol !== null,
    refetchInterval: 300_000,
  });

/** Of the newest snapshot; asked again when the chain on screen, taken at `as_of`, is a newer one. */
export const useMarketConditions = (symbol: string, as_of: string | undefined) =>
  useQuery({
    queryKey: ['market-conditions', symbol, as_of],
    queryFn: ({ signal }) => api.market_conditions(symbol, signal),
    enabled: as_of !== undefined,
    retry: false,
    placeholderData: (data, query) => (query?.queryKey[1] === symbol ? data : undefined),
  });

/** It changes with the server's version alone. */
export const useCatalogue = () =>
  useQuery({
    queryKey: ['catalogue'],
    queryFn: ({ signal }) => api.catalogue(signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

/** How many ranked positions the page asks for. */
const ranked = 50;

/** What the finder is asked; another chain or strategy is another list, the rest re-ranks the same one. */
export type FindQuestion = { topic: ChainTopic } & Pick<
  UrlState,
  | 'strategy'
  | 'objective'
  | 'density'
  | 'fill'
  | 'min_pop'
  | 'max_loss'
  | 'max_short_delta'
  | 'min_open_interest'
  | 'rate'
>;

export const useFind = ({ topic, strategy, ...terms }: FindQuestion, enabled: boolean) => {
  const list = [topic.symbol, topic.expiry, topic.trading_class, strategy];
  return useQuery({
    queryKey: ['find', ...list, terms],
    enabled,
    queryFn: ({ signal }) => {
      const { symbol, expiry, trading_class } = topic;
      const { objective, density, fill, min_pop } = terms;
      const query = {
        strategy,
        expiry,
        trading_class,
        objective,
        density,
        fill_position: fill_positions[fill],
        min_pop,
        max_loss: terms.max_loss ?? undefined,
        max_short_delta: terms.max_short_delta ?? undefined,
        min_open_interest: terms.min_open_interest ?? undefined,
        rate: terms.rate ?? undefined,
        limit: ranked,
      };
      return api.find(symbol, query, signal);
    },
    // While another fill or probability is asked for, the old ranking stays, dimmed; another chain starts empty.
    placeholderData: (data, query) =>
      query?.queryKey.slice(1, 5).join() === list.join() ? keepPreviousData(data) : undefined,
  });
};

const fill_positions: Record<Fill, number> = { mid: 0, natural: 1 };

/** Of the newest snapshot; asked again when one arrives. */
export const useDensities = (
  { symbol, expiry, trading_class }: ChainTopic,
  rate: number | null,
) => {
  const of = [symbol, expiry, trading_class];
  return useQuery({
    queryKey: ['density', ...of, rate],
    queryFn: ({ signal }) => {
      const query = { expiry, trading_class, rate: rate ?? undefined, points: 161 };
      return api.density(symbol, query, signal);
    },
    // At another rate the old curves stay until the new ones are there.
    placeholderData: (data, query) =>
      query?.queryKey.slice(1, 4).join() === of.join() ? keepPreviousData(data) : undefined,
  });
};

export interface PositionQuestion {
  /** Of the ranking that the candidate is from: a new ranking analyses anew. */
  as_of: string;
  candidate: StrategyCandidate;
  /** The price of the underlying that `spots` were chosen around. */
  spot: number | null;
  spots: readonly number[];
  vol_shift: number;
  rate: number | null;
  exit: ExitRule | null;
}

/** One candidate at the prices it is ranked with, and the spot of the question, which a placeholder's is not. */
export const usePosition = (symbol: string, question: PositionQuestion) => {
  const { as_of, candidate, spot, spots, vol_shift, rate, exit } = question;
  const key = position_key(candidate);
  const prices = candidate.legs.map((leg) => leg.entry_price);
  return useQuery({
    queryKey: ['position', symbol, key, as_of, prices, spot, spots, vol_shift, rate, exit],
    queryFn: async ({ signal }) => {
      const legs = candidate.legs.map((leg) => ({
        kind: leg.kind,
        quantity: leg.quantity,
        entry_price: leg.entry_price,
        ...(leg.kind !== 'stock' && {
          expiry: leg.expiry ?? undefined,
          trading_class: leg.trading_class ?? undefined,
          strike: leg.strike ?? undefined,
        }),
      }));
      const table = { days_forward: [], spots: [...spots], vol_shift };
      const body = { legs, rate: rate ?? undefined, table, ...exit };
      return { ...(await api.analyze(symbol, body, signal)), spot };
    },
    enabled: spots.length > 0,
    // The same position at another moment or volatility stays until the new one is there.
    placeholderData: (data, query) =>
      query?.queryKey.slice(1, 3).join() === [symbol, key].join()
        ? keepPreviousData(data)
        : undefined,
  });
};

export const useContractHistory = (
  topic: ChainTopic,
  contract: ContractChoice,
  start: string | undefined,
) =>
  useQuery({
    queryKey: ['history', topic.symbol, topic.expiry, topic.trading_class, contract, start],
    queryFn: ({ signal }) => {
      const { symbol, expiry, trading_class } = topic;
      const { strike, right } = contract;
      return api.history(symbol, { trading_class, expiry, strike, right, start }, signal);
    },
    // Another range of the same contract; another contract starts empty.
    placeholderData: (data, query) =>
      JSON.stringify(query?.queryKey.slice(1, 5)) ===
      JSON.stringify([topic.symbol, topic.expiry, topic.trading_class, contract])
        ? keepPreviousData(data)
        : undefined,
  });

const month = { from: 20, to: 45, middle: 30 } as const;

/**
 * The expiry to open with. Among those 20 to 45 days out the one with most contracts, of equals the one nearest to
 * 30 days; without any, the next later one; and when all are sooner, the last.
 */
export function default_expiration(expirations: readonly Expiration[]): Expiration | undefined {
  const off = (e: Expiration) => Math.abs(e.days_to_expiry - month.middle);
  const fuller = (a: Expiration, b: Expiration) => b.contracts - a.contracts;
  const within = expirations.filter(
    (e) => e.days_to_expiry >= month.from && e.days_to_expiry <= month.to,
  );
  if (within.length > 0) return within.sort((a, b) => fuller(a, b) || off(a) - off(b))[0];
  const later = expirations.filter((e) => e.days_to_expiry > month.to);
  const [from, sign] = later.length > 0 ? [later, 1] : [[...expirations], -1];
  return from.sort((a, b) => sign * (a.days_to_expiry - b.days_to_expiry) || fuller(a, b))[0];
}
