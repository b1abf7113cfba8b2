// Uses every capability that a domain's discovery document advertises, with openid-client and jose, and says which. The
// clients register themselves.
import assert from 'node:assert/strict';
import * as crypto from 'node:crypto';
import * as jose from 'jose';
import * as client from 'openid-client';
import { approve, exercised, given, insecure, issuer, logIn, open, passed, refused, register } from './lib.mjs';

const anonymous = await client.discovery(issuer, 'anybody', undefined, client.None(), insecure);
const server = anonymous.serverMetadata();
const jwks = jose.createRemoteJWKSet(new URL(server.jwks_uri), { cooldownDuration: 0 });
const symmetric = (alg) => /^HS/.test(alg);
const byteKey = (secret) => new TextEncoder().encode(secret);

// verify checks a JWT of the server for a client.
async function verify(jwt, metadata, options = {}) {
  const { alg } = jose.decodeProtectedHeader(jwt);
  const key = symmetric(alg) ? byteKey(metadata.client_secret) : jwks;
  return jose.jwtVerify(jwt, key, { issuer: given.issuer, audience: metadata.client_id, ...options });
}

function halfHash(alg, value) {
  const bits = alg === 'EdDSA' ? '512' : alg.slice(2);
  const sum = crypto.createHash(`sha${bits}`).update(value).digest();
  return sum.subarray(0, sum.length / 2).toString('base64url');
}

// answer sends an authorization request and returns the parameters of the answer.
async function answer(metadata, parameters) {
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: metadata.client_id, redirect_uri: given.redirectUri, scope: 'openid', state: 'a state', nonce: 'a nonce', ...parameters,
  });
  const back = await open(url);
  return new URLSearchParams(back.hash ? back.hash.slice(1) : back.search.slice(1));
}

// redeem exchanges a code by the secret.
async function redeem(config, code) {
  const m = config.clientMetadata();
  const res = await fetch(server.token_endpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${m.client_id}:${m.client_secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: given.redirectUri }),
  });
  const body = await res.json();
  assert.equal(res.status, 200, JSON.stringify(body));
  return body;
}

// Response types, with the hashes of OpenID Connect Core §3.3.2.11.
for (const responseType of server.response_types_supported) {
  const words = responseType.split(' ');
  const grants = words.includes('code') ? ['authorization_code'] : [];
  if (words.some((w) => w !== 'code')) grants.push('implicit');
  const config = await register({ response_types: [responseType], grant_types: grants });
  const m = config.clientMetadata();
  const got = await answer(m, { response_type: responseType });
  assert.equal(got.get('error'), null, `${responseType}: ${got}`);
  assert.equal(got.get('state'), 'a state');
  assert.equal(got.get('iss'), given.issuer);
  for (const [word, name] of [['code', 'code'], ['token', 'access_token'], ['id_token', 'id_token']]) {
    assert.equal(got.has(name), words.includes(word), `${responseType}: ${name}`);
  }
  if (got.has('id_token')) {
    const { payload, protectedHeader: { alg } } = await verify(got.get('id_token'), m);
    assert.equal(payload.nonce, 'a nonce');
    assert.equal(payload.at_hash, got.has('access_token') ? halfHash(alg, got.get('access_token')) : undefined);
    assert.equal(payload.c_hash, got.has('code') ? halfHash(alg, got.get('code')) : undefined);
  }
  if (got.has('access_token')) {
    assert.ok((await client.fetchUserInfo(config, got.get('access_token'), client.skipSubjectCheck)).sub);
  }
  if (got.has('code')) {
    assert.ok((await redeem(config, got.get('code'))).access_token);
  }
  exercised('response_types_supported', responseType);
  for (const g of grants) exercised('grant_types_supported', g);
}
passed('response types');

// Response modes, JARM among them.
for (const mode of server.response_modes_supported) {
  const config = await register({});
  const m = config.clientMetadata();
  let got = await answer(m, { response_type: 'code', response_mode: mode });
  if (mode.endsWith('jwt')) {
    assert.ok(got.get('response'), `${mode}: ${got}`);
    const { payload } = await verify(got.get('response'), m);
    assert.ok(payload.exp - Math.floor(Date.now() / 1000) <= 600);
    got = new URLSearchParams(payload);
  }
  assert.ok(got.get('code'), `${mode}: ${got}`);
  assert.ok((await redeem(config, got.get('code'))).id_token);
  exercised('response_modes_supported', mode);
}
for (const alg of server.authorization_signing_alg_values_supported) {
  const m = (await register({ authorization_signed_response_alg: alg })).clientMetadata();
  const got = await answer(m, { response_type: 'code', response_mode: 'jwt' });
  const { protectedHeader, payload } = await verify(got.get('response'), m);
  assert.equal(protectedHeader.alg, alg);
  assert.ok(payload.code);
  exercised('authorization_signing_alg_values_supported', alg);
}
passed('response modes');

// Signatures of ID tokens and UserInfo.
for (const alg of server.id_token_signing_alg_values_supported) {
  const config = await register({ id_token_signed_response_alg: alg });
  const got = await answer(config.clientMetadata(), { response_type: 'code' });
  const tokens = await redeem(config, got.get('code'));
  const { protectedHeader } = await verify(tokens.id_token, config.clientMetadata());
  assert.equal(protectedHeader.alg, alg);
  exercised('id_token_signing_alg_values_supported', alg);
}
for (const alg of server.userinfo_signing_alg_values_supported) {
  const config = await register({ userinfo_signed_response_alg: alg });
  const got = await answer(config.clientMetadata(), { response_type: 'code' });
  const tokens = await redeem(config, got.get('code'));
  const res = await fetch(server.userinfo_endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.equal(res.headers.get('content-type'), 'application/jwt');
  const { protectedHeader } = await verify(await res.text(), config.clientMetadata());
  assert.equal(protectedHeader.alg, alg);
  exercised('userinfo_signing_alg_values_supported', alg);
}
passed('signatures');

// Encryption: every key management algorithm with one content encryption, and every content encryption with one key.
const keys = {};
async function keyFor(alg) {
  const type = alg.startsWith('RSA') ? alg : 'ECDH-ES';
  keys[type] ??= await jose.generateKeyPair(type, { extractable: true });
  return { ...keys[type], jwk: { ...(await jose.exportJWK(keys[type].publicKey)), use: 'enc', kid: `enc-${type}`, alg } };
}
// shared derives the key of OpenID Connect Core §10.2.
function shared(secret, alg, enc) {
  if (alg.startsWith('PBES2')) return byteKey(secret);
  const size = alg === 'dir' ? { 'A128CBC-HS256': 32, 'A192CBC-HS384': 48, 'A256CBC-HS512': 64, A128GCM: 16, A192GCM: 24, A256GCM: 32 }[enc]
    : Number(alg.slice(1, 4)) / 8;
  const hash = size <= 32 ? 'sha256' : size <= 48 ? 'sha384' : 'sha512';
  return new Uint8Array(crypto.createHash(hash).update(secret).digest().subarray(0, size));
}
async function decrypt(jwe, alg, enc, secret, keyPair) {
  const key = keyPair ? keyPair.privateKey : shared(secret, alg, enc);
  const { plaintext, protectedHeader } = await jose.compactDecrypt(jwe, key, {
    keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc], maxPBES2Count: 1_000_000,
  });
  assert.equal(protectedHeader.cty, 'JWT');
  return new TextDecoder().decode(plaintext);
}
const answers = {
  id_token: async (config) => {
    const got = await answer(config.clientMetadata(), { response_type: 'code' });
    return (await redeem(config, got.get('code'))).id_token;
  },
  userinfo: async (config) => {
    const got = await answer(config.clientMetadata(), { response_type: 'code' });
    const tokens = await redeem(config, got.get('code'));
    const res = await fetch(server.userinfo_endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } });
    return res.text();
  },
  authorization: async (config) => (await answer(config.clientMetadata(), { response_type: 'code', response_mode: 'jwt' })).get('response'),
};
for (const [what, ask] of Object.entries(answers)) {
  const algs = server[`${what}_encryption_alg_values_supported`];
  const encs = server[`${what}_encryption_enc_values_supported`];
  const pairs = [...algs.map((alg) => [alg, encs[0]]), ...encs.slice(1).map((enc) => [algs.find((a) => a.startsWith('ECDH')), enc])];
  for (const [alg, enc] of pairs) {
    const keyPair = /^(RSA|ECDH)/.test(alg) ? await keyFor(alg) : undefined;
    const prefix = what === 'authorization' ? 'authorization' : what;
    const config = await register({
      [`${prefix}_encrypted_response_alg`]: alg, [`${prefix}_encrypted_response_enc`]: enc,
      ...(what === 'userinfo' ? { userinfo_signed_response_alg: 'RS256' } : {}),
      ...(keyPair ? { jwks: { keys: [keyPair.jwk] } } : {}),
    });
    const jwt = await decrypt(await ask(config), alg, enc, config.clientMetadata().client_secret, keyPair);
    await verify(jwt, config.clientMetadata());
    exercised(`${what}_encryption_alg_values_supported`, alg);
    exercised(`${what}_encryption_enc_values_supported`, enc);
  }
}
passed('encryption');

// Request objects: signed with every algorithm, encrypted with every one, by reference.
const signers = {};
async function signer(alg) {
  signers[alg] ??= await jose.generateKeyPair(alg, { extractable: true });
  return { ...signers[alg], jwk: { ...(await jose.exportJWK(signers[alg].publicKey)), use: 'sig', kid: `sig-${alg}`, alg } };
}
async function requestObject(m, alg, claims = {}) {
  const key = symmetric(alg) ? byteKey(m.client_secret) : (await signer(alg)).privateKey;
  return new jose.SignJWT({
    client_id: m.client_id, redirect_uri: given.redirectUri, response_type: 'code', scope: 'openid', state: 'inside', nonce: 'inside', ...claims,
  }).setProtectedHeader({ alg, typ: 'oauth-authz-req+jwt', ...(symmetric(alg) ? {} : { kid: `sig-${alg}` }) })
    .setIssuer(m.client_id).setAudience(given.issuer).setIssuedAt().setNotBefore('0s').setExpirationTime('5m')
    .sign(key);
}
for (const alg of server.request_object_signing_alg_values_supported) {
  const config = await register({
    request_object_signing_alg: alg, ...(symmetric(alg) ? {} : { jwks: { keys: [(await signer(alg)).jwk] } }),
  });
  const m = config.clientMetadata();
  const got = await answer(m, { response_type: 'code', state: 'outside', request: await requestObject(m, alg) });
  assert.equal(got.get('state'), 'inside', `${alg}: ${got}`);
  assert.ok((await redeem(config, got.get('code'))).id_token);
  exercised('request_object_signing_alg_values_supported', alg);
}
const ownKeys = await (await fetch(server.jwks_uri)).json();
{
  const algs = server.request_object_encryption_alg_values_supported;
  const encs = server.request_object_encryption_enc_values_supported;
  const ecdh = algs.find((a) => a.startsWith('ECDH'));
  for (const [alg, enc] of [...algs.map((a) => [a, encs[0]]), ...encs.slice(1).map((e) => [ecdh, e])]) {
    const config = await register({
      request_object_signing_alg: 'ES256', request_object_encryption_alg: alg, request_object_encryption_enc: enc,
      jwks: { keys: [(await signer('ES256')).jwk] },
    });
    const m = config.clientMetadata();
    let key;
    let kid;
    if (/^(RSA|ECDH)/.test(alg)) {
      const jwk = ownKeys.keys.find((k) => k.use === 'enc' && (alg.startsWith('RSA') ? k.kty === 'RSA' : k.kty === 'EC'));
      assert.ok(jwk, `no key for ${alg}`);
      key = await jose.importJWK({ ...jwk, alg }, alg);
      kid = jwk.kid;
    } else {
      key = shared(m.client_secret, alg, enc);
    }
    const jwe = await new jose.CompactEncrypt(byteKey(await requestObject(m, 'ES256')))
      .setProtectedHeader({ alg, enc, cty: 'JWT', ...(kid ? { kid } : {}) }).encrypt(key);
    const got = await answer(m, { response_type: 'code', request: jwe });
    assert.equal(got.get('state'), 'inside', `${alg} ${enc}: ${got}`);
    exercised('request_object_encryption_alg_values_supported', alg);
    exercised('request_object_encryption_enc_values_supported', enc);
  }
}
{
  const config = await register({ request_object_signing_alg: 'ES256', jwks: { keys: [(await signer('ES256')).jwk] } });
  const m = config.clientMetadata();
  const parameters = { redirect_uri: given.redirectUri, scope: 'openid', nonce: 'n', state: 's', response_type: 'code' };
  const url = await client.buildAuthorizationUrlWithJAR(config, parameters, { key: signers.ES256.privateKey, kid: 'sig-ES256' });
  const back = await open(url);
  assert.ok(await client.authorizationCodeGrant(config, back, { expectedState: 's', expectedNonce: 'n' }));
  exercised('request_parameter_supported', true);

  const kept = await fetch(server.request_object_endpoint, {
    method: 'POST', headers: { 'content-type': 'application/jwt', authorization: `Basic ${Buffer.from(`${m.client_id}:${m.client_secret}`).toString('base64')}` },
    body: await requestObject(m, 'ES256'),
  });
  assert.equal(kept.status, 201);
  const { request_uri: requestURI } = await kept.json();
  assert.ok((await answer(m, { request_uri: requestURI })).get('code'));
  exercised('request_object_endpoint', true);
  exercised('request_uri_parameter_supported', true);
}
passed('request objects');

// Pushed authorization requests.
{
  const config = await register({});
  assert.ok((await logIn(config, {}, client.buildAuthorizationUrlWithPAR)).id_token);
  exercised('pushed_authorization_request_endpoint', true);
}
passed('pushed requests');

// PKCE.
for (const method of server.code_challenge_methods_supported) {
  const config = await register({});
  const verifier = client.randomPKCECodeVerifier();
  const challenge = method === 'S256' ? await client.calculatePKCECodeChallenge(verifier) : verifier;
  const got = await answer(config.clientMetadata(), { response_type: 'code', code_challenge: challenge, code_challenge_method: method });
  const back = new URL(given.redirectUri);
  back.search = got;
  assert.ok(await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: 'a state', expectedNonce: 'a nonce' }));
  exercised('code_challenge_methods_supported', method);
}
passed('PKCE');

// Client authentication at the endpoints that authenticate.
const tokenEndpointAuth = {
  client_secret_basic: async () => [{}, (m) => client.ClientSecretBasic(m.client_secret)],
  client_secret_post: async () => [{}, (m) => client.ClientSecretPost(m.client_secret)],
  client_secret_jwt: async () => [{}, (m) => client.ClientSecretJwt(m.client_secret)],
  private_key_jwt: async () => [{ jwks: { keys: [(await signer('ES256')).jwk] } }, () => client.PrivateKeyJwt({ key: signers.ES256.privateKey, kid: 'sig-ES256' })],
  none: async () => [{}, () => client.None()],
};
for (const method of server.token_endpoint_auth_methods_supported) {
  if (method.includes('tls')) continue; // has a test of its own, with certificates
  const [metadata, authentication] = await tokenEndpointAuth[method]();
  const made = (await register({ token_endpoint_auth_method: method, ...metadata })).clientMetadata();
  const config = await client.discovery(issuer, made.client_id, { ...made }, authentication(made), insecure);
  const tokens = await logIn(config);
  assert.ok(tokens.access_token);
  exercised('token_endpoint_auth_methods_supported', method);
  if (server.introspection_endpoint_auth_methods_supported.includes(method)) {
    assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, true);
    exercised('introspection_endpoint_auth_methods_supported', method);
  }
  await client.tokenRevocation(config, tokens.access_token);
  exercised('revocation_endpoint_auth_methods_supported', method);
}
for (const alg of server.token_endpoint_auth_signing_alg_values_supported) {
  const method = symmetric(alg) ? 'client_secret_jwt' : 'private_key_jwt';
  const config = await register({
    grant_types: ['client_credentials'], response_types: [], scope: 'profile', token_endpoint_auth_method: method, token_endpoint_auth_signing_alg: alg,
    ...(symmetric(alg) ? {} : { jwks: { keys: [(await signer(alg)).jwk] } }),
  });
  const m = config.clientMetadata();
  const assertion = await new jose.SignJWT({ jti: crypto.randomUUID() }).setProtectedHeader({ alg, ...(symmetric(alg) ? {} : { kid: `sig-${alg}` }) })
    .setIssuer(m.client_id).setSubject(m.client_id).setAudience(given.issuer).setIssuedAt().setExpirationTime('1m')
    .sign(symmetric(alg) ? byteKey(m.client_secret) : signers[alg].privateKey);
  const parameters = new URLSearchParams({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: assertion,
  });
  const res = await fetch(server.token_endpoint, { method: 'POST', body: new URLSearchParams([...parameters, ['grant_type', 'client_credentials']]) });
  assert.equal(res.status, 200, `${alg}: ${await res.clone().text()}`);
  exercised('token_endpoint_auth_signing_alg_values_supported', alg);
  exercised('introspection_endpoint_auth_signing_alg_values_supported', alg);
  exercised('revocation_endpoint_auth_signing_alg_values_supported', alg);
  exercised('grant_types_supported', 'client_credentials');
}
passed('client authentication');

// DPoP.
for (const alg of server.dpop_signing_alg_values_supported) {
  const config = await register({ token_endpoint_auth_method: 'none', dpop_bound_access_tokens: true }, client.None());
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg));
  const tokens = await logIn(config, {}, client.buildAuthorizationUrl, { DPoP });
  assert.equal(tokens.token_type, 'dpop');
  assert.ok((await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })).sub);
  const res = await fetch(server.userinfo_endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.equal(res.status, 401);
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  assert.equal(refreshed.token_type, 'dpop');
  const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  await refused(client.refreshTokenGrant(config, refreshed.refresh_token, undefined, { DPoP: other }), 'invalid_grant');
  exercised('dpop_signing_alg_values_supported', alg);
}
exercised('grant_types_supported', 'refresh_token');
passed('DPoP');

// Device.
{
  const grant = 'urn:ietf:params:oauth:grant-type:device_code';
  const config = await register({ grant_types: [grant], response_types: [], token_endpoint_auth_method: 'none' }, client.None());
  const begun = await client.initiateDeviceAuthorization(config, { scope: 'openid' });
  assert.match(begun.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  await approve(begun.verification_uri_complete, begun.user_code);
  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...begun, interval: 1 });
  assert.ok(tokens.claims().sub);
  exercised('device_authorization_endpoint', true);
  exercised('grant_types_supported', grant);
}
passed('device');

// The password grant, which no library offers any more.
{
  const config = await register({ grant_types: ['password'], response_types: [] });
  const tokens = await client.genericGrantRequest(config, 'password', { username: given.username, password: given.password, scope: 'openid' });
  assert.ok(tokens.access_token);
  exercised('grant_types_supported', 'password');
}
passed('password');

// Token exchange and JWT bearer, with the clients that the test made.
{
  const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
  const config = await client.discovery(issuer, given.exchangeId, undefined, client.ClientSecretBasic(given.exchangeSecret), insecure);
  const subject = await client.clientCredentialsGrant(config, { scope: 'profile email' });
  const got = await client.genericGrantRequest(config, grant, {
    subject_token: subject.access_token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', scope: 'profile',
  });
  assert.equal(got.issued_token_type, 'urn:ietf:params:oauth:token-type:access_token');
  assert.equal(got.scope, 'profile');
  exercised('grant_types_supported', grant);
}
{
  const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const config = await client.discovery(issuer, given.exchangeId, undefined, client.ClientSecretBasic(given.exchangeSecret), insecure);
  const key = await jose.importJWK(given.trustedKey, 'ES256');
  const assertion = await new jose.SignJWT({ jti: crypto.randomUUID() }).setProtectedHeader({ alg: 'ES256', kid: given.trustedKey.kid })
    .setIssuer(given.trustedIssuer).setSubject('partner-1').setAudience(given.issuer).setIssuedAt().setExpirationTime('1m').sign(key);
  assert.ok((await client.genericGrantRequest(config, grant, { assertion, scope: 'profile' })).access_token);
  exercised('grant_types_supported', grant);
}
passed('exchange and assertions');

// Subjects, scopes, claims, prompts and the like.
{
  const a = await register({ subject_type: 'public' });
  const b = await register({ subject_type: 'pairwise' });
  const c = await register({ subject_type: 'pairwise' }); // on loopback every client is a sector of its own
  const [x, y, z] = [(await logIn(a)).claims().sub, (await logIn(b)).claims().sub, (await logIn(c)).claims().sub];
  assert.equal(new Set([x, y, z]).size, 3);
  assert.equal((await logIn(b)).claims().sub, y);
  exercised('subject_types_supported', 'public', 'pairwise');

  const wanted = Object.fromEntries(['email', 'given_name'].map((n) => [n, null]));
  const tokens = await logIn(a, { claims: JSON.stringify({ id_token: wanted, userinfo: wanted }) });
  assert.equal(tokens.claims().email, given.email);
  assert.equal((await client.fetchUserInfo(a, tokens.access_token, tokens.claims().sub)).email, given.email);
  exercised('claims_parameter_supported', true);
  exercised('claim_types_supported', 'normal');

  for (const prompt of server.prompt_values_supported) {
    const got = await answer(a.clientMetadata(), { response_type: 'code', prompt });
    assert.ok(prompt === 'none' ? got.has('code') || /_required$/.test(got.get('error')) : got.get('code'), `${prompt}: ${got}`);
    exercised('prompt_values_supported', prompt);
  }
  for (const display of server.display_values_supported) {
    assert.ok((await answer(a.clientMetadata(), { response_type: 'code', display })).get('code'));
    exercised('display_values_supported', display);
  }
  for (const acr of server.acr_values_supported) {
    const got = await logIn(a, { acr_values: acr });
    assert.ok(got.claims().acr);
    exercised('acr_values_supported', acr);
  }
}
passed('people');

// Introspection as JWT (RFC 9701), signed as the caller's access tokens are.
for (const [alg, { id, secret }] of Object.entries(given.introspectors)) {
  const config = await client.discovery(issuer, id, undefined, client.ClientSecretBasic(secret), insecure);
  const { access_token: token } = await client.clientCredentialsGrant(config, { scope: 'profile' });
  const res = await fetch(server.introspection_endpoint, {
    method: 'POST', body: new URLSearchParams({ token }),
    headers: { accept: 'application/token-introspection+jwt', authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
  });
  const { payload, protectedHeader } = await verify(await res.text(), { client_id: id }, { typ: 'token-introspection+jwt' });
  assert.equal(protectedHeader.alg, alg);
  assert.equal(payload.token_introspection.active, true);
  exercised('introspection_signing_alg_values_supported', alg);
}
passed('introspection');
process.exit(0);
