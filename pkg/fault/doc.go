// Package fault provides the product's errors: a small set of kinds, a message for the caller, the places in the
// request that are wrong, and their forms in HTTP and gRPC.
//
// Code that finds a fault says what kind it is; only the two tables in http.go and grpc.go know a status. An error
// without a kind is a failure of ours: callers are told nothing but that it happened.
package fault
