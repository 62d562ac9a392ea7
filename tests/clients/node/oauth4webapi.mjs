// npm's oauth4webapi, which checks every answer against the RFCs: a public client with PKCE, rotation, form_post's sibling
// query mode, and JWT access tokens by RFC 9068. Arguments: issuer, redirect URI, secret, password.
import * as oauth from 'oauth4webapi';
import { check, walk } from './browser.mjs';

const [issuer, redirect_uri, , password] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true };
const url = new URL(issuer);
const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure));
const same = await oauth.processDiscoveryResponse(
  url, await oauth.discoveryRequest(url, { ...insecure, algorithm: 'oauth2' }),
);
check(JSON.stringify(as) === JSON.stringify(same), 'both metadata documents say the same');

const client = { client_id: 'spa' };
const auth = oauth.None();
const code_verifier = oauth.generateRandomCodeVerifier();
const to = new URL(as.authorization_endpoint);
const state = oauth.generateRandomState();
for (const [name, value] of Object.entries({
  client_id: 'spa', redirect_uri, response_type: 'code', scope: 'openid offline_access read', state,
  code_challenge: await oauth.calculatePKCECodeChallenge(code_verifier), code_challenge_method: 'S256',
})) to.searchParams.set(name, value);
const back = await walk(to.href, 'alice', password);
const parameters = oauth.validateAuthResponse(as, client, back.url, state);
const answer = await oauth.authorizationCodeGrantRequest(as, client, auth, parameters, redirect_uri, code_verifier, insecure);
const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { requireIdToken: true });
const { sub } = oauth.getValidatedIdTokenClaims(tokens);
await oauth.validateApplicationLevelSignature(as, answer, insecure);

const who = await oauth.processUserInfoResponse(
  as, client, sub, await oauth.userInfoRequest(as, client, tokens.access_token, insecure),
);
check(who.sub === sub, 'userinfo is about the same user');
const request = new Request(`${issuer}/read`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
const access = await oauth.validateJwtAccessToken(as, request, issuer, insecure);
check(access.client_id === 'spa' && access.scope.split(' ').includes('read'), 'the access token is one of RFC 9068');

const refresh = async (token) => oauth.processRefreshTokenResponse(
  as, client, await oauth.refreshTokenGrantRequest(as, client, auth, token, insecure),
);
const second = await refresh(tokens.refresh_token);
check(second.refresh_token !== tokens.refresh_token, 'a public client\'s refresh token turns');
const again = await refresh(tokens.refresh_token);
check(again.refresh_token === second.refresh_token, 'a lost answer is given again');
await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, client, auth, second.refresh_token, insecure),
);
const refused = await refresh(second.refresh_token).catch((error) => error);
check(refused.error === 'invalid_grant', 'what was given back is good for nothing');
console.log('oauth4webapi is content');
