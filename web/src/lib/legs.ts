// SPDX-License-Identifier: Apache-2.0
import type { StrategyCandidate, StrategyLeg } from '../api/types';
import { strike } from './format';

const letters = { call: 'C', put: 'P', stock: 'S' } as const;

/** What a position is, whatever its rank or price: survives a re-ranking, fits a URL ("1P95_-1P100_-1C110_1C115"). */
export const position_key = (candidate: Pick<StrategyCandidate, 'legs'>): string =>
  candidate.legs.map((leg) => `${leg.quantity}${letters[leg.kind]}${leg.strike ?? ''}`).join('_');

/** "Sell 1 put 100". */
export function leg_words(leg: StrategyLeg): string {
  const side = leg.quantity < 0 ? 'Sell' : 'Buy';
  const size = Math.abs(leg.quantity);
  if (leg.kind === 'stock') return `${side} ${size} shares`;
  return `${side} ${size} ${leg.kind} ${strike(leg.strike)}`;
}
