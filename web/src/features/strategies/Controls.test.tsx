// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useUrlState } from '../../lib/url_state';
import { Controls } from './Controls';

function Page() {
  return <Controls url={useUrlState()} objective="return_on_risk" entry={undefined} />;
}
const open = (search: string) => {
  window.history.replaceState(null, '', `/${search}`);
  render(<Page />);
};
const rate = () => screen.getByRole<HTMLInputElement>('textbox', { name: /Interest rate/ });
const type = (text: string) => {
  fireEvent.change(rate(), { target: { value: text } });
  fireEvent.keyDown(rate(), { key: 'Enter' });
};

beforeEach(() => open(''));
afterEach(cleanup);

describe('the interest rate', () => {
  it('goes into the link as a decimal, and leaves it when the field is emptied', () => {
    fireEvent.click(screen.getByRole('button', { name: 'More' }));
    type('4.25');
    expect(window.location.search).toBe('?rate=0.0425');
    expect(screen.getByRole('button', { name: 'More (1)' })).toBeTruthy();
    type('0');
    expect(window.location.search).toBe('?rate=0');
    type('');
    expect(window.location.search).toBe('');
    expect(rate().placeholder).toBe('implied');
  });
  it('is shown in per cent when a link brings it, without being asked for', () => {
    cleanup();
    open('?rate=0.041');
    expect(rate().value).toBe('4.1');
    expect(rate().closest('[hidden]')).toBeNull();
  });
  it('stays what it was when the text is refused, and the field says what is accepted', () => {
    fireEvent.click(screen.getByRole('button', { name: 'More' }));
    type('4');
    for (const text of ['3,5', '101', '-51', 'four']) {
      type(text);
      expect(rate().getAttribute('aria-invalid')).toBe('true');
      const told = document.getElementById(rate().getAttribute('aria-describedby') ?? '');
      expect(told?.textContent).toBe('\u221250 to 100');
      expect(window.location.search).toBe('?rate=0.04');
    }
    fireEvent.keyDown(rate(), { key: 'Escape' });
    expect(rate().value).toBe('4');
  });
});
