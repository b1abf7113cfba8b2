package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// handler answers a request, or returns why it cannot. It writes nothing before an error.
type handler = func(w http.ResponseWriter, r *http.Request) error

// Mux takes the routes below an environment.
type Mux struct {
	api *API
	// checkDomain says that handlers rely on {domain} having been looked up.
	checkDomain bool
}

// environment is where routes lie; the short form means the default one.
const environment = prefix + "/organizations/{organization}/environments/{environment}"

// Handle adds a route such as "GET /domains/{domain}/users/{user}". It is served below every environment and below
// /management, which means the default one.
//
// Before the handler runs, the bearer token and the permission have been checked, organization and environment exist,
// and in packages other than this one the domain does too. Every {name} is a path value; organization and environment
// always are. The body is limited to 1 MiB. An error that the handler returns is answered by the wrapper: a fault as
// its kind says, a *prototree.Error as 400 with its place, anything else as 500 without a word about the reason.
//
// The operation describes the route in the OpenAPI document.
//
// It panics on a malformed or repeated pattern and on a missing permission: mistakes of the program.
func (m *Mux) Handle(pattern, permission string, h func(w http.ResponseWriter, r *http.Request) error, o operation.Operation) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || !strings.HasPrefix(path, "/") {
		panic(fmt.Sprintf("rest: %q is no pattern", pattern))
	}
	if permission == "" {
		panic(fmt.Sprintf("rest: %s names no permission", pattern))
	}
	h = tried(method, h, &o)
	rt := Route{Method: method, Pattern: path, Permission: permission, Operation: o}
	serve := m.api.guarded(permission, m.placed(h, strings.Contains(path, "/{domain}")))
	m.api.routes = append(m.api.routes, rt)
	m.api.register(rt, environment+path, serve)
	m.api.register(rt, prefix+path, m.api.byDefault(serve))
}

// HandleWhole adds a route whose path is whole but for /management, such as "GET /organizations/{organization}/users". What
// Handle promises holds for it too.
func (m *Mux) HandleWhole(pattern, permission string, h func(w http.ResponseWriter, r *http.Request) error, o operation.Operation) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || !strings.HasPrefix(path, "/") || permission == "" {
		panic(fmt.Sprintf("rest: %q is no pattern, or names no permission", pattern))
	}
	m.api.handle(method, prefix+path, permission, h, o)
}

// ClientAddress is where a request came from.
func (m *Mux) ClientAddress(r *http.Request) string { return audit.OriginFrom(r.Context()).Address }

// byDefault puts a request that names no organization and environment into the default ones.
func (a *API) byDefault(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		r.SetPathValue("organization", a.Organization)
		r.SetPathValue("environment", a.Environment)
		return h(w, r)
	}
}

// placed lets a handler run only where the request's domain exists.
func (m *Mux) placed(h handler, hasDomain bool) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if hasDomain {
			domain := r.PathValue("domain")
			observe.Annotate(r.Context(), domainAttr(domain))
			if m.checkDomain {
				if _, err := editor.Read(r.Context(), m.api.Editor, catalog.Domains, placeOf(r), domain); err != nil {
					return err
				}
			}
		}
		return h(w, r)
	}
}

// surroundings refuses organizations and environments that do not exist; empty ones are none of the request's.
func (a *API) surroundings(r *http.Request) error {
	if org := r.PathValue("organization"); org != "" && org != a.Organization {
		return fault.NotFoundf("Organization [%s] can not be found.", org)
	}
	if env := r.PathValue("environment"); env != "" && env != a.Environment {
		return fault.NotFoundf("Environment [%s] can not be found.", env)
	}
	return nil
}

// placeOf is where the resource of a request lies.
func placeOf(r *http.Request) editor.Place {
	return editor.Place{
		Organization: r.PathValue("organization"),
		Environment:  r.PathValue("environment"),
		Domain:       r.PathValue("domain"),
		Application:  r.PathValue("application"),
	}
}

// guarded lets a handler run only for operators who have the permission at the place of the request.
func (a *API) guarded(permission string, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		token, err := bearer(r)
		if err != nil {
			return err
		}
		o, err := a.Operators.Authenticate(r.Context(), token)
		if err != nil {
			return err
		}
		observe.Annotate(r.Context(), operatorAttr(o.Name))
		if err := a.surroundings(r); err != nil {
			return err
		}
		if o.Permissions, err = a.permitted(r, o, permission); err != nil {
			return err
		}
		if permission != AnyOperator && !o.Allows(permission) {
			return fault.Deniedf("Permission denied")
		}
		if o.ChangesDomain, err = a.changesDomain(r, o); err != nil {
			return err
		}
		ctx := editor.WithConfirmation(operator.WithOperator(r.Context(), o), o.ID+" "+r.Method+" "+r.URL.Path, confirmedWords(r))
		// Path values belong to the request, not to its context: they have to be taken along.
		return h(w, r.WithContext(ctx))
	}
}

// confirmedWords are the consequences that a request confirms: ?confirm=opens, or several of them.
func confirmedWords(r *http.Request) []string {
	var words []string
	for _, value := range r.URL.Query()["confirm"] {
		words = append(words, strings.Split(value, ",")...)
	}
	return words
}

// permitted returns what an operator may do at the place of a request. What the path names by another name is looked up
// only for those who would need a role in it.
func (a *API) permitted(r *http.Request, o operator.Operator, permission string) (operator.Permissions, error) {
	at := operator.Place{
		Organization: r.PathValue("organization"), Environment: r.PathValue("environment"),
		Domain: r.PathValue("domain"), Application: r.PathValue("application"), User: r.PathValue("user"),
	}
	if at.Organization == "" {
		at.Organization = a.Organization
	}
	if at.Domain != "" {
		at.User = "" // somebody of the domain's directory
	}
	held, err := a.Operators.At(r.Context(), o, at)
	if err != nil || held.Has(permission) {
		return held, err
	}
	inside, err := a.named(r, at)
	if err != nil || inside == at {
		return held, err
	}
	return a.Operators.At(r.Context(), o, inside)
}

// changesDomain reports whether an operator may change the domain of a request. A role in an application may permit
// domain:update too, and says nothing about its domain.
func (a *API) changesDomain(r *http.Request, o operator.Operator) (bool, error) {
	const permission = "domain:update"
	at := operator.Place{
		Organization: r.PathValue("organization"), Environment: r.PathValue("environment"), Domain: r.PathValue("domain"),
	}
	if at.Domain == "" || !o.Allows(permission) {
		return false, nil
	}
	held, err := a.Operators.At(r.Context(), o, at)
	return held.Has(permission), err
}

// named is the place of a request whose path names a domain or an application by something else than its identifier. What
// does not exist has no place; the handler says so to those who may know.
func (a *API) named(r *http.Request, at operator.Place) (operator.Place, error) {
	var err error
	if hrid := r.PathValue(hridName); hrid != "" {
		var found *configv1.Domain
		found, err = a.Editor.ReadDomainByHRID(r.Context(), placeOf(r), hrid)
		at.Domain = found.GetId()
	} else if client := r.PathValue(aliasName); client != "" {
		var found *configv1.Application
		found, err = a.Editor.FindApplication(r.Context(), placeOf(r), client)
		at.Application = found.GetId()
	} else if slug := r.PathValue(slugName); slug != "" {
		var found *configv1.Application
		found, err = a.Editor.FindBySlug(r.Context(), placeOf(r), slug)
		at.Application = found.GetId()
	}
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return at, nil
	}
	return at, err
}

// bearer returns the token of a request (RFC 6750 §2.1).
func bearer(r *http.Request) (string, error) {
	fields := r.Header.Values("Authorization")
	if len(fields) > 1 {
		return "", fault.Invalidf("Only one Authorization header is allowed")
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoToken
	}
	return token, nil
}

// JSON answers with a value in JSON, which is application/json without a charset.
func (m *Mux) JSON(w http.ResponseWriter, status int, v any) error { return writeJSON(w, status, v) }

// List answers with one page of a list.
func (m *Mux) List(w http.ResponseWriter, page int, total int64, data []prototree.Object) error {
	if data == nil {
		data = []prototree.Object{}
	}
	return writeJSON(w, http.StatusOK, struct {
		Data        []prototree.Object `json:"data"`
		CurrentPage int                `json:"currentPage"`
		TotalCount  int64              `json:"totalCount"`
	}{data, page, total})
}

// Location returns the path of something below the path of the request, as clients know it, for the Location of a 201.
func (m *Mux) Location(r *http.Request, segments ...string) string {
	return m.api.location(r, r.URL.EscapedPath(), segments...)
}

// beside is Location for what lies beside the request's own path.
func (m *Mux) beside(r *http.Request, segment string) string {
	path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	return m.api.location(r, path[:strings.LastIndexByte(path, '/')], segment)
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	body.Truncate(body.Len() - 1) // the line break
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	// The client may be gone; there is nobody left to tell.
	_, _ = w.Write(body.Bytes())
	return nil
}
