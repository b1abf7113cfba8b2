// Package domain turns configuration into what a request needs: security domains with their clients, parsed keys,
// compiled rules and opened identity providers.
//
// A request takes one *Domain at its start and uses nothing else. A Domain never changes; a batch of changes makes new
// ones that share every part the batch did not touch. Clients are compiled when they are first asked for and kept while
// their revision stands, so that a domain of a hundred thousand applications is ready as soon as it has been read.
// Of the clients that registered themselves, a bounded number is held, and the others are asked for (registered.go).
package domain
