// A real Chromium walks the pages of the authority with a keyboard alone: nothing is clicked, and an address is typed only
// where a person would follow a link of the application. Arguments: issuer, redirect URI, users' password, and a folder
// for pictures (optional).
import {createHash, createHmac, randomBytes} from 'node:crypto';
import {createServer} from 'node:http';
import axe from 'axe-core';
import {chromium} from 'playwright-core';

const [issuer, callback, password, pictures] = process.argv.slice(2);
const problems = [];
const expect = (condition, what) => { if (!condition) throw new Error(what); };

const elsewhere = `http://localhost:${new URL(callback).port}`;

// The application: a page that says that somebody is back.
const application = createServer((request, response) => {
  // A callback that goes on to the pages of the application, which are of another origin.
  if (request.url.startsWith('/far')) return response.writeHead(302, {location: `${elsewhere}/home`}).end();
  response.writeHead(200, {'content-type': 'text/html'});
  response.end('<!doctype html><html lang=en><link rel=icon href="data:,"><title>app</title><h1>app</h1></html>');
}).listen(new URL(callback).port, '127.0.0.1');

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

// A browser of somebody. With `axe` the policy is off, so that the checker may run; without, it is as strict as it is.
async function open({width, scheme, withAxe}) {
  const context = await browser.newContext({
    viewport: {width, height: 800}, colorScheme: scheme, bypassCSP: withAxe, locale: 'en-GB',
  });
  await context.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) =>
    console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`)));
  const look = {context, width, scheme, withAxe};
  return look;
}

async function tab(look) {
  const page = await look.context.newPage();
  page.on('pageerror', (error) => problems.push(`${page.url()}: ${error}`));
  page.on('requestfailed', (request) => problems.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('console', (message) => {
    // A form that is refused is answered with 422, which Chromium notes as an error.
    if (message.type() === 'error' && !/status of (422|403|400|404)/.test(message.text())) {
      problems.push(`${page.url()}: ${message.text()}`);
    }
  });
  return page;
}

// What holds for every page.
async function visit(look, page, name) {
  // A page is as wide as its style sheet says, which may be on its way while its words are there already.
  await page.waitForLoadState('load');
  const found = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    unlabelled: [...document.querySelectorAll('input:not([type=hidden]):not([aria-hidden=true]), button, a')]
      .filter((one) => !(one.labels?.length || one.textContent.trim() || one.ariaLabel)).map((one) => one.outerHTML),
    headings: document.querySelectorAll('h1').length,
    title: document.title,
  }));
  expect(!found.wide, `${name}: wider than ${look.width} px`);
  expect(found.unlabelled.length === 0, `${name}: no label on ${found.unlabelled}`);
  expect(found.headings === 1 && found.title.trim(), `${name}: ${JSON.stringify(found)}`);
  if (look.withAxe) {
    await page.evaluate(axe.source);
    const {violations} = await page.evaluate(() => axe.run(document));
    expect(violations.length === 0, `${name} ${look.width} ${look.scheme}: ${JSON.stringify(
      violations.map((one) => [one.id, one.help, one.nodes.map((node) => node.html)]), null, 1)}`);
  }
  if (pictures) {
    await page.screenshot({path: `${pictures}/${name}-${look.width}-${look.scheme}.png`, fullPage: true});
  }
}

// Goes on with the tab key until the focus is where it is wanted; where it is must be seen.
async function focus(page, selector) {
  for (let steps = 0; steps < 60; steps += 1) {
    const at = await page.evaluate((wanted) => {
      const own = document.activeElement;
      const style = getComputedStyle(own);
      const seen = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
      return {there: own.matches(wanted), seen, html: own.outerHTML.slice(0, 120), body: own === document.body};
    }, selector);
    expect(at.body || at.seen, `the focus cannot be seen on ${at.html}`);
    if (at.there) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${selector} cannot be reached by keyboard on ${page.url()}`);
}

const press = async (page, selector) => {
  await focus(page, selector);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
};
const send = (page) => Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
const fill = async (page, selector, text) => {
  await focus(page, selector);
  await page.keyboard.press('Control+A');
  await page.keyboard.type(text);
};
const shows = async (page, selector) => (await page.locator(selector).count()) > 0;

function asks(scope, more = {}) {
  const [verifier, state] = [randomBytes(32).toString('base64url'), randomBytes(8).toString('hex')];
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const query = new URLSearchParams({response_type: 'code', client_id: 'spa', redirect_uri: callback, scope, state,
    nonce: state, code_challenge: challenge, code_challenge_method: 'S256', ...more});
  return {verifier, state, url: `${issuer}/oauth/authorize?${query}`};
}

// The application's own part: what came back belongs to what it asked for.
function answered(page, asked) {
  const url = new URL(page.url());
  expect(page.url().startsWith(callback), `not back at the application but at ${page.url()}`);
  expect(url.searchParams.get('state') === asked.state, 'another state');
  expect(url.searchParams.get('iss') === issuer, 'another issuer');
  return url.searchParams;
}

async function redeem(asked, code) {
  const response = await fetch(`${issuer}/oauth/token`, {method: 'POST', body: new URLSearchParams({
    grant_type: 'authorization_code', client_id: 'spa', code, redirect_uri: callback, code_verifier: asked.verifier})});
  expect(response.ok, `the code is not good: ${response.status}`);
  return response.json();
}

const refresh = (token) => fetch(`${issuer}/oauth/token`, {method: 'POST', body: new URLSearchParams({
  grant_type: 'refresh_token', client_id: 'spa', refresh_token: token})});

// RFC 6238: 30 seconds, six digits, SHA-1.
function totp(secret, ahead = 0) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret].map((one) => alphabet.indexOf(one).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + ahead));
  const mac = createHmac('sha1', key).update(counter).digest();
  return String((mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

async function signIn(page, user, word, code) {
  await fill(page, '#username', user);
  await fill(page, '#password', word);
  await send(page);
  if (code) {
    expect(await shows(page, '#code'), 'no second factor is asked for');
    await fill(page, '#code', code);
    await send(page);
  }
}

async function walk(user, look) {
  const page = await tab(look);

  // Sign in: wrong, right. Consent. The application redeems the code.
  let asked = asks('openid offline_access read');
  await page.goto(asked.url);
  await visit(look, page, 'login');
  expect(await page.evaluate(() => document.activeElement.id) === 'username', 'the first field has no focus');
  await signIn(page, user, 'not the password');
  await visit(look, page, 'login-refused');
  expect(await shows(page, '[role=alert]'), 'nothing tells that the password was wrong');
  expect(await page.inputValue('#username') === user, 'the name is gone');
  await page.reload();
  await signIn(page, user, password);
  await visit(look, page, 'consent');
  await page.reload();
  await press(page, 'button[value=allow]');
  const code = answered(page, asked).get('code');
  const tokens = await redeem(asked, code);
  expect(tokens.id_token && tokens.refresh_token, 'no tokens');
  await page.goBack();
  await visit(look, page, 'back');
  expect(!(await shows(page, '#password')), 'back asks for the password again');

  // Deny, with the session that is there.
  asked = asks('openid read', {prompt: 'consent'});
  await page.goto(asked.url);
  await press(page, 'button[value=deny]');
  expect(answered(page, asked).get('error') === 'access_denied', 'denied, and not told');

  // A second factor.
  await page.goto(`${issuer}/account`);
  await visit(look, page, 'account');
  await press(page, 'button[value=begin_factor]');
  await visit(look, page, 'account-factor');
  const secret = (await page.locator('code.secret').innerText()).replace(/\s/g, '');
  await fill(page, '#code', totp(secret));
  await send(page);
  await visit(look, page, 'account-recovery');
  const recovery = await page.locator('.codes code').allInnerTexts();
  expect(recovery.length >= 8, 'no recovery codes');
  await page.goto(`${issuer}/account`);
  expect(!(await page.content()).includes(recovery[0]), 'recovery codes are shown twice');
  await press(page, 'button[value=leave]');
  await visit(look, page, 'signed-out');

  // With it: a wrong code, the next one, and on another device a recovery code that is good once.
  asked = asks('openid read');
  await page.goto(asked.url);
  await signIn(page, user, password);
  await visit(look, page, 'second-factor');
  await fill(page, '#code', '000000');
  await send(page);
  await visit(look, page, 'second-factor-refused');
  await fill(page, '#code', totp(secret, 1));
  await send(page);
  if (await shows(page, 'button[value=allow]')) await press(page, 'button[value=allow]');
  expect(answered(page, asked).get('code'), 'no code after the second factor');
  const other = await open(look);
  const far = await tab(other);
  await far.goto(`${issuer}/account`);
  await signIn(far, user, password, recovery[0]);
  expect(await shows(far, 'button[value=end_others]'), 'the recovery code does not open the account');

  // Sessions, applications, password.
  await page.goto(`${issuer}/account`);
  await visit(look, page, 'account-full');
  await press(page, 'button[value=end_session]');
  await far.reload();
  expect(await shows(far, '#password'), 'the other device is still signed in');
  await press(page, 'button[value=revoke]');
  expect((await refresh(tokens.refresh_token)).status === 400, 'the application still has its grant');
  await fill(page, '#new_password', 'another sentence of theirs');
  await send(page);
  expect(await shows(page, '.notice.good'), `the password is not changed: ${await page.locator('main').innerText()}`);
  await visit(look, page, 'account-changed');
  await far.goto(`${issuer}/account`);
  await signIn(far, user, 'another sentence of theirs', recovery[1]);
  expect(await shows(far, 'button[value=end_others]'), 'the new password does not open the account');

  // The application signs out; the page asks.
  await page.goto(`${issuer}/oauth/logout`);
  await visit(look, page, 'logout');
  await press(page, 'button[value=leave]');
  await visit(look, page, 'signed-out');
  await page.goto(`${issuer}/account`);
  expect(await shows(page, '#password'), 'still signed in');
  await page.goto(`${issuer}/oauth/authorize?client_id=nobody`);
  await visit(look, page, 'error');
  await other.context.close();
}

// An application of the house, which nobody is asked about: the form of the sign-in itself ends at it, and the policy of that
// page has to let it.
async function own(user, look) {
  const page = await tab(look);
  const asked = asks('openid read', {client_id: 'own'});
  await page.goto(asked.url);
  await signIn(page, user, password);
  expect(answered(page, asked).get('code'), 'no code for the trusted application');
  const again = asks('openid read', {client_id: 'own', prompt: 'select_account'});
  await page.goto(again.url);
  await visit(look, page, 'choose');
  await press(page, 'button[value=continue]');
  expect(answered(page, again).get('code'), 'no code after the choice');
  const far = asks('openid read', {client_id: 'far', prompt: 'login', redirect_uri: callback.replace('/cb', '/far')});
  await page.goto(far.url);
  await signIn(page, user, password);
  expect(page.url() === `${elsewhere}/home`, `the callback could not go on: ${page.url()}`);
}

// Two tabs of one browser, two requests, each with its own end.
async function tabs(user, look) {
  const [one, two] = [await tab(look), await tab(look)];
  const [first, second] = [asks('openid read'), asks('openid read')];
  await one.goto(first.url);
  await two.goto(second.url);
  await signIn(one, user, password);
  await signIn(two, user, password);
  for (const [page, asked] of [[two, second], [one, first]]) {
    if (await shows(page, 'button[value=allow]')) await press(page, 'button[value=allow]');
    await redeem(asked, answered(page, asked).get('code'));
  }
}

try {
  await walk('alice', await open({width: 1280, scheme: 'light', withAxe: false}));
  await tabs('bob', await open({width: 1280, scheme: 'light', withAxe: false}));
  await own('bob', await open({width: 1280, scheme: 'light', withAxe: false}));
  for (const [user, width, scheme] of [['carol', 360, 'dark'], ['dave', 1280, 'light'],
    ...(pictures ? [['erin', 360, 'light'], ['frank', 1280, 'dark']] : [])]) {
    await walk(user, await open({width, scheme, withAxe: true}));
  }
  expect(problems.length === 0, problems.join('\n'));
  console.log('Chromium is content');
} finally {
  await browser.close();
  application.close();
}
