package state

import (
	"net/netip"
	"strings"
)

// Situation is from where and how somebody came to an application, packed into one text: rules look at it again when tokens are asked
// for later, where the address of a backend says nothing about the person. Most of them are never looked at.
type Situation string

// SituationFields are what a Situation holds. What is empty is not known.
type SituationFields struct {
	// IP is where the browser was, as trusted proxies tell.
	IP netip.Addr
	// Provider is the identity provider that authenticated the person, ACR and Method how.
	Provider, ACR, Method string
	// Agent is the header User-Agent, of which maxAgent bytes are kept.
	Agent string
}

// maxAgent bounds in bytes what is kept of a browser's name for itself.
const maxAgent = 256

// Pack returns the fields as one text.
func (f SituationFields) Pack() Situation {
	ip := ""
	if f.IP.IsValid() {
		ip = f.IP.String()
	}
	agent := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(f.Agent[:min(len(f.Agent), maxAgent)], ""))
	if ip == "" && f.Provider == "" && f.ACR == "" && f.Method == "" && agent == "" {
		return ""
	}
	return Situation(strings.Join([]string{ip, f.Provider, f.ACR, f.Method, agent}, "\n"))
}

// Fields returns what a Situation holds. One that this gateway cannot read holds nothing.
func (s Situation) Fields() SituationFields {
	parts := strings.Split(string(s), "\n")
	if len(parts) != 5 {
		return SituationFields{}
	}
	f := SituationFields{Provider: parts[1], ACR: parts[2], Method: parts[3], Agent: parts[4]}
	f.IP, _ = netip.ParseAddr(parts[0]) // the zero address is not known
	return f
}
