package editor

import (
	"context"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
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
	if d, ok := any(r).(*configv1.Domain); ok {
		if at.Organization != "" && at.Organization != d.GetOrganization() ||
			at.Environment != "" && at.Environment != d.GetEnvironment() {
			return none, k.NotFound(id)
		}
	}
	return r, nil
}

// ReadAll returns the resources of a place that a query selects, and how many there are on all pages. The place is added
// to the query.
func ReadAll[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, q store.Query) ([]R, int64, error) {
	d, err := e.parent(ctx, k, at)
	if err != nil {
		return nil, 0, err
	}
	where := map[string][]any{}
	for name, values := range q.Where {
		where[name] = values
	}
	q.Where = where
	if d != nil {
		q.Domain = d.GetId()
	} else {
		if at.Organization != "" {
			where["organization"] = []any{at.Organization}
		}
		if at.Environment != "" {
			where["environment"] = []any{at.Environment}
		}
	}
	return store.List(ctx, e.store, k, q)
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
	if errors.Is(err, store.ErrNotFound) {
		return nil, catalog.Applications.NotFound(clientID)
	}
	return a, err
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
