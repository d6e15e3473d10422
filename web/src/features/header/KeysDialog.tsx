// SPDX-License-Identifier: Apache-2.0
import { useState } from 'react';
import { Dialog } from '../../components/Dialog';
import { usePageKey } from '../../components/hooks';

const keys = [
  ['/', 'Choose a symbol'],
  ['[  ]', 'Previous, next expiry'],
  ['j  k', 'Next, previous position in the ranking'],
  ['s', 'Choose a strategy'],
  ['t', 'Next of the recent strategies'],
  ['.', 'Centre the chain on the spot'],
  ['\u2190 \u2191 \u2192 \u2193', 'Move inside the chain, the ranking or the payoff'],
  ['Enter', 'History of the contract under the cursor'],
  ['Esc', 'Close'],
] as const;

export function KeysDialog() {
  const [open, set_open] = useState(false);
  usePageKey('?', () => set_open(true));
  return (
    <>
      <button
        type="button"
        className="keys-button"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts (?)"
        onClick={() => set_open(true)}
      >
        ?
      </button>
      {open && (
        <Dialog label="Keyboard shortcuts" className="keys" on_close={() => set_open(false)}>
          <h2>Keyboard</h2>
          <dl>
            {keys.map(([key, what]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
          <button type="button" className="button" onClick={() => set_open(false)}>
            Close
          </button>
        </Dialog>
      )}
    </>
  );
}
