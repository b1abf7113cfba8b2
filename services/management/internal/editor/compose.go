package editor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Composition is an application with everything that goes with it, as it is asked for.
type Composition struct {
	// Application has what people see of it, and its switches. It is not changed, as nothing in here is.
	Application *configv1.Application
	// Heading is an application group that comes into being with it; nil for none.
	Heading *configv1.ApplicationGroup
	// Provider is nil for a bookmark.
	Provider     *managementv1.ComposedProvider
	Bindings     []*configv1.Binding
	Entitlements []*configv1.Entitlement
	// Faults are what was found wrong before.
	Faults catalog.Faults
	// ID is the identifier that the application gets; empty for one that is chosen here.
	ID string
}

// Composed is what was made of a composition, or would be.
type Composed struct {
	Application *configv1.Application
	Heading     *configv1.ApplicationGroup
	catalog.Issued
	Warnings []*managementv1.Warning
}

var composing = catalog.Applications.Needs | catalog.NeedsGroups | catalog.NeedsPolicies | catalog.NeedsHeadings | catalog.NeedsProviders

// Compose makes an application with its provider, bindings and entitlements, and a heading, in one change or not at all. Everything
// that is wrong is told at once: what breaks a rule, or, where nothing does, what is taken. A dry run writes nothing.
func (e *Editor) Compose(ctx context.Context, at Place, c Composition, dryRun bool) (*Composed, error) {
	k := catalog.Applications
	defer referring(e, k, at.Domain)()
	if id := c.Provider.GetId(); id != "" {
		defer e.locks.lock(k.Arm + "/" + id)()
	}
	if c.ID == "" {
		c.ID = secret.NewID()
	}
	var result *Composed
	err := again(0, func(lostBefore bool) error {
		parent, err := e.parent(ctx, k, at)
		if err != nil {
			return err
		}
		var made *composition
		var on *catalog.Scene
		err = e.onScene(ctx, at, parent, composing, lostBefore, func(s *catalog.Scene) error {
			on = s
			var err error
			made, err = e.compose(ctx, s, at, c)
			return err
		})
		if err != nil {
			return err
		}
		made.Warnings = append(made.Warnings, catalog.AccessWarnings(made.Application, "bindings", on.Now)...)
		if dryRun {
			result = &made.Composed
			return nil
		}
		if _, err := e.write(ctx, made.Application, Created, made.ops); err != nil {
			// What was free a moment ago is taken: the next look says by whom.
			if fault.Is(err, fault.Conflict) || fault.Is(err, fault.Invalid) {
				return errors.Join(store.ErrStale, err)
			}
			return err
		}
		e.keepFresh(ctx, on, nil, made.Application)
		if e.opts.OnCreate != nil {
			e.opts.OnCreate(ctx, made.Application)
		}
		if made.emptied != nil {
			e.removeEmptied(ctx, made.emptied)
		}
		result = &made.Composed
		return nil
	})
	return result, err
}

// composition is one that is complete and can be written.
type composition struct {
	Composed
	ops []store.Op
	// emptied is the provider that was taken in, without anything of it; nil for none.
	emptied *configv1.Application
}

// compose completes and checks what is asked for.
func (e *Editor) compose(ctx context.Context, s *catalog.Scene, at Place, c Composition) (*composition, error) {
	f := c.Faults
	made := &composition{}
	a := proto.CloneOf(c.Application)
	a.Id, a.Type = c.ID, configv1.Application_BOOKMARK
	resource.Stamp(a, resource.Stamps{ID: c.ID, Domain: at.Domain, CreatedAt: s.Now, UpdatedAt: s.Now})
	made.Application = a
	none := &configv1.Application{}

	if err := e.composeHeading(ctx, s, &f, at, c.Heading, made); err != nil {
		return nil, err
	}
	waiting, err := e.composeProvider(ctx, s, &f, at, c.Provider, made)
	if err != nil {
		return nil, err
	}
	if c.Provider != nil {
		made.Warnings = catalog.SignInBy(s, a, "application.identityProviders")
	}
	if err := catalog.Applications.Normalize(ctx, s, none, a); err != nil {
		return nil, err
	}
	if err := catalog.CheckAll(s, &f, a, composedPath); err != nil {
		return nil, err
	}
	if err := e.composeRule(ctx, s, &f, c, a); err != nil {
		return nil, err
	}
	if err := e.composeUnique(ctx, s, &f, a, waiting); err != nil {
		return nil, err
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	companions, err := catalog.Applications.Companions(ctx, s, none, a)
	if err != nil {
		return nil, err
	}
	for _, r := range companions {
		made.ops = append(made.ops, store.Op{New: r})
	}
	made.ops = append(made.ops, store.Op{New: a})
	return made, nil
}

// composedPath is what a request for a composition calls a member of the application.
func composedPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "settings.oauth"); ok {
		return "provider.configuration" + rest
	}
	return "application." + path
}

func (e *Editor) composeHeading(ctx context.Context, s *catalog.Scene, f *catalog.Faults, at Place, asked *configv1.ApplicationGroup, made *composition) error {
	if asked == nil {
		return nil
	}
	const path = "application.group"
	g := proto.CloneOf(asked)
	resource.Stamp(g, resource.Stamps{ID: secret.NewID(), Domain: at.Domain, CreatedAt: s.Now, UpdatedAt: s.Now})
	k := catalog.ApplicationGroups
	if err := k.Normalize(ctx, s, k.New(), g); err != nil {
		return err
	}
	if err := f.Take(path, k.Validate(s, k.New(), g)); err != nil {
		return err
	}
	if taken, err := e.store.TakenUnique(ctx, k, g); err != nil {
		return err
	} else if taken != "" {
		f.Clash(path+"."+taken, fmt.Sprintf("An application group [%s] already exists.", g.GetName()))
	}
	s.Headings = append(slices.Clone(s.Headings), g)
	made.Heading, made.Application.Group = g, g.GetId()
	made.ops = append(made.ops, store.Op{New: g})
	return nil
}

// composeProvider gives the application its sign-in settings. It returns the provider that is taken in, or nil.
func (e *Editor) composeProvider(ctx context.Context, s *catalog.Scene, f *catalog.Faults, at Place, asked *managementv1.ComposedProvider, made *composition) (*configv1.Application, error) {
	a := made.Application
	if asked == nil {
		return nil, nil
	}
	if asked.GetId() == "" {
		catalog.CheckProviderWords(f, "provider.", asked.GetType(), asked.GetAuthorizationFlow())
		name := asked.GetName()
		if name == "" {
			name = a.GetName()
		}
		catalog.SetFlow(a, asked.GetAuthorizationFlow())
		var err error
		made.Issued, err = catalog.NewClient(ctx, s, f, "provider.configuration.", a, asked.GetConfiguration(), name)
		return nil, err
	}
	for path, given := range map[string]bool{
		"name": asked.GetName() != "", "type": asked.GetType() != "", "authorizationFlow": asked.GetAuthorizationFlow() != "",
		"configuration": asked.GetConfiguration() != nil,
	} {
		if given {
			f.Refuse("provider."+path, "cannot be given beside the id of a provider")
		}
	}
	from := at
	from.provider = true
	waiting, err := read(ctx, e, catalog.Applications, from, s.Domain, asked.GetId())
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) || err == nil && catalog.ClientID(waiting) == "" {
		f.Refuse("provider.id", fmt.Sprintf("Provider [%s] can not be found, or belongs to an application.", asked.GetId()))
		// Everything else is judged as if there were one.
		_, err := catalog.NewClient(ctx, s, f, "provider.configuration.", a, &configv1.OAuthSettings{ApplicationType: "web", GrantTypes: []string{"client_credentials"}}, a.GetName())
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	emptied := proto.CloneOf(waiting)
	certificate := a.GetCertificate()
	catalog.TakeProvider(s, a, emptied)
	if certificate != "" {
		a.Certificate = certificate
	}
	emptied.Name = ""
	resource.Stamp(emptied, resource.Stamps{UpdatedAt: s.Now})
	// It gives up its client identifier before the application takes it.
	made.ops = append(made.ops, store.Op{Old: waiting, New: emptied})
	made.emptied = emptied
	return waiting, nil
}

func (e *Editor) composeRule(ctx context.Context, s *catalog.Scene, f *catalog.Faults, c Composition, a *configv1.Application) error {
	people := catalog.Subjects(c.Bindings)
	for _, one := range c.Entitlements {
		people = append(people, catalog.Subjects(one.GetBindings())...)
	}
	if err := e.MeetPeople(ctx, s, a.GetDomain(), people); err != nil {
		return err
	}
	for _, b := range c.Bindings {
		a.Bindings = append(a.Bindings, proto.CloneOf(b))
	}
	catalog.CheckBindings(s, f, "bindings", nil, a.GetBindings(), catalog.ToApplication)
	if len(c.Entitlements) > catalog.MaxEntitlements {
		f.Refuse("entitlements", fmt.Sprintf("must have at most %d entries", catalog.MaxEntitlements))
		return nil
	}
	for i, one := range c.Entitlements {
		path := fmt.Sprintf("entitlements[%d]", i)
		fresh := proto.CloneOf(one)
		catalog.CheckEntitlement(s, f, path, nil, fresh, a.GetEntitlements())
		catalog.CheckBindings(s, f, path+".bindings", nil, fresh.GetBindings(), catalog.ToEntitlement)
		a.Entitlements = append(a.Entitlements, fresh)
	}
	return nil
}

// composeUnique notes which of the application's values another one has.
func (e *Editor) composeUnique(ctx context.Context, s *catalog.Scene, f *catalog.Faults, a, waiting *configv1.Application) error {
	if a.GetSlug() != "" && !s.SlugMade {
		taken, err := e.slugTaken(ctx, a.GetDomain(), a.GetSlug(), a.GetId())
		if err != nil {
			return err
		}
		if taken {
			f.Clash("application.slug", "is taken by another application")
		}
	}
	id := catalog.ClientID(a)
	if id == "" {
		return nil
	}
	found, err := store.FindByUnique(ctx, e.store, catalog.Applications, "clientId", catalog.DomainKey(a.GetDomain(), id))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case found.GetId() != waiting.GetId():
		f.Clash("provider.configuration.clientId", fmt.Sprintf("A client [%s] already exists.", id))
	}
	return nil
}

// SamplePeople returns the usernames of up to most people who may use an application, those included of whom it depends on the
// moment.
func (e *Editor) SamplePeople(ctx context.Context, a *configv1.Application, most int) ([]string, error) {
	groups, err := e.groupsOf(ctx, a.GetDomain())
	if err != nil {
		return nil, err
	}
	who, err := (counting{e.store}).admitted(ctx, e.opts.Now(), Ground{Application: a, Groups: groups}, map[string][]string{})
	if err != nil {
		return nil, err
	}
	names := []string{}
	if !who.but {
		ids := slices.Sorted(func(yield func(string) bool) {
			for id := range who.ids {
				if !yield(id) {
					return
				}
			}
		})
		known, err := e.store.Users().Some(ctx, a.GetDomain(), ids[:min(len(ids), 10*most)])
		if err != nil {
			return nil, err
		}
		for _, u := range known {
			names = append(names, u.GetUsername())
		}
	} else {
		some, _, err := e.store.Users().List(ctx, store.UserQuery{Domain: a.GetDomain(), Size: most + len(who.ids)})
		if err != nil {
			return nil, err
		}
		for _, u := range some {
			if !who.ids[u.GetId()] {
				names = append(names, u.GetUsername())
			}
		}
	}
	slices.Sort(names)
	return names[:min(len(names), most)], nil
}
