// Package conformance holds tests over a whole gateway: demands of CONFORMANCE.md that no single endpoint can show. It has no
// other code.
package conformance
