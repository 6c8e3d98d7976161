// Visits pages in a headless Chromium and prints what it found as JSON.
// Usage: node visit.mjs CHROMIUM SCREENSHOTS PAGE...
import { chromium } from 'playwright-core';
import axe from 'axe-core';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [executablePath, screenshots, ...pages] = process.argv.slice(2);
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update'];
const sizes = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

const browser = await chromium.launch({ executablePath, args: quiet });
const found = [];
for (const path of pages)
  for (const size of Object.keys(sizes))
    for (const scheme of ['light', 'dark'])
      for (const scripts of [true, false]) found.push(await visit(path, size, scheme, scripts));
await browser.close();
process.stdout.write(JSON.stringify(found));

async function visit(path, size, scheme, scripts) {
  const context = await browser.newContext({
    viewport: sizes[size], colorScheme: scheme, javaScriptEnabled: scripts });
  const page = await context.newPage();
  const complaints = [], requests = [];
  page.on('console', message => complaints.push(message.text()));
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('dialog', dialog => { complaints.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  const url = pathToFileURL(path).href;
  page.on('requestfinished', request => requests.push(request.url()));
  page.on('requestfailed', request => {
    if (request.failure().errorText !== 'csp') requests.push(request.url());
  });
  await page.goto(url);
  const name = `${basename(path, '.html')}-${size}-${scheme}${scripts ? '' : '-no-scripts'}.png`;
  await page.screenshot({ path: join(screenshots, name) });
  for (const summary of await page.locator('summary').all()) await summary.click();
  const result = {
    page: basename(path), size, scheme, scripts, complaints,
    title: await page.title(),
    requests: requests.filter(each => each !== url),
    overflow: await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
    hashed: await page.evaluate(() => getComputedStyle(document.querySelector('.masthead h1')).borderBottomStyle),
    filter: await filter(page),
  };
  if (scripts) {
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => axe.run());
    result.violations = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html}`);
  }
  await page.emulateMedia({ media: 'print' });
  result.printed = await shown(page);
  result.pages = (await page.pdf()).toString('latin1').split('/Type /Page\n').length - 1;
  await context.close();
  return result;
}

// Goes through the boxes by keyboard alone; tells what is on the page with each of them off.
async function filter(page) {
  const states = { '': await shown(page) };
  await page.locator('#show0').focus();
  const count = await page.locator('.filter input').count();
  for (let i = 0; i < count; i++) {
    if (i) await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    states[(await page.locator(':focus + b').innerText())] = await shown(page);
    await page.keyboard.press('Space');
  }
  return states;
}

function shown(page) {
  return page.evaluate(() => {
    const seen = {};
    for (const block of document.querySelectorAll('.p, .furniture')) {
      const name = block.querySelector('.tag b')?.textContent ?? 'furniture';
      seen[name] = (seen[name] ?? 0) + block.checkVisibility();
    }
    return seen;
  });
}
