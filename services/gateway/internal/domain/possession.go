package domain

import (
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// DPoP is how clients of a domain prove the possession of keys (RFC 9449).
type DPoP struct {
	// Enabled binds access tokens to the keys of proofs. A proof that is sent to a domain without it means nothing.
	Enabled bool
	// NonceRequired wants a nonce of this domain in every proof (§8).
	NonceRequired bool
	// Window is how far the time of a proof may be from ours, either way.
	Window time.Duration
	// Algorithms sign proofs, as the domain's profile has it.
	Algorithms []jose.Algorithm
}

const (
	dpopWindow = time.Minute
	// leastWindow is what clocks differ by without anybody's fault.
	leastWindow = 10 * time.Second
)

func dpopOf(s *configv1.DPoPSettings, algorithms []jose.Algorithm) DPoP {
	return DPoP{
		Enabled:       s == nil || s.Enabled == nil || s.GetEnabled(),
		NonceRequired: s.GetNonceRequired(),
		Window:        max(seconds(s.GetMaxAgeSeconds(), int32(dpopWindow/time.Second)), leastWindow),
		Algorithms:    slices.DeleteFunc(slices.Clone(algorithms), jose.Algorithm.Symmetric),
	}
}

// PublicPath returns the URL of a path of the gateway, as it is in a request, under the public URL; and under the one at which
// clients are asked for certificates, "" if there is none. The path keeps its encoding.
func (core *Core) PublicPath(escaped string) (public, mtls string) {
	public = strings.TrimSuffix(core.Base, core.Path) + escaped
	if core.MTLSBase != "" {
		mtls = strings.TrimSuffix(core.MTLSBase, core.Path) + escaped
	}
	return public, mtls
}
