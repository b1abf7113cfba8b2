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
	LegKey     = legKey
)

// Left returns how long Redis keeps a key; negative if there is none, or none that ends.
func (s *Store) Left(ctx context.Context, key string) (time.Duration, error) {
	return s.client.PTTL(ctx, key).Result()
}

// NewUserCode is newUserCode.
func NewUserCode() string { return newUserCode() }
