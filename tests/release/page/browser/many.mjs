// Many breakers: a hundred, and ten times as many, which are there in less than half as much time again, in
// whatever state, and stay at hand.

import { admin, check, faults, look, others, until, use } from './use.mjs';

const [thousand, twenty] = others;

await use(async (page, clean) => {
  /** How long it takes until the page says how many there are, and shows what is not closed. */
  const load = async (url, many) => {
    await page.goto(`${url}/`, { waitUntil: 'commit' });
    await page.waitForFunction((many) => document.querySelector('#summary')?.textContent.startsWith(many)
      && document.querySelector('#services li .now') !== null, `${many} breakers: 1 forced open`);
    return page.evaluate(() => performance.now());
  };
  /** How much longer a thousand take than a hundred, by the best of five loads of each. */
  const ratio = async () => {
    const few = [], many = [];
    for (let round = 0; round < 5; round++) {
      few.push(await load(admin, '100'));
      many.push(await load(thousand, '1,000'));
    }
    const times = (all) => all.map(Math.round).join(', ');
    const ratio = Math.min(...many) / Math.min(...few);
    console.log(`100 breakers after ${times(few)} ms, 1,000 after ${times(many)} ms: ${ratio.toFixed(2)}`);
    return ratio;
  };
  // A load takes a few frames, and one of them more or less is chance, or another process.
  const ratios = [];
  while (ratios.length < 3 && !ratios.some((ratio) => ratio < 1.5)) ratios.push(await ratio());
  check(ratios.some((ratio) => ratio < 1.5), `1,000 breakers took ${ratios} times as long as 100`);
  const rows = page.locator('#services li');
  check((await rows.first().textContent()).includes('FORCED_OPEN'), 'what is not closed comes first');
  await until('all rows are there', async () => (await rows.count()) === 1000);
  await look(page, 'thousand');
  await faults(page, 'a thousand');
  await page.getByLabel('State').selectOption('!CLOSED');
  check((await page.locator('#shown').textContent()) === '1 of 1,000 shown', 'one is not closed');
  await page.getByLabel('State').selectOption('');
  await until('all rows are there again', async () => (await rows.count()) === 1000);
  // The last of them is as alive as the first.
  await rows.last().scrollIntoViewIfNeeded();
  await until('it is drawn', async () => (await rows.last().locator('dd').count()) === 3);
  await load(twenty, '20');
  await look(page, 'twenty', true);
  clean();
});
console.log('well');
