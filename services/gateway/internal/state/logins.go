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

// LoginLife is how long a login under way is kept after each step: as long as a page may wait for its reader.
const LoginLife = 15 * time.Minute

// Login is what is known of a login under way: one authorization request in one browser.
type Login struct {
	// Attributes are what flows have set, a JSON object; empty if nothing.
	Attributes json.RawMessage `json:"attributes,omitempty"`
	// Passed are the points whose first half was passed, each with the state of the flows that ran there.
	Passed map[string]string `json:"passed,omitempty"`
}

// LoginKey names a login. Who is the browser before somebody signs in, by Visit.Key, and the session afterwards; digest names the
// request.
func LoginKey(domain, who, digest string) string {
	return "login:" + secret.HashToken(domain+"/"+secret.HashToken(who)+digest)
}

// Login returns a login under way and lets it live for LoginLife from now on. One of which nothing is kept is empty.
func (s *Store) Login(ctx context.Context, key string) (Login, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	record, err := s.client.GetEx(ctx, key, LoginLife).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return Login{}, nil
	case err != nil:
		return Login{}, s.unavailable(err)
	}
	var v Login
	if err := json.Unmarshal([]byte(record), &v); err != nil {
		return Login{}, fmt.Errorf("decode login: %w", err)
	}
	return v, nil
}

// KeepLogin keeps a login under way.
func (s *Store) KeepLogin(ctx context.Context, key string, v Login) error {
	record, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode login: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.unavailable(s.client.Set(ctx, key, record, LoginLife).Err())
}

// ForgetLogin forgets a login that is over, so that the same request begins anew.
func (s *Store) ForgetLogin(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.unavailable(s.client.Del(ctx, key).Err())
}
