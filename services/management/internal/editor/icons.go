package editor

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/icon"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// What is recorded of icons.
const (
	IconSet     Action = "set_icon"
	IconDeleted Action = "delete_icon"
)

// Theme is the ground on which an icon is shown.
type Theme string

// The grounds.
const (
	Light Theme = "light"
	Dark  Theme = "dark"
)

// place returns where the digest of the icon for a ground stands.
func (t Theme) place(i *configv1.Icon) *string {
	if t == Dark {
		return &i.Dark
	}
	return &i.Light
}

// SetIcon gives an application a picture, which is stored before the application names it, and not before it is certain that the
// application is there as the caller has seen it.
func (e *Editor) SetIcon(ctx context.Context, at Place, id string, theme Theme, ifMatch int64, p *icon.Picture) (*configv1.Application, error) {
	return e.changeIcon(ctx, at, id, ifMatch, IconSet, func(a *configv1.Application, i *configv1.Icon) error {
		*theme.place(i) = p.Digest
		if DryRun(ctx) {
			return nil
		}
		return e.store.Icons().Put(ctx, store.Icon{Domain: a.GetDomain(), Digest: p.Digest, MediaType: p.MediaType, Content: p.Content})
	})
}

// DeleteIcon takes a picture from an application. There need not be one.
func (e *Editor) DeleteIcon(ctx context.Context, at Place, id string, theme Theme, ifMatch int64) error {
	_, err := e.changeIcon(ctx, at, id, ifMatch, IconDeleted, func(_ *configv1.Application, i *configv1.Icon) error {
		*theme.place(i) = ""
		return nil
	})
	return err
}

func (e *Editor) changeIcon(ctx context.Context, at Place, id string, ifMatch int64, action Action, change func(*configv1.Application, *configv1.Icon) error) (*configv1.Application, error) {
	return e.changeApplication(ctx, at, id, ifMatch, action, func(s *catalog.Scene, a *configv1.Application) error {
		s.Unjudged = true
		i := proto.CloneOf(a.GetIcon())
		if i == nil {
			i = &configv1.Icon{}
		}
		if err := change(a, i); err != nil {
			return err
		}
		if a.Icon = i; i.GetLight() == "" && i.GetDark() == "" {
			a.Icon = nil
		}
		return nil
	})
}

// Icon returns the picture of an application for a ground.
func (e *Editor) Icon(ctx context.Context, at Place, id string, theme Theme) (*store.Icon, error) {
	a, err := Read(ctx, e, catalog.Applications, at, id)
	if err != nil {
		return nil, err
	}
	none := fault.NotFoundf("The application has no icon for this theme")
	if a.GetIcon() == nil || *theme.place(a.GetIcon()) == "" {
		return nil, none
	}
	found, err := e.store.Icons().Get(ctx, a.GetDomain(), *theme.place(a.GetIcon()))
	if errors.Is(err, store.ErrNotFound) {
		return nil, none
	}
	return found, err
}
