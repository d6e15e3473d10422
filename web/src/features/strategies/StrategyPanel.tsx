// SPDX-License-Identifier: Apache-2.0
import type { ChainTopic, Strategies, StrategyCandidate, StrategyName } from '../../api/types';
import { usePageKey } from '../../components/hooks';
import { Empty, ProblemLine, ProblemNote } from '../../components/notes';
import { Skeleton } from '../../components/Skeleton';
import { count, percent } from '../../lib/format';
import { position_key } from '../../lib/legs';
import { change_url, type UrlState } from '../../lib/url_state';
import { useStrategies } from '../../queries';
import { CandidateTable } from './CandidateTable';
import { Controls } from './Controls';
import { Position } from './Position';
import { density_words, ranking_words, strategy_words } from './words';

const counted: Record<StrategyName, string> = {
  iron_condor: 'combinations',
  covered_call: 'calls',
};
const names: readonly StrategyName[] = ['iron_condor', 'covered_call'];

export function StrategyPanel({ topic, url }: { topic: ChainTopic; url: UrlState }) {
  const { strategy, fill, min_pop } = url;
  const query = useStrategies({ topic, strategy, fill, min_pop });
  const data = query.data;
  const candidates = data?.candidates ?? [];
  const named = candidates.find((c) => position_key(c) === url.selected);
  const selected = named ?? candidates[0];
  const gone = url.selected !== null && !named && candidates.length > 0;

  const select = (candidate: StrategyCandidate | undefined) => {
    if (candidate) change_url({ selected: position_key(candidate) }, 'replace');
  };
  const switch_to = (to: StrategyName) => change_url({ strategy: to, selected: null });
  const at = selected ? candidates.indexOf(selected) : -1;
  usePageKey('j', () => select(candidates[at + 1]));
  usePageKey('k', () => select(candidates[at - 1]));
  usePageKey('t', () => switch_to(strategy === 'iron_condor' ? 'covered_call' : 'iron_condor'));

  return (
    <section className="panel strategies" aria-label="Strategies">
      <div className="panel-head">
        <div className="tabs" role="tablist" aria-label="Strategy">
          {names.map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tab-${name}`}
              aria-selected={strategy === name}
              aria-controls="strategy-body"
              tabIndex={strategy === name ? 0 : -1}
              onClick={() => switch_to(name)}
              onKeyDown={(event) => {
                if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
                const other = names.find((n) => n !== strategy) as StrategyName;
                switch_to(other);
                document.getElementById(`tab-${other}`)?.focus();
              }}
            >
              {strategy_words[name]}
            </button>
          ))}
        </div>
        <Controls fill={fill} min_pop={min_pop} />
      </div>
      <div
        className="strategy-body"
        id="strategy-body"
        role="tabpanel"
        aria-labelledby={`tab-${strategy}`}
        data-waiting={query.isPlaceholderData || undefined}
      >
        {body()}
      </div>
    </section>
  );

  function body() {
    if (!data) {
      if (query.error) return <ProblemNote error={query.error} retry={() => query.refetch()} />;
      return <Skeleton rows={14} label="Searching" />;
    }
    return (
      <>
        {query.error && <ProblemLine error={query.error} retry={() => query.refetch()} />}
        {gone && (
          <p className="notice">
            The position of this link is no longer among the ranked; the best one is shown.
          </p>
        )}
        {candidates.length === 0 ? <NoneFound data={data} min_pop={min_pop} /> : null}
        {candidates.length > 0 && (
          <CandidateTable
            strategies={data}
            label={strategy_words[strategy]}
            selected={selected}
            on_select={select}
          />
        )}
        {candidates.length > 0 && (
          <p className="caption" title={density_words(data.density)}>
            {count(data.qualified)} of {count(data.examined)} {counted[data.strategy]} qualify,{' '}
            {ranking_words(data)} {density_words(data.density)}
          </p>
        )}
        {selected && <Position candidate={selected} strategies={data} />}
      </>
    );
  }
}

function NoneFound({ data, min_pop }: { data: Strategies; min_pop: number }) {
  if (data.examined === 0) {
    return (
      <Empty title="Nothing could be built from this chain">
        <p>Too few of its contracts have both a bid and an ask. Try another expiry.</p>
      </Empty>
    );
  }
  const lower = Math.max(0, Math.round(min_pop * 100 - 20)) / 100;
  return (
    <Empty title={`None of ${count(data.examined)} ${counted[data.strategy]} qualifies`}>
      <p>
        {data.fill === 'natural'
          ? 'Crossing every spread costs too much here, or the probability asked for is too high.'
          : 'The probability asked for is too high for this expiry.'}
      </p>
      <div className="choices">
        {min_pop > 0 && (
          <button
            type="button"
            className="button"
            onClick={() => change_url({ min_pop: lower }, 'replace')}
          >
            Accept {percent(lower, 0)}
          </button>
        )}
        {data.fill === 'natural' && (
          <button type="button" className="button" onClick={() => change_url({ fill: 'mid' })}>
            Price at mid
          </button>
        )}
      </div>
    </Empty>
  );
}
