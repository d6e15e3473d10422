// SPDX-License-Identifier: Apache-2.0
import type { ChainTopic, UnderlyingItem } from '../../api/types';
import { spot } from '../../lib/format';
import { useChainHead, useChainStore } from '../../live';
import { useHealth } from '../../queries';
import { Connection } from './Connection';
import { FreshnessLight } from './FreshnessLight';
import { IvRank } from './IvRank';
import { KeysDialog } from './KeysDialog';
import { SymbolBox } from './SymbolBox';
import { ThemeButton } from './ThemeButton';

interface Props {
  symbol: string | null;
  topic: ChainTopic | null;
  underlyings: readonly UnderlyingItem[];
}

export function Header({ symbol, topic, underlyings }: Props) {
  const { health, reachable, clock, query } = useHealth();
  return (
    <header className="header">
      <a className="brand" href="/" aria-label="Bifrost Trader, start page">
        <img src="/favicon.svg" alt="" width="26" height="26" />
        <span>Bifrost</span>
      </a>
      <SymbolBox symbol={symbol} underlyings={underlyings} />
      {topic && <Spot topic={topic} />}
      {topic && <IvRank topic={topic} />}
      <div className="header-state">
        {health?.simulated && (
          <strong className="simulated" title="Every number on this page comes from a simulator">
            SIMULATED
          </strong>
        )}
        {health && (
          <span className={`session ${health.market_open ? 'open' : ''}`}>
            Market {health.market_open ? 'open' : 'closed'}
          </span>
        )}
        {topic && (
          <FreshnessLight topic={topic} health={health} reachable={reachable} clock={clock} />
        )}
        <Connection reachable={reachable} retry={() => query.refetch()} />
        <ThemeButton />
        <KeysDialog />
      </div>
    </header>
  );
}

function Spot({ topic }: { topic: ChainTopic }) {
  const store = useChainStore(topic);
  const head = useChainHead(store);
  if (head?.underlying_price == null) return null;
  return (
    <p className="spot" data-move={head.underlying_move ?? undefined}>
      <span className="sr-only">{topic.symbol} trades at </span>
      <output className="live-number" key={head.as_of}>
        {spot(head.underlying_price)}
      </output>
    </p>
  );
}
