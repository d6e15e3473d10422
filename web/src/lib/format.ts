// SPDX-License-Identifier: Apache-2.0
// Numbers and times as the page writes them. Unknown (null or undefined) is always the empty string: a blank
// cell says "not known", and 0 is written only for a quoted 0.

type Maybe = number | null | undefined;

const minus = '\u2212';

const fixed = (digits: number, most = digits) =>
  new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: most });
const two = fixed(2, 4);
const whole = fixed(0);
const strikes = fixed(0, 4);
const cents = fixed(2);
const formats = [fixed(0), fixed(1), fixed(2), fixed(3), fixed(4)] as const;

const real_minus = (text: string) => text.replace('-', minus);

export const price = (v: Maybe) => (v == null ? '' : real_minus(two.format(v)));
export const strike = (v: Maybe) => (v == null ? '' : strikes.format(v));
export const spot = (v: Maybe) => (v == null ? '' : cents.format(v));

export function decimal(v: Maybe, digits: 0 | 1 | 2 | 3 | 4): string {
  if (v == null) return '';
  const text = formats[digits].format(v);
  return /[1-9]/.test(text) ? real_minus(text) : text.replace('-', '');
}

export function signed(v: Maybe, digits: 0 | 1 | 2 | 3 | 4): string {
  const text = decimal(v, digits);
  return v != null && v > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** 0.253 is "25.3 %"; the unit is left out where a column header says it. */
export const percent = (v: Maybe, digits: 0 | 1 | 2 = 1) =>
  v == null ? '' : `${decimal(v * 100, digits)}\u202f%`;
export const percent_number = (v: Maybe) => (v == null ? '' : decimal(v * 100, 1));

/** Three digits that count: greeks span four orders of magnitude. */
export function greek(v: Maybe): string {
  if (v == null) return '';
  const size = Math.abs(v);
  return signed(v, size >= 100 ? 1 : size >= 0.995 ? 2 : size >= 0.0995 ? 3 : 4);
}

/** To the cent; a table column that compares sizes asks for whole currency. */
export function money(v: Maybe, digits: 0 | 2 = 2): string {
  if (v == null) return '';
  const text = formats[digits].format(Math.abs(v));
  return `${v < 0 && /[1-9]/.test(text) ? minus : ''}$${text}`;
}

export function signed_money(v: Maybe): string {
  const text = money(v);
  return v != null && v > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** Exact up to 99,999, then "123k" and "1.2M": a chain column is six characters wide. */
export function count(v: Maybe): string {
  if (v == null) return '';
  const size = Math.abs(v);
  if (size < 100_000) return whole.format(v);
  if (size < 1_000_000) return `${whole.format(Math.round(v / 1000))}k`;
  return `${formats[1].format(v / 1_000_000)}M`;
}

/** "8 s", "4 min 05 s", "2 h 10 min", "3 d 4 h", "2,750 d". */
export function age(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
  if (s < 86_400) {
    return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, '0')} min`;
  }
  const whole_days = Math.floor(s / 86_400);
  if (whole_days >= 30) return `${whole.format(whole_days)} d`;
  return `${whole_days} d ${Math.floor((s % 86_400) / 3600)} h`;
}

const clock = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'America/New_York',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const day_and_clock = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'America/New_York',
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const exchange_days = new Intl.DateTimeFormat('en-CA', { timeZone: 'America/New_York' });
const expiry_days = new Intl.DateTimeFormat('en-US', {
  timeZone: 'UTC',
  day: 'numeric',
  month: 'short',
});
const expiry_full = new Intl.DateTimeFormat('en-US', {
  timeZone: 'UTC',
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
});

/** New York wall time, "15:35:00 ET". */
export const exchange_clock = (iso: string) => `${clock.format(new Date(iso))} ET`;
/** "Thu 5 Jun, 15:35 ET". */
export const exchange_moment = (t: string | number) =>
  `${day_and_clock
    .format(new Date(t))
    .replace(/,\s*/, ' ')
    .replace(/,?\s(\d\d:)/, ', $1')} ET`;
/** "2014-06-05": the New York day of an instant. */
export const exchange_day = (t: string | number) => exchange_days.format(new Date(t));
/** "Jun 21"; an expiry is a calendar day and has no zone. */
export const expiry_short = (date: string) => expiry_days.format(new Date(`${date}T00:00:00Z`));
export const expiry_long = (date: string) => expiry_full.format(new Date(`${date}T00:00:00Z`));

const month_days = new Intl.DateTimeFormat('en-US', {
  timeZone: 'America/New_York',
  day: 'numeric',
  month: 'short',
});
/** "Dec 24": the New York day so many days after an instant. */
export const exchange_date_after = (iso: string, days: number) =>
  month_days.format(new Date(Date.parse(iso) + days * 86_400_000));

export const days = (n: number) => (n === 0 ? 'today' : `${n} d`);
