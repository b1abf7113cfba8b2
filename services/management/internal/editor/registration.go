package editor

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// Registration is a request of dynamic client registration, and how to make the client's access token.
type Registration struct {
	Domain string
	catalog.Registration
	// TemplateID is the identifier of the application whose copy a new client becomes; empty for none.
	TemplateID string
	// Token makes the registration access token of the completed application, signed by its certificate, which may be
	// nil. Only its hash is kept.
	Token func(a *configv1.Application, certificate *configv1.Certificate) (string, error)
	// Presented is the hash of the registration access token that the caller has, empty for an administrator.
	Presented string
	// Most is how many registered clients the domain may have; 0 for any number.
	Most int32
	// Configured is the revision of the domain that says so.
	Configured int64
	// Seen is the revision of the client that a change was made from. Any other one is fault.Stale.
	Seen int64
}

// RegistrationSecrets are plain values that are shown once.
type RegistrationSecrets struct {
	ClientSecret string
	Token        string
}

// Register stores a client that registered itself (RFC 7591).
func (e *Editor) Register(ctx context.Context, r Registration) (_ *configv1.Application, _ RegistrationSecrets, err error) {
	var token string
	at := Place{Domain: r.Domain}
	if r.Most > 0 {
		if r.ID == "" {
			r.ID = secret.NewID()
		}
		settle, refused := e.seat(ctx, r)
		if refused != nil {
			return nil, RegistrationSecrets{}, refused
		}
		defer func() { settle(err) }()
	}
	a, issued, err := create(ctx, e, catalog.Applications, at, Registered,
		func(ctx context.Context, s *catalog.Scene) (*configv1.Application, catalog.Issued, error) {
			asked := r.Registration
			if r.TemplateID != "" {
				var err error
				if asked.Template, err = e.template(ctx, s, at, r.TemplateID); err != nil {
					return nil, catalog.Issued{}, err
				}
			}
			a, issued, err := catalog.Registered(ctx, s, asked)
			if err != nil {
				return a, issued, err
			}
			a.Domain = r.Domain
			if s.Along, err = e.copies(ctx, s, at, asked.Template, a); err != nil {
				return nil, catalog.Issued{}, err
			}
			token, err = r.sign(s, a)
			return a, issued, err
		})
	if err != nil {
		return nil, RegistrationSecrets{}, err
	}
	return a, RegistrationSecrets{ClientSecret: issued.ClientSecret, Token: token}, nil
}

// settleTime bounds how long it is tried to give a place back; one that is not given back counts for two minutes.
const settleTime = 5 * time.Second

// seat keeps a place for a client that is about to be registered, and returns what gives it back once it is known what became
// of it. Registrations of a domain in this process follow each other there, those of other processes may come in between.
func (e *Editor) seat(ctx context.Context, r Registration) (settle func(error), err error) {
	queue := "registrations of " + r.Domain
	unlock := e.locks.lock(queue)
	got, err := e.store.RegistrationSeats().Take(ctx, r.Domain, r.Configured, r.ID, int64(r.Most))
	unlock()
	switch {
	case err != nil:
		return nil, err
	case !got:
		return nil, fault.Limitedf("The domain has as many registered clients as it may have").At("maxRegisteredClients", "is reached")
	}
	return func(made error) {
		if kind := fault.KindOf(made); made != nil && (kind == fault.Internal || kind == fault.Unavailable) {
			return // it may be there all the same; whoever counts next will see
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
		defer cancel()
		defer e.locks.lock(queue)()
		if err := e.store.RegistrationSeats().Settle(ctx, r.Domain, r.ID, made == nil); err != nil {
			e.opts.Logger.WarnContext(ctx, "the place of a registered client is given back later", "domain", r.Domain, "err", err)
		}
	}, nil
}

// Reregister gives a client other metadata, and a new registration access token (RFC 7592 §2.2). A token that is not the
// client's current one is fault.Denied.
func (e *Editor) Reregister(ctx context.Context, id string, r Registration) (*configv1.Application, RegistrationSecrets, error) {
	return e.reregister(ctx, id, r, Reregistered, func(s *catalog.Scene, a *configv1.Application) (string, error) {
		return "", catalog.Reregistered(s, a, r.Registration)
	})
}

// RenewRegistration gives a client a new secret in the place of the one that registration gave out, and a new registration
// access token. A token that is not the client's current one is fault.Denied.
func (e *Editor) RenewRegistration(ctx context.Context, id string, r Registration) (*configv1.Application, RegistrationSecrets, error) {
	return e.reregister(ctx, id, r, SecretRenewed, func(s *catalog.Scene, a *configv1.Application) (string, error) {
		return catalog.RenewRegisteredSecret(ctx, s, a, r.Endpoint)
	})
}

func (e *Editor) reregister(ctx context.Context, id string, r Registration, action Action,
	change func(*catalog.Scene, *configv1.Application) (string, error),
) (*configv1.Application, RegistrationSecrets, error) {
	var secrets RegistrationSecrets
	a, err := e.changeApplication(ctx, Place{Domain: r.Domain}, id, r.Seen, action, func(s *catalog.Scene, a *configv1.Application) error {
		current := a.GetSettings().GetOauth().GetRegistrationAccessTokenHash()
		if r.Presented != "" && !secret.Equal(r.Presented, current) {
			return fault.Deniedf("Non matching registration_access_token")
		}
		var err error
		if secrets.ClientSecret, err = change(s, a); err != nil {
			return err
		}
		secrets.Token, err = r.sign(s, a)
		return err
	})
	if err != nil {
		return nil, RegistrationSecrets{}, err
	}
	return a, secrets, nil
}

// sign makes the registration access token of a client and keeps its hash, which ends the token before.
func (r *Registration) sign(s *catalog.Scene, a *configv1.Application) (string, error) {
	if r.Token == nil {
		return "", nil
	}
	token, err := r.Token(a, s.Signing(a.GetCertificate()))
	if err == nil {
		a.Settings.Oauth.RegistrationAccessTokenHash = secret.HashToken(token)
	}
	return token, err
}

const softwareID = "settings.oauth.softwareId"

// template returns the application that registrations name by their software_id.
func (e *Editor) template(ctx context.Context, s *catalog.Scene, at Place, id string) (*configv1.Application, error) {
	none := fault.Invalidf("No template found for software_id %s", id).At(softwareID, "names no application")
	if strings.TrimSpace(id) == "" {
		return nil, none
	}
	found, err := read(ctx, e, catalog.Applications, at, s.Domain, id)
	switch {
	case fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) || err == nil && !found.GetEnabled():
		return nil, none
	case err != nil:
		return nil, err
	case !found.GetTemplate():
		return nil, fault.Invalidf("Client behind software_id is not a template").At(softwareID, "is not a template")
	}
	return found, nil
}

// copies returns the forms, e-mails and flows of a template as an application's own.
func (e *Editor) copies(ctx context.Context, s *catalog.Scene, at Place, template, a *configv1.Application) ([]resource.Resource, error) {
	if template == nil {
		return nil, nil
	}
	var all []resource.Resource
	for _, k := range catalog.LeveledKinds {
		found, _, err := e.store.ListAny(ctx, k, levelQuery(at.Domain, template.GetId()))
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			c := proto.Clone(r).(resource.Resource)
			resource.Stamp(c, resource.Stamps{ID: secret.NewID(), Domain: at.Domain, CreatedAt: s.Now, UpdatedAt: s.Now})
			catalog.SetLevel(c, at.Domain, a.GetId())
			all = append(all, c)
		}
	}
	return all, nil
}
