// Package configsync brings configuration from management to gateways and keeps it current: both ends of the
// configuration stream.
//
// A [Publisher] holds all configuration at a revision, encoded, and a log of which resource changed at which revision. A
// [Subscriber] tells it what it holds already and is sent batches: what has changed since where the log reaches back
// that far, otherwise everything, to be taken instead of what it had. Nothing in between. A batch that is too large for
// one message travels in parts and is applied as one.
//
//	management                                            gateway
//	Load, Apply → state ─┬─ decide ─ send ── batch ────→ receive ─ decide → Sink.Apply
//	                     └─ receive ←─────── report ───── send ──────┘
//
// The next batch leaves when the one before it was reported. So there is at most one batch on its way to a gateway,
// and a slow gateway is sent fewer and larger batches instead of a queue: of a resource that changed many times meanwhile
// only the last state.
//
// Revisions count within one installation, which is to say within one database. A gateway that comes from another
// installation, from beyond the log or from a revision that never was begins anew.
package configsync
