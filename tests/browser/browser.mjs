// SPDX-License-Identifier: Apache-2.0
// A trader's way through the page, in a real browser, against a running stack.
//
// Usage: node browser.mjs BASE_URL [--screenshot FILE.png] [--snapshot-seconds 90] [--source simulated]
// --snapshot-seconds: within which the stack must push a new snapshot. Exit: 0 all passed, 1 a check failed,
// 2 wrong usage. Needs `npm ci` in web/ and Chromium (CHROMIUM, default /usr/bin/chromium).
import { parseArgs } from 'node:util';
import { check, expect, expect_accessible, finish, launch, open_page, until } from './harness.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    screenshot: { type: 'string' },
    'snapshot-seconds': { type: 'string', default: '90' },
    source: { type: 'string', default: 'simulated' },
  },
});
const [base] = positionals;
if (!base) {
  console.error('usage: node browser.mjs BASE_URL [--screenshot FILE.png] [--snapshot-seconds 90]');
  process.exit(2);
}
const link = (search) => new URL(search, base).href;
const snapshot_ms = Number(options['snapshot-seconds']) * 1000;

const browser = await launch();
const page = await open_page(browser, { width: 1600, height: 1000 });

const ranking = '.candidates tbody tr';
const chosen = '.candidates tr[aria-selected="true"]';
const as_of = () => page.getByTestId('freshness').getAttribute('data-as-of');
const numbers_of = (text) => text.match(/\d[\d,]*(\.\d+)?/g)?.map((n) => Number(n.replaceAll(',', ''))) ?? [];

await check('the page loads and fills', async () => {
  await page.goto(link('/'));
  await page.waitForSelector('.chain-row');
  await page.waitForSelector(`${ranking}, .strategy-body .note`);
  // The rest looks at a share, of which every strategy is offered.
  const { underlyings } = await (await page.request.get(link('/api/underlyings'))).json();
  const share = underlyings.find((u) => !u.is_index);
  expect(share, 'no share is collected');
  await page.goto(link(`/?${new URLSearchParams({ symbol: share.symbol })}`));
  await page.waitForSelector('.chain-row');
  await page.waitForSelector(`${ranking}, .strategy-body .note`);
  return share.symbol;
});

await check('of an index no strategy with shares is offered', async () => {
  const { underlyings } = await (await page.request.get(link('/api/underlyings'))).json();
  const index = underlyings.find((u) => u.is_index);
  if (!index) return 'no index is collected';
  const other = await open_page(browser, { width: 1600, height: 1000 });
  await other.goto(link(`/?${new URLSearchParams({ symbol: index.symbol })}`));
  await other.waitForSelector('.chain-row');
  await other.keyboard.press('s');
  const offered = other.getByRole('listbox', { name: 'Strategies' });
  await offered.waitFor();
  const all = await (await other.request.get(link('/api/catalogue'))).json();
  const without = all.strategies.filter((s) => s.legs.every((leg) => leg.kind !== 'stock')).length;
  const count = await offered.getByRole('option').count();
  expect(count === without && without < all.strategies.length, `${count} of ${without} strategies`);
  await other.context().close();
  return `${count} of ${all.strategies.length} on ${index.symbol}`;
});

await check('symbols are offered with their prices', async () => {
  await page.keyboard.press('/');
  const offered = page.getByRole('listbox', { name: 'Symbols' }).getByRole('option');
  await offered.first().waitFor();
  const count = await offered.count();
  expect(/^[A-Z0-9. -]+\s+\d/.test(await offered.first().innerText()), 'no price beside the symbol');
  await page.keyboard.press('Escape');
  return `${count} symbols`;
});

await check('expiries are offered, one of them chosen', async () => {
  const strip = page.getByTestId('expiries').getByRole('radio');
  expect((await strip.count()) > 0, 'no expiry');
  expect((await page.locator('.expiries input:checked').count()) === 1, 'not exactly one chosen');
  return `${await strip.count()} expiries`;
});

await check('the chain shows bids and asks on both sides', async () => {
  for (const cell of ['.call.bid', '.call.ask', '.put.bid', '.put.ask']) {
    const texts = await page.locator(`.chain-row ${cell}`).allInnerTexts();
    const quoted = texts.filter((t) => /^\d[\d,]*\.\d{2,4}$/.test(t.trim()));
    expect(quoted.length >= 3, `${quoted.length} of ${texts.length} cells ${cell} hold a price`);
  }
  return `${await page.locator('.chain-row').count()} rows mounted`;
});

await check('only rows near the view exist, each knowing its place', async () => {
  const grid = page.locator('.chain-grid');
  const total = Number(await grid.getAttribute('aria-rowcount'));
  const mounted = await page.locator('.chain-row').count();
  expect(mounted <= 70 && mounted <= total - 2, `${mounted} of ${total} rows mounted`);
  const first = Number(await page.locator('.chain-row').first().getAttribute('aria-rowindex'));
  expect(first >= 3 && first <= total, `aria-rowindex ${first} of ${total}`);
});

await check('every cell says what the API says: unknown blank, zero as zero', async () => {
  await until(
    page,
    async () => {
      const q = new URLSearchParams(location.search);
      const shown = document.querySelector('[data-testid="freshness"]').dataset.asOf;
      const wanted = new URLSearchParams({
        expiry: q.get('expiry'), trading_class: q.get('trading_class'), from: 'history',
      });
      const reply = await fetch(`/api/chain/${encodeURIComponent(q.get('symbol'))}?${wanted}`);
      const chain = await reply.json();
      // A snapshot may arrive between the two readings; then this asks again.
      if (chain.as_of !== shown) return false;
      const by_strike = new Map(chain.rows.map((r) => [r.strike, r]));
      const wrong = [];
      let blank = 0;
      for (const row of document.querySelectorAll('.chain-row')) {
        for (const right of ['call', 'put']) {
          const side = by_strike.get(Number(row.dataset.strike))?.[right];
          for (const field of ['bid', 'ask', 'last', 'volume', 'open_interest', 'bid_size', 'ask_size', 'implied_vol', 'delta']) {
            // A column that has no room is not there; one that is there must be right.
            const cell = row.querySelector(`.${right}.${field}`);
            if (!cell && field !== 'bid' && field !== 'ask') continue;
            const text = cell.innerText.trim();
            const value = side?.[field] ?? null;
            if (value === null) blank++;
            const read = Number(text.replaceAll(',', '').replace('\u2212', '-').replace('+', ''));
            const scaled = field === 'implied_vol' ? value * 100 : value;
            const near = field === 'implied_vol' ? 0.051 : field === 'delta' ? 0.0051 : 1e-6;
            const short = /[kM]$/.test(text);
            const good =
              value === null ? text === '' : text !== '' && (short || Math.abs(read - scaled) <= near);
            if (!good) wrong.push(`${row.dataset.strike} ${right} ${field}: "${text}" for ${value}`);
          }
        }
      }
      if (document.querySelector('[data-testid="freshness"]').dataset.asOf !== shown) return false;
      if (wrong.length > 0) throw new Error(`${wrong.length} cells differ: ${wrong.slice(0, 3).join('; ')}`);
      window.blank_cells = blank;
      return true;
    },
    null,
    { what: 'the same snapshot on screen and from the API' },
  );
  return `${await page.evaluate(() => window.blank_cells)} blank cells seen`;
});

await check('the at-the-money row is in the middle of the table', async () => {
  const off = await page.evaluate(() => {
    const grid = document.querySelector('.chain-grid').getBoundingClientRect();
    const row = document.querySelector('.chain-row[data-atm]')?.getBoundingClientRect();
    return row ? Math.abs((row.top + row.bottom) / 2 - (grid.top + grid.bottom) / 2) / grid.height : null;
  });
  expect(off !== null, 'no at-the-money row');
  const all_fit = await page.evaluate(() => {
    const g = document.querySelector('.chain-grid');
    return g.scrollHeight <= g.clientHeight * 1.5;
  });
  expect(off < 0.2 || all_fit, `off by ${off} of the height`);
});

await check('freshness names the source and an age that counts', async () => {
  const light = page.getByTestId('freshness');
  const source = await light.getAttribute('data-source');
  expect(source === options.source, `source is ${source}`);
  const before = await light.locator('.freshness-age').innerText();
  expect(/^\d+ (s|min|h|d)/.test(before), `age reads "${before}"`);
  await until(
    page,
    (text) => document.querySelector('.freshness-age').innerText !== text,
    before,
    { what: 'a second on the age' },
  );
  return `${source}, ${before}`;
});

if (options.source === 'simulated') {
  await check('a simulated market is marked as such', async () => {
    await page.getByText('SIMULATED', { exact: true }).waitFor();
  });
}

await check('the session and the connection are told', async () => {
  await page.getByText(/^Market (open|closed)$/).waitFor();
  await page.getByText('Connected', { exact: true }).waitFor();
});

const strategy = page.getByRole('combobox', { name: 'Strategy' });
const choose_strategy = async (typed, name) => {
  await page.keyboard.press('s');
  await page.keyboard.type(typed);
  await page.keyboard.press('Enter');
  await page.waitForSelector(`#tab-${name}[aria-selected="true"]`);
  await page.waitForSelector(`${ranking}, .strategy-body .note`);
};
const caption = () => page.locator('.strategy-body > .caption').innerText();

await check('iron condors are ranked, and the caption says by what and out of how many', async () => {
  await page.waitForSelector(ranking);
  const words = await caption();
  expect(/combinations: [\d,kM.]+ looked at, [\d,kM.]+ passed over/.test(words), `it reads "${words}"`);
  expect(/payoff ratio/.test(words), `the objective is not explained in "${words}"`);
  const basis = await page.locator('.position-drawing .caption').innerText();
  expect(/market-implied/.test(basis), `the density is not named in "${basis}"`);
  const heads = await page.locator('.candidates th').allInnerTexts();
  expect(heads.some((h) => /Exp\. P\/L\s+implied/.test(h)), `columns ${heads}`);
  return `${await page.locator(ranking).count()} candidates`;
});

await check('another objective re-ranks', async () => {
  const rank_by = page.getByRole('combobox', { name: 'Rank by' });
  const reply = page.waitForResponse((r) => r.url().includes('objective=expected_profit_on_max_loss'));
  await rank_by.selectOption('expected_profit_on_max_loss');
  const { candidates } = await (await reply).json();
  await page.waitForFunction(() =>
    document.querySelector('.strategy-body > .caption')?.innerText.includes('minus what entering costs'),
  );
  const ratios = candidates.map((c) => c.expected_profit / c.max_loss);
  const ordered = ratios.every((r, i) => i === 0 || r <= ratios[i - 1] + 1e-12);
  expect(ordered, `out of order: ${ratios.slice(0, 8)}`);
  expect(page.url().includes('objective=expected_profit_on_max_loss'), page.url());
  await rank_by.selectOption('return_on_risk');
  await page.waitForFunction(() => !location.search.includes('objective='));
  return `the best ${candidates[0].expected_profit.toFixed(2)} on ${candidates[0].max_loss.toFixed(0)}`;
});

/** Asks until the answer is not null: a snapshot may be redrawing the page. */
const until_value = async (ask) => {
  for (const end = Date.now() + 15_000; Date.now() < end; await page.waitForTimeout(100)) {
    const value = await ask();
    if (value !== null) return value;
  }
  throw new Error('the page did not come to rest within 15 s');
};

const same_breakevens = async () => {
  // One reading of both: a snapshot may redraw them at any moment.
  const [cell, drawn] = await page.evaluate(
    (selector) => [
      document.querySelector(`${selector} td.breakevens`).textContent,
      [...document.querySelectorAll('.payoff [data-breakeven] text')].map((t) => t.textContent),
    ],
    chosen,
  );
  const table = numbers_of(cell);
  const drawing = drawn.flatMap(numbers_of);
  expect(table.length > 0, 'no breakeven in the table');
  expect(String(table) === String(drawing), `table ${table}, drawing ${drawing}`);
  return table.join(', ');
};

await check('choosing a condor draws its payoff with the breakevens of the table', async () => {
  const rows = await page.locator(ranking).count();
  await page.locator(ranking).nth(Math.min(1, rows - 1)).click();
  await page.waitForSelector(`${ranking}:nth-child(${Math.min(2, rows)})[aria-selected="true"]`);
  const label = await page.getByTestId('payoff').getByRole('img').getAttribute('aria-label');
  expect(/breakeven at \d/.test(label), `the drawing says: ${label}`);
  return same_breakevens();
});

await check('the arrow keys read the payoff off the line', async () => {
  const slider = page.getByRole('slider', { name: 'Underlying at the first expiry' });
  await slider.focus();
  await page.keyboard.press('ArrowRight');
  await page.waitForSelector('.read-out');
  const told = await slider.getAttribute('aria-valuetext');
  expect(/(profit|loss) \$/.test(told), `it reads "${told}"`);
  return told;
});

await check('mid pays at least what natural does', async () => {
  const best = async (fill) => {
    await page.getByRole('radio', { name: fill }).check();
    await page.waitForFunction(
      (word) => document.querySelector('.position-drawing h2').innerText.includes(word.toLowerCase()),
      fill,
    );
    await page.locator(ranking).first().click();
    const figure = page.locator('.numbers > div', { hasText: 'Return on risk' }).locator('dd');
    return numbers_of(await figure.innerText())[0];
  };
  for (;;) {
    // Only the two rankings of one snapshot can be compared.
    const before = await as_of();
    const mid = await best('Mid');
    const natural = await best('Natural');
    if ((await as_of()) !== before) continue;
    expect(mid >= natural, `mid ${mid} %, natural ${natural} %`);
    return `${mid} % and ${natural} %`;
  }
});

await check('the table of dates and prices ends in the payoff of the legs', async () => {
  await page.waitForSelector('[data-testid="profit-map"] tbody tr');
  return until_value(async () => {
    const seen = await page.evaluate(() => {
      const first_line = (e) => e.childNodes[0].textContent;
      const rows = [...document.querySelectorAll('.profit-map tbody tr')];
      return {
        rows: rows.length,
        last_head: rows.at(-1).querySelector('th').innerText,
        spots: [...document.querySelectorAll('.profit-map thead th')].map(first_line),
        last: [...rows.at(-1).querySelectorAll('td')].map((td) => td.innerText),
        legs: [...document.querySelectorAll('.leg-list li')].map((li) => li.innerText.replace(/\s+/g, ' ')),
        waiting: document.querySelector('.scenarios[data-waiting]') !== null,
      };
    });
    if (seen.waiting) return null;
    // Whole days apart, which do not always divide the time into six.
    expect(seen.rows >= 4 && seen.rows <= 7 && /expiry/.test(seen.last_head), `${seen.rows} dates, the last "${seen.last_head}"`);
    const number = (text) => Number(text.replaceAll(',', '').replace('\u2212', '-').replace('+', ''));
    const legs = seen.legs.map((text) => {
      const [, side, size, kind, strike] = /(Buy|Sell) (\d+) (put|call) ([\d,.]+)/.exec(text);
      const [, entry] = /at ([\d,.]+)/.exec(text);
      return { size: (side === 'Buy' ? 1 : -1) * Number(size), kind, strike: number(strike), entry: number(entry) };
    });
    const payoff = (spot) =>
      legs.reduce((sum, leg) => {
        const inside = leg.kind === 'call' ? spot - leg.strike : leg.strike - spot;
        return sum + 100 * leg.size * (Math.max(0, inside) - leg.entry);
      }, 0);
    const off = seen.spots.map((spot, i) => [spot, payoff(number(spot)), number(seen.last[i])]);
    const wrong = off.filter(([, paid, shown]) => !(Math.abs(paid - shown) <= 1));
    expect(seen.spots.length >= 9, `${seen.spots.length} prices`);
    expect(wrong.length === 0, `price, payoff, table: ${wrong.slice(0, 3).join(' | ')}`);
    return `${seen.rows} dates by ${seen.spots.length} prices`;
  });
});

await check('margin is told four ways, and which exit comes first', async () => {
  const margin = await page.getByTestId('margin').innerText();
  for (const way of ['Worst loss', 'Reg T', 'Interactive Brokers', 'Stress estimate']) {
    expect(margin.includes(way), `no ${way} in ${margin}`);
  }
  const odds = await page.getByTestId('exits').locator('td').allInnerTexts();
  const sum = odds.flatMap(numbers_of).reduce((a, b) => a + b, 0);
  expect(odds.length === 3 && Math.abs(sum - 100) < 0.2, `exit odds ${odds}`);
  return odds.join(', ');
});

await check('the market-implied density lies under the payoff', async () => {
  await page.waitForSelector('[data-testid="density"] .curve.market_implied[data-main]');
  expect((await page.locator('.density .mass.gain').count()) > 0, 'no probability of profit shaded');
  return (await page.locator('.legend li').allInnerTexts()).join(', ');
});

await check('the whole catalogue is offered in groups, by keyboard', async () => {
  await page.keyboard.press('s');
  const offered = page.getByRole('listbox', { name: 'Strategies' });
  await offered.waitFor();
  const count = await offered.getByRole('option').count();
  const groups = await offered.getByRole('group').count();
  const all = await (await page.request.get(link('/api/catalogue'))).json();
  expect(count === all.strategies.length, `${count} of ${all.strategies.length} strategies`);
  expect(groups >= 6, `${groups} groups`);
  await page.keyboard.press('Escape');
  await choose_strategy('jade', 'jade_lizard');
  expect((await strategy.inputValue()) === 'Jade lizard', await strategy.inputValue());
  await page.waitForFunction(() => document.querySelectorAll('.leg-list li').length === 3);
  return `${count} strategies, jade lizard with breakeven ${await same_breakevens()}`;
});

await check('a calendar says when each leg expires and that it rests on a model', async () => {
  await choose_strategy('long put calendar', 'long_put_calendar');
  // Two in three is more than most calendars have.
  while ((await page.locator(ranking).count()) === 0) {
    await page.getByRole('button', { name: /^Accept/ }).click();
    await page.waitForTimeout(300);
    await page.waitForSelector(`${ranking}, .strategy-body .note`);
  }
  await page.waitForFunction(() => document.querySelectorAll('.leg-list li').length === 2);
  const dates = (await page.locator('.leg-list li span:first-child').allInnerTexts()).map((t) => t.match(/[A-Z][a-z]{2}\s\d+$/)?.[0]);
  expect(dates[0] && dates[1] && dates[0] !== dates[1], `the legs expire ${dates}`);
  expect((await caption()).includes('Model dependent'), await caption());
  await page.getByText('Not told for several expiries').waitFor();
  await page.waitForSelector('[data-testid="profit-map"] td');
  return `${dates.join(' and ')}, ${await same_breakevens()}`;
});

await check('covered calls are one click away', async () => {
  await page.getByRole('tab', { name: 'Covered call' }).click();
  await page.waitForFunction(() => document.querySelector('.leg-list')?.innerText.includes('shares'));
  return same_breakevens();
});

await check('a limit that is no number is marked, one that is narrows the list', async () => {
  const before = await page.locator(ranking).count();
  await page.getByRole('button', { name: 'More' }).click();
  const delta = page.getByRole('textbox', { name: /Short delta/ });
  await delta.fill('a third');
  expect((await delta.getAttribute('aria-invalid')) === 'true', 'not marked');
  await delta.fill('0.35');
  await delta.press('Enter');
  await page.waitForFunction(() => location.search.includes('max_short_delta=0.35'));
  await page.waitForFunction(() => !document.querySelector('.strategy-body[data-waiting]'));
  const after = await page.locator(ranking).count();
  await delta.fill('');
  await delta.press('Enter');
  await page.waitForFunction(() => !location.search.includes('max_short_delta'));
  await page.getByRole('button', { name: 'More' }).click();
  expect(after <= before, `${before} before, ${after} after`);
  return `${before} to ${after}`;
});

const interest = () => page.getByTestId('interest').innerText();
const rate_field = () => page.getByRole('textbox', { name: /Interest rate/ });
await check('a rate reaches ranking, densities and analysis alike, and the page says that it was used', async () => {
  await page.getByRole('tab', { name: 'Iron condor' }).click();
  await page.waitForSelector('[data-testid="interest"]');
  const implied = await interest();
  expect(/Interest: .+ a year, (all that|as put|assumed)/.test(implied), `without a rate it reads "${implied}"`);
  await page.getByRole('button', { name: 'More' }).click();
  await rate_field().fill('425');
  await rate_field().press('Enter');
  expect((await rate_field().getAttribute('aria-invalid')) === 'true', 'a rate of 425 % is not marked');
  expect(!page.url().includes('rate='), `a rate of 425 % became ${page.url()}`);
  const asked = Promise.all(
    ['find', 'density', 'analyze'].map((name) =>
      page.waitForRequest((r) => r.url().includes(`/api/${name}/`) && (
        name === 'analyze' ? r.postDataJSON().rate === 0.0425 : new URL(r.url()).searchParams.get('rate') === '0.0425'
      )),
    ),
  );
  await rate_field().fill('4.25');
  await rate_field().press('Enter');
  await asked;
  await page.waitForFunction(() =>
    /^Interest: 4\.25\s%\sa year, as set/.test(document.querySelector('[data-testid="interest"]')?.innerText ?? ''),
  );
  expect(page.url().includes('rate=0.0425'), page.url());
  await page.reload();
  await page.waitForSelector('[data-testid="interest"]');
  expect((await rate_field().inputValue()) === '4.25', 'the link does not bring the rate back');
  const given = await interest();
  await rate_field().fill('');
  await rate_field().press('Enter');
  await page.waitForFunction(
    (given) => (document.querySelector('[data-testid="interest"]')?.innerText ?? given) !== given, given,
  );
  expect(!page.url().includes('rate='), page.url());
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('tab', { name: 'Covered call' }).click();
  return `${implied.slice(0, 60)}; ${given}`;
});

await check('a rate that the API refuses is told in its words, with the way back', async () => {
  const other = await open_page(browser, { width: 1024 });
  const refuse = { type: 'about:blank', title: 'Unprocessable Content', status: 422, code: 'validation_failed',
    detail: 'the request is not valid', request_id: 'r-1',
    errors: [{ path: 'query/rate', message: 'must be at most 0.2', code: 'too_large' }] };
  const no_price = { type: 'about:blank', title: 'Service Unavailable', status: 503, code: 'unavailable', request_id: 'r-2',
    detail: 'too few expiries can take part: 2026-12-24 no_american_price' };
  let problem = refuse;
  await other.route(/\/api\/find\/.*rate=/, (route) => route.fulfill({ status: problem.status, json: problem }));
  await other.goto(link('/?rate=0.5'));
  const alert = other.locator('.strategy-body').getByRole('alert');
  await alert.getByText('must be at most 0.2').waitFor();
  problem = no_price;
  await other.goto(link('/?rate=-0.1'));
  await alert.getByText('No ranking at this rate').waitFor({ timeout: 30_000 });
  await alert.getByText(/American options cannot be priced/).waitFor();
  await alert.getByRole('button', { name: 'Take the rate that the quotes imply' }).click();
  await other.waitForSelector(`${ranking}, .strategy-body .note:not(.problem)`);
  expect(!other.url().includes('rate='), other.url());
  await other.context().close();
});

await check('a density that goes far beyond the quotes is marked beside POP and expected profit', async () => {
  const other = await open_page(browser, { width: 1024 });
  await other.routeWebSocket(/\/api\/ws$/, () => {});
  let beyond;
  await other.route(/\/api\/find\//, async (route) => {
    const found = await (await route.fetch()).json();
    for (const { density } of found.expiries) density.mass_outside_quotes = beyond;
    await route.fulfill({ json: found });
  });
  const marks = async (share) => {
    beyond = share;
    await other.goto(link('/?min_pop=0.1'));
    await other.waitForSelector('.numbers dd');
    const told = other.getByTestId('beyond-quotes');
    return {
      words: (await told.count()) > 0 ? await told.innerText() : '',
      figures: await other.locator('.numbers [data-doubt] dt').allInnerTexts(),
      heads: await other.locator('.candidates th[data-doubt]').count(),
    };
  };
  const high = await marks(0.314);
  expect(/^31\s%\sof the probability lies beyond/.test(high.words), `it reads "${high.words}"`);
  expect(String(high.figures) === 'POP,Expected profit' && high.heads === 2, JSON.stringify(high));
  const low = await marks(0.1);
  expect(low.words === '' && low.figures.length === 0 && low.heads === 0, JSON.stringify(low));
  await expect_accessible(other);
  await other.context().close();
  return high.words;
});

await check('a new snapshot arrives without a reload, and the ranking follows', async () => {
  await page.evaluate(() => {
    window.never_reloaded = true;
  });
  const before = await as_of();
  const search = page.waitForResponse((r) => r.url().includes('/api/find/'), {
    timeout: snapshot_ms,
  });
  search.catch(() => {});
  await until(
    page,
    (old) => document.querySelector('[data-testid="freshness"]').dataset.asOf > old,
    before,
    { what: 'a pushed snapshot', timeout: snapshot_ms },
  );
  await search;
  expect(await page.evaluate(() => window.never_reloaded), 'the page was reloaded');
  return `${before} to ${await as_of()}`;
});

await check('a copied link brings the same desk back', async () => {
  await page.locator(ranking).last().click();
  const url = page.url();
  const read = (p) =>
    p.evaluate(() => ({
      symbol: document.querySelector('.symbol-box input').value,
      expiry: document.querySelector('.expiries input:checked').ariaLabel,
      tab: document.querySelector('[role="tab"][aria-selected="true"]').innerText,
    }));
  const second = await open_page(browser, { width: 1600, height: 1000 });
  await second.goto(url);
  await second.waitForSelector(chosen);
  const there = await read(second);
  // A new day of the market may have begun between the two: the older page counts its days anew, too.
  await page
    .waitForFunction(
      (label) => document.querySelector('.expiries input:checked').ariaLabel === label,
      there.expiry,
      { timeout: 15_000 },
    )
    .catch(() => {});
  const here = await read(page);
  expect(JSON.stringify(here) === JSON.stringify(there), `${JSON.stringify(here)} / ${JSON.stringify(there)}`);
  expect(second.url() === url, `the link became ${second.url()}`);
  await second.context().close();
});

await check('Back returns to what was before', async () => {
  await page.getByRole('tab', { name: 'Iron condor' }).click();
  await page.waitForSelector('#tab-iron_condor[aria-selected="true"]');
  await page.goBack();
  await page.waitForSelector('#tab-covered_call[aria-selected="true"]');
  await page.goForward();
  await page.waitForSelector('#tab-iron_condor[aria-selected="true"]');
});

await check('the desk works from the keyboard alone', async () => {
  const symbol = await page.locator('.symbol-box input').inputValue();
  await page.keyboard.press('/');
  await page.keyboard.type(symbol.toLowerCase());
  await page.keyboard.press('Enter');
  const expiries = await page.getByTestId('expiries').getByRole('radio').count();
  if (expiries > 1) {
    const before = page.url();
    await page.keyboard.press(']');
    const forth = page.url() !== before;
    if (!forth) await page.keyboard.press('[');
    await page.waitForFunction((old) => location.href !== old, before);
    await page.keyboard.press(forth ? '[' : ']');
    await page.waitForFunction((old) => location.search.includes(new URL(old).searchParams.get('expiry')), before);
  }
  await page.waitForSelector('.chain-row');
  await page.locator('.chain-grid').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  const active = await page.locator('.chain-grid').getAttribute('aria-activedescendant');
  expect(/-put$/.test(active ?? ''), `the cursor is at ${active}`);
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open] .history-chart, dialog[open] .note');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  const focused = await page.evaluate(() => document.activeElement.className);
  expect(focused === 'chain-grid', `the focus went to "${focused}"`);
  await page.waitForSelector(ranking);
  const first = await page.locator(chosen).getAttribute('data-position');
  if ((await page.locator(ranking).count()) > 1) {
    await page.keyboard.press('j');
    await page.waitForFunction(
      ([selector, old]) => document.querySelector(selector)?.dataset.position !== old,
      [chosen, first],
    );
  }
  await page.locator('.candidates table').focus();
  await page.keyboard.press('End');
  await page.waitForSelector(`${ranking}:last-child[aria-selected="true"]`);
  const hidden = await page.evaluate(() => {
    const [box, row] = ['.candidates', '.candidates tr[aria-selected="true"]'].map((s) =>
      document.querySelector(s).getBoundingClientRect(),
    );
    return Math.max(row.bottom - box.bottom, box.top - row.top);
  });
  expect(hidden <= 1, `the last position is ${hidden} px out of the ranking`);
  await page.keyboard.press('t');
  await page.waitForSelector('#tab-covered_call[aria-selected="true"]');
  await page.locator('#tab-covered_call').focus();
  await page.keyboard.press('ArrowLeft');
  await page.waitForSelector('#tab-iron_condor[aria-selected="true"]');
  await page.keyboard.press('?');
  await page.waitForSelector('dialog.keys[open]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
});

await check('Tab goes through the whole desk, and each stop shows that it has the focus', async () => {
  await page.evaluate(() => document.activeElement.blur());
  await page.locator('.brand').focus();
  const stops = [];
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const e = document.activeElement;
      const shown = [e, e.nextElementSibling, e.closest('label'), e.parentElement].some(
        (at) => at && getComputedStyle(at).outlineStyle !== 'none',
      );
      return { name: e.getAttribute('aria-label') ?? e.innerText ?? e.value, on: e !== document.body, shown };
    });
    if (!stop.on) break;
    expect(stop.shown, `nothing shows that "${stop.name}" has the focus`);
    stops.push(stop.name);
  }
  const tab = await page.locator('[role="tab"][aria-selected="true"]').innerText();
  for (const wanted of ['Symbol', 'Strategy', tab, 'Underlying at the first expiry', 'Change of every volatility, points']) {
    expect(stops.includes(wanted), `Tab never comes to ${wanted}, only to ${stops.join('; ')}`);
  }
  return `${stops.length} stops`;
});

await check('a contract has a history', async () => {
  await page.locator('.chain-row[data-atm] .call.bid').click();
  await page.waitForSelector('dialog[open] .history-chart path.quote-mid');
  await page.getByRole('slider', { name: 'Snapshot of the history' }).focus();
  await page.keyboard.press('ArrowLeft');
  await page.waitForFunction(() => /bid .+\s*ask /.test(document.querySelector('.history-read').innerText));
  return page.locator('dialog .history-chart + .caption').innerText();
});

await check('axe finds nothing serious in the open drawer', () => expect_accessible(page));

await check('axe finds nothing serious on the desk', async () => {
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.waitForSelector(ranking);
  return expect_accessible(page);
});

if (options.screenshot) {
  await page.evaluate(() => {
    document.activeElement.blur();
    document.querySelector('.strategy-body').scrollTop = 0;
  });
  await page.screenshot({ path: options.screenshot });
}

await check('all this without a console error or a CSP violation', async () => {
  const faults = await page.faults();
  expect(faults.length === 0, faults.join('; '));
  const reply = await page.request.get(link('/'));
  const csp = reply.headers()['content-security-policy'] ?? '';
  expect(/script-src 'self'/.test(csp), `the page came with the policy "${csp}"`);
});

for (const width of [1024, 390]) {
  await check(`at ${width} px nothing sticks out, and axe agrees`, async () => {
    const small = await open_page(browser, { width });
    await small.goto(link('/'));
    await small.waitForSelector('.chain-row');
    await small.waitForSelector(`${ranking}, .strategy-body .note`);
    const [wide, down] = await small.evaluate(() => [document.documentElement.scrollWidth, window.scrollY]);
    expect(wide <= width, `the page is ${wide} px wide`);
    expect(down === 0, `the page opens ${down} px down`);
    await expect_accessible(small);
    const faults = await small.faults();
    expect(faults.length === 0, faults.join('; '));
    await small.context().close();
  });
}

/**
 * What is cut off in the chain, the ranking and the analysis: cells wider inside than outside, texts past the edge of their
 * cell, tables wider than their panel (unless `may_scroll`). `within` names the part of the page.
 */
const clipped = (p, may_scroll = false, within = 'body') =>
  p.evaluate(([scrolls, part]) => {
    const wrong = [];
    const cells =
      '.chain-columns > div, .chain-row .cell, .candidates th, .candidates td, .profit-map th, .profit-map td, ' +
      '.figures th, .figures td, .numbers dd, .leg-list span';
    for (const cell of document.querySelectorAll(cells)) {
      if (!cell.closest(part)) continue;
      const text = document.createRange();
      text.selectNodeContents(cell);
      const [inside, outside] = [text.getBoundingClientRect(), cell.getBoundingClientRect()];
      const past = inside.left < outside.left - 0.5 || inside.right > outside.right + 0.5;
      if (cell.scrollWidth > cell.clientWidth || (inside.width > 0 && past)) {
        wrong.push(`${cell.className} "${cell.innerText}"`);
      }
    }
    for (const table of scrolls ? [] : document.querySelectorAll('.chain-grid, .candidates, .profit-map')) {
      const over = table.scrollWidth - table.clientWidth;
      if (over > 0 && table.closest(part)) wrong.push(`${table.className} is ${over} px too wide`);
    }
    return wrong;
  }, [may_scroll, within]);

for (const width of [1600, 1024, 390]) {
  await check(`at ${width} px no number is cut off`, async () => {
    const other = await open_page(browser, { width, height: 1000 });
    const seen = [];
    const { underlyings } = await (await other.request.get(link('/api/underlyings'))).json();
    for (const [i, { symbol }] of underlyings.slice(0, 4).entries()) {
      const more = i === 0 ? ['jade_lizard', 'double_diagonal', 'long_call'] : [];
      for (const strategy of ['iron_condor', 'covered_call', ...more]) {
        await other.goto(link(`/?${new URLSearchParams({ symbol, strategy, min_pop: '0.1' })}`));
        await other.waitForSelector('.chain-row');
        await other.waitForSelector('.profit-map td, .strategy-body .note');
        const wrong = await clipped(other);
        expect(wrong.length === 0, `${symbol} ${strategy}, ${wrong.length} cut: ${wrong.slice(0, 4).join('; ')}`);
      }
      seen.push(symbol);
    }
    await other.context().close();
    return seen.join(', ');
  });

  await check(`at ${width} px a price of 99,999.95 that just moved is whole`, async () => {
    const other = await open_page(browser, { width, height: 1000 });
    // Silent, so that no snapshot of the real stack replaces the invented prices.
    await other.routeWebSocket(/\/api\/ws$/, () => {});
    let price = 99_999.85;
    await other.route(/\/api\/chain\//, async (route) => {
      const reply = await route.fetch();
      const chain = await reply.json();
      for (const side of chain.rows.flatMap((row) => [row.call, row.put])) {
        if (side) Object.assign(side, { bid: price, ask: price, last: price });
      }
      price = 99_999.95;
      await route.fulfill({ response: reply, json: chain });
    });
    await other.goto(link('/'));
    await other.waitForSelector('.chain-row');
    await other.getByRole('button', { name: 'Refresh' }).click();
    await other.waitForSelector('.chain-row .call.ask [data-move="up"]');
    expect((await other.locator('.chain-row .put.bid').first().innerText()) === '99,999.95', 'no such price');
    const wrong = await clipped(other, width < 1024);
    expect(wrong.length === 0, `${wrong.length} cut: ${wrong.slice(0, 4).join('; ')}`);
    const columns = await other.locator('.chain-columns .bid, .chain-columns .ask').count();
    expect(columns === 4, `${columns} columns of bid and ask`);
    await other.context().close();
  });
}

/** A ranking as if its underlying stood at `price`, and the analysis of a position that makes or loses `most` in every cell. */
const found_at = (found, price) => {
  const at = (v) => (v == null ? v : Number(((v * price) / found.underlying_price).toPrecision(6)));
  const candidates = found.candidates.map((c) => ({
    ...c,
    legs: c.legs.map((leg) => ({ ...leg, strike: at(leg.strike) })),
    breakevens: c.breakevens.map(at),
    payoff: c.payoff.map(({ spot, profit }) => ({ spot: at(spot), profit })),
  }));
  return { ...found, underlying_price: price, candidates };
};
const making = (analysis, spots, most, days) => {
  const days_forward = Array.from({ length: 7 }, (_, i) => (i * days) / 6);
  const profit = days_forward.map((_, day) => spots.map((_, i) => ((day + i) % 2 ? most : -most)));
  return { ...analysis, as_of: '2026-05-01T15:00:00Z', table: { ...analysis.table, spots, days_forward, profit } };
};

for (const width of [1600, 1024, 390]) {
  await check(`at ${width} px the table of profit fits, whatever it says and while the next is awaited`, async () => {
    const other = await open_page(browser, { width, height: 1000 });
    await other.routeWebSocket(/\/api\/ws$/, () => {});
    let invented = null;
    let await_forever = false;
    let found, analysis;
    await other.route(/\/api\/find/, async (route) => {
      found ??= await (await route.fetch()).json();
      await route.fulfill({ json: invented ? { ...found_at(found, invented.price), ...invented.moved } : found });
    });
    await other.route(/\/api\/analyze/, async (route) => {
      if (await_forever) return;
      analysis ??= await (await route.fetch()).json();
      const { spots } = route.request().postDataJSON().table;
      await route.fulfill({ json: invented ? making(analysis, spots, invented.most, invented.days) : analysis });
    });
    await other.goto(link('/?strategy=iron_condor&min_pop=0.1'));
    await other.waitForSelector('.profit-map td');
    const whole = async (what) => {
      const seen = await other.evaluate(() => ({
        spot: [...document.querySelectorAll('.profit-map th[data-spot]')].map((th) => th.childNodes[0].textContent),
        columns: document.querySelectorAll('.profit-map thead th').length,
      }));
      const wrong = await clipped(other, false, '.profit-map');
      expect(wrong.length === 0, `${what}, ${wrong.length} cut: ${wrong.slice(0, 4).join('; ')}`);
      expect(seen.spot.length === 1 && seen.columns >= 5, `${what}: ${seen.columns} columns, the spot is "${seen.spot}"`);
      return seen;
    };
    const told = [];
    for (const [price, most, days, amount] of [
      [1.37, 0.4, 1.9, '0'],
      [48.21, 9_999.4, 11.9, '\u22129,999'],
      [5_355.73, 9_999.7, 30, '\u221210.0k'],
      [5_355.73, 99_960, 11.9, '\u2212100k'],
      [99_999.95, 1_234_567, 1_000, '\u22121.23M'],
      [99_999.95, 98_765_432, 11.9, '\u221298.8M'],
    ]) {
      invented = { price, most, days };
      await other.goto(link('/?strategy=iron_condor&min_pop=0.1'));
      await other.locator('.profit-map td', { hasText: new RegExp(`^${amount}$`) }).first().waitFor();
      told.push((await whole(`${price}, ${most}, ${days} days`)).columns);
    }
    const [before] = (await whole('before')).spot;
    await_forever = true;
    invented = { ...invented, moved: { underlying_price: 99_980.35 } };
    await other.getByRole('radio', { name: /^(Mid|Natural)$/, checked: false }).check();
    await other.waitForSelector('.scenarios[data-waiting]');
    const [after] = (await whole('while the next is awaited')).spot;
    expect(before === after, `the table around ${before} says that the spot is ${after}`);
    await other.context().close();
    return `${told.join(', ')} columns`;
  });
}

/** The same ranking with the amounts that a table is widest with. */
const with_amounts = (found, { credit, amount, pop }) => ({
  ...found,
  candidates: found.candidates.map((c) => ({
    ...c, credit, pop, expected_profit: amount, max_loss: Math.abs(amount), max_profit: Math.abs(amount),
  })),
});

for (const width of [320, 360, 390]) {
  await check(`at ${width} px the ranking fits, whatever its prices and amounts are`, async () => {
    const other = await open_page(browser, { width, height: 900 });
    await other.routeWebSocket(/\/api\/ws$/, () => {});
    let invented;
    const { strategies } = await (await other.request.get(link('/api/catalogue'))).json();
    await other.route(/\/api\/find/, async (route) => {
      const found = await (await route.fetch()).json();
      await route.fulfill({ json: with_amounts(found_at(found, invented.price), invented) });
    });
    const told = [];
    for (const strategy of ['iron_condor', 'long_put_calendar', 'double_diagonal']) {
      if (!strategies.some((s) => s.name === strategy)) continue;
      for (const [price, credit, amount] of [
        [1.37, 0.05, -12.3],
        [1.37, -0.11, 99_999.4],
        [48.21, 1.25, -104.2],
        [265.66, -265.1, 9_999.6],
        [5_355.73, 115.45, -13_455.2],
        [5_355.73, -5_241.55, -99_999.4],
        [38_755.25, -12_345.65, -99_999.4],
      ]) {
        invented = { price, credit, amount, pop: 0.6666 };
        await other.goto(link(`/?${new URLSearchParams({ strategy, min_pop: '0' })}`));
        await other.waitForSelector(`${ranking}, .strategy-body .note`);
        if ((await other.locator(ranking).count()) === 0) continue;
        const what = `${strategy} at ${price}, ${credit}, ${amount}`;
        const wrong = await clipped(other, false, '.candidates');
        expect(wrong.length === 0, `${what}, ${wrong.length} cut: ${wrong.slice(0, 4).join('; ')}`);
        const seen = await other.evaluate(() => ({
          columns: [...document.querySelectorAll('.candidates th')].map((th) => th.className),
          layout: document.querySelector('.candidates table').dataset.layout,
          figures: getComputedStyle(document.querySelector('.candidates td.credit')).fontFeatureSettings,
        }));
        for (const must of ['legs', 'credit', 'pop', 'expected_profit']) {
          expect(seen.columns.includes(must), `${what}: no ${must} among ${seen.columns}`);
        }
        expect(seen.figures.includes('tnum'), `${what}: figures are ${seen.figures}`);
        told.push(seen.layout);
      }
    }
    await other.context().close();
    const times = (name) => told.filter((t) => t === name).length;
    return `${times('wide')} wide, ${times('stacked')} stacked, ${times('tight')} tight`;
  });
}

await check('a lost connection is told, and comes back by itself', async () => {
  const other = await open_page(browser, { width: 1600 });
  let socket;
  await other.routeWebSocket(/\/api\/ws$/, (ws) => {
    socket = ws;
    ws.connectToServer();
  });
  await other.goto(link('/'));
  await other.getByText('Connected', { exact: true }).waitFor();
  const resubscribed = other.waitForResponse((r) => r.url().includes('/api/chain/'));
  await socket.close({ code: 1012 });
  await other.getByText('Reconnecting', { exact: true }).waitFor();
  await other.getByText('Connected', { exact: true }).waitFor();
  await resubscribed;
  await other.context().close();
});

await check('a server that hangs is told, and so is its return', async () => {
  const other = await open_page(browser, { width: 1600 });
  let hangs = false;
  await other.route(/\/api\/health/, (route) => (hangs ? undefined : route.continue()));
  await other.goto(link('/'));
  await other.getByText('Connected', { exact: true }).waitFor();
  hangs = true;
  await other.getByRole('button', { name: /API unreachable/ }).waitFor({ timeout: 30_000 });
  hangs = false;
  await other.getByRole('button', { name: /API unreachable/ }).click();
  await other.getByText('Connected', { exact: true }).waitFor();
  await other.context().close();
});

await check('the light theme is chosen by a button and stays; axe agrees with it, and with both when stale', async () => {
  const other = await open_page(browser, { width: 1440 });
  await other.goto(link('/?min_pop=0.1'));
  const ground = () => other.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await ground();
  await other.getByRole('button', { name: /^Colours: dark/ }).click();
  const light = await ground();
  expect(light !== dark, `the ground stays ${dark}`);
  await other.reload();
  await other.waitForSelector('.profit-map td');
  expect((await ground()) === light, 'a reload forgets the theme');
  await expect_accessible(other);
  await other.routeWebSocket(/\/api\/ws$/, () => {});
  await other.route(/\/api\/health/, async (route) => {
    const health = await (await route.fetch()).json();
    for (const underlying of health.underlyings) underlying.stale = true;
    await route.fulfill({ json: health });
  });
  await other.reload();
  await other.waitForSelector('[data-freshness="stale"] .profit-map td');
  const told = await expect_accessible(other);
  await other.getByRole('button', { name: /^Colours: light/ }).click();
  await other.emulateMedia({ colorScheme: 'dark' });
  await until(other, (was) => getComputedStyle(document.documentElement).backgroundColor === was, dark, {
    what: 'the dark ground of a dark system',
  });
  await expect_accessible(other);
  await other.context().close();
  return told;
});

await check('a symbol that is not collected is refused in words', async () => {
  const other = await open_page(browser, { width: 1024 });
  await other.goto(link('/?symbol=ZZZZ'));
  const alert = other.getByRole('alert');
  await alert.waitFor();
  const words = await alert.innerText();
  expect(/Request \S+/.test(words), `no request id in "${words}"`);
  await alert.getByRole('button', { name: 'Try again' }).waitFor();
  await other.context().close();
});

await browser.close();
process.exitCode = finish();
