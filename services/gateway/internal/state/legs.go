package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// LegLife is how long a browser may be away at another site.
const LegLife = 15 * time.Minute

// Leg is one journey of a browser to another site and back, so that any gateway can go on when it returns.
type Leg struct {
	Domain string `json:"domain"`
	// ApplicationID and ClientID are whom the sign-in is for, Provider is the identity provider at whose site the browser is.
	ApplicationID string `json:"application"`
	ClientID      string `json:"client"`
	Provider      string `json:"provider"`
	// Query leads to the authorization request.
	Query string `json:"query"`
	// Browser is the hash of the cookie of the browser that left. A callback in another one is refused: it would sign somebody
	// in as whoever began the leg (login CSRF, RFC 9700 §4.7).
	Browser string `json:"browser"`
	// Origin is the page where it began.
	Origin string `json:"origin"`
	// LoginHint is the name that the person gave; may be empty.
	LoginHint string `json:"hint,omitempty"`
	// Remember is the person's wish that the browser remembers them.
	Remember bool `json:"remember,omitempty"`
	// Again tells that the site was asked to sign the person in anew, MaxAge how long ago they may have signed in there, in
	// seconds; 0 = as long as they like.
	Again  bool  `json:"again,omitempty"`
	MaxAge int64 `json:"max_age,omitempty"`
	// Locales are the languages that the site was asked for.
	Locales []string `json:"locales,omitempty"`
	// Memo is what the provider needs to read the answer: nonce, PKCE verifier.
	Memo []byte `json:"memo,omitempty"`
	// Began is when it began, in seconds since the epoch. The store sets it.
	Began int64 `json:"began"`
}

// BeginLeg stores a leg for LegLife under the state that the site will hand back: a random value that nobody else knows.
func (s *Store) BeginLeg(ctx context.Context, state string, leg Leg) error {
	leg.Began = s.now().Unix()
	record, err := json.Marshal(leg)
	if err != nil {
		return fmt.Errorf("encode leg: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.unavailable(s.client.Set(ctx, legKey(leg.Domain, state), record, LegLife).Err())
}

// EndLeg returns the leg behind a state and forgets it, in one atomic command over all gateways: of several callbacks with one
// state, one gets it. The others, and those with a state that this domain did not make or that has expired, get ErrUnknown.
func (s *Store) EndLeg(ctx context.Context, domain, state string) (Leg, error) {
	if len(state) != stateLength {
		return Leg{}, ErrUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	record, err := s.client.GetDel(ctx, legKey(domain, state)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return Leg{}, ErrUnknown
	case err != nil:
		return Leg{}, s.unavailable(err)
	}
	var leg Leg
	if err := json.Unmarshal([]byte(record), &leg); err != nil {
		return Leg{}, fmt.Errorf("decode leg: %w", err)
	}
	if s.now().Sub(time.Unix(leg.Began, 0)) >= LegLife {
		return Leg{}, ErrUnknown
	}
	return leg, nil
}

// stateLength is that of secret.NewToken. It is checked so that nobody makes us hash what cannot be one.
const stateLength = 43

func legKey(domain, state string) string {
	return "leg:" + secret.HashToken(owner(domain, "")+secret.HashToken(state))
}
