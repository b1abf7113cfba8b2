// Package profile holds the security profiles of a domain: what each demands of requests, clients and answers.
//
// table.go is one table. Gateways ask it what to do, discovery what to advertise, management what to accept, and the check
// of an application which of its settings break a profile. Nothing compares the names of profiles: what a profile changes is a
// field of Profile.
package profile
