// SPDX-License-Identifier: Apache-2.0
import type { ChainTopic, MarketConditions } from '../../api/types';
import { percent } from '../../lib/format';
import { useChainHead, useChainStore } from '../../live';
import { useMarketConditions } from '../../queries';

/** Where 30-day implied vol stands in its own past year, with the days that rests on. */
export function IvRank({ topic }: { topic: ChainTopic }) {
  const head = useChainHead(useChainStore(topic));
  const { data } = useMarketConditions(topic.symbol, head?.as_of);
  if (data?.iv_rank == null || data.iv_rank_n == null) return null;
  return (
    <p className="iv-rank" title={explain(data)} data-testid="iv-rank">
      IV rank <output>{percent(data.iv_rank, 0)}</output>{' '}
      <span className="iv-rank-n">of {data.iv_rank_n} days</span>
    </p>
  );
}

function explain(c: MarketConditions): string {
  const whose =
    c.iv_rank_source === 'broker'
      ? `the broker's close of ${c.iv_rank_day}, among its own closes`
      : 'this snapshot, among our own closes';
  return (
    `30-day implied vol ${percent(c.iv_rank_of)}: ${whose}. ` +
    `${percent(c.iv_percentile, 0)} of the ${c.iv_rank_n} days before were lower.`
  );
}
