package tokens

import (
	"encoding/base64"
	"fmt"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Subject is the name by which a client knows a person: the claim `sub` of everything it is told about them. It is the
// person's public one, or, for a client with pairwise subjects, one that only the clients of its sector share (OpenID Connect
// Core §8.1). Everything inside the gateways goes by the public one.
//
// Both are UUIDs and differ in their version, so that no client_id is one by accident (RFC 9700 §4.15).
func Subject(d *domain.Domain, c *domain.Client, p *state.Person) string {
	if c.Sector == "" {
		return p.Subject
	}
	return Pairwise(d, c, p.Subject)
}

// Pairwise is Subject for a person of whom only the public subject is known.
func Pairwise(d *domain.Domain, c *domain.Client, subject string) string {
	if c.Sector == "" {
		return subject
	}
	id := d.PairwiseMAC(c.Sector, subject)[:16]
	id[6] = id[6]&0x0f | 0x80 // version 8 (RFC 9562 §5.8)
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// SessionID is the name by which a client knows a session (the claim `sid`): another one at every client, so that two of them
// cannot compare whom they have signed in. The empty session has none.
func SessionID(d *domain.Domain, c *domain.Client, session string) string {
	if session == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(d.SessionMAC(c.ClientID, session)[:16])
}
