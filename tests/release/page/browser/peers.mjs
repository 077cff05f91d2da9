// Two proxies side by side: the page of one shows the breakers of another that lists its origin, with a token
// of its own. From a page whose origin is not listed a browser lets nobody read, nor steer.

import { admin, check, faults, look, others, until, use } from './use.mjs';

const [peer] = others;
const { host } = new URL(peer), { host: own } = new URL(admin);
// Both names lead to the one proxy: by one of them its page is listed at the other.
const resolved = [`--host-resolver-rules=MAP ops.example:80 ${own}, MAP evil.example:80 ${own}`];

const services = (token) => fetch(`${peer}/services/peer-service`, { headers: { authorization: `Bearer ${token}` } });

await use(async (page) => {
  await page.goto('http://ops.example/circuit-breaker/');
  await page.getByLabel('Admin token', { exact: true }).fill('own-s3cret');
  await page.keyboard.press('Enter');
  await page.locator('li[data-name="payment-service"]').waitFor();
  // Nothing is asked of a peer before there is a token for it.
  const form = page.locator('#peers form'), field = page.getByLabel(`Admin token of ${host}`);
  check((await page.locator('li[data-name="peer-service"]').count()) === 0, 'it is not shown yet');
  await faults(page, 'peers');
  await field.fill('peer-s3cret');
  await page.keyboard.press('Enter');
  const row = page.locator('li[data-name="peer-service"]');
  await until('it is shown beside the own ones', async () => (await row.count()) === 1);
  check((await row.textContent()).includes(host), 'with where it is');
  await until('the chart is there', async () => (await row.locator('dd').count()) === 3);
  // One token is not sent to the other.
  const kept = await page.evaluate(() => ({ ...sessionStorage }));
  check(Object.values(kept).sort().join() === 'own-s3cret,peer-s3cret', 'tokens are kept apart');
  // It is steered from here.
  await row.getByRole('link').click();
  const one = page.locator('#one');
  await one.getByRole('button', { name: 'Force open', exact: true }).click();
  await page.locator('dialog').getByRole('button', { name: 'Force open' }).click();
  await until('it is forced open', async () => (await one.locator('h2').textContent()) === 'peer-service is forced open');
  await one.getByRole('button', { name: 'Reset', exact: true }).click();
  await page.locator('dialog').getByRole('button', { name: 'Reset' }).click();
  await until('it is closed', async () => (await one.locator('h2').textContent()) === 'peer-service is closed');
  await page.goBack();
  await look(page, 'peers');
  await form.getByRole('button', { name: 'Hide' }).click();
  await until('it is gone', async () => (await row.count()) === 0);
  await until('its token is asked for again', () => field.isVisible());
  await field.fill('wrong');
  await page.keyboard.press('Enter');
  await until('a wrong token is told', async () => (await form.textContent()).includes('not its token'));

  // The same page by a name that is not listed.
  await page.goto('http://evil.example/circuit-breaker/');
  await page.getByLabel('Admin token', { exact: true }).fill('own-s3cret');
  await page.keyboard.press('Enter');
  await page.locator('li[data-name="payment-service"]').waitFor();
  const attempts = await page.evaluate(async (peer) => {
    const tried = async (path, options) => {
      try { return (await fetch(peer + path, options)).status; } catch (error) { return error.name; }
    };
    const headers = { authorization: 'Bearer peer-s3cret', 'content-type': 'application/json' };
    return [
      await tried('/services', { headers }),
      await tried('/services/peer-service/force-open', { method: 'POST', headers }),
      await tried('/services/peer-service/force-open', { method: 'POST', body: '{}' }),
      await tried('/health', {}),
    ];
  }, peer);
  check(attempts.every((it) => it === 'TypeError'), `a browser lets it read: ${attempts}`);
  const { state } = await (await services('peer-s3cret')).json();
  check(state === 'CLOSED', `a page of another origin has steered: ${state}`);
}, resolved);
console.log('well');
