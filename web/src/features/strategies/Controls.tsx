// SPDX-License-Identifier: Apache-2.0
import { type KeyboardEvent, useEffect, useId, useState } from 'react';
import type { CatalogueEntry, DensityKind, Fill, Objective } from '../../api/types';
import { objective_refusal } from '../../lib/catalogue';
import { percent } from '../../lib/format';
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

export function Controls(props: {
  url: UrlState;
  /** What ranks in fact: not every objective can rank every strategy. */
  objective: Objective;
  entry: CatalogueEntry | undefined;
}) {
  const { url, objective, entry } = props;
  const id = useId();
  const asked = [url.max_loss, url.max_short_delta, url.min_open_interest].filter(
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
          label="Max loss"
          unit="$"
          value={url.max_loss}
          most={1e9}
          on_change={(max_loss) => change_url({ max_loss })}
        />
        <NumberBox
          label="Short delta at most"
          unit="0 to 1"
          value={url.max_short_delta}
          most={1}
          on_change={(max_short_delta) => change_url({ max_short_delta })}
        />
        <NumberBox
          label="Open interest at least"
          unit="per leg"
          value={url.min_open_interest}
          most={1e9}
          whole
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

/** A limit that may be left empty. Applied with Enter or when the field is left; what is no number stays marked. */
function NumberBox(props: {
  label: string;
  unit: string;
  value: number | null;
  most: number;
  whole?: boolean;
  on_change: (value: number | null) => void;
}) {
  const { label, unit, value, most, whole, on_change } = props;
  const written = value === null ? '' : String(value);
  const [text, set_text] = useState(written);
  useEffect(() => set_text(written), [written]);
  const number = text.trim() === '' ? null : Number(text.replaceAll(',', ''));
  const good = number === null || (number > 0 && number <= most && (!whole || number % 1 === 0));
  const apply = () => {
    if (good && number !== value) on_change(number);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === 'Enter') apply();
    if (event.key === 'Escape') set_text(written);
  };
  return (
    <label className="number-box">
      <span>{label}</span>
      <input
        type="text"
        inputMode="decimal"
        autoComplete="off"
        placeholder="any"
        value={text}
        aria-invalid={!good}
        onChange={(event) => set_text(event.target.value)}
        onBlur={apply}
        onKeyDown={pressed}
      />
      <span className="unit">{unit}</span>
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
