// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { shown_theme, theme_of } from './theme';

it('the theme is dark unless another was chosen', () => {
  expect(theme_of(null)).toBe('dark');
  expect(theme_of('sepia')).toBe('dark');
  expect(theme_of('light')).toBe('light');
});

it('only the theme of the system depends on the system', () => {
  expect(shown_theme('dark', true)).toBe('dark');
  expect(shown_theme('light', false)).toBe('light');
  expect(shown_theme('system', true)).toBe('light');
  expect(shown_theme('system', false)).toBe('dark');
});
