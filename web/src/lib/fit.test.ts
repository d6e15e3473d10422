// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { fit_columns, text_em } from './fit';

const columns = [
  { id: 'size', width: 20 },
  { id: 'volume', width: 30 },
  { id: 'bid', width: 60 },
];
const ids = (room: number) => fit_columns(columns, [['size'], ['volume']], room).map((c) => c.id);

describe('the columns that fit', () => {
  it('are all of them while there is room', () => {
    expect(ids(110)).toEqual(['size', 'volume', 'bid']);
  });
  it('lose the least important first', () => {
    expect(ids(109)).toEqual(['volume', 'bid']);
    expect(ids(89)).toEqual(['bid']);
  });
  it('keep what may not be dropped, however little room there is', () => {
    expect(ids(10)).toEqual(['bid']);
  });
});

describe('the width of a text', () => {
  // Measured in Chromium with Inter, tabular figures: a digit or sign 0.648 em, comma and dot 0.269 em.
  it('is no less than what the browser draws, and not much more', () => {
    const drawn = 7 * 0.648 + 2 * 0.269;
    expect(text_em('99,999.95')).toBeGreaterThanOrEqual(drawn);
    expect(text_em('99,999.95')).toBeLessThan(drawn * 1.03);
    expect(text_em('\u22120.52')).toBeGreaterThanOrEqual(4 * 0.648 + 0.269);
  });
});
