package access

import (
	"slices"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Strength is what a sign-in is to be like.
type Strength struct {
	// ACRValues are authentication context classes, any of which will do; empty means any.
	ACRValues []string `json:"acrValues,omitempty"`
	// AMR are methods, all of which are needed.
	AMR []string `json:"amr,omitempty"`
	// MaxAge is how long ago it may be; 0 means any time.
	MaxAge time.Duration `json:"-"`
	// MaxAgeSeconds is MaxAge for people who read it.
	MaxAgeSeconds int64 `json:"maxAgeSeconds,omitempty"`
	// IdentityProviders are identifiers, any of which will do; empty means any.
	IdentityProviders []string `json:"identityProviders,omitempty"`
}

func newStrength(c *configv1.AuthenticationStrengthPolicy) *Strength {
	return &Strength{
		ACRValues: c.GetAcrValues(), AMR: c.GetAmr(), IdentityProviders: c.GetIdentityProviders(),
		MaxAge: time.Duration(c.GetMaxAgeSeconds()) * time.Second, MaxAgeSeconds: c.GetMaxAgeSeconds(),
	}
}

// and returns what meets both as far as anything does.
func (s *Strength) and(t *Strength) *Strength {
	both := &Strength{
		ACRValues:         both(s.ACRValues, t.ACRValues),
		AMR:               slices.Compact(slices.Sorted(slices.Values(slices.Concat(s.AMR, t.AMR)))),
		IdentityProviders: both(s.IdentityProviders, t.IdentityProviders),
		MaxAge:            s.MaxAge,
	}
	if s.MaxAge == 0 || t.MaxAge != 0 && t.MaxAge < s.MaxAge {
		both.MaxAge = t.MaxAge
	}
	both.MaxAgeSeconds = int64(both.MaxAge / time.Second)
	return both
}

// both returns what two lists of alternatives have in common; all of the first where that is nothing, so that one of them is
// asked for at least.
func both(a, b []string) []string {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	var common []string
	for _, v := range a {
		if slices.Contains(b, v) {
			common = append(common, v)
		}
	}
	if len(common) == 0 {
		return a
	}
	return common
}
