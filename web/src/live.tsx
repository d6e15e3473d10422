// SPDX-License-Identifier: Apache-2.0
import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query';
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from 'react';
import { api } from './api/client';
import type { Chain, ChainTopic } from './api/types';
import { type ChainHead, ChainStore } from './lib/chain_store';
import { type FeedState, LiveFeed, topic_key } from './lib/live_feed';

/** What a new snapshot makes old, besides the chain itself. */
function refresh_derived(queries: QueryClient, symbol: string): void {
  queries.invalidateQueries({ queryKey: ['find', symbol] });
  queries.invalidateQueries({ queryKey: ['density', symbol] });
  queries.invalidateQueries({ queryKey: ['history', symbol] });
  queries.invalidateQueries({ queryKey: ['underlyings'] });
}

/** The socket and the chains it feeds, shared by the whole page. */
class Live {
  private stores_ = new Map<string, ChainStore>();
  private listeners_ = new Set<() => void>();
  private state_: FeedState = 'connecting';
  readonly feed: LiveFeed;

  constructor(private readonly queries_: QueryClient) {
    const scheme = window.location.protocol === 'https:' ? 'wss' : 'ws';
    this.feed = new LiveFeed(`${scheme}://${window.location.host}/api/ws`, {
      on_snapshot: (chain) => this.accept(chain),
      on_gap: (topic) => {
        this.queries_.invalidateQueries({ queryKey: ['chain', topic_key(topic)] });
        this.queries_.invalidateQueries({ queryKey: ['health'] });
      },
      on_state: (state) => {
        this.state_ = state;
        for (const wake of this.listeners_) wake();
      },
    });
  }

  state = () => this.state_;

  subscribe = (listener: () => void) => {
    this.listeners_.add(listener);
    return () => this.listeners_.delete(listener);
  };

  store(topic: ChainTopic): ChainStore {
    const key = topic_key(topic);
    const store = this.stores_.get(key) ?? new ChainStore();
    this.stores_.set(key, store);
    return store;
  }

  accept(chain: Chain): void {
    const store = this.store(chain);
    const before = store.head();
    if (!store.apply(chain, Date.now()) || !before || before.as_of === chain.as_of) return;
    refresh_derived(this.queries_, chain.symbol);
    // Another day: an expiry may have gone, another been listed.
    if (before.days_to_expiry !== chain.days_to_expiry) {
      this.queries_.invalidateQueries({ queryKey: ['expirations', chain.symbol] });
    }
  }
}

const LiveContext = createContext<Live | null>(null);

export function LiveProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [live] = useState(() => new Live(queries));
  useEffect(() => {
    const hurry = () => live.feed.hurry();
    const shown = () => document.visibilityState === 'visible' && hurry();
    live.feed.start();
    window.addEventListener('online', hurry);
    document.addEventListener('visibilitychange', shown);
    return () => {
      window.removeEventListener('online', hurry);
      document.removeEventListener('visibilitychange', shown);
      live.feed.stop();
    };
  }, [live]);
  return <LiveContext value={live}>{children}</LiveContext>;
}

function useLive(): Live {
  const live = useContext(LiveContext);
  if (!live) throw new Error('LiveProvider is missing');
  return live;
}

export function useFeedState(): FeedState {
  const live = useLive();
  return useSyncExternalStore(live.subscribe, live.state);
}

/** The store of a chain that `useChain` keeps filled elsewhere on the page. */
export const useChainStore = (topic: ChainTopic): ChainStore => useLive().store(topic);

/** The chain of a topic: fetched once, then pushed; fetched again only after a gap or on request. */
export function useChain(topic: ChainTopic) {
  const live = useLive();
  const key = topic_key(topic);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the topic's values
  const stable = useMemo(() => topic, [key]);
  const store = live.store(stable);
  const query = useQuery({
    queryKey: ['chain', key],
    queryFn: ({ signal }) => {
      const { symbol, expiry, trading_class } = stable;
      return api.chain(symbol, { expiry, trading_class, from: 'history' }, signal);
    },
    refetchOnMount: 'always',
  });
  useEffect(() => {
    if (query.data) live.accept(query.data);
  }, [live, query.data]);
  useEffect(() => live.feed.subscribe(stable), [live, stable]);
  return { store, query, accept: (chain: Chain) => live.accept(chain) };
}

export const useChainHead = (store: ChainStore): ChainHead | null =>
  useSyncExternalStore(store.subscribe_head, store.head);
export const useStrikes = (store: ChainStore): readonly number[] =>
  useSyncExternalStore(store.subscribe_head, store.strikes);
