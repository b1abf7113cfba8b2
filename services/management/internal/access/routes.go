package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Mux is the management API as far as reports need it. Domain and permission have been checked when a handler runs.
type Mux interface {
	Handle(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	Body(r *http.Request) (prototree.Object, error)
	Page(r *http.Request, maxSize int) (page, size int, q string, err error)
	JSON(w http.ResponseWriter, status int, v any) error
	List(w http.ResponseWriter, page int, total int64, data []prototree.Object) error
	Allowed(r *http.Request, permission string) error
}

// routes answers the reports over REST.
type routes struct {
	*Service
	mux    Mux
	editor *editor.Editor
}

const (
	readsPeople = "user:read"
	maxPage     = 200
)

// Mount adds the checks and reports to the management API.
func (s *Service) Mount(m Mux, e *editor.Editor) {
	x := &routes{Service: s, mux: m, editor: e}
	application := "/domains/{domain}/applications/{application}/access"
	verdict := operation.Parameter{Name: "verdict", Type: "string", Values: []string{"yes", "depends", "no"},
		Description: "Only this standing. Without it: whoever can, and whoever depends on the moment."}
	m.Handle("POST "+application+"/_check", "access:check", x.check, operation.Operation{
		Summary: "Check whether somebody may use an application, and why.",
		Details: "For the stored rule or a proposed one. What the context does not give is unknown: the verdict may then be `depends`, naming the " +
			"inputs it hangs on. Needs user:read as well.",
		Body: &managementv1.AccessCheck{}, Answer: &managementv1.AccessTrace{},
	})
	m.Handle("POST "+application+"/_impact", "access:check", x.impact, operation.Operation{
		Summary: "Count whom a proposed rule lets in and keeps out.", Details: "Needs user:read as well.",
		Body: &managementv1.AccessImpactQuestion{}, Answer: &managementv1.AccessImpact{},
	})
	m.Handle("GET "+application+"/users", "access:check", x.users, operation.Operation{
		Summary: "List who can open an application, and why.",
		Details: "People who can sign in, in the order of their names. " + asCSV + " Needs user:read as well.",
		Query: operation.Paging(verdict, operation.Parameter{Name: "via", Type: "string",
			Description: "Only whom this lets in: the identifier of a binding, a group, a policy or an entitlement."}),
		Answer: &managementv1.AccessEntry{}, Shape: operation.Page,
	})
	m.Handle("GET /domains/{domain}/users/{user}/access", readsPeople, x.opens, operation.Operation{
		Summary: "List what a person can open, and why.", Details: asCSV, Query: operation.Paging(verdict),
		Answer: &managementv1.AccessApplication{}, Shape: operation.Page,
	})
	m.Handle("GET /domains/{domain}/groups/{group}/access", "group:read", x.grants, operation.Operation{
		Summary: "List what membership of a group opens.",
		Details: "Applications and entitlements that are bound to the group, or to one that contains it. " + asCSV,
		Query:   operation.Paging(), Answer: &managementv1.AccessApplication{}, Shape: operation.Page,
	})
	m.Handle("POST /domains/{domain}/policies/_test", "policy:read", x.test, operation.Operation{
		Summary: "Try a policy for a person and a moment.", Details: "Needs user:read as well.",
		Body: &managementv1.PolicyTest{}, Answer: &managementv1.PolicyTested{},
	})
	x.mountBindings()
	x.mountClaims()
	x.mountImpacts()
}

func (x *routes) place(r *http.Request) editor.Place {
	return editor.Place{
		Organization: r.PathValue("organization"), Environment: r.PathValue("environment"), Domain: r.PathValue("domain"),
		Application: r.PathValue("application"),
	}
}

func (x *routes) application(r *http.Request) (*configv1.Application, error) {
	return editor.Read(r.Context(), x.editor, catalog.Applications, x.place(r), r.PathValue("application"))
}

func (x *routes) answer(w http.ResponseWriter, m proto.Message) error {
	tree, err := prototree.Management.Encode(m)
	if err != nil {
		return err
	}
	return x.mux.JSON(w, http.StatusOK, tree)
}

// read reads a body as a message, strictly, and returns it as it came as well: with the members that were given.
func (x *routes) read(r *http.Request, into proto.Message) (prototree.Object, error) {
	body, err := x.mux.Body(r)
	if err != nil {
		return nil, err
	}
	if err := prototree.Management.Decode(body, into); err != nil {
		return nil, catalog.TreeError(err)
	}
	return body, nil
}

func (x *routes) check(w http.ResponseWriter, r *http.Request) error {
	if err := x.mux.Allowed(r, readsPeople); err != nil {
		return err
	}
	var c managementv1.AccessCheck
	body, err := x.read(r, &c)
	if err != nil {
		return err
	}
	app, err := x.application(r)
	if err != nil {
		return err
	}
	world, err := x.look(r.Context(), app.GetDomain())
	if err != nil {
		return err
	}
	var f catalog.Faults
	s := world.situation(&f, "context", c.GetContext(), body["context"])
	p, m, err := world.somebody(r.Context(), &f, c.GetUser(), c.GetGroups())
	if err != nil {
		return err
	}
	rule := world.rule(app)
	if given, ok := body["proposed"].(prototree.Object); ok {
		proposal, err := x.editor.Propose(r.Context(), x.place(r), app.GetId(), given, "proposed")
		switch {
		case err == nil:
			rule = world.compile(proposal.Application, proposal.Policies)
		default:
			if err := f.Take("", err); err != nil {
				return err
			}
		}
	}
	if err := f.Err(); err != nil {
		return err
	}
	ctx, cancel := within(r.Context(), x.patience)
	defer cancel()
	t := world.messageOf(rule.Trace(ctx, p, s))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.Disabled = !m.enabled
	world.shows(app, t)
	return x.answer(w, t)
}

// shows says whether My applications shows an application, given a verdict.
func (w *world) shows(app *configv1.Application, t *managementv1.AccessTrace) {
	v := catalog.VisibilityOf(app)
	t.ShownBecause = slices.Clone(v.GetBecause())
	if t.GetVerdict() == access.Denied.String() || t.GetDisabled() {
		t.ShownBecause = append(t.ShownBecause, access.Denied.String())
	}
	t.Shown = len(t.ShownBecause) == 0
}

// somebody returns a person with everything that policies read, as if their groups were others.
func (w *world) somebody(ctx context.Context, f *catalog.Faults, id string, groups *managementv1.AccessGroups) (*access.Person, *member, error) {
	m := w.crowd.find(id)
	switch {
	case id == "":
		f.Refuse("user", "must be the identifier of a user")
		return nil, &member{in: &membership{}}, nil
	case m == nil:
		return nil, nil, fault.NotFoundf("User [%s] can not be found.", id)
	}
	then := *m
	direct := slices.Clone(m.in.groups)
	for i, g := range groups.GetAdd() {
		if w.tree.byID[g] == nil {
			f.Refuse(fmt.Sprintf("groups.add[%d]", i), fmt.Sprintf("Group [%s] can not be found.", g))
			continue
		}
		direct = append(direct, g)
	}
	for i, g := range groups.GetRemove() {
		if w.tree.byID[g] == nil {
			f.Refuse(fmt.Sprintf("groups.remove[%d]", i), fmt.Sprintf("Group [%s] can not be found.", g))
		}
	}
	direct = slices.DeleteFunc(direct, func(g string) bool { return slices.Contains(groups.GetRemove(), g) })
	slices.Sort(direct)
	then.in = &membership{groups: slices.Compact(direct)}
	p, err := w.whole(ctx, &then)
	if errors.Is(err, store.ErrNotFound) {
		err = fault.NotFoundf("User [%s] can not be found.", id)
	}
	return p, &then, err
}

// within limits how long an evaluation takes. What came of one that took longer is not to be told: policies fail when the time is up.
func within(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, most,
		fault.Unavailablef("The evaluation took longer than %v. Ask about simpler expressions, or again when there is less to do", most))
}

// earliest and latest are the times that a check may be about.
var (
	earliest = time.Unix(0, 0)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// situation reads what is true for a moment. Only what the body has is known; bindings expire by the present if no time is given.
func (w *world) situation(f *catalog.Faults, path string, c *managementv1.AccessContext, body any) *access.Situation {
	given, _ := body.(prototree.Object)
	s := &access.Situation{Time: w.now}
	known := func(name string, bit access.Known) bool {
		v, ok := given[name]
		if ok && v != nil {
			s.Known |= bit
			return true
		}
		return false
	}
	moment := func(name string, t *timestamppb.Timestamp, bit access.Known, into *time.Time) {
		if !known(name, bit) {
			return
		}
		if at := t.AsTime(); at.Before(earliest) || !at.Before(latest) {
			f.Refuse(path+"."+name, "must lie between 1970 and 2200")
			return
		}
		*into = t.AsTime()
	}
	if known("ip", access.KnowsIP) {
		ip, err := netip.ParseAddr(c.GetIp())
		if err != nil {
			f.Refuse(path+".ip", "must be an IPv4 or IPv6 address such as 192.0.2.1")
		}
		s.IP = ip.Unmap()
	}
	moment("time", c.GetTime(), access.KnowsTime, &s.Time)
	moment("authTime", c.GetAuthTime(), access.KnowsAuthTime, &s.AuthTime)
	if known("country", access.KnowsCountry) && c.GetCountry() != "" {
		if wrong := access.NoCountry(c.GetCountry()); wrong != "" {
			f.Refuse(path+".country", wrong)
		}
	}
	if known("continent", access.KnowsContinent) && c.GetContinent() != "" {
		if wrong := access.NoContinent(c.GetContinent()); wrong != "" {
			f.Refuse(path+".continent", wrong)
		}
	}
	known("asn", access.KnowsASN)
	known("userAgent", access.KnowsUserAgent)
	known("protocol", access.KnowsProtocol)
	known("scopes", access.KnowsScopes)
	known("resource", access.KnowsResource)
	known("acr", access.KnowsACR)
	known("amr", access.KnowsAMR)
	known("identityProvider", access.KnowsIdentityProvider)
	known("method", access.KnowsMethod)
	s.Country, s.Continent, s.ASN, s.UserAgent, s.Protocol = c.GetCountry(), c.GetContinent(), c.GetAsn(), c.GetUserAgent(), c.GetProtocol()
	s.Scopes, s.Resource, s.ACR, s.AMR = c.GetScopes(), c.GetResource(), c.GetAcr(), c.GetAmr()
	s.IdentityProvider, s.Method = c.GetIdentityProvider(), c.GetMethod()
	return s
}

func (x *routes) impact(w http.ResponseWriter, r *http.Request) error {
	if err := x.mux.Allowed(r, readsPeople); err != nil {
		return err
	}
	body, err := x.read(r, &managementv1.AccessImpactQuestion{})
	if err != nil {
		return err
	}
	app, err := x.application(r)
	if err != nil {
		return err
	}
	given, ok := body["proposed"].(prototree.Object)
	if !ok {
		return fault.Invalidf("[proposed: must not be null]").At("proposed", "must not be null")
	}
	proposal, err := x.editor.Propose(r.Context(), x.place(r), app.GetId(), given, "proposed")
	if err != nil {
		return err
	}
	world, err := x.look(r.Context(), app.GetDomain())
	if err != nil {
		return err
	}
	ctx, cancel := within(r.Context(), 6*x.patience)
	defer cancel()
	d, err := world.compare(ctx, world.rule(app), world.compile(proposal.Application, proposal.Policies), "")
	if err != nil {
		return err
	}
	return x.answer(w, &managementv1.AccessImpact{
		Before: d.before, After: d.after, Gained: d.gained, Lost: d.lost, Depends: d.depends, LostActive7D: d.lostActive,
		SampleGained: peopleOf(d.sampleGained), SampleLost: peopleOf(d.sampleLost),
	})
}

func peopleOf(members []*member) []*managementv1.AccessPerson {
	list := make([]*managementv1.AccessPerson, len(members))
	for i, m := range members {
		list[i] = &managementv1.AccessPerson{Id: m.id, Username: m.username, Name: m.name}
	}
	return list
}

// wanted reads the standings that a list is to have.
func wanted(r *http.Request) (func(access.Standing) bool, error) {
	switch v := r.URL.Query().Get("verdict"); v {
	case "":
		return func(s access.Standing) bool { return s != access.No }, nil
	case string(access.Yes), string(access.Depends), string(access.No):
		return func(s access.Standing) bool { return string(s) == v }, nil
	default:
		return nil, fault.Invalidf("[verdict: must be one of yes, depends, no]").At("verdict", "must be one of yes, depends, no")
	}
}

// found is somebody whom a report names.
type found struct {
	m  *member
	is access.Standing
}

func (x *routes) users(w http.ResponseWriter, r *http.Request) error {
	if err := x.mux.Allowed(r, readsPeople); err != nil {
		return err
	}
	page, size, q, err := x.mux.Page(r, maxPage)
	if err != nil {
		return err
	}
	want, err := wanted(r)
	if err != nil {
		return err
	}
	app, err := x.application(r)
	if err != nil {
		return err
	}
	world, err := x.look(r.Context(), app.GetDomain())
	if err != nil {
		return err
	}
	rule, search := world.rule(app), words(q)
	var hits []found
	err = world.survey(r.Context(), rule, func(m *member, s access.Standing) {
		if want(s) && m.finds(search) {
			hits = append(hits, found{m, s})
		}
	})
	if err != nil {
		return err
	}
	if via := r.URL.Query().Get("via"); via != "" {
		if hits, err = world.by(r.Context(), rule, hits, via); err != nil {
			return err
		}
	}
	world.dates(w, app)
	if wantsCSV(r) {
		return people(w, r, world, rule, hits)
	}
	from := min(int64(page)*int64(size), int64(len(hits)))
	entries, err := world.entries(r.Context(), rule, hits[from:min(from+int64(size), int64(len(hits)))])
	if err != nil {
		return err
	}
	data := make([]prototree.Object, len(entries))
	for i, e := range entries {
		if data[i], err = prototree.Management.Encode(e); err != nil {
			return err
		}
	}
	return x.mux.List(w, page, int64(len(hits)), data)
}

// entries explains some people's standing. Where a rule looks at no more than groups, nobody is read from the database.
func (w *world) entries(ctx context.Context, rule *access.Rule, hits []found) ([]*managementv1.AccessEntry, error) {
	entries := make([]*managementv1.AccessEntry, 0, len(hits))
	if len(hits) == 0 {
		return entries, nil
	}
	signedIn, err := w.signedIn(ctx)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(hits, surveyed) {
		known := map[string]*directoryv1.User{}
		if needOf(rule) == everything {
			ids := make([]string, len(part))
			for i, h := range part {
				ids[i] = h.m.id
			}
			if known, err = w.service.store.Users().Some(ctx, w.domain, ids); err != nil {
				return nil, err
			}
		}
		for _, h := range part {
			p := w.person(h.m)
			u := known[h.m.id]
			if u == nil {
				u = &directoryv1.User{Id: h.m.id}
			}
			w.complete(p, u, h.m.in)
			t := rule.Trace(ctx, p, &access.Situation{Time: w.now})
			e := &managementv1.AccessEntry{
				Id: h.m.id, Username: h.m.username, Name: h.m.name, Email: h.m.email, Verdict: string(h.is), Depends: t.Depends,
				Entitlements: t.Entitlements, Because: w.reasons(t, h.is),
			}
			if at := signedIn(h.m); !at.IsZero() {
				e.LastSignIn = timestamppb.New(at)
			}
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// reasons names what lets somebody in: allow bindings that pass, those that depend on the moment where nothing else does, and
// entitlements.
func (w *world) reasons(t *access.Trace, is access.Standing) []*managementv1.AccessReason {
	var because []*managementv1.AccessReason
	if is == access.No {
		return nil
	}
	for _, b := range t.Bindings {
		if b.Effect != "allow" || b.ReportOnly || b.Disabled || b.Passed != nil && !*b.Passed || b.Passed == nil && is != access.Depends {
			continue
		}
		because = append(because, &managementv1.AccessReason{
			Binding: b.ID, Name: b.Name, Policy: b.Policy, Group: b.Group, User: b.User, Via: b.Via, ViaNames: w.named(b.Via),
		})
	}
	if t.ByEntitlement {
		for _, name := range t.Entitlements {
			because = append(because, &managementv1.AccessReason{Entitlement: name})
		}
	}
	return because
}

// by keeps those whom a binding, a group, a policy or an entitlement lets in.
func (w *world) by(ctx context.Context, rule *access.Rule, hits []found, via string) ([]found, error) {
	entries, err := w.entries(ctx, rule, hits)
	if err != nil {
		return nil, err
	}
	var kept []found
	for i, e := range entries {
		if slices.ContainsFunc(e.GetBecause(), func(b *managementv1.AccessReason) bool {
			return b.GetBinding() == via || b.GetGroup() == via || b.GetPolicy() == via || b.GetEntitlement() == via
		}) {
			kept = append(kept, hits[i])
		}
	}
	return kept, nil
}
