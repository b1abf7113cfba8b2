package editor

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Resources of some kinds belong to a domain or to one of its applications. Where Place names an application, they are
// the application's; those of the domain and of other applications do not exist there.

// atLevel refuses what does not belong to the level of a place, and a place whose application does not exist.
func atLevel(at Place, r resource.Resource) bool {
	l, ok := r.(catalog.Leveled)
	return !ok || l.GetApplication() == at.Application
}

// level checks that the application of a place exists in its domain.
func (e *Editor) level(ctx context.Context, k catalog.Any, at Place, d *configv1.Domain) error {
	if at.Application == "" || d == nil || !catalog.IsLeveled(k) {
		return nil
	}
	_, err := read(ctx, e, catalog.Applications, at, d, at.Application)
	return err
}

// ReadLevel returns all resources of a kind at the level of a place, in the order of the kind.
func ReadLevel[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place) ([]R, error) {
	if _, err := e.parent(ctx, k, at); err != nil {
		return nil, err
	}
	return readLevel(ctx, e, k, at)
}

func readLevel[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place) ([]R, error) {
	all, _, err := store.List(ctx, e.store, k, levelQuery(at.Domain, at.Application))
	return all, err
}

func levelQuery(domain, application string) store.Query {
	return store.Query{Where: map[string][]any{"level": {catalog.LevelOf(domain, application)}}}
}

// FindTemplate returns the form or e-mail of a template at the level of a place, and whether there is one.
func FindTemplate[R resource.Resource](ctx context.Context, e *Editor, k *catalog.Kind[R], at Place, template string) (R, bool, error) {
	var none R
	if _, err := e.parent(ctx, k, at); err != nil {
		return none, false, err
	}
	r, err := store.FindByUnique(ctx, e.store, k, catalog.UniqueTemplate, catalog.TemplateKey(at.Domain, at.Application, template))
	if errors.Is(err, store.ErrNotFound) {
		return none, false, nil
	}
	return r, err == nil, err
}

// stillThere takes a resource back that was made for an application which was deleted meanwhile. Who deletes an
// application looks for what belongs to it afterwards, so that one of the two finds it.
func (e *Editor) stillThere(ctx context.Context, at Place, made ...resource.Resource) error {
	if at.Application == "" {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	_, err := store.Get(ctx, e.store, catalog.Applications, at.Application)
	if !errors.Is(err, store.ErrNotFound) {
		return nil // it is there, or it is not known: the sweep will see
	}
	var ops []store.Op
	for _, r := range made {
		if r != nil {
			ops = append(ops, store.Op{Old: r})
		}
	}
	if len(ops) > 0 {
		_, err := e.write(ctx, &configv1.Application{Id: at.Application, Domain: at.Domain}, Deleted, ops)
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrStale) && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return catalog.Applications.NotFound(at.Application)
}

// OwnedBy returns the resources of a kind that belong to an application.
func (e *Editor) OwnedBy(ctx context.Context, k catalog.Any, a *configv1.Application) ([]resource.Resource, error) {
	all, _, err := e.store.ListAny(ctx, k, levelQuery(a.GetDomain(), a.GetId()))
	return all, err
}

// levelOps delete what belongs to a resource that is being deleted, in the same change.
func (e *Editor) levelOps(ctx context.Context, gone resource.Resource) ([]store.Op, error) {
	if _, ok := gone.(*configv1.Application); !ok {
		return nil, nil
	}
	var ops []store.Op
	for _, k := range catalog.LeveledKinds {
		all, _, err := e.store.ListAny(ctx, k, levelQuery(gone.GetDomain(), gone.GetId()))
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			ops = append(ops, store.Op{Old: r})
		}
	}
	return ops, nil
}

// removeLevel removes what was made for an application while it was being deleted. Who made it may be taking it back, so
// a change of several can fail; then they go one by one.
func (e *Editor) removeLevel(ctx context.Context, gone *configv1.Application) error {
	var failed []error
	for _, k := range catalog.LeveledKinds {
		size := store.RemovalSize
		for attempt := 0; ; attempt++ {
			all, _, err := e.store.ListAny(ctx, k, levelQuery(gone.GetDomain(), gone.GetId()))
			if err == nil && len(all) == 0 {
				break
			}
			if err == nil {
				err = e.removeAll(ctx, gone, all, size)
			}
			if err != nil && (attempt == maxAttempts || !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrStale)) {
				failed = append(failed, err)
				break
			}
			size = 1
		}
	}
	return errors.Join(failed...)
}

// removeAll deletes resources for a cause, in changes of a size. It goes on where one of them fails, and returns all failures.
func (e *Editor) removeAll(ctx context.Context, cause resource.Resource, all []resource.Resource, size int) error {
	var failed []error
	for part := range slices.Chunk(all, size) {
		ops := make([]store.Op, len(part))
		for i, r := range part {
			ops[i] = store.Op{Old: r}
		}
		if _, err := e.write(ctx, cause, Deleted, ops); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// Belongings returns what gateways need to know of an application beside itself: its forms and flows, and the keys of the algorithms that
// it has chosen, because the first application that chooses one makes the key. There being no such application is fault.NotFound: of one
// that is deleted meanwhile, what belonged to it may be gone already.
func (e *Editor) Belongings(ctx context.Context, domain, application string) ([]resource.Resource, error) {
	if application == domain {
		return nil, catalog.Applications.NotFound(application) // forms and flows of a domain are its own
	}
	var all []resource.Resource
	for _, k := range []catalog.Any{catalog.Forms, catalog.Flows} {
		found, _, err := e.store.ListAny(ctx, k, levelQuery(domain, application))
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if resource.KeyOf(r).Domain == domain {
				all = append(all, r)
			}
		}
	}
	keys, err := e.keysOf(ctx, domain, application)
	return append(all, keys...), err
}

// keysOf returns the domain's certificates that sign by the algorithms of an application, which must be there.
func (e *Editor) keysOf(ctx context.Context, domain, application string) ([]resource.Resource, error) {
	a, err := store.Get(ctx, e.store, catalog.Applications, application)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && a.GetDomain() != domain:
		return nil, catalog.Applications.NotFound(application)
	case err != nil:
		return nil, err
	case len(clientmeta.DomainKeys(a.GetSettings().GetOauth())) == 0:
		return nil, nil
	}
	certificates, _, err := store.List(ctx, e.store, catalog.Certificates, store.Query{Domain: domain})
	if err != nil {
		return nil, err
	}
	return signing(a, slices.Values(certificates)), nil
}

// signing returns those of some certificates that sign by the algorithms of an application.
func signing(a *configv1.Application, certificates iter.Seq[*configv1.Certificate]) (all []resource.Resource) {
	chosen := clientmeta.DomainKeys(a.GetSettings().GetOauth())
	for c := range certificates {
		if catalog.Signs(c) && slices.Contains(chosen, c.GetAlgorithm()) {
			all = append(all, c)
		}
	}
	return all
}

// FindClientWith is FindClientSince together with the Belongings of the application, which are of the same moment, or a later one.
// Nothing of it must be changed.
func (e *Editor) FindClientWith(ctx context.Context, domain, clientID string, revision int64) (*configv1.Application, []resource.Resource, error) {
	if e.opts.Image != nil && revision > 0 {
		v, _ := e.opts.Image.View()
		if a, ok := v.Client(domain, clientID); ok && v.Revision >= revision {
			return a, belongingsIn(v, a), nil
		}
	}
	a, err := e.FindClientSince(ctx, domain, clientID, 0)
	if err != nil {
		return nil, nil, err
	}
	own, err := e.Belongings(ctx, domain, a.GetId())
	return a, own, err
}

// belongingsIn is Belongings of one moment.
func belongingsIn(v image.View, a *configv1.Application) []resource.Resource {
	var all []resource.Resource
	for _, k := range []catalog.Any{catalog.Forms, catalog.Flows} {
		all = slices.AppendSeq(all, v.OfApplication(k, a.GetDomain(), a.GetId()))
	}
	if len(clientmeta.DomainKeys(a.GetSettings().GetOauth())) == 0 {
		return all
	}
	return append(all, signing(a, func(yield func(*configv1.Certificate) bool) {
		for r := range v.OfDomain(catalog.Certificates, a.GetDomain()) {
			if c, ok := r.(*configv1.Certificate); ok && !yield(c) {
				return
			}
		}
	})...)
}
