// What the tests have in common: a browser with a page, and what went wrong on it.
//
//   node SCRIPT CHROMIUM ADMIN CONTROL PICTURES [OTHER…]
//
// ADMIN is the URL of the admin API, CONTROL that of the services' controls, PICTURES a folder, and OTHER
// the URLs of other proxies' admin APIs.

import { readFile } from 'node:fs/promises';

import { chromium } from 'playwright-core';

export const [executablePath, admin, control, pictures, ...others] = process.argv.slice(2);

const axe = await readFile(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** Opens the page and runs a test on it: whatever the browser complains of fails it. */
export async function use(test, more = []) {
  const browser = await chromium.launch({
    executablePath,
    // Whoever runs the tests may be root, who has no sandbox here; the page is our own.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...more],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    const complaints = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    const clean = () => {
      if (complaints.length > 0) throw new Error(`the browser complains: ${complaints.join('\n')}`);
    };
    await test(page, clean);
  } finally {
    await browser.close();
  }
}

/** What a screen reader's user would stumble over. */
export async function faults(page, when) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  check(serious.length === 0, `${when}: ${JSON.stringify(serious.map(({ id, nodes }) => [id, nodes[0].html]), null, 1)}`);
}

/** Keeps pictures from a phone's screen to a large one, in both themes. None of them scrolls sideways. */
export async function look(page, name, fullPage = false) {
  for (const width of [320, 400, 800, 1280, 1920, 3840]) {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: width > 2000 ? 2160 : 900 });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(over <= 0, `${name}: ${over} pixels too wide at ${width}`);
      await page.screenshot({ path: `${pictures}/${name}-${width}-${colorScheme}.png`, fullPage });
    }
  }
  await page.setViewportSize({ width: 1400, height: 900 });
}

/** Tells a service how to behave. */
export async function tell(service, change) {
  const answer = await fetch(`${control}/services/${service}`, { method: 'PUT', body: JSON.stringify(change) });
  if (!answer.ok) throw new Error(`${service} ${answer.status}: ${await answer.text()}`);
}

/** The state of a service as the admin API tells it. */
export async function state(service) {
  return (await (await fetch(`${admin}/services/${service}`)).json()).state;
}

/** Waits until something is so, and says when. */
export async function until(what, isSo, within = 60_000) {
  const began = performance.now();
  for (;;) {
    if (await isSo()) return performance.now();
    if (performance.now() - began > within) throw new Error(`not within ${within} ms: ${what}`);
    await new Promise((passed) => setTimeout(passed, 20));
  }
}

export function check(isSo, what) {
  if (!isSo) throw new Error(what);
}
