package directory

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// locked reports whether an account is locked now.
func locked(u *directoryv1.User, now time.Time) bool {
	if u.GetAccountLockedAt() == nil {
		return false
	}
	return u.GetAccountLockedUntil() == nil || now.Before(u.GetAccountLockedUntil().AsTime())
}

// shown returns people as administrators see them: with what is not stored with them.
func (s *Service) shown(ctx context.Context, users ...*directoryv1.User) ([]*directoryv1.User, error) {
	if len(users) == 0 {
		return nil, nil
	}
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.GetId()
	}
	groups, err := s.store.Memberships().OfUsers(ctx, users[0].GetDomain(), ids)
	if err != nil {
		return nil, err
	}
	links, err := s.store.Links().OfUsers(ctx, users[0].GetDomain(), ids)
	if err != nil {
		return nil, err
	}
	shown := make([]*directoryv1.User, len(users))
	for i, u := range users {
		one := proto.CloneOf(u)
		one.Groups, one.Identities = groups[u.GetId()], nil
		for _, l := range links[u.GetId()] {
			one.Identities = append(one.Identities, identityOfLink(l))
		}
		one.AccountNonLocked = !locked(u, s.now())
		shown[i] = one
	}
	return shown, nil
}
