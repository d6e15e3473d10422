// SPDX-License-Identifier: Apache-2.0
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import type { CatalogueEntry } from '../../api/types';
import { usePageKey } from '../../components/hooks';
import { grouped, shape_line, strategy_name } from '../../lib/catalogue';

const drawing = { width: 38, height: 18 };

/** What a strategy pays, as a small line. Decoration: the name says it. */
function Shape({ entry }: { entry: CatalogueEntry }) {
  const path = shape_line(entry)
    .map(
      ([x, y], i) =>
        `${i ? 'L' : 'M'}${(1 + x * (drawing.width - 2)).toFixed(1)} ${(2 + y * (drawing.height - 4)).toFixed(1)}`,
    )
    .join('');
  return (
    <svg {...drawing} aria-hidden="true" className="shape">
      <path d={path} />
    </svg>
  );
}

/** A combobox over the whole catalogue, in groups; typing narrows it, initials find too ("pmcc"). */
export function StrategyBox(props: {
  strategy: string;
  entries: readonly CatalogueEntry[];
  on_choose: (strategy: string) => void;
}) {
  const { strategy, entries, on_choose } = props;
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [text, set_text] = useState<string | null>(null);
  const [at, set_at] = useState<string | null>(null);
  const id = useId();
  const open = text !== null;
  const found = open ? grouped(entries, text) : [];
  const flat = found.flatMap((g) => g.entries);
  const active = flat.find((e) => e.name === at) ?? flat[0];

  usePageKey('s', () => input.current?.focus());

  useEffect(() => {
    if (!open || !active) return;
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView?.({ block: 'nearest' });
  }, [open, active]);

  const close = () => {
    set_text(null);
    set_at(null);
  };
  const choose = (name: string) => {
    close();
    input.current?.blur();
    if (name !== strategy) on_choose(name);
  };
  const move = (by: number) => {
    const to = (active ? flat.indexOf(active) : 0) + by;
    set_at(flat[Math.max(0, Math.min(flat.length - 1, to))]?.name ?? null);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') move(1);
    else if (event.key === 'ArrowUp') move(-1);
    else if (event.key === 'PageDown') move(10);
    else if (event.key === 'PageUp') move(-10);
    else if (event.key === 'Enter' && active) choose(active.name);
    else if (event.key === 'Escape') input.current?.blur();
    else return;
    event.preventDefault();
  };

  return (
    <div className="strategy-box">
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label="Strategy"
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-activedescendant={open && active ? `${id}-${active.name}` : undefined}
        aria-autocomplete="list"
        autoComplete="off"
        spellCheck={false}
        placeholder={strategy_name(strategy)}
        value={text ?? strategy_name(strategy)}
        onFocus={() => {
          set_text('');
          set_at(strategy);
        }}
        onBlur={close}
        onChange={(event) => {
          set_text(event.target.value);
          set_at(null);
        }}
        onKeyDown={pressed}
      />
      <span className="chevron" aria-hidden="true" />
      <div
        ref={list}
        className="strategy-list"
        id={`${id}-list`}
        role="listbox"
        aria-label="Strategies"
        hidden={!open}
        // No stop of its own for Tab or the pointer: leaving the field closes it, and the focus with it.
        tabIndex={-1}
        onMouseDown={(event) => event.preventDefault()}
      >
        {found.map(({ group, entries: of_group }) => (
          <div key={group} role="group" aria-label={group}>
            <div className="strategy-group" aria-hidden="true">
              {group}
            </div>
            {of_group.map((entry) => (
              <div
                key={entry.name}
                id={`${id}-${entry.name}`}
                role="option"
                tabIndex={-1}
                aria-selected={entry === active}
                data-current={entry.name === strategy || undefined}
                onMouseDown={(event) => {
                  event.preventDefault();
                  choose(entry.name);
                }}
              >
                <Shape entry={entry} />
                <span>{strategy_name(entry.name)}</span>
              </div>
            ))}
          </div>
        ))}
        {open && flat.length === 0 && (
          <p
            className="faint"
            role="option"
            aria-selected="false"
            aria-disabled="true"
            tabIndex={-1}
          >
            {entries.length === 0
              ? 'The catalogue is being loaded.'
              : `None of ${entries.length} strategies is called that.`}
          </p>
        )}
      </div>
    </div>
  );
}
