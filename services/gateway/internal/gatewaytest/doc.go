// Package gatewaytest runs endpoints of the gateway for tests: domains read from configuration messages, a real Redis, a
// directory in memory, and HTTP through the router.
package gatewaytest
