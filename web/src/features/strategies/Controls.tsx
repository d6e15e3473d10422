// SPDX-License-Identifier: Apache-2.0
import { type KeyboardEvent, useEffect, useId, useState } from 'react';
import type { CatalogueEntry, DensityKind, Fill, Objective } from '../../api/types';
import { objective_refusal } from '../../lib/catalogue';
import { percent } from '../../lib/format';
import { type Bounds, from_percent, rate_bounds, to_percent, typed_number } from '../../lib/limits';
import { change_url, objectives, type UrlState } from '../../lib/url_state';
import { density_names, objective_words } from './words';

const fills: { value: Fill; label: string; title: string }[] = [
  { value: 'natural', label: 'Natural', title: 'Sell at the bid, buy at the ask: fills at once' },
  { value: 'mid', label: 'Mid', title: 'Every leg at the middle of bid and ask' },
];
const densities: { value: DensityKind; title: string }[] = [
  { value: 'market_implied', title: 'As the fitted smile prices it' },
  { value: 'lognormal', title: 'Flat at the at-the-money volatility' },
];

const rate_percent: Bounds = {
  least: to_percent(rate_bounds.least),
  most: to_percent(rate_bounds.most),
};
const amount: Bounds = { least: 0, most: 1e9, above: true };

export function Controls(props: {
  url: UrlState;
  /** What ranks in fact: not every objective can rank every strategy. */
  objective: Objective;
  entry: CatalogueEntry | undefined;
}) {
  const { url, objective, entry } = props;
  const id = useId();
  const asked = [url.rate, url.max_loss, url.max_short_delta, url.min_open_interest].filter(
    (v) => v !== null,
  ).length;
  const [more, set_more] = useState(asked > 0);
  return (
    <>
      <div className="controls">
        <label className="select">
          <span>Rank by</span>
          <select
            value={objective}
            title={`Ranks by ${objective_words[objective].told}`}
            onChange={(event) => change_url({ objective: event.target.value as Objective })}
          >
            {objectives.map((o) => {
              const refusal = objective_refusal(entry, o);
              return (
                <option key={o} value={o} disabled={refusal !== null}>
                  {objective_words[o].label}
                  {refusal ? `: no, ${refusal}` : ''}
                </option>
              );
            })}
          </select>
        </label>
        <label className="select">
          <span>Density</span>
          <select
            value={url.density}
            title={densities.find((d) => d.value === url.density)?.title}
            onChange={(event) => change_url({ density: event.target.value as DensityKind })}
          >
            {densities.map((d) => (
              <option key={d.value} value={d.value}>
                {density_names[d.value]}
              </option>
            ))}
          </select>
        </label>
        <MinPop value={url.min_pop} />
        <button
          type="button"
          className="button quiet more"
          aria-expanded={more}
          aria-controls={`${id}-more`}
          onClick={() => set_more(!more)}
        >
          More{asked > 0 ? ` (${asked})` : ''}
        </button>
      </div>
      <div className="controls more-controls" id={`${id}-more`} hidden={!more}>
        <NumberBox
          label="Interest rate"
          unit="% a year"
          empty="implied"
          title="Continuously compounded; of ranking, densities and analysis. Empty: as the quotes imply. The chain keeps the volatilities it was delivered with"
          value={url.rate === null ? null : to_percent(url.rate)}
          bounds={rate_percent}
          refusal={`${to_percent(rate_bounds.least)} to ${to_percent(rate_bounds.most)}`.replace(
            '-',
            '\u2212',
          )}
          on_change={(rate) => change_url({ rate: rate === null ? null : from_percent(rate) })}
        />
        <NumberBox
          label="Max loss"
          unit="$"
          value={url.max_loss}
          bounds={amount}
          refusal="above 0"
          on_change={(max_loss) => change_url({ max_loss })}
        />
        <NumberBox
          label="Short delta at most"
          unit="0 to 1"
          value={url.max_short_delta}
          bounds={{ ...amount, most: 1 }}
          refusal="0 to 1"
          on_change={(max_short_delta) => change_url({ max_short_delta })}
        />
        <NumberBox
          label="Open interest at least"
          unit="per leg"
          value={url.min_open_interest}
          bounds={{ ...amount, whole: true }}
          refusal="whole, above 0"
          on_change={(min_open_interest) => change_url({ min_open_interest })}
        />
      </div>
    </>
  );
}

export function FillChoice({ fill }: { fill: Fill }) {
  return (
    <fieldset className="segmented">
      <legend>Fill</legend>
      {fills.map((f) => (
        <label key={f.value} title={f.title}>
          <input
            type="radio"
            name="fill"
            checked={fill === f.value}
            onChange={() => change_url({ fill: f.value })}
          />
          <span>{f.label}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** A number that may be left empty. Applied with Enter or when the field is left; one that is refused stays marked. */
function NumberBox(props: {
  label: string;
  unit: string;
  title?: string;
  /** What an empty field stands for. */
  empty?: string;
  value: number | null;
  bounds: Bounds;
  /** What is accepted, in words, shown in place of the unit beside what is not. */
  refusal: string;
  on_change: (value: number | null) => void;
}) {
  const { label, unit, title, empty = 'any', value, bounds, refusal, on_change } = props;
  const id = useId();
  const written = value === null ? '' : String(value);
  const [text, set_text] = useState(written);
  useEffect(() => set_text(written), [written]);
  const number = typed_number(text, bounds);
  const apply = () => {
    if (number !== undefined && number !== value) on_change(number);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === 'Enter') apply();
    if (event.key === 'Escape') set_text(written);
  };
  return (
    <label className="number-box" title={title}>
      <span>{label}</span>
      <input
        type="text"
        inputMode="decimal"
        autoComplete="off"
        placeholder={empty}
        value={text}
        aria-invalid={number === undefined}
        aria-describedby={`${id}-unit`}
        onChange={(event) => set_text(event.target.value)}
        onBlur={apply}
        onKeyDown={pressed}
      />
      <span className="unit" id={`${id}-unit`}>
        {number === undefined ? refusal : unit}
      </span>
    </label>
  );
}

/** Follows the pointer at once; the search follows when it rests. */
function MinPop({ value }: { value: number }) {
  const [shown, set_shown] = useState(value);
  useEffect(() => set_shown(value), [value]);
  useEffect(() => {
    if (shown === value) return;
    const timer = window.setTimeout(() => change_url({ min_pop: shown }, 'replace'), 250);
    return () => window.clearTimeout(timer);
  }, [shown, value]);
  return (
    <label className="min-pop">
      <span>Min POP</span>
      <input
        type="range"
        min="0"
        max="95"
        step="5"
        value={Math.round(shown * 100)}
        aria-label="Least probability of profit, percent"
        onChange={(event) => set_shown(Number(event.target.value) / 100)}
      />
      <output>{percent(shown, 0)}</output>
    </label>
  );
}
