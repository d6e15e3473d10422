// SPDX-License-Identifier: Apache-2.0
import { useSyncExternalStore } from 'react';

/** Dark unless chosen otherwise; kept in this browser, not in the link, as it says nothing of a desk. */
export const themes = ['dark', 'light', 'system'] as const;
export type Theme = (typeof themes)[number];

const key = 'theme';
const grounds = { dark: '#0a0d13', light: '#e9edf2' } as const;

export const theme_of = (stored: string | null): Theme =>
  themes.find((theme) => theme === stored) ?? 'dark';

export const shown_theme = (theme: Theme, system_is_light: boolean): 'dark' | 'light' =>
  theme === 'system' ? (system_is_light ? 'light' : 'dark') : theme;

// A browser may refuse storage; then the choice lasts as long as the page.
function read(): string | null {
  try {
    return window.localStorage.getItem(key);
  } catch {
    return null;
  }
}
function write(theme: Theme): void {
  try {
    window.localStorage.setItem(key, theme);
  } catch {}
}

const listeners = new Set<() => void>();
let chosen: Theme = 'dark';

function apply(): void {
  const light = window.matchMedia('(prefers-color-scheme: light)').matches;
  const shown = shown_theme(chosen, light);
  document.documentElement.dataset.theme = shown;
  document.querySelector('meta[name="theme-color"]')?.setAttribute('content', grounds[shown]);
}

/** Once, before the first drawing. */
export function start_theme(): void {
  chosen = theme_of(read());
  apply();
  window.matchMedia('(prefers-color-scheme: light)').addEventListener('change', apply);
}

export function choose_theme(theme: Theme): void {
  chosen = theme;
  write(theme);
  apply();
  for (const wake of listeners) wake();
}

export const useTheme = (): Theme =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => chosen,
  );
