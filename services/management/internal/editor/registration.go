package editor

import (
	"context"
	"strings"

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
	// Seen is the revision of the client that a change was made from. Any other one is fault.Stale.
	Seen int64
}

// RegistrationSecrets are plain values that are shown once.
type RegistrationSecrets struct {
	ClientSecret string
	Token        string
}

// Register stores a client that registered itself (RFC 7591).
func (e *Editor) Register(ctx context.Context, r Registration) (*configv1.Application, RegistrationSecrets, error) {
	var token string
	at := Place{Domain: r.Domain}
	if r.Most > 0 {
		// One after the other in this process. Every other replica may add one while this one counts.
		defer e.locks.lock("registrations of " + r.Domain)()
		n, err := e.store.CountRegistered(ctx, r.Domain, int64(r.Most))
		if err != nil {
			return nil, RegistrationSecrets{}, err
		}
		if n >= int64(r.Most) {
			return nil, RegistrationSecrets{}, fault.Limitedf("The domain has as many registered clients as it may have").
				At("maxRegisteredClients", "is reached")
		}
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
