package editor

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// ExpiringSecret is a client secret that ends before a moment.
type ExpiringSecret struct {
	Application *configv1.Application
	Secret      *configv1.ClientSecret
	// Use is the newest use of its present value; nil if there was none.
	Use *store.SecretUse
}

// ExpiringSecrets returns a page of the client secrets of a place that end before a moment, those first that end first,
// and how many there are on all pages. Without a domain it is all domains of the environment. Secrets that have ended
// are among them: somebody forgot them.
func (e *Editor) ExpiringSecrets(ctx context.Context, at Place, until time.Time, page, size int) ([]ExpiringSecret, int64, error) {
	domains, err := e.domainsOf(ctx, at)
	if err != nil {
		return nil, 0, err
	}
	ends := func(c *configv1.ClientSecret) bool {
		return c.GetExpiresAt() != nil && c.GetExpiresAt().AsTime().Before(until)
	}
	var all []ExpiringSecret
	for _, id := range domains {
		at.Domain = id
		ending, _, err := ReadAll(ctx, e, catalog.Applications, at, image.Query{Where: func(r resource.Resource) bool {
			return slices.ContainsFunc(r.(*configv1.Application).GetSecrets(), ends)
		}})
		if err != nil {
			return nil, 0, err
		}
		for _, a := range ending {
			for _, c := range a.GetSecrets() {
				if ends(c) {
					all = append(all, ExpiringSecret{Application: a, Secret: c})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b ExpiringSecret) int {
		return cmp.Or(a.Secret.GetExpiresAt().AsTime().Compare(b.Secret.GetExpiresAt().AsTime()),
			cmp.Compare(a.Application.GetId(), b.Application.GetId()), cmp.Compare(a.Secret.GetId(), b.Secret.GetId()))
	})
	total := int64(len(all))
	if size > 0 {
		from := min(page*size, len(all))
		all = all[from:min(from+size, len(all))]
	}
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].Secret.GetId()
	}
	uses, err := e.store.SecretUses().Get(ctx, ids)
	for i := range all {
		all[i].Use = useOf(all[i].Secret, uses)
	}
	return all, total, err
}

// domainsOf returns the identifiers of the domains of a place.
func (e *Editor) domainsOf(ctx context.Context, at Place) ([]string, error) {
	if at.Domain != "" {
		d, err := e.domain(ctx, at, at.Domain)
		if err != nil {
			return nil, err
		}
		return []string{d.GetId()}, nil
	}
	found, _, err := ReadAll(ctx, e, catalog.Domains, at, image.Query{})
	ids := make([]string, len(found))
	for i, d := range found {
		ids[i] = d.GetId()
	}
	return ids, err
}

// SecretUses returns the newest use of the present value of each of an application's secrets, by the secret's identifier.
func (e *Editor) SecretUses(ctx context.Context, a *configv1.Application) (map[string]*store.SecretUse, error) {
	uses, err := e.store.SecretUses().OfApplication(ctx, a.GetId())
	shown := map[string]*store.SecretUse{}
	for _, c := range a.GetSecrets() {
		if use := useOf(c, uses); use != nil {
			shown[c.GetId()] = use
		}
	}
	return shown, err
}

// useOf returns the use of a secret if it was one of its present value. Uses are known to the second.
func useOf(c *configv1.ClientSecret, uses map[string]store.SecretUse) *store.SecretUse {
	use, ok := uses[c.GetId()]
	if !ok || use.At.Before(c.GetCreatedAt().AsTime().Truncate(time.Second)) {
		return nil
	}
	return &use
}
