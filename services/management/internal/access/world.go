package access

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Options are what a Service works with. Store is needed.
type Options struct {
	Store *store.Store
	// Image is where configuration is looked up; nil, one that is not loaded yet and one that is behind mean the database.
	Image *image.Image
	// Logger is told of faults of ours; nil means none.
	Logger *slog.Logger
	Now    func() time.Time
	// GatewayURL is where gateways are reached from outside; it begins what tokens call their issuer.
	GatewayURL string
	// Patience is how long the evaluation of one rule or of claims for one person may take, and a sixth of what it may take for
	// everybody. Rules that are only proposed can be anything. Zero means 10 s.
	Patience time.Duration
}

// Service answers who may use which application. It is safe for concurrent use.
type Service struct {
	store  *store.Store
	image  *image.Image
	log    *slog.Logger
	now    func() time.Time
	crowds *crowds
	// patience and gatewayURL are those of the options.
	patience   time.Duration
	gatewayURL string
	// compiled are policies by identifier, at one revision each.
	compiled sync.Map
}

type compiledPolicy struct {
	revision int64
	policy   *access.Policy
}

// policy returns a stored policy, compiled once for every revision; nil if it cannot be used.
func (s *Service) policy(pb *configv1.Policy) *access.Policy {
	if known, ok := s.compiled.Load(pb.GetId()); ok && known.(compiledPolicy).revision == pb.GetRevision() {
		return known.(compiledPolicy).policy
	}
	p, err := access.CompilePolicy(pb)
	if err != nil {
		p = nil
	}
	s.compiled.Store(pb.GetId(), compiledPolicy{pb.GetRevision(), p})
	return p
}

// New returns the service over a store. It reads nothing yet.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{
		store: o.Store, image: o.Image, log: o.Logger, now: o.Now, crowds: newCrowds(o.Store, o.Now), patience: cmp.Or(o.Patience, 10*time.Second),
		gatewayURL: strings.TrimRight(o.GatewayURL, "/"),
	}
}

// world is the configuration and the people of a domain at one moment.
type world struct {
	service  *Service
	domain   string
	now      time.Time
	tree     *tree
	apps     []*configv1.Application
	policies map[string]*access.Policy
	crowd    *crowd
	rules    map[string]*access.Rule // by application, as far as they were asked for
	bySlug   map[string]*configv1.Application
	groups   map[*membership]map[string]bool
	headings map[string]string
	// signed says when people signed in last, once it was asked for.
	signed func(m *member) time.Time
}

// look takes a picture of a domain.
func (s *Service) look(ctx context.Context, domain string) (*world, error) {
	w := &world{
		service: s, domain: domain, now: s.now(), policies: map[string]*access.Policy{}, rules: map[string]*access.Rule{},
		bySlug: map[string]*configv1.Application{}, groups: map[*membership]map[string]bool{}, headings: map[string]string{},
	}
	groups, err := all(ctx, s, catalog.Groups, domain)
	if err != nil {
		return nil, err
	}
	w.tree = newTree(groups)
	policies, err := all(ctx, s, catalog.Policies, domain)
	if err != nil {
		return nil, err
	}
	for _, pb := range policies {
		if p := s.policy(pb); p != nil { // one that cannot be used fails, as it does at gateways
			w.policies[pb.GetId()] = p
		}
	}
	if w.apps, err = all(ctx, s, catalog.Applications, domain); err != nil {
		return nil, err
	}
	for _, a := range w.apps {
		if a.GetSlug() != "" {
			w.bySlug[a.GetSlug()] = a
		}
	}
	headings, err := all(ctx, s, catalog.ApplicationGroups, domain)
	if err != nil {
		return nil, err
	}
	for _, h := range headings {
		w.headings[h.GetId()] = h.GetName()
	}
	known, err := s.providers(ctx, domain)
	if err != nil {
		return nil, err
	}
	w.crowd, err = s.crowds.get(ctx, domain, known)
	return w, err
}

// providers returns which identity providers a domain has.
func (s *Service) providers(ctx context.Context, domain string) (map[string]bool, error) {
	list, err := all(ctx, s, catalog.IdentityProviders, domain)
	known := map[string]bool{}
	for _, p := range list {
		known[p.GetId()] = true
	}
	return known, err
}

// Run keeps the pictures of people current that reports look at, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(followed)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.crowds.refresh(ctx, s.providers); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "the people of a domain could not be read for reports", "err", err)
		}
	}
}

// imageAge is how long the image may have made no progress to be good enough for an answer.
const imageAge = time.Second

// all returns the resources of a kind in a domain.
func all[R resource.Resource](ctx context.Context, s *Service, k *catalog.Kind[R], domain string) ([]R, error) {
	if s.image != nil && s.image.Current(imageAge) {
		if v, loaded := s.image.View(); loaded {
			list, _ := image.List(v, k, image.Query{Domain: domain})
			return list, nil
		}
	}
	list, _, err := store.List(ctx, s.store, k, store.Query{Domain: domain})
	return list, err
}

// rule returns the rule of an application of the domain.
func (w *world) rule(a *configv1.Application) *access.Rule {
	if r := w.rules[a.GetId()]; r != nil {
		return r
	}
	r := w.compile(a, nil)
	w.rules[a.GetId()] = r
	return r
}

// compile makes a rule, with some policies that are not stored.
func (w *world) compile(a *configv1.Application, extra map[string]*access.Policy) *access.Rule {
	return access.Compile(a, func(id string) *access.Policy {
		if p := extra[id]; p != nil {
			return p
		}
		return w.policies[id]
	},
		access.WithSubjects(
			func(id string) bool { return w.tree.byID[id] != nil },
			func(id string) bool { return w.crowd.find(id) != nil }),
		access.WithNeighbours(func(slug string) *access.Rule {
			other := w.bySlug[slug]
			if other == nil {
				return nil
			}
			return w.rule(other)
		}),
		access.WithHeading(w.headings[a.GetGroup()]))
}

// as returns the domain as it would be with other groups and people in them.
func (w *world) as(groups *tree, people *crowd) *world {
	then := *w
	then.tree, then.crowd = groups, people
	then.rules, then.groups = map[string]*access.Rule{}, map[*membership]map[string]bool{}
	return &then
}

// groupsOf returns the groups of somebody, inherited ones included. People in the same groups share the answer.
func (w *world) groupsOf(in *membership) map[string]bool {
	if known, ok := w.groups[in]; ok {
		return known
	}
	all := w.tree.above(in.groups)
	w.groups[in] = all
	return all
}

// person returns somebody as rules see them. User is left to those that need it.
func (w *world) person(m *member) *access.Person {
	return &access.Person{
		ID: m.id, Groups: w.groupsOf(m.in),
		Via: func(group string) []string { return w.tree.way(m.in.groups, group) },
	}
}

// named returns the names of groups.
func (w *world) named(ids []string) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = w.tree.byID[id].GetName()
	}
	return names
}

// complete gives a person everything that policies may read.
func (w *world) complete(p *access.Person, u *directoryv1.User, in *membership) {
	u.Standing = &directoryv1.Standing{}
	direct := map[string]bool{}
	for _, id := range in.groups {
		direct[id] = true
	}
	var groups []*configv1.Group
	for id := range p.Groups {
		groups = append(groups, w.tree.byID[id])
	}
	sortByName(groups)
	merged := map[string]any{}
	for _, g := range groups {
		u.Standing.Groups = append(u.Standing.Groups, &directoryv1.Standing_Group{Id: g.GetId(), Name: g.GetName(), Direct: direct[g.GetId()]})
		if g.GetAttributes() != nil {
			merged = access.Merge(merged, g.GetAttributes().AsMap())
		}
	}
	if own := u.GetAdditionalInformation(); own != nil {
		merged = access.Merge(merged, own.AsMap())
	}
	u.Standing.Attributes = structOf(merged)
	p.User = u
}
