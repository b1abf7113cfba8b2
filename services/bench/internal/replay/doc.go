// Package replay stands between a program and its database, and makes of it one that does not let the program wait for large reads.
//
// A Proxy passes everything on and keeps the answers to the large reads: those that take more than one answer, the find and every
// getMore after it. After Replay it answers such a read itself, from what it has kept, as fast as it is asked; everything else
// goes on to the database. What is answered must not have changed meanwhile. So somebody who starts a program twice sees what the program
// needs for itself, where the database at hand is far slower than the one it is made for.
//
// It understands as much of MongoDB's wire protocol as that takes: commands in one section of an OP_MSG, without compression. Whatever
// looks different is passed on. It is for measurements and tests only.
package replay
