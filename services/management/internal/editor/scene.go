package editor

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// sceneAge is how long the image may have made no progress to be good enough for a scene.
const sceneAge = time.Second

// onScene runs a decision about a change with what it needs to know. For a domain, d is its stored state; for other kinds
// it is the parent.
//
// The scene comes from the image, which holds everything this process has written, and what other replicas wrote up to a
// moment ago. A refusal that rests on such a moment would be wrong, so before one is given the scene is read from the
// database, and if they differ the decision is made again. Exact asks for the database from the beginning: that is what a
// change wants that has lost a race.
func (e *Editor) onScene(ctx context.Context, at Place, d *configv1.Domain, needs catalog.Needs, exact bool,
	decide func(*catalog.Scene) error,
) error {
	quick := source{store: e.store}
	if e.opts.Image != nil && !exact && e.opts.Image.Current(sceneAge) {
		if v, loaded := e.opts.Image.View(); loaded {
			quick.view = &v
		}
	}
	s, err := e.scene(ctx, at, d, needs, &quick)
	if err != nil {
		return err
	}
	s.Contested = exact
	err = decide(s)
	if quick.view == nil || !refusal(err) {
		return err
	}
	slow := source{store: e.store}
	s, failed := e.scene(ctx, at, d, needs, &slow)
	if failed != nil {
		return failed
	}
	if slices.Equal(quick.seen, slow.seen) {
		return err
	}
	return decide(s)
}

func refusal(err error) bool {
	return fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict)
}

// scene reads what a kind needs to know.
func (e *Editor) scene(ctx context.Context, at Place, d *configv1.Domain, needs catalog.Needs, from *source) (*catalog.Scene, error) {
	caller, asked := operator.From(ctx)
	s := &catalog.Scene{
		Now:           e.opts.Now(),
		Hasher:        e.opts.Hasher,
		Organization:  at.Organization,
		Environment:   at.Environment,
		Domain:        d,
		MaxSecrets:    e.opts.MaxSecrets,
		MayAdminister: !asked || caller.ChangesDomain,
		MayBind:       !asked || caller.Allows("binding:update"),
	}
	if d == nil {
		return s, nil
	}
	var err error
	if needs&catalog.NeedsScopes != 0 {
		if s.Scopes, err = allOf(ctx, from, catalog.Scopes, d); err != nil {
			return nil, err
		}
	}
	if needs&catalog.NeedsProviders != 0 {
		if s.Providers, err = allOf(ctx, from, catalog.IdentityProviders, d); err != nil {
			return nil, err
		}
	}
	if needs&catalog.NeedsCertificates != 0 {
		if s.Certificates, err = allOf(ctx, from, catalog.Certificates, d); err != nil {
			return nil, err
		}
	}
	if needs&catalog.NeedsRoles != 0 {
		if s.Roles, err = allOf(ctx, from, catalog.Roles, d); err != nil {
			return nil, err
		}
	}
	if needs&catalog.NeedsGroups != 0 {
		if s.Groups, err = allOf(ctx, from, catalog.Groups, d); err != nil {
			return nil, err
		}
	}
	if needs&catalog.NeedsApplications != 0 {
		if s.Applications, err = allOf(ctx, from, catalog.Applications, d); err != nil {
			return nil, err
		}
	}
	if needs&catalog.NeedsPolicies != 0 {
		if s.Policies, err = allOf(ctx, from, catalog.Policies, d); err != nil {
			return nil, err
		}
	}
	if needs&catalog.NeedsMappings != 0 {
		if s.Mappings, err = allOf(ctx, from, catalog.ClaimMappings, d); err != nil {
			return nil, err
		}
	}
	if needs&catalog.NeedsHeadings != 0 {
		if s.Headings, err = allOf(ctx, from, catalog.ApplicationGroups, d); err != nil {
			return nil, err
		}
	}
	s.SlugTaken = func(slug, application string) (bool, error) { return e.slugTaken(ctx, d.GetId(), slug, application) }
	return s, nil
}

// source is where a scene comes from: a view of the image, or without one the database.
type source struct {
	store *store.Store
	view  *image.View
	seen  []seen
}

// seen is a resource of a scene as it was.
type seen struct {
	key      resource.Key
	revision int64
}

// allOf returns the resources of a kind in a domain. They must not be changed.
func allOf[R resource.Resource](ctx context.Context, from *source, k *catalog.Kind[R], d *configv1.Domain) ([]R, error) {
	var all []R
	var err error
	if from.view != nil {
		all, _ = image.List(*from.view, k, image.Query{Domain: d.GetId()})
	} else {
		all, _, err = store.List(ctx, from.store, k, store.Query{Domain: d.GetId()})
	}
	for _, r := range all {
		from.seen = append(from.seen, seen{resource.KeyOf(r), r.GetRevision()})
	}
	return all, err
}
