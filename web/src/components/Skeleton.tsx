// SPDX-License-Identifier: Apache-2.0

/** The shape of what is coming. Announced once to screen readers. */
export function Skeleton({ rows, label }: { rows: number; label: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are alike
        <span key={i} style={{ width: `${62 + ((i * 37) % 36)}%` }} />
      ))}
    </div>
  );
}
