// Package secret provides random identifiers and tokens, hashes of secrets and passwords, and the sealing of secrets
// that must be kept readable.
//
// All randomness comes from crypto/rand. Secrets are compared in constant time and never appear in an error.
package secret
