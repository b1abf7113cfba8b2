package rest

import (
	"io"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

const tokenPath = prefix + "/auth/token"

// mountSignIn adds the routes by which operators sign in and out.
func (a *API) mountSignIn() {
	a.handle("POST", tokenPath, Public, a.signIn, operation.Operation{
		ID:      "signIn",
		Summary: "Sign in.",
		Details: "HTTP Basic with the name and password of an operator authenticates; a body is read and means nothing.",
		Query:   []operation.Parameter{{Name: "org", Type: "string", Description: "The organization."}},
		Answer:  &managementv1.Token{},
	})
	a.handle("DELETE", tokenPath, AnyOperator, a.signOut, operation.Operation{ID: "signOut", Summary: "Sign out: end the token of the request."})
}

// mountEnvironments adds what lies above environments.
func (a *API) mountEnvironments() {
	const organizations = prefix + "/organizations"
	const environments = organizations + "/{organization}/environments"
	a.handle("GET", organizations, "organization:read", a.listOrganizations, operation.Operation{
		Summary: "List the organizations.", Answer: &managementv1.Organization{}, Shape: operation.Array,
	})
	a.handle("GET", organizations+"/{organization}", "organization:read", a.readOrganization, operation.Operation{
		Summary: "Read an organization.", Answer: &managementv1.Organization{},
	})
	a.handle("GET", environments, "environment:list", a.listEnvironments, operation.Operation{
		Summary: "List the environments of an organization.", Answer: &managementv1.Environment{}, Shape: operation.Array,
	})
	a.handle("GET", environments+"/{environment}", "environment:read", a.readEnvironment, operation.Operation{
		Summary: "Read an environment.", Answer: &managementv1.Environment{},
	})
	a.mountAllAudits()
}

// handle adds a route with its whole path.
func (a *API) handle(method, path, permission string, h handler, o operation.Operation) {
	h = tried(method, h, &o)
	rt := Route{Method: method, Pattern: path, Permission: permission, Operation: o}
	a.routes = append(a.routes, rt)
	if permission != Public {
		h = a.guarded(permission, h)
	}
	a.register(rt, path, h)
}

// signIn answers a token for the name and password of HTTP Basic. The body is read and means nothing.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) error {
	if _, err := io.Copy(io.Discard, r.Body); serve.TooLarge(err) {
		return errTooLarge
	} else if err != nil {
		return fault.Invalidf("The body ended early").Because(err)
	}
	if org := r.URL.Query().Get("org"); org != "" && org != a.Organization {
		return fault.NotFoundf("Organization [%s] can not be found.", org)
	}
	w.Header().Set("WWW-Authenticate", challengeBasic)
	name, password, ok := r.BasicAuth()
	if !ok {
		return fault.Unauthenticatedf("Name and password are required, by HTTP Basic")
	}
	token, err := a.Operators.SignIn(r.Context(), name, password, audit.OriginFrom(r.Context()).Address)
	if !fault.Is(err, fault.Unauthenticated) {
		w.Header().Del("WWW-Authenticate")
	}
	if err != nil {
		return err
	}
	a.Logger.InfoContext(r.Context(), "operator signed in", "user", token.Operator.Name, "token_expires", token.ExpiresAt)
	return writeJSON(w, http.StatusOK, prototree.Object{
		"access_token": token.Value,
		"token_type":   "bearer",
		"expires_at":   token.ExpiresAt.Format(time.RFC3339),
	})
}

// signOut ends the token of the request.
func (a *API) signOut(w http.ResponseWriter, r *http.Request) error {
	token, err := bearer(r)
	if err != nil {
		return err
	}
	if err := a.Operators.Revoke(r.Context(), token); err != nil {
		return err
	}
	o, _ := operator.From(r.Context())
	a.Logger.InfoContext(r.Context(), "operator signed out", "user", o.Name)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) readOrganization(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, a.organizationTree())
}

func (a *API) listOrganizations(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, []prototree.Object{a.organizationTree()})
}

func (a *API) organizationTree() prototree.Object {
	return prototree.Object{"id": a.Organization, "name": a.Organization, "hrids": []string{a.Organization}}
}

func (a *API) readEnvironment(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, a.environmentTree())
}

func (a *API) listEnvironments(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, []prototree.Object{a.environmentTree()})
}

func (a *API) environmentTree() prototree.Object {
	return prototree.Object{
		"id":             a.Environment,
		"name":           a.Environment,
		"organizationId": a.Organization,
		"hrids":          []string{a.Environment},
	}
}
