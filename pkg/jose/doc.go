// Package jose provides signing keys, signed JWTs and JWK sets.
//
// A Key signs, a KeySet verifies. The algorithm of a signature follows from the key that checks it; what a token says
// about itself only chooses among the keys, and is refused where the two differ (RFC 8725 §3.1). Both types hold their
// keys parsed and are immutable, so they are shared by all requests without locks.
package jose
