// A real OpenID provider (npm's oidc-provider) for the end-to-end tests: client_credentials, JWT access tokens, keys
// that rotate on command. Talks on standard input and output, one line each:
//   in:  `rotate`      a new signing key; the old one stays published, as providers do
//   out: `listening N` once it answers on port N, `rotated` after a rotation
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

const port = Number(process.argv[2] ?? 0);
const audience = 'https://api.example.com';
const keys = [];

function addKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  keys.unshift({ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: `key-${keys.length + 1}` });
}

function provider(issuer) {
  const made = new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: 'service', client_secret: 'service-secret', grant_types: ['client_credentials'],
      redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256', scope: 'orders:read orders:write',
    }],
    scopes: ['orders:read', 'orders:write'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope: 'orders:read orders:write', audience, accessTokenTTL: 600, accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  made.on('server_error', (_, error) => console.error(error));
  return made.callback();
}

addKey();
let answer;
const server = http.createServer((request, response) => answer(request, response));
server.listen(port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  answer = provider(issuer);
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line.trim() === 'rotate') {
      addKey();
      answer = provider(issuer);
      console.log('rotated');
    }
  });
  console.log(`listening ${server.address().port}`);
});
