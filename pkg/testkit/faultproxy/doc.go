// Package faultproxy is a TCP proxy for tests whose network can be made bad while it runs.
//
// A [Proxy] stands before one server. [Proxy.Set] gives it another [Fault], for connections that are open and for new ones, and
// [Heal] lifts it:
//
//	Latency      everything arrives later, each way by the delay and up to the jitter more
//	Narrow       so many bytes pass in a second, each way
//	Cut          connections that are open are reset (RST), and new ones as soon as they are accepted
//	Refused      connections that are open are reset, nobody listens
//	HalfOpen     what is open is dead and nobody is told: whatever is sent is lost, also after the fault was lifted, as behind a
//	             firewall that has forgotten a connection; new connections are accepted, and as dead
//	Deaf         as HalfOpen for connections that are open; new ones are as they should be
//	Stalled      nothing moves; when the fault is lifted, everything that was sent arrives
//	AnswersLost  what clients send arrives, what the server answers does not
//	SlowClose    neither end hears that the other has closed; what it sends to nobody is lost
//	Truncated    of each connection so many bytes of the server arrive, counted from when the fault was set; then it is reset
//
// All of it happens above TCP: the proxy acknowledges what it swallows. Of what a kernel does about packets that nobody acknowledges
// (TCP_USER_TIMEOUT, keep-alive probes) nothing is seen, so what must notice a dead connection is the program: the harder case.
package faultproxy
