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
  /** The usual distance of two neighbouring points of this day, milliseconds: the cadence may change over time. */
  readonly step: number;
}

export interface Timeline {
  readonly sessions: readonly Session[];
  /** Unit axis position of a point's time. */
  position(t: number): number;
}

const default_step = 300_000;

export function make_timeline(points: readonly HistoryPoint[]): Timeline {
  const days = new Map<string, number[]>();
  for (const point of points) {
    const t = Date.parse(point.as_of);
    const day = exchange_day(t);
    const times = days.get(day);
    if (times) times.push(t);
    else days.set(day, [t]);
  }
  let usual = default_step;
  const drafts = [...days].map(([day, times]) => {
    const steps = times.slice(1).map((t, i) => t - (times[i] as number));
    steps.sort((a, b) => a - b);
    // A day with a single snapshot goes by the day before.
    usual = steps[(steps.length - 1) >> 1] ?? usual;
    return { day, start: times[0] as number, end: times.at(-1) as number, step: usual };
  });
  // A session is one step wider than its points, so that a day with one snapshot has room.
  const total = drafts.reduce((sum, d) => sum + (d.end - d.start) + d.step, 0) || 1;
  const sessions: Session[] = [];
  let at = 0;
  for (const draft of drafts) {
    const width = (draft.end - draft.start + draft.step) / total;
    sessions.push({ ...draft, from: at, to: at + width });
    at += width;
  }
  const position = (t: number) => {
    const session = sessions.findLast((s) => t >= s.start) ?? sessions[0];
    return session ? session.from + (t - session.start + session.step / 2) / total : 0;
  };
  return { sessions, position };
}

/**
 * Cuts points into stretches that may be joined by a line: a missing value, another day, or more than one and
 * a half steps of its day without a snapshot is a gap, and a gap is drawn as a gap.
 */
export function stretches<T>(
  points: readonly HistoryPoint[],
  timeline: Timeline,
  value: (point: HistoryPoint) => T | null | undefined,
): { t: number; value: T }[][] {
  const steps = new Map(timeline.sessions.map((s) => [s.day, s.step]));
  const found: { t: number; value: T }[][] = [];
  let current: { t: number; value: T }[] = [];
  let last_time: number | null = null;
  let last_day = '';
  for (const point of points) {
    const t = Date.parse(point.as_of);
    const day = exchange_day(t);
    const v = value(point);
    const joined =
      last_time !== null &&
      day === last_day &&
      t - last_time <= (steps.get(day) ?? default_step) * 1.5;
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
