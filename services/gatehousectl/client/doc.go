// Package client is the management API for programs in Go. All but this file and signin.go is generated from the OpenAPI
// document by `make generate`.
package client
