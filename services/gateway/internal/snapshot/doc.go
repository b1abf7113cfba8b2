// Package snapshot keeps a gateway's configuration on its own disk, sealed, so that a gateway that starts while management is away serves
// what it served last.
//
// The file is the configuration stream as it came: a batch with everything, and the batches after it as they were applied. So nothing
// is kept twice in memory, a change costs what it weighs, and a state that is read again went the way that it went the first time. A file that has
// grown to twice what it began with is begun anew: the next subscription asks for everything. It goes on growing until then, and stays until the new file is
// whole, so that the disk holds at its fullest three times the configuration, 16 MiB, and what changed since the last subscription.
//
//	{"format":"gatehouse-snapshot","version":1,"salt":"…","domains":[…]}⏎
//	length (4 bytes, big-endian) | kind (1 byte) | AES-256-GCM of a message, or of the time
//	…
//
// Each file has a key of its own, which follows from the configured one, the salt and the rest of the first line (HKDF-SHA256, RFC 5869); the number of a record
// is its nonce. A record that was changed, moved or comes from another file is not read, nor is anything after it. What is left at the end
// of a file by a process that died counts as far as it is whole: an earlier state, which was in effect. Whoever can write to the disk can put an
// earlier file of the same key in its place; its age bounds what that is worth.
package snapshot
