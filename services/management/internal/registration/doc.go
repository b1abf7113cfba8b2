// Package registration writes dynamic registrations on behalf of gateways, and finds applications that a gateway's stream
// has not brought yet.
//
// What operators do about registrations lies here, too: initial access tokens, clients that wait for approval, and clients that
// nobody uses, which a Keeper disables and deletes.
//
// A gateway checks who may register; it does so by the configuration it holds. Management checks the domain's switches
// again by the configuration there is, so that a gateway that lags behind, or lies, registers nobody in a domain that
// does not want it.
package registration
