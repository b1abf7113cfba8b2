// Package serialiser stands between MongoDB clients and an embedded FerretDB and lets one write through at a time.
//
// FerretDB v1 reads, changes and writes a document in separate steps, so that concurrent updates overtake one another
// without an error. The proxy speaks the MongoDB wire protocol, holds one lock around every command that may write, and
// repairs three answers on the way back:
//
//   - a uniqueness violation inside an update or findAndModify, which FerretDB calls an internal error, becomes error 11000;
//   - statements of one update command are tried one by one, so that "ordered" holds and errors carry the right index;
//   - an ordered insert stops at its first failing document, however many documents there are.
//
// Reads pass without waiting. The lock is held only while FerretDB works on a command that has been read completely, so a
// client that vanishes or does not read its answer holds up nobody.
package serialiser
