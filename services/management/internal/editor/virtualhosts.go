package editor

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Virtual hosts are several values of one domain, each unique in the installation. They change rarely, so the changes are
// made one after the other, under a lease: indexes over lists are not unique on every database.
const (
	virtualHostsLease = "virtual-hosts"
	virtualHostsTTL   = 20 * time.Second // longer than a change takes with all its timeouts
	virtualHostsPause = 50 * time.Millisecond
	virtualHostsWait  = 15 * time.Second
)

// claimVirtualHosts makes sure that no other domain has the virtual hosts that a change gives to one, until it is
// released.
func (e *Editor) claimVirtualHosts(ctx context.Context, old, fresh resource.Resource) (release func(), err error) {
	nothing := func() {}
	d, ok := fresh.(*configv1.Domain)
	if !ok {
		return nothing, nil
	}
	places := catalog.VirtualHosts(d)
	if len(places) == 0 || slices.Equal(places, catalog.VirtualHosts(old.(*configv1.Domain))) {
		return nothing, nil
	}
	lease, err := e.hold(ctx, virtualHostsLease)
	if err != nil {
		return nothing, err
	}
	release = func() {
		if err := e.store.Leases().Release(context.WithoutCancel(ctx), lease); err != nil {
			e.opts.Logger.WarnContext(ctx, "lease not given back", "lease", lease.Name, "err", err)
		}
	}
	others, _, err := store.List(ctx, e.store, catalog.Domains, store.Query{Where: map[string][]any{"vhostMode": {true}}})
	if err == nil {
		err = virtualHostTaken(d, places, others)
	}
	if err != nil {
		release()
		return nothing, err
	}
	return release, nil
}

// virtualHostTaken refuses a place that another domain has.
func virtualHostTaken(d *configv1.Domain, places []string, others []*configv1.Domain) error {
	for _, other := range others {
		if other.GetId() == d.GetId() {
			continue
		}
		for _, place := range catalog.VirtualHosts(other) {
			if slices.Contains(places, place) {
				return catalog.VirtualHostTaken(d, place)
			}
		}
	}
	return nil
}

// hold waits for a lease. Every caller is a holder of its own.
func (e *Editor) hold(ctx context.Context, name string) (store.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, virtualHostsWait)
	defer cancel()
	holder := secret.NewID()
	for {
		lease, held, err := e.store.Leases().Acquire(ctx, name, holder, virtualHostsTTL)
		if err != nil || held {
			return lease, err
		}
		select {
		case <-ctx.Done():
			return store.Lease{}, fault.Unavailablef("Others are changing virtual hosts. Try again later")
		case <-time.After(virtualHostsPause):
		}
	}
}
