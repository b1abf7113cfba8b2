package domain

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
)

// derived are keys that follow from the domain's secret, one for each purpose, so that what one of them makes says nothing
// about another.
type derived struct{ pairwise, sessions, sealing []byte }

func derive(secret []byte) derived {
	key := func(purpose string) []byte {
		made, err := hkdf.Key(sha256.New, secret, nil, "gatehouse domain "+purpose, sha256.Size)
		if err != nil {
			panic("domain: " + err.Error()) // only for more than 255 hashes of output
		}
		return made
	}
	return derived{pairwise: key("pairwise subjects"), sessions: key("session identifiers"), sealing: key("sealed claims")}
}

// PairwiseMAC returns 32 bytes that stand for a person in a sector: the same on every gateway, and not to be turned back
// (OpenID Connect Core §8.1).
func (core *Core) PairwiseMAC(sector, subject string) []byte {
	return mac(core.derived.pairwise, sector, subject)
}

// SessionMAC returns 32 bytes that stand for a session at a client.
func (core *Core) SessionMAC(clientID, session string) []byte {
	return mac(core.derived.sessions, clientID, session)
}

// SealingKey returns the key of 32 bytes that seals what one token says to the gateways of this domain alone. The token's
// identifier must never be used twice.
func (core *Core) SealingKey(tokenID string) []byte {
	return mac(core.derived.sealing, tokenID)
}

// mac is the HMAC of parts. Every part but the last ends in a zero byte, which none of them has.
func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for i, part := range parts {
		if i > 0 {
			h.Write([]byte{0})
		}
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}
