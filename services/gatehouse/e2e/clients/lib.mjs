// What the walks have in common. The person's part is played by the test that runs them: for every line {"open": url} on
// standard output it signs in there, and answers with the URL of the callback on standard input.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import * as client from 'openid-client';

export const given = JSON.parse(process.env.GIVEN);
export const issuer = new URL(given.issuer);
export const insecure = { execute: [client.allowInsecureRequests] }; // plain HTTP, on the loopback interface

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(line) {
  console.log(JSON.stringify(line));
  const { value, done } = await answers.next();
  assert.ok(!done, `no answer to ${JSON.stringify(line)}`);
  return value;
}

// open lets the person sign in at a URL, and returns that of the callback. An answer by form_post is in its query.
export async function open(url) {
  return new URL(await ask({ open: url.href ?? url }));
}

// approve lets the person allow a device.
export async function approve(url, userCode) {
  await ask({ approve: url, userCode });
}

// tell asks the test for something that only it can do.
export async function tell(what) {
  return ask(what);
}

export function passed(step) {
  console.log(JSON.stringify({ passed: step }));
}

// exercised says of values of the discovery document that they were used and did what they promise.
export function exercised(member, ...values) {
  console.log(JSON.stringify({ exercised: { member, values } }));
}

export async function refused(promise, error) {
  await assert.rejects(promise, (e) => {
    assert.equal(e.error, error, `${e}`);
    return true;
  });
}

// logIn walks the code flow with PKCE, and returns the tokens.
export async function logIn(config, parameters = {}, build = client.buildAuthorizationUrl, options) {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const callback = await open(await build(config, {
    redirect_uri: given.redirectUri,
    scope: 'openid',
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...parameters,
  }));
  return client.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  }, undefined, options);
}

// register makes a client by open registration.
export async function register(metadata, authentication = client.ClientSecretBasic()) {
  return client.dynamicClientRegistration(issuer, {
    redirect_uris: [given.redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    scope: 'openid profile email',
    ...metadata,
  }, authentication, insecure);
}
