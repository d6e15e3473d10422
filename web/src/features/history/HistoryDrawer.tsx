// SPDX-License-Identifier: Apache-2.0
import { useState } from 'react';
import type { ChainTopic } from '../../api/types';
import { Dialog } from '../../components/Dialog';
import { Empty, ProblemNote } from '../../components/notes';
import { Skeleton } from '../../components/Skeleton';
import type { ContractChoice } from '../../lib/contract';
import {
  count,
  decimal,
  exchange_moment,
  expiry_long,
  percent,
  price,
  signed,
  strike,
} from '../../lib/format';
import { change_url } from '../../lib/url_state';
import { useChainHead, useChainStore } from '../../live';
import { useContractHistory } from '../../queries';
import { HistoryChart, type Measure } from './HistoryChart';

const day_ms = 86_400_000;
const ranges = [
  { label: '1 day', days: 1 },
  { label: '1 week', days: 7 },
  { label: '1 month', days: 31 },
  { label: 'All', days: null },
] as const;

export function HistoryDrawer({
  topic,
  contract,
}: {
  topic: ChainTopic;
  contract: ContractChoice;
}) {
  const store = useChainStore(topic);
  const head = useChainHead(store);
  const [range, set_range] = useState<number | null>(7);
  const [measure, set_measure] = useState<Measure>('price');
  const as_of = head ? Date.parse(head.as_of) : null;
  // Whole hours, so that the question stays the same from one snapshot to the next.
  const start =
    range === null || as_of === null
      ? undefined
      : new Date(Math.floor((as_of - range * day_ms) / 3_600_000) * 3_600_000)
          .toISOString()
          .replace('.000Z', 'Z');
  const query = useContractHistory(topic, contract, start);
  const row = store.row(contract.strike)?.row;
  const quote = contract.right === 'call' ? row?.call : row?.put;
  const name = `${topic.trading_class} ${strike(contract.strike)} ${contract.right}`;

  return (
    <Dialog
      label={`History of ${name}`}
      className="drawer"
      on_close={() => change_url({ contract: null })}
    >
      <div className="drawer-head">
        <h2>
          {name} <span>{expiry_long(topic.expiry)}</span>
        </h2>
        <button
          type="button"
          className="button quiet"
          onClick={() => change_url({ contract: null })}
        >
          Close
        </button>
      </div>
      {quote && (
        <dl className="numbers">
          <Item label="Bid">{price(quote.bid)}</Item>
          <Item label="Ask">{price(quote.ask)}</Item>
          <Item label="Last">{price(quote.last)}</Item>
          <Item label="IV">{percent(quote.implied_vol)}</Item>
          <Item label="Delta">{signed(quote.delta, 3)}</Item>
          <Item label="Gamma">{decimal(quote.gamma, 4)}</Item>
          <Item label="Theta">{signed(quote.theta, 3)}</Item>
          <Item label="Vega">{quote.vega === null ? '' : decimal(quote.vega / 100, 3)}</Item>
          <Item label="Volume">{count(quote.volume)}</Item>
          <Item label="Open int.">{count(quote.open_interest)}</Item>
        </dl>
      )}
      {quote?.greeks_from && (
        <p className="caption">
          Volatility and greeks{' '}
          {quote.greeks_from !== 'gateway'
            ? 'are computed here from the middle of bid and ask'
            : head?.source === 'imported'
              ? 'are as imported'
              : 'are the broker\u2019s'}
          , per share; theta per calendar day, vega per point of volatility.
        </p>
      )}
      <div className="drawer-controls">
        <fieldset className="segmented">
          <legend className="sr-only">Range</legend>
          {ranges.map((r) => (
            <label key={r.label}>
              <input
                type="radio"
                name="range"
                checked={range === r.days}
                onChange={() => set_range(r.days)}
              />
              <span>{r.label}</span>
            </label>
          ))}
        </fieldset>
        <fieldset className="segmented">
          <legend className="sr-only">Measure</legend>
          {(['price', 'implied_vol'] as const).map((m) => (
            <label key={m}>
              <input
                type="radio"
                name="measure"
                checked={measure === m}
                onChange={() => set_measure(m)}
              />
              <span>{m === 'price' ? 'Bid and ask' : 'IV'}</span>
            </label>
          ))}
        </fieldset>
      </div>
      {body()}
    </Dialog>
  );

  function body() {
    if (query.error) return <ProblemNote error={query.error} retry={() => query.refetch()} />;
    if (!query.data) return <Skeleton rows={8} label="Loading the history" />;
    const { points, emptied_before } = query.data;
    const emptied = emptied_before && (
      <p className="caption">
        Quotes from before {exchange_moment(emptied_before)} are no longer kept.
      </p>
    );
    const first = points[0];
    const last = points.at(-1);
    if (!first || !last) {
      return (
        <Empty title="Nothing is stored in this range">
          {emptied ?? (
            <p>Choose a longer one; the history begins with the first collected snapshot.</p>
          )}
        </Empty>
      );
    }
    return (
      <>
        <HistoryChart points={points} measure={measure} />
        <p className="caption">
          {points.length === 1 ? (
            `One snapshot, of ${exchange_moment(first.as_of)}.`
          ) : (
            <>
              {count(points.length)} snapshots from {exchange_moment(first.as_of)} to{' '}
              {exchange_moment(last.as_of)}. Nights take no room; a gap in the line is a time
              without a quote or without a snapshot.
            </>
          )}
        </p>
        {emptied}
      </>
    );
  }
}

function Item({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd className="live-number">{children || <span className="sr-only">unknown</span>}</dd>
    </div>
  );
}
