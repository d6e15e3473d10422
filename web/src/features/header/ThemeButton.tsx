// SPDX-License-Identifier: Apache-2.0
import { choose_theme, type Theme, themes, useTheme } from '../../lib/theme';

const next = (theme: Theme): Theme => themes[(themes.indexOf(theme) + 1) % themes.length] as Theme;

export function ThemeButton() {
  const theme = useTheme();
  const words = `Colours: ${theme}. Change to ${next(theme)}`;
  return (
    <button
      type="button"
      className="theme-button"
      aria-label={words}
      title={words}
      onClick={() => choose_theme(next(theme))}
    >
      <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
        <circle cx="7" cy="7" r="5.5" fill="none" stroke="currentColor" strokeWidth="1.5" />
        {theme !== 'light' && (
          <path
            d={
              theme === 'dark'
                ? 'M7 1.5a5.5 5.5 0 0 1 0 11 5.5 5.5 0 0 1 0-11'
                : 'M7 1.5a5.5 5.5 0 0 1 0 11z'
            }
            fill="currentColor"
          />
        )}
      </svg>
    </button>
  );
}
