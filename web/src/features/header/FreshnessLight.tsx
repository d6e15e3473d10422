// SPDX-License-Identifier: Apache-2.0
import { useEffect } from 'react';
import type { ChainTopic, Health } from '../../api/types';
import { useSecond } from '../../components/hooks';
import { age, exchange_moment } from '../../lib/format';
import { age_seconds, freshness, freshness_words, source_words } from '../../lib/freshness';
import type { MarketClock } from '../../lib/market_clock';
import { useChainHead, useChainStore, useFeedState } from '../../live';

interface Props {
  topic: ChainTopic;
  health: Health | undefined;
  reachable: boolean;
  clock: MarketClock | null;
}

/** Source, age and verdict of the numbers on screen; puts the verdict on the document, where it dims them. */
export function FreshnessLight({ topic, health, reachable, clock }: Props) {
  const store = useChainStore(topic);
  const head = useChainHead(store);
  const feed = useFeedState();
  const local_now = useSecond();
  const verdict = head
    ? freshness({ head, health, api_reachable: reachable, feed, clock, local_now })
    : null;

  useEffect(() => {
    if (verdict) document.documentElement.dataset.freshness = verdict;
    return () => {
      delete document.documentElement.dataset.freshness;
    };
  }, [verdict]);

  if (!head || !verdict) return null;
  return (
    <div
      className={`freshness ${verdict} ${head.source}`}
      data-testid="freshness"
      data-as-of={head.as_of}
      data-source={head.source}
      title={`Snapshot of ${exchange_moment(head.as_of)}, ${freshness_words[verdict]}`}
    >
      <span className="light" aria-hidden="true" />
      <span className="freshness-source">{source_words[head.source]}</span>
      <span className="freshness-age">{age(age_seconds(head, clock, local_now))} old</span>
      {verdict !== 'fresh' && <span className="verdict">{freshness_words[verdict]}</span>}
    </div>
  );
}
