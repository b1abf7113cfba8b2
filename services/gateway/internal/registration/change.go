package registration

import (
	"log/slog"
	"net/http"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// races is how often a change is made again from the beginning that lost a race against another change of the client.
const races = 4

// overwrite puts metadata in the place of all that a client has: what is left out returns to its default (RFC 7592 §2.2).
func (h *Handler) overwrite(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	return h.change(w, r, d, false)
}

// patch changes the members that the body has, null takes one away, and keeps the rest.
func (h *Handler) patch(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	return h.change(w, r, d, true)
}

func (h *Handler) change(w http.ResponseWriter, r *http.Request, d *domain.Domain, merge bool) error {
	clientID := r.PathValue("rest")
	who, err := h.mayManage(w, r, d, clientID)
	if err != nil {
		return err
	}
	if err := who.mayChange(); err != nil {
		return err
	}
	body, err := h.body(w, r)
	if err != nil {
		return err
	}
	mayFetch := func() error { return nil }
	if who.administrator == "" {
		mayFetch = sync.OnceValue(func() error { return h.countFetch(w, r, d) })
	}
	for attempt := 1; ; attempt++ {
		meta, held, err := h.metadata(r, d, body, who.target.Application.GetSettings().GetOauth(), who.administrator != "")
		if err != nil {
			return err
		}
		changed, err := h.update(r, d, who, meta, held, merge, mayFetch)
		if fault.Is(err, fault.Stale) && attempt < races {
			// Somebody else has changed the client. Its present state decides, and whether this caller's token is good still.
			fresh, err := h.present(r, d, clientID)
			if err != nil {
				return h.missing(r, d, who, err)
			}
			who.target = fresh
			if who.tokenHash != "" && !secret.Equal(who.tokenHash, who.target.RegistrationTokenHash) {
				return errSuperseded
			}
			continue
		}
		if err != nil {
			return h.missing(r, d, who, err)
		}
		app := changed.GetApplication()
		h.Clients.Learn(r.Context(), app, nil)
		observe.Annotate(r.Context(), slog.String("client_id", clientID))
		return respond(w, http.StatusOK, app, registered(app, changed.GetRegistrationAccessToken()))
	}
}

// update makes of a client's present metadata what it asks for, apart from the members that are held, checks that and has it stored. MayFetch
// is asked before anything is fetched.
func (h *Handler) update(r *http.Request, d *domain.Domain, who *manager, meta clientmeta.Metadata, held []string, merge bool, mayFetch func() error,
) (*registrationv1.UpdateResponse, error) {
	if err := h.sameClient(r, who.target, meta); err != nil {
		return nil, err
	}
	stored := who.target.Application.GetSettings().GetOauth()
	asked := proto.CloneOf(stored)
	if merge {
		clientmeta.Overlay(asked, meta.OAuth, meta.Given.Names())
	} else {
		whole := clientmeta.Metadata{OAuth: proto.CloneOf(meta.OAuth), Given: meta.Given}
		whole.Complete(who.target.Profile.DefaultAuthMethod())
		clientmeta.Overlay(whole.OAuth, stored, append([]string{}, held...))
		clientmeta.Overlay(asked, whole.OAuth, nil)
	}
	if verdict := meta.OAuth.GetSoftwareStatementVerdict(); verdict != nil {
		asked.SoftwareStatementVerdict = verdict
	}
	q := &request{
		Context: r.Context(), domain: d.Core, profile: who.target.Profile, fetch: h.Fetch, beforeFetch: mayFetch, administrator: who.administrator != "",
		oauth: asked, given: meta.Given, scope: meta.Scope, stored: stored, merge: merge, held: held,
		limit: who.target.Application.GetRegistration().GetScopeLimit(),
	}
	if err := check(q); err != nil {
		return nil, err
	}
	return h.Management.Update(r.Context(), &registrationv1.UpdateRequest{
		Domain: d.ID, ClientId: who.target.ClientID, Revision: who.target.Revision,
		Application:                 &configv1.Application{Settings: &configv1.ApplicationSettings{Oauth: q.oauth}},
		RegistrationAccessTokenHash: who.tokenHash, Caller: who.administrator, Person: who.person,
		Issuer: d.Issuer, RegistrationEndpoint: d.Base + path,
	})
}

// sameClient refuses a body that is about another client, or that names a secret which is not the client's (RFC 7592 §2.2).
func (h *Handler) sameClient(r *http.Request, c *domain.Client, meta clientmeta.Metadata) error {
	if meta.ClientID != "" && meta.ClientID != c.ClientID {
		return oauth2.InvalidClientMetadata.Errorf("client_id is not that of the client")
	}
	if meta.ClientSecret == "" {
		return nil
	}
	for _, s := range c.Secrets {
		ok, _, err := h.Secrets.Verify(r.Context(), s.Hash, meta.ClientSecret)
		switch {
		case err != nil:
			return oauth2.TemporarilyUnavailable.Errorf("the secret cannot be checked now, try again shortly").WithCause(err)
		case ok:
			return nil
		}
	}
	return oauth2.InvalidClientMetadata.Errorf("client_secret is not that of the client")
}

// renew gives a client a new secret, by POST to its address and /renew_secret. A body is not read.
func (h *Handler) renew(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	clientID := r.PathValue("rest")
	who, err := h.mayManage(w, r, d, clientID)
	if err != nil {
		return err
	}
	if err := who.mayChange(); err != nil {
		return err
	}
	changed, err := h.Management.RenewSecret(r.Context(), &registrationv1.RenewSecretRequest{
		Domain: d.ID, ClientId: clientID, RegistrationAccessTokenHash: who.tokenHash, Caller: who.administrator, Person: who.person,
		Issuer: d.Issuer, RegistrationEndpoint: d.Base + path,
	})
	if err != nil {
		return h.missing(r, d, who, err)
	}
	app := changed.GetApplication()
	h.Clients.Learn(r.Context(), app, nil)
	observe.Annotate(r.Context(), slog.String("client_id", clientID))
	once := registered(app, changed.GetRegistrationAccessToken())
	once["client_secret"] = changed.GetClientSecret()
	return respond(w, http.StatusOK, app, once)
}

// templates lists what a registration may name as its software_id. Nobody has to say who they are.
func (h *Handler) templates(w http.ResponseWriter, _ *http.Request, d *domain.Domain) error {
	if !d.Registration.GetDynamicClientRegistrationEnabled() || !d.Registration.GetClientTemplateEnabled() {
		return errForbidden
	}
	list := []any{}
	for _, t := range d.Templates() {
		list = append(list, map[string]string{"software_id": t.ID, "description": t.Name})
	}
	body, err := indented(list)
	if err != nil {
		return err
	}
	endpoint.JSON(w, http.StatusOK, body)
	return nil
}
