package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Rule says who may use an application. It is compiled from the application with its bindings and entitlements.
type Rule struct {
	all    bool // mode all: every enabled allow binding must pass
	grants bool // whoever holds an entitlement gets in
	open   bool // nothing keeps anybody out but deny bindings
	shut   bool // allow bindings are defined and every one is disabled

	bindings []*binding // every binding in order
	enforced []*binding // the enabled ones that are not report-only, in order: users and groups first, then policies
	policies int        // where the policies begin in enforced
	reports  []report

	allowIDs      []string            // of the enabled allow bindings
	allowMessages []map[string]string // what they say
	fallback      []map[string]string // what the application says where bindings say nothing

	entitlements []entitlement
	app          *rules.App
	revision     int64
	neighbour    func(slug string) *Rule
}

// report is a binding that is counted and never decides, and the rule as it would be if it did.
type report struct {
	binding  *binding
	enforced *Rule
}

type kind uint8

// What a binding looks at. byStranger is a condition or an effect of a later version, which this one cannot read: it must never
// let anybody in, so that it refuses everybody where it might refuse, and passes nobody where it can only allow.
const (
	byUser kind = iota
	byGroup
	byPolicy
	byStranger
)

// binding is one condition of a rule.
type binding struct {
	pb      *configv1.Binding
	index   int // in Rule.enforced
	kind    kind
	subject string // the user or the group
	policy  *Policy
	deny    bool
	negate  bool
	enabled bool
	reports bool
	orphan  bool
	lenient bool // failureResult
	expires time.Time
	timeout time.Duration
	message map[string]string

	// What a decision says where this binding alone decides.
	id   []string
	says []map[string]string
}

// Option is something more that is known when a rule is compiled.
type Option func(*options)

type options struct {
	group, user func(id string) bool
	neighbour   func(slug string) *Rule
	heading     string
}

// WithSubjects tells which groups and users there are: a binding of another one is an orphan, whether it is marked so or not.
// Nil means that every one is there.
func WithSubjects(group, user func(id string) bool) Option {
	return func(o *options) { o.group, o.user = group, user }
}

// WithNeighbours tells the rules of the other applications of the domain, by slug, for entitlementsOf and
// entitlementAttributesOf. It is asked at evaluation; nil means that there is none.
func WithNeighbours(rule func(slug string) *Rule) Option {
	return func(o *options) { o.neighbour = rule }
}

// WithHeading tells the name of the application's group; without it app.group is its identifier.
func WithHeading(name string) Option {
	return func(o *options) { o.heading = name }
}

// Compile returns the rule of an application. It is never nil and never fails: a binding of a policy that policies does not
// know, or returns nil for, cannot be evaluated and has its failureResult for an outcome.
func Compile(app *configv1.Application, policies func(id string) *Policy, opts ...Option) *Rule {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	r := &Rule{
		all:       app.GetAccess().GetMode() == configv1.ApplicationAccess_ALL,
		grants:    app.GetAccess().GetEntitlementsGrant(),
		app:       rules.NewApp(fields(app, o.heading)),
		revision:  app.GetRevision(),
		neighbour: o.neighbour,
	}
	if m := app.GetAccess().GetMessage(); len(m) > 0 {
		r.fallback = []map[string]string{m}
	}
	for _, pb := range app.GetBindings() {
		r.bindings = append(r.bindings, newBinding(pb, policies, o))
	}
	slices.SortStableFunc(r.bindings, inOrder)
	for _, e := range app.GetEntitlements() {
		r.entitlements = append(r.entitlements, newEntitlement(e, o))
	}
	slices.SortFunc(r.entitlements, func(a, b entitlement) int { return strings.Compare(a.pb.GetName(), b.pb.GetName()) })
	r.arrange(nil)
	for _, b := range r.bindings {
		if b.reports && b.enabled {
			if then := r.with(b); then != nil {
				r.reports = append(r.reports, report{b, then})
			}
		}
	}
	return r
}

// inOrder compares bindings by order, and by identifier where that is equal.
func inOrder(a, b *binding) int {
	return cmp.Or(cmp.Compare(a.pb.GetOrder(), b.pb.GetOrder()), strings.Compare(a.pb.GetId(), b.pb.GetId()))
}

// with returns the rule as it would be if a report-only binding decided.
func (r *Rule) with(b *binding) *Rule {
	then := &Rule{
		all: r.all, grants: r.grants, fallback: r.fallback, entitlements: r.entitlements, app: r.app, revision: r.revision,
		neighbour: r.neighbour,
	}
	for _, other := range r.bindings {
		same := *other
		then.bindings = append(then.bindings, &same)
		if other == b {
			b = &same
		}
	}
	then.arrange(b)
	return then
}

// arrange makes what decisions need of r.bindings; besides those that are not report-only, one that is may count.
func (r *Rule) arrange(also *binding) {
	defined := false
	for _, b := range r.bindings {
		if b.reports && b != also {
			continue
		}
		defined = defined || !b.deny || b.pb.GetEffect() != configv1.Binding_DENY
		if b.enabled {
			r.enforced = append(r.enforced, b)
		}
	}
	slices.SortStableFunc(r.enforced, func(a, b *binding) int {
		return cmp.Compare(a.stage(), b.stage())
	})
	r.policies = len(r.enforced)
	for i, b := range r.enforced {
		b.index = i
		if b.kind == byPolicy && i < r.policies {
			r.policies = i
		}
	}
	for _, b := range r.bindings { // in the order of messages
		if b.enabled && !b.deny && (!b.reports || b == also) {
			r.allowIDs = append(r.allowIDs, b.pb.GetId())
			r.allowMessages = append(r.allowMessages, b.says...)
		}
	}
	r.open = !defined && !r.grants
	r.shut = defined && len(r.allowIDs) == 0
}

func newBinding(pb *configv1.Binding, policies func(string) *Policy, o options) *binding {
	b := &binding{
		pb:      pb,
		deny:    refuses(pb.GetEffect()),
		negate:  pb.GetNegate(),
		enabled: pb.Enabled == nil || pb.GetEnabled(),
		reports: pb.GetReportOnly(),
		orphan:  pb.GetOrphaned(),
		lenient: pb.GetFailureResult(),
		timeout: time.Duration(cmp.Or(pb.GetTimeoutSeconds(), defaultTimeout)) * time.Second,
		message: pb.GetMessage(),
		id:      []string{pb.GetId()},
	}
	if pb.GetExpiresAt() != nil {
		b.expires = pb.GetExpiresAt().AsTime()
	}
	switch {
	case !knownEffect(pb.GetEffect()):
		b.kind = byStranger
	case pb.GetPolicy() != "":
		b.kind = byPolicy
		if policies != nil {
			b.policy = policies(pb.GetPolicy())
		}
		if len(b.message) == 0 && b.policy != nil {
			b.message = b.policy.message
		}
	case pb.GetGroup() != "":
		b.kind, b.subject = byGroup, pb.GetGroup()
		b.orphan = b.orphan || o.group != nil && !o.group(b.subject)
	case pb.GetUser() != "":
		b.kind, b.subject = byUser, pb.GetUser()
		b.orphan = b.orphan || o.user != nil && !o.user(b.subject)
	default:
		b.kind = byStranger
	}
	if len(b.message) > 0 {
		b.says = []map[string]string{b.message}
	}
	return b
}

// refuses reports whether a binding of this effect refuses people. One that is not known might.
func refuses(e configv1.Binding_Effect) bool { return e == configv1.Binding_DENY || !knownEffect(e) }

func knownEffect(e configv1.Binding_Effect) bool {
	switch e {
	case configv1.Binding_EFFECT_UNSPECIFIED, configv1.Binding_ALLOW, configv1.Binding_DENY:
		return true
	}
	return false
}

// defaultTimeout is that of bindings that set none, in seconds.
const defaultTimeout = 5

func fields(app *configv1.Application, heading string) rules.AppFields {
	return rules.AppFields{
		ID:       app.GetId(),
		Slug:     app.GetSlug(),
		Name:     app.GetName(),
		Group:    cmp.Or(heading, app.GetGroup()),
		Labels:   app.GetMetadata(),
		ClientID: app.GetSettings().GetOauth().GetClientId(),
		Type:     strings.ToLower(app.GetType().String()),
		Scopes:   scopes(app),
	}
}

func scopes(app *configv1.Application) []string {
	var names []string
	for _, s := range app.GetSettings().GetOauth().GetScopeSettings() {
		names = append(names, s.GetScope())
	}
	return names
}

// Trivial reports whether everybody may use the application and there is nothing to ask: it is open, nobody is refused,
// nothing is counted and there are no entitlements.
func (r *Rule) Trivial() bool {
	return r.open && len(r.enforced) == 0 && len(r.reports) == 0 && len(r.entitlements) == 0
}

// Open reports whether the application is open to everybody but those whom deny bindings refuse.
func (r *Rule) Open() bool { return r.open }

// Revision returns the revision of the application the rule was compiled from.
func (r *Rule) Revision() int64 { return r.revision }

// stage is when a binding is evaluated: users and groups, which are looked up, before policies.
func (b *binding) stage() int {
	if b.kind == byPolicy {
		return 1
	}
	return 0
}

// Policies returns the policies that enabled bindings bind.
func (r *Rule) Policies() []*Policy {
	var list []*Policy
	for _, b := range r.enforced[r.policies:] {
		if b.policy != nil {
			list = append(list, b.policy)
		}
	}
	return list
}

// People returns the identifiers of the people whom bindings of the application, or of its entitlements, name.
func (r *Rule) People() map[string]bool {
	named := map[string]bool{}
	note := func(list []*binding) {
		for _, b := range list {
			if b.kind == byUser {
				named[b.subject] = true
			}
		}
	}
	note(r.bindings)
	for _, e := range r.entitlements {
		note(e.bindings)
	}
	return named
}
