// A client of a domain with the profile FAPI 2.0 Message Signing, written with oauth4webapi: signed requests by PAR, keys of
// DPoP, answers by JARM.
import assert from 'node:assert/strict';
import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import { given, issuer, open, passed } from './lib.mjs';

const insecure = { [oauth.allowInsecureRequests]: true };
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
assert.equal(as.require_pushed_authorization_requests, true);
assert.deepEqual(as.response_types_supported, ['code']);
assert.deepEqual(as.code_challenge_methods_supported, ['S256']);
assert.ok(!as.token_endpoint_auth_methods_supported.includes('client_secret_basic'));
passed('discovery');

const pair = await oauth.generateKeyPair('PS256', { extractable: true });
const kid = 'key';
const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid, use: 'sig', alg: 'PS256' };
const registered = await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, {
  redirect_uris: [given.redirectUri], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], scope: 'openid profile email',
  token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'PS256', id_token_signed_response_alg: 'PS256',
  authorization_signed_response_alg: 'PS256', request_object_signing_alg: 'PS256', dpop_bound_access_tokens: true, jwks: { keys: [jwk] },
}, insecure));
const client = { ...registered, [oauth.clockSkew]: 0 };
const key = { key: pair.privateKey, kid };
const authentication = oauth.PrivateKeyJwt(key);
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
passed('registration');

// withNonce does something again where the server asks for a nonce.
async function withNonce(act, process) {
  try {
    return await process(await act());
  } catch (e) {
    if (!oauth.isDPoPNonceError(e)) throw e;
    return process(await act());
  }
}

const verifier = oauth.generateRandomCodeVerifier();
const nonce = oauth.generateRandomNonce();
const state = oauth.generateRandomState();
const request = await oauth.issueRequestObject(as, client, {
  redirect_uri: given.redirectUri, response_type: 'code', response_mode: 'jwt', scope: 'openid email', nonce, state,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
}, key, {
  // FAPI 2.0 Message Signing §5.3.1: nbf as well.
  [oauth.modifyAssertion](_header, payload) { payload.nbf = payload.iat; },
});
const pushed = await withNonce(
  () => oauth.pushedAuthorizationRequest(as, client, authentication, { request }, { ...insecure, DPoP }),
  (res) => oauth.processPushedAuthorizationResponse(as, client, res));
const url = new URL(as.authorization_endpoint);
url.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
const back = await open(url);
const answer = await oauth.validateJwtAuthResponse(as, client, back, state, insecure);
assert.equal(answer.get('iss'), given.issuer);
passed('pushed, signed request and signed answer');

const tokens = await withNonce(
  () => oauth.authorizationCodeGrantRequest(as, client, authentication, answer, given.redirectUri, verifier, { ...insecure, DPoP }),
  (res) => oauth.processAuthorizationCodeResponse(as, client, res, { expectedNonce: nonce, requireIdToken: true }));
assert.equal(tokens.token_type, 'dpop');
const { sub } = oauth.getValidatedIdTokenClaims(tokens);
const claims = jose.decodeJwt(tokens.access_token);
assert.equal(jose.decodeProtectedHeader(tokens.access_token).typ, 'at+jwt');
assert.ok(claims.cnf.jkt);
passed('bound tokens');

const info = await withNonce(
  () => oauth.userInfoRequest(as, client, tokens.access_token, { ...insecure, DPoP }),
  (res) => oauth.processUserInfoResponse(as, client, sub, res));
assert.equal(info.email, given.email);
const stolen = await fetch(as.userinfo_endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } });
assert.equal(stolen.status, 401);
passed('userinfo');

const refreshed = await withNonce(
  () => oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, { ...insecure, DPoP }),
  (res) => oauth.processRefreshTokenResponse(as, client, res));
assert.ok(refreshed.refresh_token === undefined || refreshed.refresh_token === tokens.refresh_token);
passed('refresh without rotation');

const seen = await oauth.processIntrospectionResponse(as, client,
  await oauth.introspectionRequest(as, client, authentication, refreshed.access_token, insecure));
assert.equal(seen.active, true);
assert.equal(seen.cnf.jkt, claims.cnf.jkt);
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, refreshed.access_token, insecure));
passed('introspection and revocation');

// Without what the profile demands nothing goes.
const plain = new URL(as.authorization_endpoint);
plain.search = new URLSearchParams({
  client_id: client.client_id, redirect_uri: given.redirectUri, response_type: 'code', scope: 'openid',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
});
const res = await fetch(plain, { redirect: 'manual' });
assert.ok(!(res.headers.get('location') ?? '').includes('code='), res.headers.get('location'));
assert.ok(/error/.test(res.headers.get('location') ?? '') || res.status === 400);
const unbound = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, insecure);
assert.ok(unbound.status >= 400, 'a refresh without a proof was served');
passed('refusals');
process.exit(0);
