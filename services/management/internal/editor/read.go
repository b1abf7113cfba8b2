package editor

import (
	"context"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Read returns a resource. Callers get what is stored, secrets included; the management dialect masks them.
func Read[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, id string) (R, error) {
	d, err := e.parent(ctx, k, at)
	if err != nil {
		var none R
		return none, err
	}
	return read(ctx, e, k, at, d, id)
}

func read[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, parent *configv1.Domain, id string) (R, error) {
	var none R
	r, err := store.Get(ctx, e.store, k, id)
	if errors.Is(err, store.ErrNotFound) {
		return none, k.NotFound(id)
	}
	if err != nil {
		return none, err
	}
	if parent != nil && r.GetDomain() != parent.GetId() {
		if k.Arm == catalog.Applications.Arm {
			return none, fault.Invalidf("Application does not belong to domain")
		}
		return none, k.NotFound(id)
	}
	if a, ok := any(r).(*configv1.Application); ok && catalog.IsProvider(a) != at.provider {
		return none, k.NotFound(id)
	}
	if !atLevel(at, r) {
		return none, k.NotFound(id)
	}
	if d, ok := any(r).(*configv1.Domain); ok {
		if !at.has(d) {
			return none, k.NotFound(id)
		}
	}
	return r, nil
}

// ReadAll returns the resources of a place that a query selects, and how many there are on all pages. The place is added
// to the query. What this process has written is among them; what another replica writes appears within PollEvery of the
// store. The resources are shared and must not be changed. While the image is not loaded, the answer is
// fault.Unavailable.
func ReadAll[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, q image.Query) ([]R, int64, error) {
	if k.Parent != nil {
		q.Domain = at.Domain
	} else if at.Organization != "" || at.Environment != "" {
		q.And(func(r resource.Resource) bool {
			d, ok := r.(*configv1.Domain)
			return !ok || at.has(d)
		})
	}
	if e.opts.Image == nil {
		if _, err := e.parent(ctx, k, at); err != nil {
			return nil, 0, err
		}
		all, _, err := store.List(ctx, e.store, k, store.Query{Domain: q.Domain})
		q.Providers = at.provider
		found, total := image.Select(k, all, q)
		return found, int64(total), err
	}
	v, loaded := e.opts.Image.View()
	if !loaded {
		return nil, 0, fault.Unavailablef("The service is starting. Try again later")
	}
	if d, known := v.Get(catalog.Domains, "", at.Domain); k.Parent != nil && !(known && at.has(d.(*configv1.Domain))) {
		// Another replica may have made the domain a moment ago.
		if _, err := e.parent(ctx, k, at); err != nil {
			return nil, 0, err
		}
	}
	q.Providers = at.provider
	found, total := image.List(v, k, q)
	return found, int64(total), nil
}

// has reports whether a domain lies in the organization and environment of a place.
func (p Place) has(d *configv1.Domain) bool {
	return (p.Organization == "" || p.Organization == d.GetOrganization()) &&
		(p.Environment == "" || p.Environment == d.GetEnvironment())
}

// ReadDomainByHRID returns the domain with a human-readable identifier.
func (e *Editor) ReadDomainByHRID(ctx context.Context, at Place, hrid string) (*configv1.Domain, error) {
	d, err := store.FindByUnique(ctx, e.store, catalog.Domains, "hrid", catalog.EnvironmentKey(at.Organization, at.Environment, hrid))
	if errors.Is(err, store.ErrNotFound) {
		return nil, catalog.Domains.NotFound(hrid)
	}
	return d, err
}

// FindClient returns the application with a client identifier.
func (e *Editor) FindClient(ctx context.Context, domain, clientID string) (*configv1.Application, error) {
	a, err := store.FindByUnique(ctx, e.store, catalog.Applications, "clientId", catalog.DomainKey(domain, clientID))
	if errors.Is(err, store.ErrNotFound) || err == nil && catalog.IsProvider(a) {
		return nil, catalog.Applications.NotFound(clientID)
	}
	return a, err
}

// FindClientSince is FindClient with an answer that need not be newer than a revision, and comes from the image where that has got
// so far; 0 is as new as there is. The application is shared and must not be changed.
func (e *Editor) FindClientSince(ctx context.Context, domain, clientID string, revision int64) (*configv1.Application, error) {
	if e.opts.Image == nil {
		return e.FindClient(ctx, domain, clientID)
	}
	v, _ := e.opts.Image.View()
	a, ok := v.Client(domain, clientID)
	if !ok {
		return e.FindClient(ctx, domain, clientID) // another replica may have made it a moment ago
	}
	if revision > 0 && v.Revision >= revision {
		return a, nil
	}
	// By its own identifier, by which every database finds it at once. Where it is gone or called otherwise by now, another one may
	// have its name.
	found, err := store.Get(ctx, e.store, catalog.Applications, a.GetId())
	if errors.Is(err, store.ErrNotFound) || err == nil && (found.GetDomain() != domain || catalog.ClientID(found) != clientID) {
		return e.FindClient(ctx, domain, clientID)
	}
	return found, err
}

// FindApplication returns the application with an identifier or, failing that, with a client identifier.
func (e *Editor) FindApplication(ctx context.Context, at Place, id string) (*configv1.Application, error) {
	d, err := e.domain(ctx, at, at.Domain)
	if err != nil {
		return nil, err
	}
	a, err := read(ctx, e, catalog.Applications, at, d, id)
	if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
		return a, err
	}
	if a, found := e.FindClient(ctx, d.GetId(), id); found == nil || !fault.Is(found, fault.NotFound) {
		return a, found
	}
	return nil, err
}
