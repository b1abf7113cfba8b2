// Package idptest is the suite that every type of identity provider passes, and the servers that some of them need.
//
// [Password] is for providers that check names and passwords themselves. A type brings a [Rig]: a provider over a real server,
// somebody whom it knows, and ways to take that server away.
package idptest
