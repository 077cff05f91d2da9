// One service under load: a trip, its countdown, the recovery; commands by mouse and by keyboard; both
// themes, to eyes and to screen readers; and the proxy that goes away.

import { admin, check, faults, look, pictures, state, tell, until, use } from './use.mjs';

const SERVICE = 'payment-service';

await use(async (page, clean) => {
  const row = page.locator(`#services li[data-name="${SERVICE}"]`);
  const one = page.locator('#one');
  const shows = async (selector, text) => (await row.locator(selector).textContent()).includes(text);
  const shown = (wanted) => until(`the page shows ${wanted}`, () => shows('.state', wanted));
  const looks = [];
  page.on('request', (request) => {
    if (request.url() === `${admin}/services`) looks.push(performance.now());
  });
  await page.goto(`${admin}/`);
  await shown('CLOSED');

  // Calls are seen as they come.
  await until('calls are shown', async () => Number.parseFloat(await row.locator('dd').nth(0).textContent()) > 0);

  // A trip is shown by the first look that the page takes after it, with its reason, and counts down to the
  // next attempt. One look was perhaps under way.
  await tell(SERVICE, { failure_rate: 1 });
  await until('the service trips', async () => (await state(SERVICE)) === 'OPEN');
  const before = looks.length;
  await shown('OPEN');
  const taken = looks.length - before;
  check(taken <= 2, `the trip was shown after ${taken} looks`);
  const story = () => row.locator('.story').textContent();
  check(/^Three calls in a row failed, the last at \d\d:\d\d:\d\d with 5\d\d; next trial in /.test(await story()), `why it tripped: ${await story()}`);
  const seconds = async () => Number.parseInt(/next trial in (\d+) s/.exec(await story())?.[1], 10);
  const first = await seconds();
  check(first > 0 && first <= 8, `a countdown from ${first}`);
  await until('it counts down', async () => (await seconds()) < first, 5000);
  await until('what is diverted is shown', async () => Number.parseFloat(await row.locator('dd').nth(2).textContent()) > 0);
  await until('it says what clients got', async () => /; [\d,]+ calls? answered by fallback since; not closed for /.test(await story()));
  const chart = await row.locator('svg').getAttribute('aria-label');
  check(/[1-9][\d,]* calls were diverted/.test(chart), `the chart says ${chart}`);
  const event = page.locator('#events li', { hasText: 'CLOSED → OPEN' });
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
  await row.getByRole('link', { name: SERVICE }).click();
  await until('it is shown by itself', async () => (await one.locator('h2').textContent()) === `${SERVICE} is open`);
  check((await one.locator('#runbook').textContent()) === 'docs/alarms.md#circuitbreakeropen', 'it says where one reads what to do');
  await until('its rules are shown', async () => (await one.locator('#rules').textContent()).includes('Consecutive failures'));
  await look(page, 'open', true);
  await page.goBack();

  // The recovery.
  await tell(SERVICE, { failure_rate: 0 });
  await shown('CLOSED');
  await until('the recovery is listed', async () => (await page.locator('#events').textContent()).includes('HALF_OPEN → CLOSED'));

  // Who opens the page later sees what came before.
  await page.reload();
  await shown('CLOSED');
  const label = () => row.locator('svg').getAttribute('aria-label');
  await until('the chart has what came before', async () => /[1-9][\d,]* calls were diverted/.test(await label()));

  // One breaker by itself, with its commands. By mouse: nothing happens unless it is confirmed.
  await row.getByRole('link', { name: SERVICE }).click();
  await until('it is shown by itself', async () => (await one.locator('h2').textContent()) === `${SERVICE} is closed`);
  const is = (wanted) => until(`it is ${wanted}`, async () => (await one.locator('h2').textContent()) === `${SERVICE} is ${wanted}`);
  check((await one.locator('#facts').textContent()).includes('Last failure'), 'its facts are shown');
  await until('its rules are shown', async () => (await one.locator('#rules').textContent()).includes('Consecutive failures3'));
  check(/status 5\d\d/.test(await one.locator('#failures').textContent()), 'its last failures are shown');
  check((await one.locator('#checks').textContent()).includes('no health check'), 'it says that it has no check');
  check((await page.locator('#events').textContent()).includes('HALF_OPEN → CLOSED'), 'its events are shown');
  await faults(page, 'one breaker');
  await page.screenshot({ path: `${pictures}/one.png`, fullPage: true });
  const dialog = page.locator('dialog');
  const button = (title) => one.getByRole('button', { name: title, exact: true });
  await button('Force open').click();
  await faults(page, 'the dialog');
  check((await dialog.textContent()).includes(`Force open ${SERVICE}?`), 'it asks');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  check((await state(SERVICE)) === 'CLOSED', 'cancelled');
  await button('Force open').click();
  await dialog.getByRole('button', { name: 'Force open' }).click();
  await is('forced open');
  check((await state(SERVICE)) === 'FORCED_OPEN', 'forced open');
  await button('Close').click();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await is('closed');

  // By keyboard alone, from the list and back to it.
  await page.goBack();
  await row.getByRole('link').focus();
  await page.keyboard.press('Enter');
  await until('the heading is told', () => one.locator('h2').evaluate((heading) => heading === document.activeElement));
  await button('Disable').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await is('disabled');
  await button('Reset').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  check((await state(SERVICE)) === 'DISABLED', 'Escape cancels');
  await button('Reset').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await is('closed');
  await page.goBack();
  await shown('CLOSED');

  // No screen scrolls sideways, from a phone's to a large one.
  await look(page, 'two');

  // What is looked for is shown.
  await page.getByLabel('Name contains').fill('invent');
  check((await page.locator('#services li').count()) === 1, 'one is shown');
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
