package rest

import (
	"encoding/json"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// listAudits answers the records of a domain, the newest first.
func (x *actions) listAudits(w http.ResponseWriter, r *http.Request) error {
	if _, err := x.domain(r); err != nil {
		return err
	}
	return x.mux.api.answerAudits(w, r, r.PathValue("domain"))
}

// listAllAudits answers all records, those of sign-ins and of deleted domains included, the newest first.
func (a *API) listAllAudits(w http.ResponseWriter, r *http.Request) error {
	if err := a.organization(r); err != nil {
		return err
	}
	return a.answerAudits(w, r, "")
}

func (a *API) answerAudits(w http.ResponseWriter, r *http.Request, domain string) error {
	m := &Mux{api: a}
	page, size, _, err := m.Page(r, 0)
	if err != nil {
		return err
	}
	found, total, err := a.Audits.List(r.Context(), store.AuditQuery{Domain: domain, Page: page, Size: size})
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(found))
	for i, record := range found {
		entries[i] = auditEntry(record)
	}
	return m.List(w, page, total, entries)
}

// auditEntry is a record as the API shows it. Members without a value are left out.
func auditEntry(a *store.AuditRecord) prototree.Object {
	entry := prototree.Object{
		"id":          a.ID,
		"timestamp":   a.At.UnixMilli(),
		"type":        a.Action,
		"outcome":     prototree.Object{"status": a.Result},
		"actor":       texts("type", a.ActorKind, "id", a.ActorID, "displayName", a.ActorName),
		"target":      texts("type", a.Kind, "id", a.ResourceID, "displayName", a.Name),
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
	for name, text := range map[string]string{"before": a.Before, "after": a.After} {
		if text != "" && json.Valid([]byte(text)) {
			entry[name] = json.RawMessage(text)
		}
	}
	return entry
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
