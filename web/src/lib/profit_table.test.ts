// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { exit_rule, heat, table_spots } from './profit_table';

describe('the prices of the table', () => {
  it('are round, ascending, no more than there is room for, and hold the spot itself', () => {
    for (const most of [5, 9, 15, 21]) {
      const spots = table_spots({ low: 4837, high: 5871 }, 5354.89, most);
      expect(spots.length).toBeLessThanOrEqual(most);
      expect(spots.length).toBeGreaterThanOrEqual(3);
      expect([...spots].sort((a, b) => a - b)).toEqual(spots);
      expect(spots).toContain(5354.89);
      expect(spots.filter((s) => s % 10 !== 0)).toEqual([5354.89]);
    }
  });
  it('are round alone where the spot is unknown or far away', () => {
    expect(table_spots({ low: 90, high: 110 }, null, 5)).toEqual([90, 95, 100, 105, 110]);
    expect(table_spots({ low: 90, high: 110 }, 200, 5)).toEqual([90, 95, 100, 105, 110]);
  });
  it('are none over no width', () => {
    expect(table_spots({ low: 0, high: 0 }, 100, 9)).toEqual([]);
  });
});

describe('the colour of a cell', () => {
  it('is as strong for a loss as for an equal gain, and full at the most', () => {
    expect(heat(400, 400)).toBe(1);
    expect(heat(-400, 400)).toBe(-1);
    expect(heat(100, 400)).toBe(-heat(-100, 400));
    expect(heat(100, 400)).toBeCloseTo(0.5);
    expect(heat(0, 400)).toBe(0);
    expect(heat(0, 0)).toBe(0);
  });
});

describe('when a position is closed', () => {
  const position = { max_profit: 200, max_loss: 300, credit: 2, model_dependent: false };
  it('is at half of the profit or the whole loss', () => {
    expect(exit_rule(position)).toEqual({ profit_target: 100, loss_limit: 300 });
  });
  it('is at twice the credit where the loss is larger or has no bound', () => {
    expect(exit_rule({ ...position, max_loss: 9800 })?.loss_limit).toBe(400);
    expect(exit_rule({ ...position, max_loss: null })?.loss_limit).toBe(400);
    expect(exit_rule({ ...position, max_loss: 700, credit: -7 })?.loss_limit).toBe(700);
  });
  it('is not told where nothing bounds the profit, or legs outlive the first expiry', () => {
    expect(exit_rule({ ...position, max_profit: null })).toBeNull();
    expect(exit_rule({ ...position, max_loss: null, credit: -1 })).toBeNull();
    expect(exit_rule({ ...position, model_dependent: true })).toBeNull();
  });
});
