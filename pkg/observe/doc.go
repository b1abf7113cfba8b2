// Package observe makes a service visible: logs, metrics, traces and the identity of requests.
//
// [Requests] is the outermost handler of every server. It gives a request its identity, measures it, answers panics and
// logs it once, at its end. Handlers inside say which [Endpoint] they are and add facts with [Annotate] and [RecordError].
// The logger of [NewLogger] puts the identity on every record made with the request's context and keeps secrets out.
//
// Nothing is global: several services in one process each have their own [Metrics].
package observe
