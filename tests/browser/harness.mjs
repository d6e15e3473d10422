// SPDX-License-Identifier: Apache-2.0
// Chromium, one line per check, and a count at the end. playwright-core and axe-core come from web/node_modules.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const from_web = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = from_web('playwright-core');
const axe_source = readFileSync(from_web.resolve('axe-core/axe.min.js'), 'utf8');

// Without these, Chromium calls home at every start and cannot run as root in a container.
const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: flags,
  });

let passed = 0;
let failed = 0;

/** Runs one check. What it returns, if anything, is told beside its name; what it throws fails it. */
export async function check(name, run) {
  try {
    const told = await run();
    passed++;
    console.log(`ok   ${name}${told ? ` (${told})` : ''}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${String(error.message ?? error).split('\n').slice(0, 6).join(' | ')}`);
  }
}

/** Prints the count and gives the exit status. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

export function expect(condition, message) {
  if (!condition) throw new Error(message);
}

/**
 * A page that remembers what went wrong in it: console errors, exceptions and violations of the
 * Content-Security-Policy. `faults(page)` tells them.
 */
export async function open_page(browser, { width, height = 900 }) {
  const context = await browser.newContext({ viewport: { width, height } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const found = [];
  page.on('console', (m) => m.type() === 'error' && found.push(`console: ${m.text()}`));
  page.on('pageerror', (e) => found.push(`exception: ${e.message}`));
  await page.addInitScript(() => {
    window.csp_violations = [];
    document.addEventListener('securitypolicyviolation', (e) =>
      window.csp_violations.push(`${e.violatedDirective} ${e.blockedURI}`),
    );
  });
  page.faults = async () => [
    ...found,
    ...(await page.evaluate(() => window.csp_violations)).map((v) => `csp: ${v}`),
  ];
  return page;
}

/** Throws with every serious or critical finding of axe. */
export async function expect_accessible(page) {
  await page.evaluate(axe_source);
  const { violations, passes } = await page.evaluate(() => window.axe.run(document));
  const grave = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
  const words = grave.map((v) => `${v.id} on ${v.nodes.length}: ${v.nodes[0].html.slice(0, 140)} ${v.nodes[0].failureSummary}`);
  expect(grave.length === 0, words.join('; '));
  return `${passes.length} rules passed`;
}

/** Waits until an async predicate in the page is true; asks again at every frame. */
export async function until(page, predicate, argument, { timeout = 15_000, what }) {
  try {
    await page.waitForFunction(predicate, argument, { timeout, polling: 'raf' });
  } catch (error) {
    throw new Error(`${what} did not happen within ${timeout / 1000} s: ${error.message}`);
  }
}
