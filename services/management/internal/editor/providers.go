package editor

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// What is recorded of providers.
const (
	ProviderAssigned Action = "assign_provider"
	ProviderReleased Action = "release_provider"
	ProviderRemoved  Action = "remove_provider"
)

// ofProviders is a place where providers are meant that belong to no application.
func ofProviders(at Place) Place {
	at.provider, at.Application = true, ""
	return at
}

// providerNotFound is NotFound for providers.
func providerNotFound(id string) error { return fault.NotFoundf("Provider [%s] can not be found.", id) }

// CreateProvider keeps sign-in settings that belong to no application yet. Their client identifier is taken from then on.
func (e *Editor) CreateProvider(ctx context.Context, at Place, p *managementv1.Provider) (*configv1.Application, catalog.Issued, error) {
	return create(ctx, e, catalog.Applications, at, Created, func(ctx context.Context, s *catalog.Scene) (*configv1.Application, catalog.Issued, error) {
		var f catalog.Faults
		catalog.CheckProviderWords(&f, "", p.GetType(), p.GetAuthorizationFlow())
		a := &configv1.Application{Id: secret.NewID(), Domain: at.Domain, Name: p.GetName(), Part: configv1.Application_PROVIDER}
		catalog.SetFlow(a, p.GetAuthorizationFlow())
		issued, err := catalog.NewClient(ctx, s, &f, "configuration.", a, p.GetConfiguration(), p.GetName())
		if err != nil {
			return a, issued, err
		}
		if err := catalog.CheckAll(s, &f, a, providerPath); err != nil {
			return a, issued, err
		}
		taken, err := e.FindByClientID(ctx, at.Domain, catalog.ClientID(a))
		if err != nil {
			return a, issued, err
		}
		if taken {
			f.Clash("configuration.clientId", "is taken")
		}
		return a, issued, f.Err()
	})
}

// providerPath is what a request about a provider calls a member of what is stored.
func providerPath(path string) string {
	const oauth = "settings.oauth"
	if len(path) >= len(oauth) && path[:len(oauth)] == oauth {
		return "configuration" + path[len(oauth):]
	}
	return path
}

// FindByClientID reports whether an application or a provider has a client identifier.
func (e *Editor) FindByClientID(ctx context.Context, domain, clientID string) (bool, error) {
	_, err := store.FindByUnique(ctx, e.store, catalog.Applications, "clientId", catalog.DomainKey(domain, clientID))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// AnyProvider returns a provider: what is one by itself, or the application to which it belongs.
func (e *Editor) AnyProvider(ctx context.Context, at Place, id string) (*configv1.Application, error) {
	found, err := e.Provider(ctx, at, id)
	if !fault.Is(err, fault.NotFound) {
		return found, err
	}
	assigned := true
	all, _, failed := e.Providers(ctx, at, &assigned, image.Query{})
	if failed != nil {
		return nil, failed
	}
	for _, a := range all {
		if catalog.ProviderID(a) == id {
			return a, nil
		}
	}
	return nil, err
}

// Provider returns a provider that belongs to no application.
func (e *Editor) Provider(ctx context.Context, at Place, id string) (*configv1.Application, error) {
	found, err := Read(ctx, e, catalog.Applications, ofProviders(at), id)
	if fault.Is(err, fault.NotFound) || err == nil && catalog.ClientID(found) == "" {
		return nil, providerNotFound(id)
	}
	return found, err
}

// Providers lists what people sign in with: that of applications, that of none, or both where assigned is nil.
func (e *Editor) Providers(ctx context.Context, at Place, assigned *bool, q image.Query) ([]*configv1.Application, int64, error) {
	page, size := q.Page, q.Size
	q.Page, q.Size = 0, 0
	q.And(func(r resource.Resource) bool { return catalog.ClientID(r.(*configv1.Application)) != "" })
	var all []*configv1.Application
	for _, part := range []struct {
		at     Place
		wanted bool
	}{{ofProviders(at), assigned == nil || !*assigned}, {at, assigned == nil || *assigned}} {
		if !part.wanted {
			continue
		}
		found, _, err := ReadAll(ctx, e, catalog.Applications, part.at, q)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, found...)
	}
	first := min(page*size, len(all))
	if size <= 0 {
		return all, int64(len(all)), nil
	}
	return all[first:min(first+size, len(all))], int64(len(all)), nil
}

// DeleteProvider removes a provider that belongs to no application.
func (e *Editor) DeleteProvider(ctx context.Context, at Place, id string, ifMatch int64) error {
	if _, err := e.Provider(ctx, at, id); err != nil {
		return err
	}
	_, err := Delete(ctx, e, catalog.Applications, ofProviders(at), id, ifMatch)
	return err
}

// RemoveProvider takes the sign-in settings of an application away. It becomes a bookmark, and they are gone.
func (e *Editor) RemoveProvider(ctx context.Context, at Place, id string, ifMatch int64) error {
	_, err := e.move(ctx, at, id, ifMatch, ProviderRemoved, "", func(s *catalog.Scene, fresh *configv1.Application) ([]store.Op, error) {
		if err := givesUp(fresh); err != nil {
			return nil, err
		}
		catalog.TakeProvider(s, &configv1.Application{Part: configv1.Application_PROVIDER}, fresh)
		fresh.Type = configv1.Application_BOOKMARK
		return nil, nil
	})
	if err == nil && !DryRun(ctx) {
		e.forgetSecrets(ctx, id)
	}
	return err
}

// givesUp refuses to take the provider out of an application that has none, or has to keep it.
func givesUp(a *configv1.Application) error {
	switch {
	case catalog.IsBookmark(a):
		return fault.NotFoundf("The application has no provider")
	case a.GetTemplate() || catalog.IsRegistered(a):
		return fault.Conflictf("Templates and clients that registered themselves keep their provider").At("provider", "belongs to the registration")
	}
	return nil
}

// AssignProvider gives a bookmark the sign-in settings of a provider. They move: identifier, secrets and keys stay as they are.
// What that leads to and may not be meant is warned of.
func (e *Editor) AssignProvider(ctx context.Context, at Place, id, provider string, ifMatch int64) (*configv1.Application, []*managementv1.Warning, error) {
	var emptied *configv1.Application
	var warnings []*managementv1.Warning
	a, err := e.move(ctx, at, id, ifMatch, ProviderAssigned, provider, func(s *catalog.Scene, fresh *configv1.Application) ([]store.Op, error) {
		if !catalog.IsBookmark(fresh) {
			return nil, fault.Conflictf("The application has a provider. Release that one first").At("provider", "there is one already")
		}
		waiting, err := read(ctx, e, catalog.Applications, ofProviders(at), s.Domain, provider)
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) || err == nil && catalog.ClientID(waiting) == "" {
			text := "Provider [" + provider + "] can not be found, or belongs to an application."
			return nil, fault.Invalidf("%s", text).At("provider", text)
		}
		if err != nil {
			return nil, err
		}
		emptied = proto.CloneOf(waiting)
		catalog.TakeProvider(s, fresh, emptied)
		warnings = catalog.SignInBy(s, fresh, "identityProviders")
		emptied.Name = ""
		resource.Stamp(emptied, resource.Stamps{UpdatedAt: s.Now})
		return []store.Op{{Old: waiting, New: emptied}}, nil
	})
	if err == nil && !DryRun(ctx) {
		e.removeEmptied(ctx, emptied)
	}
	return a, warnings, err
}

// ReleaseProvider takes the sign-in settings of an application out of it, which becomes a bookmark. What was issued to it is worth
// nothing any more.
func (e *Editor) ReleaseProvider(ctx context.Context, at Place, id string, ifMatch int64) (*configv1.Application, error) {
	var released *configv1.Application
	_, err := e.move(ctx, at, id, ifMatch, ProviderReleased, "", func(s *catalog.Scene, fresh *configv1.Application) ([]store.Op, error) {
		if err := givesUp(fresh); err != nil {
			return nil, err
		}
		enabled := true
		released = &configv1.Application{Name: fresh.GetName(), Part: configv1.Application_PROVIDER, Enabled: &enabled}
		id := catalog.ProviderID(fresh)
		resource.Stamp(released, resource.Stamps{ID: id, Domain: fresh.GetDomain(), CreatedAt: s.Now, UpdatedAt: s.Now})
		catalog.TakeProvider(s, released, fresh)
		fresh.Type = configv1.Application_BOOKMARK
		left, err := store.Get(ctx, e.store, catalog.Applications, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return []store.Op{{New: released}}, nil
		case err != nil:
			return nil, err
		case !catalog.IsProvider(left) || catalog.ClientID(left) != "":
			return nil, fault.Conflictf("Provider [%s] is there already", id)
		}
		return []store.Op{{Old: left, New: released}}, nil // what was left of it when it moved in
	})
	if err != nil {
		return nil, err
	}
	if !DryRun(ctx) {
		e.forgetSecrets(ctx, id)
	}
	return released, nil
}

// move changes an application and a provider together. Who gives up the client identifier is written first.
func (e *Editor) move(ctx context.Context, at Place, id string, ifMatch int64, action Action, provider string,
	change func(s *catalog.Scene, fresh *configv1.Application) ([]store.Op, error),
) (*configv1.Application, error) {
	k := catalog.Applications
	defer referring(e, k, at.Domain)()
	if provider != "" && provider != id {
		defer e.locks.lock(k.Arm + "/" + provider)()
	}
	defer e.locks.lock(k.Arm + "/" + id)()
	var result *configv1.Application
	err := again(ifMatch, func(lostBefore bool) error {
		parent, err := e.parent(ctx, k, at)
		if err != nil {
			return err
		}
		old, err := read(ctx, e, k, at, parent, id)
		if err != nil {
			return err
		}
		if ifMatch != 0 && ifMatch != old.GetRevision() {
			return stale()
		}
		var fresh *configv1.Application
		var others, ops []store.Op
		err = e.onScene(ctx, at, parent, k.Needs, lostBefore, func(s *catalog.Scene) error {
			fresh, ops = proto.CloneOf(old), nil
			var err error
			if others, err = change(s, fresh); err != nil {
				return err
			}
			resource.Stamp(fresh, resource.Stamps{UpdatedAt: s.Now})
			companions, err := complete(ctx, k, s, old, fresh)
			for _, r := range companions {
				ops = append(ops, store.Op{New: r})
			}
			return err
		})
		if err != nil {
			return err
		}
		this := store.Op{Old: old, New: fresh}
		if catalog.IsBookmark(fresh) {
			ops = append(append(ops, this), others...)
		} else {
			ops = append(append(ops, others...), this)
		}
		if _, err := e.write(ctx, fresh, action, ops); errors.Is(err, ErrDryRun) {
			result = fresh
			return nil
		} else if err != nil {
			return lost(k, id, err)
		}
		result = fresh
		return nil
	})
	return result, err
}

// removeEmptied deletes what is left of a provider whose settings an application has now. Whatever happens to it, it is nothing:
// without a client identifier, no list and no reader knows it.
func (e *Editor) removeEmptied(ctx context.Context, emptied *configv1.Application) {
	ctx = context.WithoutCancel(ctx)
	if _, err := e.write(ctx, emptied, Deleted, []store.Op{{Old: emptied}}); err != nil && !errors.Is(err, store.ErrNotFound) {
		e.opts.Logger.WarnContext(ctx, "what is left of a provider was not removed", "resource", resource.KeyOf(emptied).String(), "err", err)
	}
	e.forgetSecrets(ctx, emptied.GetId())
}

// forgetSecrets removes the kept values of an application whose secrets are elsewhere now.
func (e *Editor) forgetSecrets(ctx context.Context, application string) {
	ctx = context.WithoutCancel(ctx)
	if err := e.store.SecretKeys().RemoveApplication(ctx, application); err != nil {
		e.opts.Logger.ErrorContext(ctx, "values of client secrets not removed", "application", application, "err", err)
	}
}

// ChangeProvider changes name, flow and configuration of a provider that belongs to no application.
func (e *Editor) ChangeProvider(ctx context.Context, at Place, id string, ifMatch int64, change func(old *configv1.Application) (*configv1.Application, error)) (*configv1.Application, error) {
	if _, err := e.Provider(ctx, at, id); err != nil {
		return nil, err
	}
	return update(ctx, e, catalog.Applications, ofProviders(at), id, ifMatch, Updated,
		func(_ context.Context, _ *catalog.Scene, old *configv1.Application) (*configv1.Application, error) {
			return change(old)
		})
}
