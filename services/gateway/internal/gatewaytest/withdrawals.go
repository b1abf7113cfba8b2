package gatewaytest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// ListConsents returns what was saved for a user.
func (d *Directory) ListConsents(_ context.Context, domain, user string) ([]*directoryv1.ListConsentsResponse_Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.away != nil {
		return nil, d.away
	}
	var list []*directoryv1.ListConsentsResponse_Client
	for _, key := range slices.Sorted(maps.Keys(d.consents)) {
		if client, ok := strings.CutPrefix(key, domain+"/"+user+"/"); ok {
			one := &directoryv1.ListConsentsResponse_Client{ClientId: client}
			for _, c := range d.consents[key] {
				one.Consents = append(one.Consents, proto.CloneOf(c))
			}
			list = append(list, one)
		}
	}
	return list, nil
}

// WithdrawConsent forgets what a user decided for a client. What the client was given before is worth nothing from now on.
func (d *Directory) WithdrawConsent(_ context.Context, domain, user, clientID string) error {
	return d.Withdraw(domain, user, clientID, d.now())
}

// Withdraw is WithdrawConsent at a moment.
func (d *Directory) Withdraw(domain, user, clientID string, at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.away != nil {
		return d.away
	}
	delete(d.consents, domain+"/"+user+"/"+clientID)
	for _, u := range d.users {
		if u.GetDomain() == domain && u.GetId() == user {
			if u.Withdrawals == nil {
				u.Withdrawals = map[string]*timestamppb.Timestamp{}
			}
			u.Withdrawals[clientID] = timestamppb.New(at)
		}
	}
	return nil
}
