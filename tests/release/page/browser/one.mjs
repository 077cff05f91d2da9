// One service under load: a trip, its countdown, the recovery; commands by mouse and by keyboard; both
// themes, to eyes and to screen readers; and the proxy that goes away.

import { readFile } from 'node:fs/promises';

import { admin, check, pictures, state, tell, until, use } from './use.mjs';

const SERVICE = 'payment-service';
const axe = await readFile(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** What a screen reader's user would stumble over. */
async function faults(page, when) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  check(serious.length === 0, `${when}: ${JSON.stringify(serious.map(({ id, nodes }) => [id, nodes[0].html]), null, 1)}`);
}

await use(async (page, clean) => {
  const row = page.locator(`tr[data-name="${SERVICE}"]`);
  const shows = async (selector, text) => (await row.locator(selector).textContent()).includes(text);
  const shown = (wanted) => until(`the page shows ${wanted}`, () => shows('.state', wanted));
  const looks = [];
  page.on('request', (request) => {
    if (request.url() === `${admin}/services`) looks.push(performance.now());
  });
  await page.goto(`${admin}/`);
  await shown('CLOSED');

  // Calls are seen as they come.
  await until('calls are shown', async () => Number.parseFloat(await row.locator('td').nth(3).locator('.value').textContent()) > 0);

  // A trip is shown by the first look that the page takes after it, with its reason, and counts down to the
  // next attempt. One look was perhaps under way.
  await tell(SERVICE, { failure_rate: 1 });
  await until('the service trips', async () => (await state(SERVICE)) === 'OPEN');
  const before = looks.length;
  await shown('OPEN');
  const taken = looks.length - before;
  check(taken <= 2, `the trip was shown after ${taken} looks`);
  check(await shows('.why', 'consecutive failures'), 'why it tripped');
  const seconds = async () => Number.parseInt((await row.locator('.retry').textContent()).replace('in ', ''), 10);
  const first = await seconds();
  check(first > 0 && first <= 8, `a countdown from ${first}`);
  await until('it counts down', async () => (await seconds()) < first, 5000);
  await until('what is diverted is shown', async () => Number.parseFloat(await row.locator('td').nth(4).locator('.value').textContent()) > 0);
  const event = page.locator('#events tbody tr', { hasText: 'CLOSED → OPEN' });
  check((await event.first().textContent()).includes('consecutive failures'), 'the event is listed');
  // It looks each second; the shortest pause is the one in which the machine was not busy.
  const pauses = looks.slice(1).map((look, number) => look - looks[number]);
  check(Math.min(...pauses) < 1200, `it looks after ${pauses.map(Math.round).join(', ')} ms`);
  check((await page.locator('#told').textContent()).includes(`${SERVICE} is open`), 'it is told to who cannot see');

  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await faults(page, colorScheme);
    await page.screenshot({ path: `${pictures}/${colorScheme}.png`, fullPage: true });
  }

  // The recovery.
  await tell(SERVICE, { failure_rate: 0 });
  await shown('CLOSED');
  await until('the recovery is listed', async () => (await page.locator('#events tbody').textContent()).includes('HALF_OPEN → CLOSED'));

  // By mouse: nothing happens unless it is confirmed.
  const dialog = page.locator('dialog');
  const button = (title) => row.getByRole('button', { name: `${title} ${SERVICE}` });
  await button('Force open').click();
  await faults(page, 'the dialog');
  check((await dialog.textContent()).includes(`Force open ${SERVICE}?`), 'it asks');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  check((await state(SERVICE)) === 'CLOSED', 'cancelled');
  await button('Force open').click();
  await dialog.getByRole('button', { name: 'Force open' }).click();
  await shown('FORCED_OPEN');
  check((await state(SERVICE)) === 'FORCED_OPEN', 'forced open');
  await button('Close').click();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await shown('CLOSED');

  // By keyboard alone.
  await row.getByLabel(`More for ${SERVICE}`).selectOption('disable');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await shown('DISABLED');
  await button('Reset').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  check((await state(SERVICE)) === 'DISABLED', 'Escape cancels');
  await button('Reset').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await shown('CLOSED');

  // What is looked for is shown.
  await page.getByLabel('Name contains').fill('invent');
  check((await page.locator('#services tbody tr').count()) === 1, 'one is shown');
  check((await page.locator('#shown').textContent()) === '1 of 2 shown', 'it says so');
  await page.getByLabel('Name contains').fill('');
  clean();

  // The proxy goes away.
  console.log('stop the proxy');
  await new Promise((done) => process.stdin.once('data', done));
  // Or it would be waited for.
  process.stdin.destroy();
  await until('it says that the proxy is gone', async () => (await page.locator('#gone').textContent()).includes('does not answer'));
  check(await page.locator('#gone').isVisible(), 'it says so');
  await page.screenshot({ path: `${pictures}/gone.png` });
});
console.log('well');
