// Package backchannel delivers logout tokens (OpenID Connect Back-Channel Logout 1.0).
//
//	session ends ──▶ notices in Redis, in the same step ──▶ claimed by any gateway ──▶ token signed ──▶ posted
//	                          ▲                                    │
//	                          └── later, with growing pauses ◀─────┘ no answer, or an error of the client's
//
// Whoever signs out waits for none of this. A notice says whom a client is to forget; its token is made when it is posted,
// because it lives for two minutes and deliveries are tried for three quarters of an hour. A gateway that stops finishes the deliveries
// under way, or hands their notices to the others; one that dies leaves its notices to them, who get them when their lease ends. So a client may be told twice, and never not at all because a
// gateway died.
package backchannel
