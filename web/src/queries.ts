// SPDX-License-Identifier: Apache-2.0
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api } from './api/client';
import type { ChainTopic, Expiration, Fill, StrategyName } from './api/types';
import type { ContractChoice } from './lib/contract';
import { type MarketClock, tick_clock } from './lib/market_clock';

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

export interface StrategyQuestion {
  topic: ChainTopic;
  strategy: StrategyName;
  fill: Fill;
  min_pop: number;
}

export const useStrategies = ({ topic, strategy, fill, min_pop }: StrategyQuestion) =>
  useQuery({
    queryKey: [
      'strategies',
      topic.symbol,
      topic.expiry,
      topic.trading_class,
      strategy,
      fill,
      min_pop,
    ],
    queryFn: ({ signal }) => {
      const { symbol, expiry, trading_class } = topic;
      return api.strategies(
        symbol,
        { expiry, trading_class, strategy, fill, min_pop, limit: 50 },
        signal,
      );
    },
    // While another fill or probability is asked for, the old ranking stays, dimmed; another chain starts empty.
    placeholderData: (data, query) =>
      query?.queryKey.slice(1, 5).join() === [...Object.values(pick(topic)), strategy].join()
        ? keepPreviousData(data)
        : undefined,
  });

const pick = ({ symbol, expiry, trading_class }: ChainTopic) => ({ symbol, expiry, trading_class });

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
    placeholderData: keepPreviousData,
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
