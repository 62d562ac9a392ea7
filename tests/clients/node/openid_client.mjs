// npm's openid-client, as its README uses it: discovery, code flow with PKCE, userinfo, refresh, introspection, revocation,
// logout. Arguments: issuer, redirect URI, secret, password.
import * as client from 'openid-client';
import { check, walk } from './browser.mjs';

const [issuer, redirect_uri, secret, password] = process.argv.slice(2);
const config = await client.discovery(new URL(issuer), 'web', secret, undefined, {
  execute: [client.allowInsecureRequests],
});
check(config.serverMetadata().code_challenge_methods_supported.includes('S256'), 'S256 is announced');

const code_verifier = client.randomPKCECodeVerifier();
const nonce = client.randomNonce();
const state = client.randomState();
const to = client.buildAuthorizationUrl(config, {
  redirect_uri, scope: 'openid profile email offline_access read', nonce, state,
  code_challenge: await client.calculatePKCECodeChallenge(code_verifier), code_challenge_method: 'S256',
});
const { url, send } = await walk(to.href, 'alice', password);
const tokens = await client.authorizationCodeGrant(config, url, {
  pkceCodeVerifier: code_verifier, expectedNonce: nonce, expectedState: state, idTokenExpected: true,
});
const claims = tokens.claims();
check(claims.nonce === nonce && claims.iss === issuer, 'the ID token is for this login');
const who = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
check(who.email === 'alice@example.com' && who.preferred_username === 'alice', 'userinfo knows alice');

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
check(refreshed.access_token !== tokens.access_token && refreshed.claims().sub === claims.sub, 'refreshed');
check((await client.tokenIntrospection(config, refreshed.access_token)).active === true, 'it is active');
await client.tokenRevocation(config, refreshed.refresh_token);
check((await client.tokenIntrospection(config, refreshed.access_token)).active === false, 'it is revoked');

const service = await client.clientCredentialsGrant(config, { scope: 'read' }).catch((error) => error);
check(service.error === 'unauthorized_client', 'a grant that it does not have is refused by name');

const leave = client.buildEndSessionUrl(config, {
  id_token_hint: refreshed.id_token, post_logout_redirect_uri: `${redirect_uri}/bye`, state: 'gone',
});
const left = await send(leave.href);
check(left.to === `${redirect_uri}/bye?state=gone`, `signed out: ${left.status} ${left.to}`);
console.log('openid-client is content');
