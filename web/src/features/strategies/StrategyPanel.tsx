// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';
import { ApiError } from '../../api/client';
import type { ChainTopic, Found, StrategyCandidate } from '../../api/types';
import { usePageKey } from '../../components/hooks';
import { Empty, ProblemLine, ProblemNote } from '../../components/notes';
import { Skeleton } from '../../components/Skeleton';
import { objective_for, offered, strategy_name } from '../../lib/catalogue';
import { count, percent } from '../../lib/format';
import { position_key } from '../../lib/legs';
import { remember, strategy_here } from '../../lib/recent';
import { change_url, type UrlState } from '../../lib/url_state';
import { useCatalogue, useFind } from '../../queries';
import { CandidateTable } from './CandidateTable';
import { Controls, FillChoice } from './Controls';
import { Position } from './Position';
import { StrategyBox } from './StrategyBox';
import { fill_of, model_words, ranking_words, rate_refusal, search_words } from './words';

const first_tabs = ['iron_condor', 'covered_call'];
export function StrategyPanel(props: { topic: ChainTopic; url: UrlState; is_index: boolean }) {
  const { topic, url, is_index } = props;
  const catalogue = useCatalogue();
  const all = catalogue.data?.strategies ?? [];
  const entries = offered(all, is_index);
  const [recent, set_recent] = useState<readonly string[]>(first_tabs);
  const strategy = strategy_here(url.strategy, all, entries, recent);
  useEffect(() => {
    // A step back must not lead to what cannot be built here.
    if (strategy !== url.strategy) change_url({ strategy, selected: null }, 'replace');
  }, [strategy, url.strategy]);
  const entry = all.find((e) => e.name === strategy);
  const objective = objective_for(entry, url.objective);
  const query = useFind(
    {
      topic,
      strategy,
      objective,
      density: url.density,
      fill: url.fill,
      min_pop: url.min_pop,
      max_loss: url.max_loss,
      max_short_delta: url.max_short_delta,
      min_open_interest: url.min_open_interest,
      rate: url.rate,
    },
    !catalogue.isPending,
  );
  const data = query.data;
  const candidates = data?.candidates ?? [];
  const named = candidates.find((c) => position_key(c) === url.selected);
  const selected = named ?? candidates[0];
  const gone = url.selected !== null && !named && candidates.length > 0;
  // A link may name what no catalogue knows: it stays, beside the server's reason.
  const shows = (name: string) =>
    name === strategy || all.length === 0 || entries.some((e) => e.name === name);
  const remembered = remember(recent, strategy, shows);
  if (remembered !== recent) set_recent(remembered);
  const tabs = remembered.filter(shows);

  const select = (candidate: StrategyCandidate | undefined) => {
    if (candidate) change_url({ selected: position_key(candidate) }, 'replace');
  };
  const switch_to = (to: string) => change_url({ strategy: to, selected: null });
  const next_tab = (by: number) =>
    tabs[(tabs.indexOf(strategy) + by + tabs.length) % tabs.length] as string;
  const at = selected ? candidates.indexOf(selected) : -1;
  usePageKey('j', () => select(candidates[at + 1]));
  usePageKey('k', () => select(candidates[at - 1]));
  usePageKey('t', () => switch_to(next_tab(1)));

  return (
    <section className="panel strategies" aria-label="Strategies">
      <div className="panel-head">
        <StrategyBox strategy={strategy} entries={entries} on_choose={switch_to} />
        <div className="tabs" role="tablist" aria-label="Recent strategies">
          {tabs.map((name) => (
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
                const other = next_tab(event.key === 'ArrowRight' ? 1 : -1);
                switch_to(other);
                document.getElementById(`tab-${other}`)?.focus();
              }}
            >
              {strategy_name(name)}
            </button>
          ))}
        </div>
        <FillChoice fill={url.fill} />
      </div>
      <div className="panel-controls">
        <Controls url={url} objective={objective} entry={entry} />
      </div>
      {catalogue.error && <ProblemLine error={catalogue.error} retry={() => catalogue.refetch()} />}
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
      if (query.error) {
        return (
          <ProblemNote
            error={query.error}
            retry={() => query.refetch()}
            title={rate_refused(query.error, url) ? 'No ranking at this rate' : undefined}
          >
            <WayOut error={query.error} url={url} />
          </ProblemNote>
        );
      }
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
        {candidates.length === 0 ? <NoneFound data={data} url={url} /> : null}
        {candidates.length > 0 && (
          <CandidateTable
            found={data}
            label={strategy_name(data.strategy)}
            selected={selected}
            on_select={select}
          />
        )}
        {candidates.length > 0 && (
          <p className="caption">
            {search_words(data)} {ranking_words(data)} {model_words(data)}
          </p>
        )}
        {selected && <Position topic={topic} candidate={selected} found={data} rate={url.rate} />}
      </>
    );
  }
}

/** In words; empty where something else is wrong. */
const rate_refused = (error: unknown, url: UrlState): string =>
  error instanceof ApiError && url.rate !== null ? rate_refusal(error.detail) : '';

/** What may help where the finder could not search. */
function WayOut({ error, url }: { error: unknown; url: UrlState }) {
  if (!(error instanceof ApiError)) return null;
  if (error.status === 404 && error.detail.includes('no strategy')) {
    return <p>Choose one from the list above.</p>;
  }
  if (error.code !== 'unavailable') return null;
  const refusal = rate_refused(error, url);
  return (
    <>
      {refusal && <p>{refusal}</p>}
      <div className="choices">
        {url.rate !== null && (
          <button type="button" className="button" onClick={() => change_url({ rate: null })}>
            Take the rate that the quotes imply
          </button>
        )}
        {url.density !== 'lognormal' && !refusal && (
          <button
            type="button"
            className="button"
            onClick={() => change_url({ density: 'lognormal' })}
          >
            Use the lognormal density
          </button>
        )}
      </div>
    </>
  );
}

function NoneFound({ data, url }: { data: Found; url: UrlState }) {
  if (data.combinations === 0) {
    return (
      <Empty title="Nothing could be built from this chain">
        <p>
          Too few of its contracts have both a bid and an ask and fulfil what is asked of a leg. Try
          another expiry.
        </p>
      </Empty>
    );
  }
  const { min_pop } = url;
  const lower = Math.max(0, Math.round(min_pop * 100 - 20)) / 100;
  const natural = fill_of(data) === 'natural';
  return (
    <Empty title={`None of ${count(data.combinations)} combinations qualifies`}>
      <p>
        {natural
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
        {natural && (
          <button type="button" className="button" onClick={() => change_url({ fill: 'mid' })}>
            Price at mid
          </button>
        )}
        {(url.max_loss ?? url.max_short_delta ?? url.min_open_interest) !== null && (
          <button
            type="button"
            className="button"
            onClick={() =>
              change_url({ max_loss: null, max_short_delta: null, min_open_interest: null })
            }
          >
            Lift the other limits
          </button>
        )}
      </div>
    </Empty>
  );
}
