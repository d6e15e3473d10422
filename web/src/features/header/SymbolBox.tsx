// SPDX-License-Identifier: Apache-2.0
import { type KeyboardEvent, useId, useRef, useState } from 'react';
import type { UnderlyingItem } from '../../api/types';
import { usePageKey } from '../../components/hooks';
import { spot } from '../../lib/format';
import { change_url } from '../../lib/url_state';

export function matching(
  underlyings: readonly UnderlyingItem[],
  text: string,
): readonly UnderlyingItem[] {
  const wanted = text.trim().toUpperCase();
  const starts = underlyings.filter((u) => u.symbol.startsWith(wanted));
  return starts.length > 0 ? starts : underlyings.filter((u) => u.symbol.includes(wanted));
}

/** A combobox over what is collected; there is nothing to show of any other symbol. */
export function SymbolBox(props: {
  symbol: string | null;
  underlyings: readonly UnderlyingItem[];
}) {
  const { symbol, underlyings } = props;
  const input = useRef<HTMLInputElement>(null);
  const [text, set_text] = useState<string | null>(null);
  const [at, set_at] = useState(0);
  const id = useId();
  const open = text !== null;
  const found = open ? matching(underlyings, text) : [];
  const active = found[Math.min(at, found.length - 1)];

  usePageKey('/', () => input.current?.focus());

  const close = () => {
    set_text(null);
    set_at(0);
  };
  const choose = (chosen: string) => {
    close();
    input.current?.blur();
    if (chosen === symbol) return;
    change_url({
      symbol: chosen,
      expiry: null,
      trading_class: null,
      selected: null,
      contract: null,
    });
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') set_at((i) => Math.min(i + 1, found.length - 1));
    else if (event.key === 'ArrowUp') set_at((i) => Math.max(i - 1, 0));
    else if (event.key === 'Enter' && active) choose(active.symbol);
    else if (event.key === 'Escape') input.current?.blur();
    else return;
    event.preventDefault();
  };

  return (
    <div className="symbol-box">
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label="Symbol"
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-activedescendant={open && active ? `${id}-${active.symbol}` : undefined}
        aria-autocomplete="list"
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        placeholder={symbol ?? 'Symbol'}
        value={text ?? symbol ?? ''}
        onFocus={() => set_text('')}
        onBlur={close}
        onChange={(event) => {
          set_text(event.target.value);
          set_at(0);
        }}
        onKeyDown={pressed}
      />
      <span className="key-hint" aria-hidden="true">
        /
      </span>
      <div
        className="symbol-list"
        id={`${id}-list`}
        role="listbox"
        aria-label="Symbols"
        hidden={!open}
        // No stop of its own for Tab or the pointer: leaving the field closes it, and the focus with it.
        tabIndex={-1}
        onMouseDown={(event) => event.preventDefault()}
      >
        {found.map((u) => (
          <div
            key={u.symbol}
            id={`${id}-${u.symbol}`}
            role="option"
            tabIndex={-1}
            aria-selected={u === active}
            onMouseDown={(event) => {
              event.preventDefault();
              choose(u.symbol);
            }}
          >
            <strong>{u.symbol}</strong>
            <span>{spot(u.underlying_price)}</span>
          </div>
        ))}
        {open && found.length === 0 && (
          <p
            className="faint"
            role="option"
            aria-selected="false"
            aria-disabled="true"
            tabIndex={-1}
          >
            {underlyings.length === 0
              ? 'Nothing is collected yet.'
              : `Nothing collected matches. There is ${underlyings.map((u) => u.symbol).join(', ')}.`}
          </p>
        )}
      </div>
    </div>
  );
}
