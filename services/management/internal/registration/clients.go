package registration

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	day      = 24 * time.Hour
	mostDays = 3660
)

// shown is what the list of registered clients needs to know of their domain.
type shown struct {
	domain   *configv1.Domain
	uses     map[string]store.ClientUse
	since    time.Time // zero where unused clients are not looked for
	template *configv1.Application
}

func (h *routes) listClients(w http.ResponseWriter, r *http.Request) error {
	var q image.Query
	var err error
	if q.Page, q.Size, q.Search, err = h.mux.Page(r, 0); err != nil {
		return err
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.Invalidf("The query is malformed").Because(err)
	}
	status := configv1.ClientRegistration_STATUS_UNSPECIFIED
	if text := values.Get("status"); text != "" {
		n, known := configv1.ClientRegistration_Status_value[strings.ToUpper(text)]
		if !known || n == 0 {
			return bad("status", "must be one of active, pending, unused")
		}
		status = configv1.ClientRegistration_Status(n)
	}
	unused := 0
	if text := values.Get("unusedDays"); text != "" {
		if unused, err = strconv.Atoi(text); err != nil || unused < 1 || unused > mostDays {
			return bad("unusedDays", "must be a whole number from 1 to 3660")
		}
	}
	known, err := h.shown(r.Context(), placeOf(r), values.Get("template"))
	if err != nil {
		return err
	}
	if unused > 0 { // which depends on the uses of all of them
		if known.uses, err = h.uses.OfDomain(r.Context(), known.domain.GetId()); err != nil {
			return err
		}
	}
	before := h.now().Add(-time.Duration(unused) * day)
	found, total, err := h.editor.Registered(r.Context(), placeOf(r), q, func(a *configv1.Application) bool {
		return (status == 0 || statusOf(a) == status) &&
			(values.Get("template") == "" || a.GetRegistration().GetTemplate() == values.Get("template")) &&
			(values.Get("statementIssuer") == "" || statementIssuer(a) == values.Get("statementIssuer")) &&
			(unused == 0 || !known.lastKnown(a).After(before))
	})
	if err != nil {
		return err
	}
	if unused == 0 {
		if err := h.addUses(r.Context(), known, found...); err != nil {
			return err
		}
	}
	var differences [][]catalog.TemplateDifference
	if known.template != nil {
		if differences, err = h.editor.DifferencesFrom(r.Context(), known.template, found); err != nil {
			return err
		}
	}
	data := make([]prototree.Object, len(found))
	for i, a := range found {
		m := known.message(a)
		if known.template != nil {
			m.Differs = proto.Bool(len(differences[i]) > 0)
		}
		if data[i], err = prototree.Management.Encode(m); err != nil {
			return err
		}
	}
	return h.mux.List(w, q.Page, total, data)
}

// statusOf is the status of a registered client; one that registered before there was any is active.
func statusOf(a *configv1.Application) configv1.ClientRegistration_Status {
	if s := a.GetRegistration().GetStatus(); s != 0 {
		return s
	}
	return configv1.ClientRegistration_ACTIVE
}

// statementIssuer is who signed the software statement of a client; empty where none was accepted.
func statementIssuer(a *configv1.Application) string {
	return clientmeta.StatementIssuer(a.GetSettings().GetOauth())
}

// addUses puts the uses of some clients in the place of those that were known.
func (s *Server) addUses(ctx context.Context, known *shown, clients ...*configv1.Application) (err error) {
	ids := make([]string, len(clients))
	for i, a := range clients {
		ids[i] = a.GetId()
	}
	known.uses, err = s.uses.Of(ctx, known.domain.GetId(), ids)
	return err
}

// shown returns what is to be known of a domain, without any uses.
func (s *Server) shown(ctx context.Context, at editor.Place, template string) (*shown, error) {
	d, err := editor.Read(ctx, s.editor, catalog.Domains, at, at.Domain)
	if err != nil {
		return nil, err
	}
	known := &shown{domain: d}
	if d.GetOidc().GetClientRegistrationSettings().GetUnusedDisableDays() > 0 {
		if known.since, err = s.uses.KeptSince(ctx, d.GetId(), s.now()); err != nil {
			return nil, err
		}
	}
	if template != "" {
		found, err := editor.Read(ctx, s.editor, catalog.Applications, at, template)
		switch {
		case err == nil && found.GetTemplate():
			known.template = found
		case err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid):
			return nil, err
		}
	}
	return known, nil
}

// lastKnown is when a client was used, made or accepted last.
func (k *shown) lastKnown(a *configv1.Application) time.Time {
	last := a.GetCreatedAt().AsTime()
	for _, t := range []time.Time{k.uses[a.GetId()].At, timeOf(a.GetRegistration().GetAcceptedAt())} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// disableAt is when a client is disabled if nobody uses it; zero for never. The days begin when unused clients began to be looked
// for, at the earliest: uses were not noted before.
func (k *shown) disableAt(a *configv1.Application) time.Time {
	days := k.domain.GetOidc().GetClientRegistrationSettings().GetUnusedDisableDays()
	if days <= 0 || k.since.IsZero() || !a.GetEnabled() || a.GetTemplate() {
		return time.Time{}
	}
	last := k.lastKnown(a)
	if k.since.After(last) {
		last = k.since
	}
	return last.Add(time.Duration(days) * day)
}

// deleteAt is when a client is deleted that was disabled because nobody used it, or that nobody has accepted for as long; zero for never.
func (k *shown) deleteAt(a *configv1.Application) time.Time {
	settings := k.domain.GetOidc().GetClientRegistrationSettings()
	days, r := settings.GetUnusedDeleteDays(), a.GetRegistration()
	if days > 0 && settings.GetUnusedDisableDays() > 0 && !k.since.IsZero() && catalog.IsPending(a) {
		begun := a.GetCreatedAt().AsTime()
		if k.since.After(begun) {
			begun = k.since
		}
		return begun.Add(time.Duration(settings.GetUnusedDisableDays()+days) * day)
	}
	if days <= 0 || a.GetEnabled() || r.GetStatus() != configv1.ClientRegistration_UNUSED || r.GetDisabledAt() == nil {
		return time.Time{}
	}
	return r.GetDisabledAt().AsTime().Add(time.Duration(days) * day)
}

func (k *shown) message(a *configv1.Application) *managementv1.RegisteredClient {
	r := &configv1.ClientRegistration{}
	if a.GetRegistration() != nil {
		r = proto.CloneOf(a.GetRegistration())
	}
	r.Status = statusOf(a)
	m := &managementv1.RegisteredClient{
		Id: a.GetId(), Name: a.GetName(), ClientId: catalog.ClientID(a), Type: a.GetType(), Enabled: a.GetEnabled(), Registration: r,
		CreatedAt: a.GetCreatedAt(), UpdatedAt: a.GetUpdatedAt(), DisableAt: stamp(k.disableAt(a)), DeleteAt: stamp(k.deleteAt(a)),
		SoftwareStatementIssuer: statementIssuer(a),
	}
	if use, ok := k.uses[a.GetId()]; ok {
		m.LastUsedAt, m.LastUsedBy = stamp(use.At), use.By
	}
	return m
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func (h *routes) accept(w http.ResponseWriter, r *http.Request) error {
	accepted, err := h.editor.Accept(r.Context(), placeOf(r), r.PathValue("application"))
	if err != nil {
		return err
	}
	known, err := h.shown(r.Context(), placeOf(r), "")
	if err != nil {
		return err
	}
	if err := h.addUses(r.Context(), known, accepted); err != nil {
		return err
	}
	return h.answer(w, http.StatusOK, known.message(accepted))
}

func (h *routes) reject(w http.ResponseWriter, r *http.Request) error {
	at, id := placeOf(r), r.PathValue("application")
	err := h.editor.Reject(r.Context(), at, id)
	if fault.Is(err, fault.NotFound) {
		// Whoever did not get the answer asks again.
		gone, failed := h.editor.WasApplication(r.Context(), at, id)
		switch {
		case failed != nil:
			return failed
		case gone:
			err = nil
		}
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *routes) difference(w http.ResponseWriter, r *http.Request) error {
	at := placeOf(r)
	a, err := editor.Read(r.Context(), h.editor, catalog.Applications, at, r.PathValue("application"))
	if err != nil {
		return err
	}
	m := &managementv1.TemplateDifference{Template: a.GetRegistration().GetTemplate()}
	if m.Template == "" {
		return fault.NotFoundf("Application [%s] was not registered from a template.", a.GetId())
	}
	template, err := editor.Read(r.Context(), h.editor, catalog.Applications, at, m.Template)
	switch {
	case fault.Is(err, fault.NotFound) || err == nil && !template.GetTemplate():
		m.Missing = true
		return h.answer(w, http.StatusOK, m)
	case err != nil:
		return err
	}
	found, err := h.editor.DifferencesFrom(r.Context(), template, []*configv1.Application{a})
	if err != nil {
		return err
	}
	m.Differs = len(found[0]) > 0
	for _, f := range found[0] {
		entry := &managementv1.TemplateDifferenceEntry{Path: f.Path}
		if entry.Template, err = valueOf(f.Template); err != nil {
			return err
		}
		if entry.Client, err = valueOf(f.Client); err != nil {
			return err
		}
		m.Differences = append(m.Differences, entry)
	}
	return h.answer(w, http.StatusOK, m)
}

// valueOf is a value of a tree as a message; nil for none.
func valueOf(v any) (*structpb.Value, error) {
	if v == nil {
		return nil, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	value := new(structpb.Value)
	return value, value.UnmarshalJSON(data)
}
