// A real Chromium on the console of the admin listener: wide and narrow, light and dark, with a keyboard. Arguments: address
// of the admin listener, address of the gateway, and a folder for pictures (optional).
import axe from 'axe-core';
import {chromium} from 'playwright-core';

const [admin, gateway, pictures] = process.argv.slice(2);
const problems = [];
const expect = (condition, what) => { if (!condition) throw new Error(what); };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

async function open(width, scheme, withAxe) {
  const context = await browser.newContext({
    viewport: {width, height: 900}, colorScheme: scheme, bypassCSP: withAxe, locale: 'en-GB',
  });
  await context.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) =>
    console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`)));
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(`${page.url()}: ${error}`));
  page.on('requestfailed', (request) => problems.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('console', (message) => { if (message.type() === 'error') problems.push(`${page.url()}: ${message.text()}`); });
  return page;
}

async function visit(page, name, width, scheme, withAxe) {
  // A page is as wide as its style sheet says, which may be on its way while its words are there already.
  await page.waitForLoadState('load');
  const found = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    headings: document.querySelectorAll('h1').length,
    title: document.title,
  }));
  expect(!found.wide, `${name}: wider than ${width} px`);
  expect(found.headings === 1 && found.title.trim(), `${name}: ${JSON.stringify(found)}`);
  if (withAxe) {
    await page.evaluate(axe.source);
    const {violations} = await page.evaluate(() => axe.run(document));
    expect(violations.length === 0, `${name} ${width} ${scheme}: ${JSON.stringify(
      violations.map((one) => [one.id, one.help, one.nodes.map((node) => node.html)]), null, 1)}`);
  }
  if (pictures) await page.screenshot({path: `${pictures}/${name}-${width}-${scheme}.png`, fullPage: true});
}

for (const width of [1280, 360]) {
  for (const scheme of ['light', 'dark']) {
    for (const withAxe of [false, true]) {
      const page = await open(width, scheme, withAxe);
      await page.goto(`${admin}/`);
      await visit(page, 'console', width, scheme, withAxe);
      await page.getByRole('link', {name: /why\?/}).first().click();
      await page.getByText('What to do.').waitFor();
      await visit(page, 'explained', width, scheme, withAxe);
      await page.context().close();
    }
  }
}

// By keyboard: from the top of the page to the form, and an answer.
const page = await open(1280, 'light', false);
await page.goto(`${admin}/`);
const focus = async (selector) => {
  for (let steps = 0; steps < 400; steps += 1) {
    if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${selector} cannot be reached by keyboard`);
};
await focus('input[name=url]');
await page.keyboard.type('/read');
await focus('input[name=scope]');
await page.keyboard.type('other');
await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
expect((await page.textContent('main')).includes('scope_missing') || (await page.textContent('header')).includes('scope_missing'),
  'the form explains what it was asked');
await page.goBack();

// What happens is seen without loading the page again.
await page.evaluate(() => document.activeElement.blur());
const answer = await fetch(`${gateway}/seen-by-itself`);
expect(answer.status === 404, `the gateway answered ${answer.status}`);
await page.getByText('/seen-by-itself').first().waitFor({timeout: 20_000});

// One reason alone, by a link of the page.
await page.goto(`${admin}/?code=route_unknown`);
expect(!(await page.textContent('#refusals')).includes('token_missing'), 'one reason alone');
expect((await page.textContent('#refusals')).includes('/seen-by-itself'), 'and all of it');

await browser.close();
if (problems.length) throw new Error(problems.join('\n'));
console.log('console.mjs is content');
