// Package subject names people for tokens: management gives a person their name when it first meets them, and gateways find
// somebody by it whom another party speaks of.
package subject

import "github.com/google/uuid"

// people is the name space of Of (RFC 9562 §5.5).
var people = uuid.MustParse("6f1c5a52-64c1-4bd1-9e2b-5f4f3a3f7f11")

// Of is the `sub` of a person: a name-based UUID of the identity provider and the person's stable name there. It is the same
// for ever, and is not the user's identifier.
func Of(source, externalID string) string {
	return uuid.NewSHA1(people, []byte(source+":"+externalID)).String()
}

// guests is the name space of Guest.
var guests = uuid.NewSHA1(people, []byte("trusted issuers"))

// Guest is the `sub` of somebody who has no account, and of whom a trusted issuer speaks. No person has it, whatever the issuer
// calls them.
func Guest(issuer, name string) string {
	return uuid.NewSHA1(guests, []byte(issuer+" "+name)).String()
}
