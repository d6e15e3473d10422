// SPDX-License-Identifier: Apache-2.0
import { useMutation } from '@tanstack/react-query';
import { api } from '../../api/client';
import type { ChainTopic } from '../../api/types';
import { Empty, ProblemLine, ProblemNote } from '../../components/notes';
import { Skeleton } from '../../components/Skeleton';
import { contract_text } from '../../lib/contract';
import { exchange_clock, expiry_long } from '../../lib/format';
import { change_url } from '../../lib/url_state';
import { useChain, useChainHead } from '../../live';
import { ChainGrid } from './ChainGrid';

export function ChainPanel({ topic }: { topic: ChainTopic }) {
  const { store, query, accept } = useChain(topic);
  const head = useChainHead(store);
  const { symbol, expiry, trading_class } = topic;
  const ask_gateway = useMutation({
    mutationFn: () => api.chain(symbol, { expiry, trading_class, from: 'any' }),
    onSuccess: accept,
  });

  return (
    <section className="panel chain" aria-label="Option chain">
      <div className="panel-head">
        <h1>
          {symbol} <span>{expiry_long(expiry)}</span>
          {trading_class !== symbol && <em className="class-mark">{trading_class}</em>}
        </h1>
        {head && (
          <p className="as-of">
            as of <time dateTime={head.as_of}>{exchange_clock(head.as_of)}</time>
            {head.served_from === 'gateway' && ', from the gateway'}
            {!head.complete && <strong className="partial"> partial cycle</strong>}
          </p>
        )}
        <button
          type="button"
          className="button quiet"
          disabled={ask_gateway.isPending}
          title="Ask the gateway for this chain now; the stored one answers when it cannot"
          onClick={() => ask_gateway.mutate()}
        >
          {ask_gateway.isPending ? 'Asking\u2026' : 'Refresh'}
        </button>
      </div>
      {ask_gateway.data?.notice && ask_gateway.data.as_of === head?.as_of && (
        <p className="notice">{ask_gateway.data.notice}</p>
      )}
      {ask_gateway.error && (
        <ProblemLine error={ask_gateway.error} retry={() => ask_gateway.mutate()} />
      )}
      {head && query.error && <ProblemLine error={query.error} retry={() => query.refetch()} />}
      {body()}
    </section>
  );

  function body() {
    if (!head) {
      if (query.error) return <ProblemNote error={query.error} retry={() => query.refetch()} />;
      return <Skeleton rows={24} label="Loading the chain" />;
    }
    if (store.strikes().length === 0) {
      return (
        <Empty title="No contract of this expiry is on file">
          <p>Choose another expiry, or wait for the next collection cycle.</p>
        </Empty>
      );
    }
    return (
      <ChainGrid
        store={store}
        label={`${symbol} options expiring ${expiry_long(expiry)}`}
        on_choose={(strike, right) => change_url({ contract: contract_text({ strike, right }) })}
      />
    );
  }
}
