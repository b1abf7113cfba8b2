package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// auditFilters are the parameters of lists of audit records, beside the page.
var auditFilters = []operation.Parameter{
	{Name: "page", Type: "integer", Description: "The page, from 0."},
	{Name: "size", Type: "integer", Description: "Entries on a page; default 50."},
	{Name: "type", Type: "string", Repeated: true, Description: "What was done, such as `create`; several are alternatives."},
	{
		Name: "status", Type: "string", Description: "The outcome.",
		Values: []string{store.ResultSuccess, store.ResultFailure, store.ResultAttempted},
	},
	{Name: "user", Type: "string", Description: "Who acted: an identifier or a name."},
	{Name: "from", Type: "integer", Description: "The earliest time, in milliseconds since 1970."},
	{Name: "to", Type: "integer", Description: "The latest time, in milliseconds since 1970."},
	{Name: "target", Type: "string", Description: "The identifier of the resource that was changed."},
	{Name: "kind", Type: "string", Description: "The kind of that resource, such as `application`."},
}

// mountAudits adds the records of a domain and of an application.
func mountAudits(m *Mux) {
	domain := catalog.Domains.Item()
	m.Handle("GET "+domain+"/audits", "audit:read", func(w http.ResponseWriter, r *http.Request) error {
		return m.api.answerAudits(w, r, store.AuditQuery{Domain: r.PathValue("domain")})
	}, operation.Operation{
		Summary: "List the audit records of a domain, the newest first.",
		Details: "Entries leave out the states before and after.",
		Query:   auditFilters, Answer: &managementv1.Audit{}, Shape: operation.Page,
	})
	m.Handle("GET "+domain+"/audits/{audit}", "audit:read", func(w http.ResponseWriter, r *http.Request) error {
		return m.api.answerAudit(w, r, r.PathValue("domain"))
	}, operation.Operation{Summary: "Read an audit record of a domain.", Answer: &managementv1.Audit{}})
	m.Handle("GET "+catalog.Applications.Item()+"/audits", "audit:read", func(w http.ResponseWriter, r *http.Request) error {
		return m.api.answerAudits(w, r, store.AuditQuery{
			Domain: r.PathValue("domain"), Kind: catalog.Applications.Arm, ResourceID: r.PathValue("application"),
		})
	}, operation.Operation{
		Summary: "List the audit records of an application, the newest first.",
		Details: "`target` and `kind` are given by the path. The records of a deleted application stay.",
		Query:   auditFilters, Answer: &managementv1.Audit{}, Shape: operation.Page,
	})
}

// mountAllAudits adds the records of an organization.
func (a *API) mountAllAudits() {
	path := prefix + "/organizations/{organization}/audits"
	a.handle("GET", path, "audit:read", func(w http.ResponseWriter, r *http.Request) error {
		return a.answerAudits(w, r, store.AuditQuery{})
	}, operation.Operation{
		Summary: "List the audit records of an organization, the newest first.",
		Details: "Sign-ins and deleted domains are among them. Entries leave out the states before and after.",
		Query:   auditFilters, Answer: &managementv1.Audit{}, Shape: operation.Page,
	})
	a.handle("GET", path+"/{audit}", "audit:read", func(w http.ResponseWriter, r *http.Request) error {
		return a.answerAudit(w, r, "")
	}, operation.Operation{Summary: "Read an audit record of an organization.", Answer: &managementv1.Audit{}})
}

// answerAudits answers the records that the request asks for among those of within.
func (a *API) answerAudits(w http.ResponseWriter, r *http.Request, within store.AuditQuery) error {
	if err := a.domainIfAny(r); err != nil {
		return err
	}
	m := &Mux{api: a}
	q, err := auditQuery(r, within)
	if err != nil {
		return err
	}
	if q.Page, q.Size, _, err = m.Page(r, 0); err != nil {
		return err
	}
	found, total, err := a.Audits.List(r.Context(), q)
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(found))
	for i, record := range found {
		entries[i] = auditEntry(record)
	}
	return m.List(w, q.Page, total, entries)
}

func (a *API) answerAudit(w http.ResponseWriter, r *http.Request, domain string) error {
	if err := a.domainIfAny(r); err != nil {
		return err
	}
	id := r.PathValue("audit")
	record, err := a.Audits.Get(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) || err == nil && domain != "" && record.Domain != domain {
		return fault.NotFoundf("Audit [%s] can not be found.", id)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, auditEntry(record))
}

// domainIfAny makes sure that the domain of a request exists, where its path names one.
func (a *API) domainIfAny(r *http.Request) error {
	if r.PathValue("domain") == "" {
		return nil
	}
	x := &actions{editor: a.Editor}
	_, err := x.domain(r)
	return err
}

// auditQuery reads the filters of a request. What the path says already wins.
func auditQuery(r *http.Request, q store.AuditQuery) (store.AuditQuery, error) {
	values, err := query(r)
	if err != nil {
		return q, err
	}
	q.Actions, q.User, q.Result = values["type"], values.Get("user"), values.Get("status")
	if len(q.Actions) > maxTypes {
		return q, constraint("type", "", "must be given at most "+strconv.Itoa(maxTypes)+" times")
	}
	if known := []string{"", store.ResultSuccess, store.ResultFailure, store.ResultAttempted}; !slices.Contains(known, q.Result) {
		return q, constraint("status", q.Result, "must be one of success, failure, attempted")
	}
	for name, into := range map[string]*string{"target": &q.ResourceID, "kind": &q.Kind} {
		if *into == "" {
			*into = values.Get(name)
		}
	}
	if q.From, err = moment(values, "from"); err != nil {
		return q, err
	}
	q.To, err = moment(values, "to")
	return q, err
}

// maxTypes is how many alternatives a filter has at most.
const maxTypes = 32

// moment reads a time in milliseconds; the zero time where there is none.
func moment(values url.Values, name string) (time.Time, error) {
	if !values.Has(name) {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(values.Get(name), 10, 64)
	if err != nil || n < 0 || n > maxMoment {
		return time.Time{}, constraint(name, values.Get(name), "must be a time in milliseconds since 1970")
	}
	return time.UnixMilli(n), nil
}

// maxMoment is the end of the year 9999, in milliseconds.
const maxMoment = 253402300799999

// auditEntry is a record as the API shows it. Members without a value are left out.
func auditEntry(a *store.AuditRecord) prototree.Object {
	entry := prototree.Object{
		"id":          a.ID,
		"timestamp":   a.At.UnixMilli(),
		"type":        a.Action,
		"outcome":     prototree.Object{"status": a.Result},
		"actor":       actorOf(a),
		"target":      targetOf(a),
		"accessPoint": texts("ipAddress", a.IP, "userAgent", a.UserAgent),
	}
	if a.Domain != "" {
		entry["domain"] = a.Domain
	}
	if a.RequestID != "" {
		entry["requestId"] = a.RequestID
	}
	if a.Revision != 0 {
		entry["revision"] = a.Revision
	}
	if a.CauseKind != "" {
		entry["cause"] = causeOf(a)
	}
	for name, text := range map[string]string{"changes": a.Changes, "before": a.Before, "after": a.After} {
		if text != "" && json.Valid([]byte(text)) {
			entry[name] = json.RawMessage(text)
		}
	}
	return entry
}

func actorOf(a *store.AuditRecord) prototree.Object {
	return texts("type", a.ActorKind, "id", a.ActorID, "displayName", a.ActorName)
}

func targetOf(a *store.AuditRecord) prototree.Object {
	return texts("type", a.Kind, "id", a.ResourceID, "displayName", a.Name)
}

func causeOf(a *store.AuditRecord) prototree.Object {
	return texts("type", a.CauseKind, "id", a.CauseID)
}

// texts makes an object of pairs of name and value.
func texts(pairs ...string) prototree.Object {
	o := make(prototree.Object, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			o[pairs[i]] = pairs[i+1]
		}
	}
	return o
}
