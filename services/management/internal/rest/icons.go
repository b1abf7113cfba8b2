package rest

import (
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/outbound"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/icon"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// iconTime is how long an icon may take to be fetched.
const iconTime = 10 * time.Second

// mountIcons adds the pictures of applications.
func mountIcons(m *Mux) {
	x := &actions{mux: m, editor: m.api.Editor}
	path := catalog.Applications.Item() + "/icon"
	theme := operation.Parameter{
		Name: "theme", Type: "string", Values: []string{string(editor.Light), string(editor.Dark)},
		Description: "The ground on which it is shown; absent: light.",
	}
	m.Handle("GET "+path, "application:read", x.readIcon, operation.Operation{
		ID: "getApplicationIcon", Summary: "Read the icon of an application.", Query: []operation.Parameter{theme}, AnswerType: "image/png, image/jpeg, image/webp, image/svg+xml",
	})
	m.Handle("PUT "+path, "application:update", x.setIcon, operation.Operation{
		ID: "putApplicationIcon", Summary: "Give an application an icon.",
		Details: "The body is the picture itself, whose type is read from its content, or an object with its `url`, which is fetched once, from a public " +
			"address. PNG, JPEG, WebP and SVG are allowed, up to 512 KiB. An SVG picture loses scripts and references to other places.",
		Query: []operation.Parameter{theme}, Body: &managementv1.IconAddress{}, Conditional: true, Answer: &configv1.Application{}, DryRun: true,
	})
	m.Handle("DELETE "+path, "application:update", x.deleteIcon, operation.Operation{
		ID: "deleteApplicationIcon", Summary: "Take the icon from an application.", Query: []operation.Parameter{theme}, Conditional: true, DryRun: true,
	})
}

func themeOf(r *http.Request) (editor.Theme, error) {
	values, err := query(r)
	if err != nil {
		return "", err
	}
	switch theme := editor.Theme(values.Get("theme")); theme {
	case "":
		return editor.Light, nil
	case editor.Light, editor.Dark:
		return theme, nil
	default:
		return "", constraint("theme", string(theme), "must be one of light, dark")
	}
}

func (x *actions) readIcon(w http.ResponseWriter, r *http.Request) error {
	theme, err := themeOf(r)
	if err != nil {
		return err
	}
	found, err := x.editor.Icon(r.Context(), placeOf(r), r.PathValue("application"), theme)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", found.MediaType)
	h.Set("Content-Length", strconv.Itoa(len(found.Content)))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(found.Content)
	return nil
}

func (x *actions) setIcon(w http.ResponseWriter, r *http.Request) error {
	theme, err := themeOf(r)
	if err != nil {
		return err
	}
	id := r.PathValue("application")
	ifMatch, err := precondition(r, x.revisionOf(r, id))
	if err != nil {
		return err
	}
	content, err := x.pictureOf(r)
	if err != nil {
		return err
	}
	p, err := icon.Check(content)
	if err != nil {
		return err
	}
	changed, err := x.editor.SetIcon(r.Context(), placeOf(r), id, theme, ifMatch, p)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, changed)
}

func (x *actions) deleteIcon(w http.ResponseWriter, r *http.Request) error {
	theme, err := themeOf(r)
	if err != nil {
		return err
	}
	id := r.PathValue("application")
	ifMatch, err := precondition(r, x.revisionOf(r, id))
	if err != nil {
		return err
	}
	if err := x.editor.DeleteIcon(r.Context(), placeOf(r), id, theme, ifMatch); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// revisionOf reads the revision of the request's application.
func (x *actions) revisionOf(r *http.Request, id string) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		found, err := editor.Read(ctx, x.editor, catalog.Applications, placeOf(r), id)
		return found.GetRevision(), err
	}
}

// pictureOf returns the picture that a request carries or names.
func (x *actions) pictureOf(r *http.Request) ([]byte, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case media == "application/json":
		var body managementv1.IconAddress
		if err := x.mux.decode(r, &body); err != nil {
			return nil, err
		}
		// Whether there is such an application is found out before anything is fetched on behalf of somebody.
		if _, err := editor.Read(r.Context(), x.editor, catalog.Applications, placeOf(r), r.PathValue("application")); err != nil {
			return nil, err
		}
		return x.fetchIcon(r.Context(), body.GetUrl())
	case strings.HasPrefix(media, "image/"), media == "application/octet-stream":
	default:
		return nil, &httpError{http.StatusUnsupportedMediaType, "The content type must be that of an image, or application/json"}
	}
	content, err := io.ReadAll(io.LimitReader(r.Body, icon.MaxSize+1))
	switch {
	case serve.TooLarge(err):
		return nil, errTooLarge
	case err != nil:
		return nil, fault.Invalidf("The body ended early").Because(err)
	}
	return content, nil
}

func (x *actions) fetchIcon(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil, constraint("url", "", "must be an http or https URL")
	}
	refusal := fault.Invalidf("The icon could not be fetched").At("url", "could not be fetched: the address must be public and answer 200 within 10 seconds with at most 512 KiB")
	if x.mux.api.Outbound == nil {
		return nil, refusal
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, constraint("url", "", "must be an http or https URL")
	}
	got, err := x.mux.api.Outbound.Send(request, outbound.Limits{Bytes: icon.MaxSize, Timeout: iconTime})
	if err != nil {
		return nil, refusal.Because(err)
	}
	if got.Status != http.StatusOK {
		return nil, refusal
	}
	return got.Body, nil
}
