// SPDX-License-Identifier: Apache-2.0
import { useEffect } from 'react';
import type { ChainTopic } from './api/types';
import { Empty, ProblemNote } from './components/notes';
import { Skeleton } from './components/Skeleton';
import { ChainPanel } from './features/chain/ChainPanel';
import { ExpiryStrip } from './features/expiries/ExpiryStrip';
import { Header } from './features/header/Header';
import { HistoryDrawer } from './features/history/HistoryDrawer';
import { StrategyPanel } from './features/strategies/StrategyPanel';
import { parse_contract } from './lib/contract';
import { expiry_long } from './lib/format';
import { change_url, useUrlState } from './lib/url_state';
import { default_expiration, useExpirations, useUnderlyings } from './queries';

export function App() {
  const url = useUrlState();
  const underlyings = useUnderlyings();
  const first = underlyings.data?.underlyings[0]?.symbol ?? null;
  const symbol = url.symbol ?? first;
  const expirations = useExpirations(symbol);
  const listed = expirations.data?.symbol === symbol ? expirations.data?.expirations : undefined;

  const chosen = url.expiry
    ? listed?.find(
        (e) =>
          e.expiry === url.expiry &&
          (url.trading_class === null || e.trading_class === url.trading_class),
      )
    : default_expiration(listed ?? []);

  useEffect(() => {
    if (!symbol) return;
    // The link always names what is on screen, so that it can be copied at any moment.
    if (chosen) {
      change_url({ symbol, expiry: chosen.expiry, trading_class: chosen.trading_class }, 'replace');
    } else if (!url.symbol) {
      change_url({ symbol }, 'replace');
    }
  }, [symbol, chosen, url.symbol]);

  const topic: ChainTopic | null =
    symbol && chosen
      ? { symbol, expiry: chosen.expiry, trading_class: chosen.trading_class }
      : null;
  const contract = parse_contract(url.contract);
  const is_index =
    underlyings.data?.underlyings.find((u) => u.symbol === symbol)?.is_index ?? false;

  return (
    <div className="app">
      <Header symbol={symbol} topic={topic} underlyings={underlyings.data?.underlyings ?? []} />
      <ExpiryStrip
        expirations={listed}
        waiting={symbol === null ? underlyings.isPending : expirations.isPending}
        chosen={chosen}
      />
      <main className="desk">
        {topic ? (
          <>
            <ChainPanel
              key={`${topic.symbol}${topic.expiry}${topic.trading_class}`}
              topic={topic}
            />
            <StrategyPanel topic={topic} url={url} is_index={is_index} />
            {contract && <HistoryDrawer topic={topic} contract={contract} />}
          </>
        ) : (
          nothing()
        )}
      </main>
    </div>
  );

  function nothing() {
    if (underlyings.error) {
      return <ProblemNote error={underlyings.error} retry={() => underlyings.refetch()} />;
    }
    if (expirations.error) {
      const others = underlyings.data?.underlyings ?? [];
      const unknown = others.length > 0 && others.every((u) => u.symbol !== symbol);
      return (
        <ProblemNote error={expirations.error} retry={() => expirations.refetch()}>
          {unknown && (
            <p className="choices">
              Collected are{' '}
              {others.map((u) => (
                <button
                  key={u.symbol}
                  type="button"
                  className="link"
                  onClick={() =>
                    change_url({ symbol: u.symbol, expiry: null, trading_class: null })
                  }
                >
                  {u.symbol}
                </button>
              ))}
            </p>
          )}
        </ProblemNote>
      );
    }
    if (underlyings.data?.underlyings.length === 0 && !symbol) {
      return (
        <Empty title="No option chain has been collected yet">
          <p>
            Start <code>bifrost-collector</code>, or bring recorded chains in with{' '}
            <code>bifrost import FILE</code>. This page fills by itself as soon as the first
            snapshot is stored.
          </p>
        </Empty>
      );
    }
    if (listed && listed.length === 0) {
      return (
        <Empty title={`${symbol} has no expiry on file`}>
          <p>The collector has not stored a snapshot with options of {symbol} yet.</p>
        </Empty>
      );
    }
    const fallback = default_expiration(listed ?? []);
    if (listed && fallback && url.expiry) {
      return (
        <Empty title={`${symbol} lists no expiry on ${expiry_long(url.expiry)}`}>
          <p>It may have expired since this link was made.</p>
          <button
            type="button"
            className="button"
            onClick={() =>
              change_url({ expiry: fallback.expiry, trading_class: fallback.trading_class })
            }
          >
            Show {expiry_long(fallback.expiry)}
          </button>
        </Empty>
      );
    }
    return (
      <>
        <section className="panel" aria-label="Chain">
          <Skeleton rows={24} label="Loading the chain" />
        </section>
        <section className="panel" aria-label="Strategies">
          <Skeleton rows={12} label="Loading strategies" />
        </section>
      </>
    );
  }
}
