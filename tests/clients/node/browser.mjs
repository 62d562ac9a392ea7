// A browser for the clients under test: keeps cookies, signs alice in, allows everything, and says where it was sent.
export async function walk(url, name, password) {
  const cookies = new Map();
  const origin = new URL(url).origin;
  const send = async (target, form) => {
    const headers = { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; ') };
    if (form) Object.assign(headers, { 'content-type': 'application/x-www-form-urlencoded', origin });
    const answer = await fetch(new URL(target, origin), {
      method: form ? 'POST' : 'GET', headers, body: form && new URLSearchParams(form).toString(), redirect: 'manual',
    });
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const at = pair.indexOf('=');
      if (line.includes('Max-Age=0')) cookies.delete(pair.slice(0, at));
      else cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return { to: answer.headers.get('location'), html: await answer.text(), status: answer.status };
  };
  const fields = (html, names) => [...html.matchAll(/name="([a-z_]+)" value="([^"]*)"/g)]
    .filter(([, key]) => names.includes(key)).map(([, key, value]) => [key, value]);
  let page = await send(url);
  for (let step = 0; step < 12; step += 1) {
    if (page.to && !page.to.startsWith('/')) return { url: new URL(page.to), send };
    if (page.to) page = await send(page.to);
    else if (page.html.includes('name="password"')) {
      page = await send('/login', [...fields(page.html, ['csrf', 't']), ['username', name], ['password', password]]);
    } else if (page.html.includes('name="decision"') && page.html.includes('/consent"')) {
      page = await send('/consent', [...fields(page.html, ['csrf', 't', 'scope']), ['decision', 'allow']]);
    } else throw new Error(`stuck at ${page.status}: ${page.html.slice(0, 500)}`);
  }
  throw new Error('round in circles');
}

export function check(truth, what) {
  if (!truth) throw new Error(`not so: ${what}`);
}
