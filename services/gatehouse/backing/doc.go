// Package backing runs the servers that Gatehouse needs, inside one process, for development and tests.
//
// MongoDB is FerretDB v1 on SQLite, with lookups that use indexes (module ../ferret). It keeps its data in a directory and
// is reached through a proxy that lets one write through at a time, because FerretDB's own updates are not atomic. Redis is miniredis; its content ends with the process.
// The mail server keeps every message as a file and delivers none. None of them asks for a password, therefore all listen on
// loopback addresses only.
//
// They stand in for one developer's servers. No statement about speed or durability of the real ones follows from them.
package backing
