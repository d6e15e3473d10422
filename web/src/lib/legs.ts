// SPDX-License-Identifier: Apache-2.0
import type { StrategyCandidate, StrategyLeg } from '../api/types';
import { expiry_short, strike } from './format';

const letters = { call: 'C', put: 'P', stock: 'S' } as const;

type Legs = Pick<StrategyCandidate, 'legs'>;

/** The expiries of a position, the first to expire first. */
export const expiries_of = (candidate: Legs): readonly string[] =>
  [...new Set(candidate.legs.flatMap((leg) => (leg.expiry === null ? [] : [leg.expiry])))].sort();

/**
 * What a position is, whatever its rank or price: survives a re-ranking, fits a URL ("1P95_-1P100_-1C110_1C115"). A leg
 * that outlives the first expiry says until when ("-1C110_1C110@2026-12-18").
 */
export function position_key(candidate: Legs): string {
  const [first] = expiries_of(candidate);
  return candidate.legs
    .map((leg) => {
      const later = leg.expiry !== null && leg.expiry !== first ? `@${leg.expiry}` : '';
      return `${leg.quantity}${letters[leg.kind]}${leg.strike ?? ''}${later}`;
    })
    .join('_');
}

/** "Sell 1 put 100"; with several expiries "Sell 1 put 100 Dec 24". */
export function leg_words(leg: StrategyLeg, with_expiry = false): string {
  const side = leg.quantity < 0 ? 'Sell' : 'Buy';
  const size = Math.abs(leg.quantity);
  if (leg.kind === 'stock') return `${side} ${size} shares`;
  const until =
    with_expiry && leg.expiry ? ` ${expiry_short(leg.expiry).replace(' ', '\u00a0')}` : '';
  return `${side} ${size} ${leg.kind} ${strike(leg.strike)}${until}`;
}

/** What expires together, as one line of a table cell. */
export interface LegLine {
  /** "Dec 24", where there is more than one expiry. */
  readonly expiry: string;
  readonly groups: readonly {
    readonly legs: readonly StrategyLeg[];
    /** "put" or "call", where the place does not say it. */
    readonly after: string;
  }[];
}

/**
 * The options of a position, nearer expiries first, puts before calls. Where both are on a line the place tells which
 * is which: puts left of the dash, calls right of it.
 */
export function leg_lines(candidate: Legs): readonly LegLine[] {
  const expiries = expiries_of(candidate);
  return expiries.map((expiry) => {
    const there = candidate.legs.filter((leg) => leg.expiry === expiry);
    const kinds = (['put', 'call'] as const).filter((kind) =>
      there.some((leg) => leg.kind === kind),
    );
    return {
      expiry: expiries.length > 1 ? expiry_short(expiry) : '',
      groups: kinds.map((kind) => ({
        legs: there.filter((leg) => leg.kind === kind),
        after: kinds.length > 1 ? '' : kind,
      })),
    };
  });
}

/** "2×100" for two of them; one is not counted. */
export const leg_strike = (leg: StrategyLeg): string =>
  `${Math.abs(leg.quantity) > 1 ? `${Math.abs(leg.quantity)}\u00d7` : ''}${strike(leg.strike)}`;
