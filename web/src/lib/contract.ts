// SPDX-License-Identifier: Apache-2.0
import type { Right } from '../api/types';

export interface ContractChoice {
  readonly strike: number;
  readonly right: Right;
}

/** A contract of the chain on screen, as the URL writes it: "C97.5", "P100". */
export const contract_text = (c: ContractChoice) => `${c.right === 'call' ? 'C' : 'P'}${c.strike}`;

export function parse_contract(text: string | null): ContractChoice | null {
  const found = /^([CP])(\d{1,9}(?:\.\d{1,4})?)$/.exec(text ?? '');
  if (!found) return null;
  return { right: found[1] === 'C' ? 'call' : 'put', strike: Number(found[2]) };
}
