// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from 'react';
import type { Fill } from '../../api/types';
import { percent } from '../../lib/format';
import { change_url } from '../../lib/url_state';

const fills: { value: Fill; label: string; title: string }[] = [
  { value: 'natural', label: 'Natural', title: 'Sell at the bid, buy at the ask: fills at once' },
  { value: 'mid', label: 'Mid', title: 'Every leg at the middle of bid and ask' },
];

export function Controls({ fill, min_pop }: { fill: Fill; min_pop: number }) {
  return (
    <div className="controls">
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
      <MinPop value={min_pop} />
    </div>
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
