// SPDX-License-Identifier: Apache-2.0
import type { HistoryPoint } from '../api/types';
import { exchange_day } from './format';

export interface Session {
  readonly day: string;
  readonly start: number; // milliseconds
  readonly end: number;
  /** Where the session lies on a unit axis on which nights and weekends take no room. */
  readonly from: number;
  readonly to: number;
}

export interface Timeline {
  readonly sessions: readonly Session[];
  /** Unit axis position of a point's time. */
  position(t: number): number;
  /** The usual distance of two neighbouring points, milliseconds. */
  readonly step: number;
}

export function make_timeline(points: readonly HistoryPoint[]): Timeline {
  const days = new Map<string, { start: number; end: number }>();
  const steps: number[] = [];
  let before: number | null = null;
  for (const point of points) {
    const t = Date.parse(point.as_of);
    const day = exchange_day(t);
    const known = days.get(day);
    if (known) {
      known.end = t;
      if (before !== null) steps.push(t - before);
    } else {
      days.set(day, { start: t, end: t });
    }
    before = t;
  }
  steps.sort((a, b) => a - b);
  const step = steps[steps.length >> 1] ?? 300_000;
  // A session is one step wider than its points, so that a day with one snapshot has room.
  const total = [...days.values()].reduce((sum, d) => sum + (d.end - d.start) + step, 0) || 1;
  const sessions: Session[] = [];
  let at = 0;
  for (const [day, { start, end }] of days) {
    const width = (end - start + step) / total;
    sessions.push({ day, start, end, from: at, to: at + width });
    at += width;
  }
  const position = (t: number) => {
    const session = sessions.findLast((s) => t >= s.start) ?? sessions[0];
    return session ? session.from + (t - session.start + step / 2) / total : 0;
  };
  return { sessions, position, step };
}

/**
 * Cuts points into stretches that may be joined by a line: a missing value, another day, or more than one and
 * a half steps without a snapshot is a gap, and a gap is drawn as a gap.
 */
export function stretches<T>(
  points: readonly HistoryPoint[],
  step: number,
  value: (point: HistoryPoint) => T | null | undefined,
): { t: number; value: T }[][] {
  const found: { t: number; value: T }[][] = [];
  let current: { t: number; value: T }[] = [];
  let last_time: number | null = null;
  let last_day = '';
  for (const point of points) {
    const t = Date.parse(point.as_of);
    const day = exchange_day(t);
    const v = value(point);
    const joined = last_time !== null && day === last_day && t - last_time <= step * 1.5;
    if ((!joined || v == null) && current.length > 0) {
      found.push(current);
      current = [];
    }
    if (v != null) {
      current.push({ t, value: v });
      last_time = t;
      last_day = day;
    } else {
      last_time = null;
    }
  }
  if (current.length > 0) found.push(current);
  return found;
}
