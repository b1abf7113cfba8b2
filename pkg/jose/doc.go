// Package jose provides signing keys, signed and encrypted JWTs and JWK sets.
//
// A Key signs, a KeySet verifies. The algorithm of a signature follows from the key that checks it; what a token says
// about itself only chooses among the keys, and is refused where the two differ (RFC 8725 §3.1). An Encrypter encrypts for
// a key of a KeySet or for a shared secret, a Decrypter decrypts what is addressed to our own keys, by the same rule and
// within bounds. All of them hold their keys parsed and are immutable, so they are shared by all requests without locks.
package jose
