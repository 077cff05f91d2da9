// A listener whose configuration names no service: the page says why there is nothing to see, until there is.

import { admin, until, use } from './use.mjs';

await use(async (page) => {
  await page.goto(`${admin}/`);
  const summary = page.locator('#summary');
  await until('it says why', async () => (await summary.textContent()).includes('0 breakers: no service'));
  await page.request.get(new URL('/payment-service/charge', admin).href);
  await page.locator('#services li .state', { hasText: 'CLOSED' }).waitFor();
  await until('it says no more', async () => (await summary.textContent()) === '1 breaker: 1 closed');
});
console.log('well');
