package editor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Imported is what is recorded where a resource comes out of an archive.
const Imported Action = "import"

// restoredAtOnce is how many resources of a domain that is not there yet are written as one change.
const restoredAtOnce = 100

// Restoration is the configuration of a domain as it comes out of an archive. The zero value is empty. It keeps applications
// encoded, so that it takes no more memory than the image has for the same domain.
type Restoration struct {
	domain *configv1.Domain
	kept   []restored
	// ids are those of its resources by kind.
	ids map[string]map[string]bool
}

// restored is one resource but the domain.
type restored struct {
	kind    string
	r       resource.Resource // nil where it is kept encoded
	encoded []byte
}

func (o *restored) get() (resource.Resource, error) {
	if o.r != nil {
		return o.r, nil
	}
	r := resource.New(o.kind)
	return r, proto.Unmarshal(o.encoded, r)
}

// keep takes a resource that was completed.
func (o *restored) keep(r resource.Resource) error {
	o.r = r
	if _, app := r.(*configv1.Application); !app {
		return nil
	}
	var err error
	o.r = nil
	o.encoded, err = proto.Marshal(r)
	return err
}

// Domain returns the domain; nil before it was added.
func (r *Restoration) Domain() *configv1.Domain { return r.domain }

// Has reports whether a resource of a kind was added.
func (r *Restoration) Has(kind, id string) bool { return r.ids[kind][id] }

// Len is how many resources were added.
func (r *Restoration) Len() int {
	if r.domain == nil {
		return 0
	}
	return 1 + len(r.kept)
}

// Add takes a resource, the domain first. What belongs elsewhere, and what is there already, is refused.
func (r *Restoration) Add(one resource.Resource) error {
	key := resource.KeyOf(one)
	if r.ids == nil {
		r.ids = map[string]map[string]bool{}
	}
	d, isDomain := one.(*configv1.Domain)
	switch {
	case key.ID == "":
		return fault.Invalidf("A resource without an identifier").At("id", "must not be empty")
	case !plausible(key.Kind, key.ID):
		return fault.Invalidf("[%s] is no identifier of a %s", key.ID, key.Kind).At("id", "must be a UUID in lower case, or for an identity provider one that can be chosen")
	case isDomain && r.domain != nil || r.ids[key.Kind][key.ID]:
		return fault.Invalidf("%s is there twice", key).At("id", "is there twice")
	case isDomain && key.Domain != key.ID, !isDomain && (r.domain == nil || key.Domain != r.domain.GetId()):
		return fault.Invalidf("%s belongs to another domain", key).At("domain", "is another one")
	}
	if r.ids[key.Kind] == nil {
		r.ids[key.Kind] = map[string]bool{}
	}
	r.ids[key.Kind][key.ID] = true
	if isDomain {
		r.domain = d
		return nil
	}
	kept := restored{kind: key.Kind}
	if err := kept.keep(one); err != nil {
		return err
	}
	r.kept = append(r.kept, kept)
	return nil
}

// plausible reports whether a resource of a kind may have an identifier: it is part of addresses, and of keys of the database.
func plausible(kind, id string) bool {
	return secret.IsID(id) || kind == catalog.IdentityProviders.Arm && catalog.IdentityProviders.ChoosesID && mayChoose(id)
}

// each hands on every resource, the domain first, and keeps what becomes of it.
func (r *Restoration) each(do func(resource.Resource) error) error {
	if err := do(r.domain); err != nil {
		return err
	}
	for i := range r.kept {
		one, err := r.kept[i].get()
		if err != nil {
			return err
		}
		if err := do(one); err != nil {
			return err
		}
		if err := r.kept[i].keep(one); err != nil {
			return err
		}
	}
	return nil
}

// Each hands on every resource, the domain first.
func (r *Restoration) Each(do func(resource.Resource) error) error { return r.each(do) }

// Problem is what is wrong with a resource of a restoration.
type Problem struct {
	Key resource.Key
	// Name is what people call it.
	Name string
	Err  error
	// Dangling says that it names something that is not there, Rule that an application breaks a rule that is no reason to leave
	// it as it is where it was. Nothing else is wrong then.
	Dangling, Rule bool
	// Here says that the domain is here already.
	Here bool
}

// CheckRestoration completes the resources of a restoration, as a write that changes nothing of them would, and tells say what is
// wrong with them: broken rules, names that lead nowhere, values that two of them have or that others have already. Rekey says that
// keys that the archive lacks are made. Alive is called between the resources, and its error ends it.
func (e *Editor) CheckRestoration(ctx context.Context, at Place, r *Restoration, rekey bool, alive func() error, say func(Problem) error) error {
	d := r.domain
	if d == nil {
		return fault.Invalidf("The archive has no domain")
	}
	if d.GetOrganization() != at.Organization || at.Environment != "" && d.GetEnvironment() != at.Environment {
		return fault.Invalidf("Domain [%s] belongs to organization [%s] and environment [%s]", d.GetName(), d.GetOrganization(), d.GetEnvironment()).
			At("environment", "is another one")
	}
	scene, err := e.restoredScene(ctx, at, r)
	if err != nil {
		return err
	}
	s := restoredScene{scene}
	taken := map[string]string{}
	return r.each(func(one resource.Resource) error {
		key := resource.KeyOf(one)
		k, ok := catalog.ByArm(key.Kind)
		if !ok {
			return fmt.Errorf("no kind %q", key.Kind)
		}
		if err := alive(); err != nil {
			return err
		}
		p := Problem{Key: key, Name: k.NameOf(one)}
		refused := func(err error) error {
			if fault.KindOf(err) == fault.Internal || fault.KindOf(err) == fault.Unavailable {
				return fmt.Errorf("%s: %w", key, err)
			}
			p.Err = err
			return say(p)
		}
		if rekey {
			if err := catalog.Rekeyed(s.Scene, one); err != nil {
				return refused(err)
			}
		}
		if err := k.Restored(ctx, s.Scene, one); err != nil {
			return refused(err)
		}
		for _, u := range k.UniqueValues(one) {
			at := key.Kind + "\x00" + u.Name + "\x00" + u.Value
			if other := taken[at]; other != "" {
				return refused(fault.Conflictf("The %s of %s is that of %s too", u.Name, key, other).At(u.Name, "is there twice"))
			}
			taken[at] = key.ID
		}
		if a, ok := one.(*configv1.Application); ok {
			if err := k.Restored(ctx, s.asked(a), proto.CloneOf(a)); err != nil {
				p.Rule = true
				if err := refused(err); err != nil {
					return err
				}
				p.Rule = false
			}
		}
		var f catalog.Faults
		for _, n := range catalog.NamedBy(one) {
			if !r.Has(n.Kind, n.ID) {
				f.Refuse(n.Path, fmt.Sprintf("names the %s [%s], which is not there", n.Kind, n.ID))
			}
		}
		if err := f.Err(); err != nil {
			p.Dangling = true
			return refused(err)
		}
		return nil
	})
}

// RestorationTaken refuses a restoration of which others have something already: the domain itself, its name, path or virtual
// hosts, or the identifier of one of its resources.
func (e *Editor) RestorationTaken(ctx context.Context, r *Restoration, say func(Problem) error) error {
	d := r.domain
	p := Problem{Key: resource.KeyOf(d), Name: d.GetName()}
	_, err := store.Get(ctx, e.store, catalog.Domains, d.GetId())
	switch {
	case err == nil:
		p.Err = fault.Conflictf("Domain [%s] is here already. Import it as a copy, or delete it first", d.GetId()).At("id", "is here already")
		p.Here = true
		return say(p)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	unique, err := e.store.TakenUnique(ctx, catalog.Domains, d)
	if err != nil {
		return err
	}
	if unique != "" {
		p.Err = fault.Conflictf("Another domain has the %s of [%s]. Import it as a copy with another name", unique, d.GetName()).
			At(unique, "is taken by another domain")
		if err := say(p); err != nil {
			return err
		}
	}
	others, _, err := store.List(ctx, e.store, catalog.Domains, store.Query{Where: map[string][]any{"vhostMode": {true}}})
	if err != nil {
		return err
	}
	if err := virtualHostTaken(d, catalog.VirtualHosts(d), others); err != nil {
		p.Err = err
		if err := say(p); err != nil {
			return err
		}
	}
	for _, k := range catalog.All {
		arm := k.Descriptor().Arm
		if k.Descriptor().Parent == nil {
			continue
		}
		var ids []string
		for id := range r.ids[arm] {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		taken, err := e.store.TakenIDs(ctx, k, d.GetId(), ids)
		if err != nil {
			return err
		}
		for _, id := range taken {
			err := fault.Conflictf("The identifier [%s] is taken in another domain. Import it as a copy", id).At("id", "is taken in another domain")
			if err := say(Problem{Key: resource.Key{Kind: arm, Domain: d.GetId(), ID: id}, Err: err}); err != nil {
				return err
			}
		}
	}
	return nil
}

// VirtualHostTaken refuses a domain with a virtual host that one of others has.
func VirtualHostTaken(d *configv1.Domain, others []*configv1.Domain) error {
	return virtualHostTaken(d, catalog.VirtualHosts(d), others)
}

// Restore stores what was checked: first what lies in the domain, which nobody serves without it, then the domain. Alive is called
// between the steps, and its error ends it. What is written is not taken back.
func (e *Editor) Restore(ctx context.Context, r *Restoration, alive func() error) error {
	defer e.locks.lock(catalog.Domains.Arm + "/")()
	d := r.domain
	release, err := e.claimVirtualHosts(ctx, &configv1.Domain{}, d)
	if err != nil {
		return err
	}
	defer release()
	write := func(ops []store.Op) error {
		if err := alive(); err != nil {
			return err
		}
		revision, err := e.store.Write(ctx, store.Change{Ops: ops, Action: string(Imported), By: audit.AuthorOf(ctx)})
		if err != nil {
			return e.explain(ops[0].New, ops, err)
		}
		e.show(revision, ops)
		if e.opts.OnWrite != nil {
			e.opts.OnWrite(revision)
		}
		return nil
	}
	for part := range slices.Chunk(r.kept, restoredAtOnce) {
		ops := make([]store.Op, len(part))
		for i := range part {
			if ops[i].New, err = part[i].get(); err != nil {
				return err
			}
		}
		if err := write(ops); err != nil {
			return err
		}
	}
	if err := write([]store.Op{{New: d}}); err != nil {
		return err
	}
	if e.opts.OnCreate != nil {
		e.opts.OnCreate(ctx, d)
	}
	return nil
}

type restoredScene struct{ *catalog.Scene }

// asked is the scene as it is for a change of an application.
func (s restoredScene) asked(a *configv1.Application) *catalog.Scene {
	asked := *s.Scene
	asked.Unjudged, asked.Registering = false, a.GetSettings().GetOauth().GetRegistrationAccessTokenHash() != ""
	return &asked
}

// restoredScene is the scene in which everything of a restoration is looked at.
func (e *Editor) restoredScene(ctx context.Context, at Place, r *Restoration) (*catalog.Scene, error) {
	s := &catalog.Scene{
		Now: e.opts.Now(), Hasher: e.opts.Hasher, Organization: at.Organization, Environment: r.domain.GetEnvironment(), Domain: r.domain,
		MaxSecrets: e.opts.MaxSecrets, MayAdminister: true, MayBind: true,
		// What clients registered stays as they registered it, and what rules came later holds from the next change on.
		Unjudged: true, Registering: true,
	}
	for _, one := range r.kept {
		s.Take(one.r)
	}
	slugs := map[string]string{}
	for i := range r.kept {
		if r.kept[i].kind != catalog.Applications.Arm {
			continue
		}
		one, err := r.kept[i].get()
		if err != nil {
			return nil, err
		}
		if slug := one.(*configv1.Application).GetSlug(); slug != "" {
			slugs[slug] = one.GetId()
		}
	}
	s.SlugTaken = func(slug, application string) (bool, error) {
		other := slugs[slug]
		return other != "" && other != application, nil
	}
	return s, ctx.Err()
}
