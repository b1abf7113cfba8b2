package editor

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// changeApplication runs a change that no body describes.
func (e *Editor) changeApplication(ctx context.Context, at Place, id string, ifMatch int64, action Action,
	change func(s *catalog.Scene, a *configv1.Application) error,
) (*configv1.Application, error) {
	return update(ctx, e, catalog.Applications, at, id, ifMatch, action,
		func(_ context.Context, s *catalog.Scene, old *configv1.Application) (*configv1.Application, error) {
			a := proto.CloneOf(old)
			return a, change(s, a)
		})
}

// SetType changes the type of an application and forces the defaults of the new one. Missing redirect URIs are no
// reason to refuse it.
func (e *Editor) SetType(ctx context.Context, at Place, id string, t configv1.Application_Type, ifMatch int64) (*configv1.Application, error) {
	if t == configv1.Application_TYPE_UNSPECIFIED {
		return nil, fault.Invalidf("[type: must not be null]").At("type", "must not be null")
	}
	return e.changeApplication(ctx, at, id, ifMatch, TypeChanged, func(s *catalog.Scene, a *configv1.Application) error {
		if t == configv1.Application_BOOKMARK || catalog.IsBookmark(a) {
			return fault.Invalidf("An application becomes a bookmark by losing its provider, and is one no more when it gets one").
				At("type", "follows the provider")
		}
		s.TypeChange = true
		catalog.SetType(s, a, t)
		return nil
	})
}

// AddSecret gives an application another client secret. Its plain value is returned this once.
func (e *Editor) AddSecret(ctx context.Context, at Place, id, name string) (*configv1.ClientSecret, string, error) {
	return e.changeSecret(ctx, at, id, SecretAdded, func(s *catalog.Scene, a *configv1.Application) (*configv1.ClientSecret, string, error) {
		return catalog.AddSecret(s, a, name)
	})
}

// RenewSecret gives a client secret a new value, which is returned this once.
func (e *Editor) RenewSecret(ctx context.Context, at Place, id, secretID string) (*configv1.ClientSecret, string, error) {
	return e.changeSecret(ctx, at, id, SecretRenewed, func(s *catalog.Scene, a *configv1.Application) (*configv1.ClientSecret, string, error) {
		return catalog.RenewSecret(s, a, secretID)
	})
}

func (e *Editor) changeSecret(ctx context.Context, at Place, id string, action Action,
	change func(*catalog.Scene, *configv1.Application) (*configv1.ClientSecret, string, error),
) (*configv1.ClientSecret, string, error) {
	var changed *configv1.ClientSecret
	var plain string
	_, err := e.changeApplication(ctx, at, id, 0, action, func(s *catalog.Scene, a *configv1.Application) error {
		if catalog.IsBookmark(a) {
			return fault.Invalidf("A bookmark signs nobody in and has no client secrets. Give it a provider first")
		}
		s.Unjudged = true
		var err error
		changed, plain, err = change(s, a)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return changed, plain, nil
}

// DeleteSecret removes a client secret; the last one stays.
func (e *Editor) DeleteSecret(ctx context.Context, at Place, id, secretID string) error {
	_, err := e.changeApplication(ctx, at, id, 0, SecretDeleted, func(s *catalog.Scene, a *configv1.Application) error {
		s.Unjudged = true
		return catalog.RemoveSecret(a, secretID)
	})
	return err
}
