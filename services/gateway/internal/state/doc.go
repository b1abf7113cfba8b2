// Package state keeps in Redis everything that changes per request: authorization codes, kept requests, sessions, grants with their
// refresh tokens, attempts to sign in, and revocations.
//
// What a client or a browser presents (codes, session identifiers, refresh tokens) is stored as its SHA-256 only, so that
// a copy of the database signs nobody in. Each state change is one round trip, and no command is repeated after an
// error: a repeated redemption would look like a second use.
//
//	code:{hash}     record; after redemption a marker for SpentFor. The hash covers domain and client.
//	request:{hash}  an authorization request that was pushed or came as an object: a minute until it is opened, RequestLife
//	                after each look at it. The hash covers domain and client.
//	login:{hash}    what flows set for a login under way, and which points it has passed; LoginLife after each step, only where the
//	                client has flows. The hash covers domain, browser or session, and the request.
//	session:{hash}  record; the domain's idle time
//	clients:{session:hash}  the clients that a session signed in to; until the session ends at the latest
//	person:{hash}   the sessions of a person in a domain, by name; until the last of them ends
//	grant:{id}      record, owner, family, current and previous refresh token; the client's lifetime and a little more.
//	                After its end a tombstone, so that no grant begins after it was revoked.
//	device:{hash}   request of a device, the interval of its questions, the decision; its lifetime and a little more
//	usercode:{hash} the name of a device's request, for its lifetime. The hash covers the domain.
//	leg:{hash}      a browser's journey to another site; LegLife. The hash covers the domain.
//	tries:{hash}    numbers of attempts to sign in to an account since the last that succeeded: all, and by each spelling of its name
//	window:{hash}   how often something was done from somewhere, in the period that runs and in the one before
//	registrations:{hash}  attempts to register clients from an address, each with how often it is under way or may have made one; the
//	                domain's window. The hash covers the domain.
//	once:{hash}     mark that an assertion or a proof was seen; as long as it could be used again
//	failures:{hash} number of failed authentications of a client at an address
//	notices:n       domains with logout tokens that clients are owed, by when the first is due; 16 of these indexes
//	due:{notices:n}:domain, record:{notices:n}:domain  which are due when in a domain, and what they say
//	revoked         sorted set of what is revoked, scored by the time until which it matters
//
// In a Redis Cluster a key lies where its name says. What changes in one step with another key is named after that one, in
// braces, which is how Redis keeps it on the same server: the clients of a session after the session, the logout tokens of a domain
// after their index. All others are by themselves and spread evenly; the one list that all gateways read is "revoked".
//
// Every method gives up after Options.Timeout and returns ErrUnavailable (wrapped) if Redis did not answer by then. If the
// caller's own context was canceled before, the error is context.Canceled.
package state
