// Package floor is what a result is measured against: the smallest honest program that does the same work, with the
// standard library alone, in a process of its own. A floor answers correctly and skips nothing that the answer needs
// (reading the form, comparing the secret, signing, hashing, a round trip to Redis), and it does nothing else: no
// configuration, no domains, no metrics.
//
// Serve is the process, Floor what is asked of it:
//
//	hello                    GET, a few bytes of JSON
//	token-es256, -rs256      client_secret_basic, a JWT with the claims of an access token
//	form                     POST of a form, 1 KiB of JSON
//	form+verify              the same, and an ES256 signature is verified
//	form+redis+sign          the same with one round trip to Redis and one ES256 signature: a refresh
//	login                    four forms, two ES256 signatures, five round trips to Redis: a sign-in from form to token
//	sign-on                  two forms, two ES256 signatures, three round trips to Redis: a code for somebody signed in
//	argon2id                 one hash of a password with the product's parameters
package floor
