// Node as services of this kind are built: Express, express-oauth-server's `authenticate`, a proxy with a keep-alive agent.
// node node.mjs PORT UPSTREAM TOKENS, in the folder where npm has put the packages; TOKENS has one token a line, which the
// model finds in memory, as no database would be faster.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import express from 'express';
import OAuthServer from 'express-oauth-server';
import { createProxyMiddleware } from 'http-proxy-middleware';

const [port, upstream, file] = process.argv.slice(2);
const accessTokenExpiresAt = new Date(Date.now() + 7200e3);
const tokens = new Map(readFileSync(file, 'utf8').trim().split('\n').map((accessToken, number) => [accessToken, {
  accessToken, accessTokenExpiresAt, scope: 'orders:read', client: { id: 'bench' }, user: { id: `user-${number}` },
}]));
const oauth = new OAuthServer({
  model: {
    getAccessToken: async (token) => tokens.get(token),
    verifyScope: async (token, scope) => token.scope.split(' ').includes(scope),
  },
});
const agent = new http.Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 256 });
const app = express();
app.disable('x-powered-by');
app.use((request, response, next) => {
  response.setHeader('Strict-Transport-Security', 'max-age=31536000');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('X-Frame-Options', 'DENY');
  next();
});
app.use(oauth.authenticate({ scope: 'orders:read' }));
app.use(createProxyMiddleware({ target: `http://127.0.0.1:${upstream}`, agent, xfwd: true }));
const server = http.createServer({ keepAliveTimeout: 3600e3, requestTimeout: 0 }, app);
server.maxRequestsPerSocket = 0;
server.listen(Number(port), '127.0.0.1', 4096);
