// Package ldap authenticates people of an LDAP directory: it searches for their entry, and binds as them (RFC 4511, RFC 4513).
//
//	name ──▶ filter with the name escaped (RFC 4515 §3) ──▶ exactly one entry ──▶ bind as it ──▶ groups ──▶ assertion
//
// Two sets of connections are kept: those bound as the configured user, which search, and those on which people are bound, which
// do nothing else. All of them go through the guarded way out, are encrypted where that is configured or not made at all, and
// are given up when they have been idle for a while, so a provider that is replaced needs no closing.
package ldap
