// Package archive is the form of backups: one stream of lines of JSON that holds a domain or a whole installation.
//
//	{"format":"gatehouse-archive","version":1,"id":"…","scope":"domain","secrets":"sealed",…,"tag":"…"}
//	{"n":1,"kind":"domain","data":{…},"tag":"…"}
//	…
//	{"n":1207,"kind":"end","data":{"counts":{"domain":1,"user":1000,…}},"tag":"…"}
//
// The tag of a line is made of the line and of the tag of the line before it: HMAC-SHA256 under a key that follows from the
// caller's and from the salt of the header, or without a key plain SHA-256. So every tag depends on all that came before it and on
// the identity of the stream. A line that was changed, exchanged, left out, repeated or taken from another archive is noticed when
// it is read, a stream that was cut off by its missing end, and a wrong key at the header. Without a key this holds against
// accidents only: whoever can write the file can compute its tags.
//
// Secrets are sealed inside the lines (AES-256-GCM), each for its stream, its line, its field and its resource; without a key
// there are none. Keys follow from a passphrase by argon2id, or are given as 32 bytes; HKDF-SHA256 makes of either one key that
// seals and one that tags.
//
// Reader and Writer hold one line at a time, of at most MaxLine bytes.
package archive
