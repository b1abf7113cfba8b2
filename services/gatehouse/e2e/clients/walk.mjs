// What an application written with openid-client does every day.
import assert from 'node:assert/strict';
import * as client from 'openid-client';
import { given, insecure, issuer, logIn, passed, refused, tell } from './lib.mjs';

const config = await client.discovery(issuer, given.clientId, undefined, client.ClientSecretBasic(given.clientSecret), insecure);
client.enableNonRepudiationChecks(config); // signatures of ID tokens too, not only of what comes by the browser
assert.equal(config.serverMetadata().issuer, given.issuer);
passed('discovery');

let tokens = await logIn(config, { scope: 'openid profile email' });
const { sub } = tokens.claims();
assert.ok(tokens.refresh_token);
passed('code with PKCE');

const info = await client.fetchUserInfo(config, tokens.access_token, sub);
assert.equal(info.email, given.email);
passed('userinfo');

const first = tokens;
tokens = await client.refreshTokenGrant(config, first.refresh_token);
assert.notEqual(tokens.access_token, first.access_token);
assert.notEqual(tokens.refresh_token, first.refresh_token);
passed('refresh with rotation');

let seen = await client.tokenIntrospection(config, tokens.access_token);
assert.equal(seen.active, true);
assert.equal(seen.sub, sub);
assert.equal(seen.client_id, given.clientId);
assert.equal((await client.tokenIntrospection(config, 'nonsense')).active, false);
passed('introspection');

await client.tokenRevocation(config, tokens.access_token);
assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, false);
await client.tokenRevocation(config, tokens.refresh_token);
await refused(client.refreshTokenGrant(config, tokens.refresh_token), 'invalid_grant');
passed('revocation');

async function register(options, name) {
  const registered = await client.dynamicClientRegistration(issuer, {
    client_name: name,
    redirect_uris: [given.redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    scope: 'openid profile email',
  }, client.ClientSecretBasic(), { ...insecure, ...options });
  const metadata = registered.clientMetadata();
  assert.ok(metadata.client_id);
  assert.ok(metadata.client_secret);
  assert.ok(metadata.registration_access_token);
  return { registered, metadata };
}

const admin = await client.discovery(issuer, given.adminId, undefined, client.ClientSecretBasic(given.adminSecret), insecure);
const { access_token: initialAccessToken } = await client.clientCredentialsGrant(admin, { scope: 'dcr_admin' });
const { registered, metadata } = await register({ initialAccessToken }, 'registered by token');
assert.ok((await logIn(registered)).id_token);
passed('registration by token');

const read = await fetch(metadata.registration_client_uri, { headers: { authorization: `Bearer ${metadata.registration_access_token}` } });
assert.equal(read.status, 200);
assert.equal((await read.json()).client_name, 'registered by token');
const removed = await fetch(metadata.registration_client_uri, {
  method: 'DELETE', headers: { authorization: `Bearer ${metadata.registration_access_token}` },
});
assert.equal(removed.status, 204);
passed('reading and deleting a registration');

await refused(register({}, 'not allowed'), 'invalid_token').catch((e) => {
  // openid-client may answer the challenge itself instead of the body.
  if (e.code !== 'ERR_ASSERTION') throw e;
});
assert.equal(await tell({ switchOpenRegistrationOn: true }), 'done');
const anybody = await register({}, 'registered by anybody');
assert.ok((await logIn(anybody.registered)).id_token);
passed('open registration');
process.exit(0);
