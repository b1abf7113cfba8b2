package rest

import (
	"context"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountActions adds what is not create, read, update and delete.
func mountActions(m *Mux) {
	x := &actions{mux: m, editor: m.api.Editor}
	application := catalog.Applications.Item()
	domain := catalog.Domains.Item()

	m.Handle("GET /domains/_hrid/{"+hridName+"}", "domain:read", x.readDomainByHRID, operation.Operation{
		Summary: "Read a domain by its human-readable identifier.", Answer: &configv1.Domain{},
	})
	m.Handle("GET "+domain+"/entrypoints", "domain:read", x.listEntrypoints, operation.Operation{
		Summary: "List the addresses under which gateways serve a domain.", Answer: &managementv1.Entrypoint{}, Shape: operation.Array,
	})

	m.Handle("PUT "+application+"/type", "application:update", x.setType, operation.Operation{
		Summary: "Change the type of an application, and force the defaults of the new type.", Body: &configv1.ApplicationType{}, Conditional: true, Answer: &configv1.Application{},
	})
	m.Handle("GET "+application+"/secrets", "application_secret:read", x.listSecrets, operation.Operation{
		Summary: "List the client secrets of an application, without their values.", Answer: &managementv1.Secret{}, Shape: operation.Array,
	})
	m.Handle("POST "+application+"/secrets", "application_secret:create", x.addSecret, operation.Operation{
		Summary: "Add a client secret, and answer its value this once.", Body: &configv1.NewClientSecret{}, Status: http.StatusCreated, Answer: &managementv1.Secret{},
	})
	m.Handle("POST "+application+"/secrets/{secret}/_renew", "application_secret:update", x.renewSecret, operation.Operation{
		Summary: "Give a client secret a new value, and answer it this once.", Answer: &managementv1.Secret{},
	})
	m.Handle("DELETE "+application+"/secrets/{secret}", "application_secret:delete", x.deleteSecret, operation.Operation{
		Summary: "Delete a client secret.",
	})

	m.Handle("GET "+domain+"/secrets/_expiring", "application_secret:read", x.expiringSecrets, expiringOperation("listExpiringSecrets", "of a domain"))
	m.Handle("GET /secrets/_expiring", "application_secret:read", x.expiringSecrets, expiringOperation("listExpiringSecretsOfAllDomains", "of all domains of an environment"))

	mountApplications(m)
	mountForms(m)
	mountAudits(m)
	mountFlows(m)
	mountCertificates(m)
	mountRules(m)
	mountLint(m)
	mountPlugins(m)
	mountAliases(m)
	mountBindings(m)
}

func expiringOperation(id, where string) operation.Operation {
	return operation.Operation{
		ID:      id,
		Summary: "List the client secrets " + where + " that end soon or have ended, those first that end first.",
		Query: []operation.Parameter{
			{Name: "days", Type: "integer", Description: "How many days to look ahead, at most 3660; default 30."},
			{Name: "page", Type: "integer", Description: "The page, from 0."},
			{Name: "size", Type: "integer", Description: "Entries on a page; default 50."},
		},
		Answer: &managementv1.ExpiringSecret{}, Shape: operation.Page,
	}
}

// aliasOfApplications is the older name of applications in paths.
const aliasOfApplications = "clients"

// aliasName is what the path value of such an application is called.
const aliasName = "client"

// hridName is what the path value of a domain's human-readable identifier is called.
const hridName = "hrid"

// mountAliases adds older names: an application is found there by its identifier or, failing that, by its client id.
func mountAliases(m *Mux) {
	c := &collection[*configv1.Application]{
		mux: m, editor: m.api.Editor, kind: catalog.Applications, special: applications,
	}
	c.mountItem(catalog.Domains.Item()+"/"+aliasOfApplications+"/{"+aliasName+"}", func(r *http.Request) (string, error) {
		found, err := m.api.Editor.FindApplication(r.Context(), placeOf(r), r.PathValue(aliasName))
		return found.GetId(), err
	})
}

type actions struct {
	mux    *Mux
	editor *editor.Editor
}

// answer answers with an application.
func (x *actions) answer(w http.ResponseWriter, r *http.Request, a *configv1.Application) error {
	c := &collection[*configv1.Application]{mux: x.mux, editor: x.editor, kind: catalog.Applications, special: applications}
	return c.answer(w, r, a)
}

func (x *actions) readDomainByHRID(w http.ResponseWriter, r *http.Request) error {
	found, err := x.editor.ReadDomainByHRID(r.Context(), placeOf(r), r.PathValue(hridName))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, found)
}

// domain returns the domain of a request.
func (x *actions) domain(r *http.Request) (*configv1.Domain, error) {
	return editor.Read(r.Context(), x.editor, catalog.Domains, placeOf(r), r.PathValue("domain"))
}

func (x *actions) listEntrypoints(w http.ResponseWriter, r *http.Request) error {
	d, err := x.domain(r)
	if err != nil {
		return err
	}
	var entries []any
	for i, url := range catalog.EntrypointURLs(d, x.mux.api.GatewayURL) {
		entry := prototree.Object{
			"id":                defaultName,
			"name":              "Default",
			"description":       "Default entrypoint",
			"url":               url,
			"defaultEntrypoint": true,
			"organizationId":    r.PathValue("organization"),
		}
		if d.GetVhostMode() {
			host := d.GetVhosts()[i]
			entry["id"], entry["name"] = host.GetHost()+host.GetPath(), host.GetHost()
			entry["description"] = "Virtual host"
			entry["defaultEntrypoint"] = host.GetOverrideEntrypoint()
		}
		entries = append(entries, entry)
	}
	return x.mux.JSON(w, http.StatusOK, entries)
}

func (x *actions) setType(w http.ResponseWriter, r *http.Request) error {
	var body configv1.ApplicationType
	if err := x.mux.decode(r, &body); err != nil {
		return err
	}
	if body.GetType() == configv1.Application_TYPE_UNSPECIFIED {
		return constraint("type", "", "must not be null")
	}
	id := r.PathValue("application")
	ifMatch, err := precondition(r, func(ctx context.Context) (int64, error) {
		found, err := editor.Read(ctx, x.editor, catalog.Applications, placeOf(r), id)
		return found.GetRevision(), err
	})
	if err != nil {
		return err
	}
	changed, err := x.editor.SetType(r.Context(), placeOf(r), id, body.GetType(), ifMatch)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, changed)
}
