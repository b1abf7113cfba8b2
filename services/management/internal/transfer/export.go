package transfer

import (
	"context"
	"io"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	// peoplePage is how many people an export reads, and an import writes, at once.
	peoplePage = 200
	kindUser   = "user"
)

// export is one export. Its view is taken when it begins.
type export struct {
	*Service
	view    image.View
	header  archive.Header
	domains []*configv1.Domain
}

// plan begins an export of a domain, or with an empty identifier of the whole installation. It is fault.Unavailable before the
// configuration is loaded.
func (s *Service) plan(at editor.Place, domain string) (*export, error) {
	view, loaded := s.Image.View()
	if !loaded {
		return nil, fault.Unavailablef("The configuration is being loaded. Try again later")
	}
	x := &export{Service: s, view: view, header: archive.Header{Scope: archive.ScopeInstallation, MadeBy: s.Version, Revision: view.Revision}}
	all, _ := image.List(view, catalog.Domains, image.Query{})
	for _, d := range all {
		if d.GetOrganization() == at.Organization && (at.Environment == "" || d.GetEnvironment() == at.Environment) && (domain == "" || d.GetId() == domain) {
			x.domains = append(x.domains, d)
		}
	}
	if domain == "" {
		x.header.Holds = append(x.header.Holds, store.KeptOfInstallation...)
	} else {
		if len(x.domains) == 0 {
			return nil, catalog.Domains.NotFound(domain)
		}
		d := x.domains[0]
		x.header.Scope, x.header.Domain = archive.ScopeDomain, &archive.Domain{ID: d.GetId(), Name: d.GetName(), Path: d.GetPath()}
	}
	for _, k := range catalog.All {
		x.header.Holds = append(x.header.Holds, k.Descriptor().Arm)
	}
	x.header.Holds = append(append(x.header.Holds, kindUser), store.KeptOfDomains...)
	return x, nil
}

// write writes the archive and returns its header.
func (x *export) write(ctx context.Context, key archive.Key, out io.Writer) (archive.Header, error) {
	w, err := archive.NewWriter(out, key, x.header, x.Now())
	if err != nil {
		return x.header, err
	}
	if x.header.Scope == archive.ScopeInstallation {
		for _, kind := range store.KeptOfInstallation {
			if err := x.kept(ctx, w, kind, ""); err != nil {
				return w.Header(), err
			}
		}
	}
	for _, d := range x.domains {
		if err := x.domain(ctx, w, d.GetId()); err != nil {
			return w.Header(), err
		}
	}
	return w.Header(), w.Close()
}

func (x *export) domain(ctx context.Context, w *archive.Writer, id string) error {
	for r := range x.view.Of(id) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := encode(w, resource.KeyOf(r).Kind, r); err != nil {
			return err
		}
	}
	var last *directoryv1.User
	for {
		page, err := x.Store.Users().After(ctx, id, last, peoplePage)
		if err != nil {
			return err
		}
		for _, u := range page {
			if err := encode(w, kindUser, u); err != nil {
				return err
			}
			last = u
		}
		if len(page) < peoplePage {
			break
		}
	}
	for _, kind := range store.KeptOfDomains {
		if err := x.kept(ctx, w, kind, id); err != nil {
			return err
		}
	}
	return nil
}

// encode writes a message.
func encode(w *archive.Writer, kind string, m resource.Resource) error {
	tree, err := prototree.Archive(w.Sealer()).Encode(m)
	if err != nil {
		return err
	}
	return w.Write(kind, tree)
}

// kept writes what is kept beside the configuration. What is nothing but a secret is left out without a key.
func (x *export) kept(ctx context.Context, w *archive.Writer, kind, domain string) error {
	secrets := store.KeptSecrets(kind)
	if w.Sealer() == nil && len(secrets) > 0 && kind != store.KeptOperator {
		return nil
	}
	return x.Store.EachKept(ctx, kind, domain, func(tree prototree.Object) error {
		s := w.Sealer()
		for _, name := range secrets {
			plain, _ := tree[name].(string)
			switch {
			case s == nil:
				delete(tree, name)
			case plain != "":
				tree[name] = s.Seal(place(kind, name), []byte(plain))
			}
		}
		return w.Write(kind, tree)
	})
}

// place binds the secrets of what is no message to their members.
func place(kind, member string) string { return "kept/" + kind + "/" + member }
