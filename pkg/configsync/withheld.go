package configsync

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// Withheld are the registered clients of a domain that a batch with reset leaves out, because there are more of them than the
// gateway wants to be sent: hashes of their client_ids, see [HashClient]. Which of them change, further batches say.
type Withheld struct {
	Domain  string
	Clients []uint64
}

// OnDemand reports whether an application is one that gateways may ask for when it is used, instead of being sent it: a
// client that registered itself. Templates are none: registrations name them.
func OnDemand(a *configv1.Application) bool {
	return resource.Registered(a) && !a.GetTemplate() && a.GetSettings().GetOauth().GetClientId() != ""
}

// ClientHash is HashClient of an application that is OnDemand, and 0 for any other one, or none.
func ClientHash(a *configv1.Application) uint64 {
	if !OnDemand(a) {
		return 0
	}
	return HashClient(a.GetSettings().GetOauth().GetClientId())
}

// HashClient is how [Withheld] names a client. It is never 0, and the same everywhere.
func HashClient(clientID string) uint64 {
	sum := sha256.Sum256([]byte(clientID))
	return max(binary.BigEndian.Uint64(sum[:]), 1)
}

// bytesWithheld is what one client takes in a part.
const bytesWithheld = 8

// withhold names a client of a domain that is not sent.
func (a *assembly) withhold(domain string, client uint64) {
	if a.part.bytes+bytesWithheld > a.cut.bytes && a.part.bytes > 0 {
		if a.next(); a.done {
			return
		}
	}
	m := a.open()
	last := len(m.GetWithheld()) - 1
	if last < 0 || m.GetWithheld()[last].GetDomain() != domain {
		m.Withheld = append(m.Withheld, &configsyncv1.Withheld{Domain: domain})
		last++
		a.part.bytes += len(domain)
	}
	m.Withheld[last].Clients = append(m.Withheld[last].Clients, client)
	a.part.bytes += bytesWithheld
}

// withheld adds what a message names to what its batch does so far.
func withheld(all []Withheld, m *configsyncv1.WatchResponse) []Withheld {
	for _, w := range m.GetWithheld() {
		if last := len(all) - 1; last >= 0 && all[last].Domain == w.GetDomain() {
			all[last].Clients = append(all[last].Clients, w.GetClients()...)
			continue
		}
		all = append(all, Withheld{w.GetDomain(), w.GetClients()})
	}
	return all
}
