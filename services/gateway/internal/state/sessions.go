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

// Session is one signed-in browser in one domain.
type Session struct {
	// ID names the session; the cookie holds a different, secret value. It stays while the same person signs in again.
	ID     string `json:"sid"`
	Domain string `json:"domain"`
	Person Person `json:"person"`
	// Provider is the identity provider that authenticated the person.
	Provider string   `json:"provider"`
	AMR      []string `json:"amr,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	// AuthTime is when the person signed in, Ends when the session ends at the latest; seconds since the epoch.
	AuthTime int64 `json:"auth_time"`
	Ends     int64 `json:"ends"`
	// Began is when somebody first signed in to the session of this name; seconds since the epoch.
	Began int64 `json:"began,omitempty"`
	// Remembered is for how many seconds the browser keeps the session, even when it is closed; 0 = until it is closed. Such a
	// session is never too long idle.
	Remembered int64 `json:"remembered,omitempty"`
	// Came is when the person came back from another site where they had signed in before, at AuthTime; 0 = at AuthTime.
	Came int64 `json:"came,omitempty"`
	// Answered is the authorization request that the last sign-in answered (its digest), so that prompt=login and
	// max_age=0 ask once per request and not for ever. Consented is the same for prompt=consent.
	Answered  string `json:"answered,omitempty"`
	Consented string `json:"consented,omitempty"`
	// Stepping is the authorization request (its digest) for which the person is being asked to sign in once more, because their
	// sign-in was too weak or too old for the application; Stepped is the one for which they have done so.
	Stepping string `json:"stepping,omitempty"`
	Stepped  string `json:"stepped,omitempty"`
	// Client is the last client that this session signed in to. The others are kept beside the session (NoteClient).
	Client string `json:"client,omitempty"`
}

// SignedIn is when the browser was signed in here, in seconds since the epoch.
func (v *Session) SignedIn() int64 { return max(v.AuthTime, v.Came) }

// SaveSession stores a session under the cookie's value in the session's domain for the idle time, but never beyond its end. A session that has
// ended is removed.
func (s *Store) SaveSession(ctx context.Context, cookie string, v Session, idle time.Duration) error {
	_, err := s.setSession(ctx, cookie, v, idle, "")
	return err
}

// UpdateSession is SaveSession for a session that was read before. It returns ErrUnknown, and stores nothing, if the
// session has ended meanwhile: a request that was under way when the person signed out must not sign them in again.
func (s *Store) UpdateSession(ctx context.Context, cookie string, v Session, idle time.Duration) error {
	there, err := s.setSession(ctx, cookie, v, idle, "XX")
	if err == nil && !there {
		return ErrUnknown
	}
	return err
}

func (s *Store) setSession(ctx context.Context, cookie string, v Session, idle time.Duration, mode string) (bool, error) {
	record, err := json.Marshal(v)
	if err != nil {
		return false, fmt.Errorf("encode session: %w", err)
	}
	left := time.Unix(v.Ends, 0).Sub(s.now())
	if left <= 0 {
		return false, s.EndSession(ctx, cookie, v.Domain)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		key := sessionKey(cookie, v.Domain)
		p.SetArgs(ctx, key, record, redis.SetArgs{Mode: mode, TTL: min(idle, left)})
		if mode == "" {
			p.PExpire(ctx, clientsKey(key), left)
		}
		return nil
	})
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return true, s.unavailable(err)
}

// Session returns the session behind a cookie's value in a domain and restarts its idle time. It returns ErrUnknown if
// there is none in this domain or if it has ended. Sessions of other domains are not touched.
func (s *Store) Session(ctx context.Context, cookie, domain string, idle time.Duration) (Session, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	record, err := s.client.GetEx(ctx, sessionKey(cookie, domain), idle).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return Session{}, ErrUnknown
	case err != nil:
		return Session{}, s.unavailable(err)
	}
	var v Session
	if err := json.Unmarshal([]byte(record), &v); err != nil {
		return Session{}, fmt.Errorf("decode session: %w", err)
	}
	if v.Domain != domain || s.now().Unix() >= v.Ends {
		return Session{}, ErrUnknown
	}
	return v, nil
}

// EndSession forgets a session of a domain. What was made in it stays; CloseSession ends that as well.
func (s *Store) EndSession(ctx context.Context, cookie, domain string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.unavailable(s.client.Del(ctx, sessionKey(cookie, domain)).Err())
}

// sessionKey names a session in its domain, so that a cookie does nothing to the session of another domain: the browser
// sends the cookie of /a to the domain /a/b as well. The identifiers of domains have no slash.
func sessionKey(cookie, domain string) string {
	return "session:" + secret.HashToken(domain+"/"+cookie)
}
