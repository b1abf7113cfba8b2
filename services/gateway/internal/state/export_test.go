package state

import (
	"context"
	"time"
)

// Keys of the store, for tests of how long things are kept.
var (
	CodeKey    = codeKey
	RequestKey = requestKey
	SessionKey = sessionKey
	GrantKey   = grantKey
	ClientsKey = clientsKey
)

// Left returns how long Redis keeps a key; negative if there is none, or none that ends.
func (s *Store) Left(ctx context.Context, key string) (time.Duration, error) {
	return s.client.PTTL(ctx, key).Result()
}

// NewUserCode is newUserCode.
func NewUserCode() string { return newUserCode() }

// NoticesOf returns how many notices of a domain wait.
func (s *Store) NoticesOf(ctx context.Context, domain string) int64 {
	return s.client.ZCard(ctx, queuePrefix+domain).Val()
}
