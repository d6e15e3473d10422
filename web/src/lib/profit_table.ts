// SPDX-License-Identifier: Apache-2.0
// Which prices a table of profit shows, how strongly a cell is coloured, and when a position would be closed.
import type { StrategyCandidate } from '../api/types';
import { type Frame, ticks } from './payoff';

/**
 * Round prices over the frame, at most `most` of them, in ascending order; a finer step may cost the outermost ones.
 * The one nearest to the underlying's price is replaced by that price itself, so that the table has a column of
 * "nothing moves".
 */
export function table_spots(frame: Frame, spot: number | null, most: number): readonly number[] {
  const middle = spot ?? (frame.low + frame.high) / 2;
  let round: number[] = [];
  for (let wanted = Math.round(most * 1.3); wanted > 1; wanted--) {
    round = ticks(frame.low, frame.high, wanted);
    if (round.length <= most * 1.3) break;
  }
  while (round.length > most) {
    const [first, last] = [round[0] as number, round.at(-1) as number];
    if (middle - first > last - middle) round.shift();
    else round.pop();
  }
  if (spot === null || round.length === 0 || spot < frame.low || spot > frame.high) return round;
  const off = (s: number) => Math.abs(s - spot);
  const nearest = round.reduce((best, s) => (off(s) < off(best) ? s : best));
  return round.map((s) => (s === nearest ? spot : s));
}

/**
 * From -1 (the most that the table loses) to 1 (the most that it makes). By the square root, so that small amounts
 * still differ from none; one scale for both, so that equal amounts look equally strong.
 */
export function heat(profit: number, most: number): number {
  if (!(most > 0)) return 0;
  return Math.sign(profit) * Math.sqrt(Math.min(1, Math.abs(profit) / most));
}

export interface ExitRule {
  readonly profit_target: number;
  readonly loss_limit: number;
}

/**
 * Half of the most it can make against the most it can lose; for a position opened for a credit, whose loss may be far
 * larger or without bound, at most twice what it can make. Null where nothing bounds the profit, and for several
 * expiries, whose way there no density tells.
 */
export function exit_rule(
  candidate: Pick<StrategyCandidate, 'max_profit' | 'max_loss' | 'credit' | 'model_dependent'>,
): ExitRule | null {
  const { max_profit, max_loss, credit, model_dependent } = candidate;
  if (model_dependent || max_profit === null || !(max_profit > 0)) return null;
  const loss_limit =
    credit > 0 ? Math.min(max_loss ?? Number.POSITIVE_INFINITY, 2 * max_profit) : max_loss;
  return loss_limit !== null && loss_limit > 0
    ? { profit_target: max_profit / 2, loss_limit }
    : null;
}
