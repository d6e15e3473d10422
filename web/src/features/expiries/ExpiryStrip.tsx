// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from 'react';
import type { Expiration } from '../../api/types';
import { usePageKey } from '../../components/hooks';
import { days, expiry_long, expiry_short } from '../../lib/format';
import { change_url } from '../../lib/url_state';

/** Dates on which more than one class expires: SPX (morning) and SPXW (afternoon) are two chains. */
export function shared_dates(expirations: readonly Expiration[]): Set<string> {
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const { expiry } of expirations) (seen.has(expiry) ? shared : seen).add(expiry);
  return shared;
}

export function ExpiryStrip(props: {
  expirations: readonly Expiration[] | undefined;
  waiting: boolean;
  chosen: Expiration | undefined;
}) {
  const { expirations = [], waiting, chosen } = props;
  const strip = useRef<HTMLFieldSetElement>(null);
  const shared = shared_dates(expirations);

  const choose = (e: Expiration | undefined) => {
    if (!e) return;
    change_url({
      expiry: e.expiry,
      trading_class: e.trading_class,
      selected: null,
      contract: null,
    });
  };
  const at = chosen ? expirations.indexOf(chosen) : -1;
  usePageKey('[', () => choose(expirations[at - 1]));
  usePageKey(']', () => choose(expirations[at + 1]));

  // biome-ignore lint/correctness/useExhaustiveDependencies: runs when another chip becomes the chosen one
  useEffect(() => {
    const box = strip.current;
    const chip = box?.querySelector<HTMLElement>('label:has(:checked)');
    if (!box || !chip) return;
    box.scrollLeft = chip.offsetLeft - (box.clientWidth - chip.offsetWidth) / 2;
  }, [chosen?.expiry, chosen?.trading_class, expirations.length]);

  return (
    <fieldset className="expiries" ref={strip} data-testid="expiries">
      <legend className="sr-only">Expiry</legend>
      {waiting && <span className="expiry ghost" aria-hidden="true" />}
      {expirations.map((e) => {
        const both = shared.has(e.expiry);
        const name = `${expiry_long(e.expiry)}, ${e.days_to_expiry} days, ${e.trading_class}`;
        return (
          <label className="expiry" key={`${e.expiry}${e.trading_class}`} title={name}>
            <input
              type="radio"
              name="expiry"
              aria-label={name}
              checked={e === chosen}
              onChange={() => choose(e)}
            />
            <span className="expiry-date">{expiry_short(e.expiry)}</span>
            <span className="expiry-days">{days(e.days_to_expiry)}</span>
            {both && <span className="expiry-class">{e.trading_class}</span>}
          </label>
        );
      })}
    </fieldset>
  );
}
