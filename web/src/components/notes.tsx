// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from 'react';
import { ApiError } from '../api/client';

/** An empty state: what is missing, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="note">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** A failed request in words, with what an operator needs to find it in the log. */
export function ProblemNote(props: {
  error: unknown;
  retry: () => void;
  /** Where the page knows better what failed than the status of the reply says. */
  title?: string;
  children?: ReactNode;
}) {
  const { error, retry, title, children } = props;
  const known = error instanceof ApiError ? error : null;
  return (
    <div className="note problem" role="alert">
      <h2>{title ?? known?.title ?? 'The page failed'}</h2>
      <p>{known?.detail ?? String(error)}</p>
      {known && known.errors.length > 0 && (
        <ul>
          {known.errors.map((e) => (
            <li key={`${e.path}${e.code}`}>
              <code>{e.path}</code> {e.message}
            </li>
          ))}
        </ul>
      )}
      {children}
      {known?.request_id && (
        <p className="faint">
          Request <code>{known.request_id}</code>
        </p>
      )}
      <button type="button" className="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

/** A failure beside numbers that are still there: one line, never in their place. */
export function ProblemLine({ error, retry }: { error: unknown; retry: () => void }) {
  const known = error instanceof ApiError ? error : null;
  return (
    <p className="problem-line" role="alert">
      <span>
        {known ? `${known.title}: ${known.detail}` : String(error)}
        {known?.request_id ? ` (request ${known.request_id})` : ''}
      </span>
      <button type="button" className="link" onClick={retry}>
        Try again
      </button>
    </p>
  );
}
