package rest

import (
	"fmt"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// wholeRule answers the whole rule of an application.
type wholeRule struct {
	mux    *Mux
	editor *editor.Editor
}

func mountAccess(m *Mux) {
	x := &wholeRule{mux: m, editor: m.api.Editor}
	path := catalog.Applications.Item() + "/access"
	like := &managementv1.AccessRule{}
	m.Handle("GET "+path, "binding:read", x.read, operation.Operation{
		Summary: "Read the whole rule that says who may use an application.", Answer: like, Versioned: true,
	})
	m.Handle("PUT "+path, "binding:update", x.replace, operation.Operation{
		Summary: "Replace the whole rule that says who may use an application.",
		Details: "Mode, switches and all bindings change at once. What the body leaves out is reset.",
		Body:    like, Conditional: true, Answer: like, Versioned: true, DryRun: true,
	})
}

func (x *wholeRule) read(w http.ResponseWriter, r *http.Request) error {
	a, err := applicationOf(r, x.editor)
	if err != nil {
		return err
	}
	return x.answer(w, r, a)
}

func (x *wholeRule) replace(w http.ResponseWriter, r *http.Request) error {
	body, err := x.mux.Body(r)
	if err != nil {
		return err
	}
	ifMatch, err := revisionOfApplication(r, x.editor)
	if err != nil {
		return err
	}
	a, err := x.editor.ReplaceAccess(r.Context(), placeOf(r), r.PathValue("application"), body, ifMatch)
	if err != nil {
		return err
	}
	return x.answer(w, r, a)
}

func (x *wholeRule) answer(w http.ResponseWriter, r *http.Request, a *configv1.Application) error {
	var people int64
	counts := editor.ReadsPeople(r.Context())
	if counts {
		var err error
		if people, err = x.editor.CountPeople(r.Context(), a); err != nil {
			return err
		}
	}
	rule := &managementv1.AccessRule{
		Mode: a.GetAccess().GetMode(), EntitlementsGrant: a.GetAccess().GetEntitlementsGrant(), Message: a.GetAccess().GetMessage(),
		OnDenied: a.GetAccess().GetOnDenied(), Bindings: veiledAll(r.Context(), a.GetBindings()), Open: catalog.Open(a), People: people,
		Sentence: Sentence(a, people), Warnings: catalog.AccessWarnings(a, "bindings", x.editor.Now()), Revision: a.GetRevision(),
	}
	if rule.Mode == configv1.ApplicationAccess_MODE_UNSPECIFIED {
		rule.Mode = configv1.ApplicationAccess_ANY
	}
	if rule.OnDenied == configv1.ApplicationAccess_ON_DENIED_UNSPECIFIED {
		rule.OnDenied = configv1.ApplicationAccess_PAGE
	}
	tree, err := prototree.Management.Encode(rule)
	if err != nil {
		return err
	}
	if !counts {
		uncounted(tree, a, x.editor)
	}
	return answerTree(w, http.StatusOK, a.GetRevision(), tree)
}

// Sentence says in words how many people may use an application.
func Sentence(a *configv1.Application, people int64) string {
	switch {
	case catalog.Open(a) && !denies(a):
		return fmt.Sprintf("Everyone in this domain can open this (%d people)", people)
	case catalog.Open(a):
		return fmt.Sprintf("Everyone in this domain but those whom a binding denies can open this (%d people)", people)
	case people == 0:
		return "Nobody can open this"
	case people == 1:
		return "1 person can open this"
	}
	return fmt.Sprintf("%d people can open this", people)
}

func denies(a *configv1.Application) bool {
	for _, b := range a.GetBindings() {
		if b.GetEffect() == configv1.Binding_DENY && b.GetEnabled() && !b.GetReportOnly() {
			return true
		}
	}
	return false
}
