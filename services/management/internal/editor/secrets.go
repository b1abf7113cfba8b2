package editor

import (
	"context"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// prepare completes the scene by what only some changes have to look at.
func (e *Editor) prepare(ctx context.Context, s *catalog.Scene, old, fresh resource.Resource) error {
	switch r := fresh.(type) {
	case *configv1.Domain:
		s.Domain = r
		if catalog.EnablesRedirectExpressions(old.(*configv1.Domain), r) {
			var err error
			s.Applications, _, err = store.List(ctx, e.store, catalog.Applications, store.Query{Domain: r.GetId()})
			return err
		}
	case *configv1.Application:
		if !catalog.NeedsKeys(r) {
			return nil
		}
		var err error
		s.Fresh, err = e.store.SecretKeys().Get(ctx, r.GetId(), s.Now)
		return err
	}
	return nil
}

// keepFresh keeps the values of the secrets that a change made, and forgets those of secrets that it removed. The change
// is made already: without a kept value, an application has to renew its secret before it can use it as a key.
func (e *Editor) keepFresh(ctx context.Context, s *catalog.Scene, old, fresh resource.Resource) {
	a, ok := fresh.(*configv1.Application)
	if !ok {
		return
	}
	ctx = context.WithoutCancel(ctx)
	keys := e.store.SecretKeys()
	for id, value := range s.Made {
		if e.opts.KeepSecrets <= 0 {
			break
		}
		if err := keys.Put(ctx, a.GetDomain(), a.GetId(), id, value, s.Now.Add(e.opts.KeepSecrets)); err != nil {
			e.opts.Logger.ErrorContext(ctx, "value of a fresh client secret not kept", "resource", resource.KeyOf(a).String(), "err", err)
		}
	}
	before, ok := old.(*configv1.Application)
	if !ok {
		return
	}
	var gone []string
	for _, c := range before.GetSecrets() {
		if !slices.ContainsFunc(a.GetSecrets(), func(n *configv1.ClientSecret) bool { return n.GetId() == c.GetId() }) {
			gone = append(gone, c.GetId())
		}
	}
	if len(gone) == 0 {
		return
	}
	err := keys.Remove(ctx, gone...)
	for _, id := range gone {
		if err == nil {
			err = e.store.SecretUses().Remove(ctx, id)
		}
	}
	if err != nil {
		e.opts.Logger.ErrorContext(ctx, "data of a deleted client secret not removed", "resource", resource.KeyOf(a).String(), "err", err)
	}
}
