package domain

import (
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// source is what the set knows of a domain: its messages and the parts made from them.
type source struct {
	id           string
	domain       *configv1.Domain
	scopes       map[string]*configv1.Scope
	certificates map[string]*certificatePart
	providers    map[string]*providerPart
	forms        map[string]*formPart
	flows        map[string]*flowPart
	// belongings are the forms and flows that applications have for themselves, by the application, reworked those that the change
	// under way has made others.
	belongings map[string]*belongings
	reworked   map[string]struct{}
	policies   map[string]*policyPart
	mappings   map[string]*mappingPart
	// groups are those of people: a binding of another one is an orphan.
	groups   *groups
	headings map[string]*configv1.ApplicationGroup
	// apps are the applications by their own identifiers.
	apps map[string]*entry
	// registered are those of them that registered themselves, and beyond those that are not held; nil where all are. Both are
	// kept only where there is a bound.
	registered registered
	beyond     *beyond
	// parted means that of registered clients that are not held, what belongs to them is not either; leaving are clients of which the
	// change under way leaves it out.
	parted  bool
	leaving map[string]struct{}
	// asking are the questions under way about clients of the domain.
	asking map[*question]struct{}
	// clients are the present ones, editing the changes to them of the batch being applied.
	clients *clients
	editing *clientsEdit
	// seen are the present applications as people see them, listing the changes to them.
	seen    apps
	listing *appsEdit
	// lockouts are those that applications have for themselves.
	lockouts lockouts
	// changed tells that the core must be made anew.
	changed bool
	// enabled is what the index was made for.
	enabled bool
	slot    *slotOf
	// err says why the domain cannot be used as configured, clash why it is not served under its path.
	err, clash error
}

type certificatePart struct {
	message *configv1.Certificate
	key     *jose.Key
	err     error
}

type providerPart struct {
	message  *configv1.IdentityProvider
	provider *idp.Provider
	err      error
}

// flowPart is a flow of the domain, or of one of its applications. The compiled flow is nil where nothing runs, and
// where it belongs to an application.
type flowPart struct {
	message *configv1.Flow
	flow    *flows.Flow
	err     error
}

func newSource(id string) *source {
	return &source{
		id: id, scopes: map[string]*configv1.Scope{}, certificates: map[string]*certificatePart{},
		providers: map[string]*providerPart{}, forms: map[string]*formPart{}, flows: map[string]*flowPart{},
		belongings: map[string]*belongings{}, reworked: map[string]struct{}{}, leaving: map[string]struct{}{},
		policies: map[string]*policyPart{}, mappings: map[string]*mappingPart{}, groups: &groups{},
		headings: map[string]*configv1.ApplicationGroup{},
		apps:     map[string]*entry{}, clients: &clients{}, slot: &slotOf{},
	}
}

func (src *source) key() resource.Key {
	return resource.Key{Kind: "domain", Domain: src.id, ID: src.id}
}

func (src *source) problem() error {
	if src.err != nil {
		return src.err
	}
	if src.clash != nil {
		return src.clash
	}
	if d := src.slot.current.Load(); src.domain.GetEnabled() && d != nil && d.defaultKey() == nil {
		return errNoKey
	}
	return nil
}

func (src *source) edit() *clientsEdit {
	if src.editing == nil {
		src.editing = src.clients.edit()
	}
	return src.editing
}
