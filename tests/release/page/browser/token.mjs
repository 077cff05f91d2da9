// A page that wants its token: nothing is shown before it is given, and a wrong one is not enough.

import { admin, check, pictures, until, use } from './use.mjs';

await use(async (page) => {
  await page.goto(`${admin}/`);
  const field = page.getByLabel('Admin token');
  await field.fill('wrong');
  await page.keyboard.press('Enter');
  await until('it asks again', async () => (await field.inputValue()) === '' && (await field.isVisible()));
  check((await page.locator('#services li').count()) === 0, 'nothing is shown');
  await page.screenshot({ path: `${pictures}/token.png` });
  await field.fill('s3cret');
  await page.keyboard.press('Enter');
  await page.locator('li[data-name="payment-service"] .state', { hasText: 'CLOSED' }).waitFor();
  check(!(await field.isVisible()), 'the question is gone');
});
console.log('well');
