package rest

import (
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/profile"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountLint adds the checks of applications against security profiles.
func mountLint(m *Mux) {
	x := &lints{m}
	named := operation.Parameter{
		Name: "profile", Type: "string", Values: profileWords(),
		Description: "The profile to judge by; absent: the one that counts for the application.",
	}
	m.Handle("POST "+catalog.Applications.Item()+"/_lint", "application:read", x.application, operation.Operation{
		ID: "lintApplication", Summary: "Tell which settings of an application break a security profile, why, and what cures them.",
		Details: "Nothing is changed.", Query: []operation.Parameter{named}, Answer: &managementv1.ProfileLint{},
	})
	m.Handle("POST "+catalog.Domains.Item()+"/_lint", "application:read", x.domain, operation.Operation{
		ID: "lintDomain", Summary: "List the applications of a domain whose settings break a security profile.",
		Details: "It is what to look at before the profile of a domain is changed. Nothing is changed.",
		Query:   operation.Paging(named), Answer: &managementv1.ProfileLint{}, Shape: operation.Page,
	})
}

type lints struct{ mux *Mux }

func (x *lints) application(w http.ResponseWriter, r *http.Request) error {
	name, err := profileOf(r)
	if err != nil {
		return err
	}
	d, err := editor.Read(r.Context(), x.mux.api.Editor, catalog.Domains, placeOf(r), r.PathValue("domain"))
	if err != nil {
		return err
	}
	a, err := editor.Read(r.Context(), x.mux.api.Editor, catalog.Applications, placeOf(r), r.PathValue("application"))
	if err != nil {
		return err
	}
	out, err := lintOf(d, a, name)
	if err != nil {
		return err
	}
	return x.mux.answerMessage(w, out)
}

func (x *lints) domain(w http.ResponseWriter, r *http.Request) error {
	name, err := profileOf(r)
	if err != nil {
		return err
	}
	d, err := editor.Read(r.Context(), x.mux.api.Editor, catalog.Domains, placeOf(r), r.PathValue("domain"))
	if err != nil {
		return err
	}
	var q image.Query
	if q.Page, q.Size, q.Search, err = x.mux.Page(r, 0); err != nil {
		return err
	}
	q.And(func(r resource.Resource) bool {
		a, ok := r.(*configv1.Application)
		if !ok {
			return false
		}
		_, found := catalog.Lint(d, a, name)
		return len(found) > 0
	})
	found, total, err := editor.ReadAll(r.Context(), x.mux.api.Editor, catalog.Applications, placeOf(r), q)
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(found))
	for i, a := range found {
		out, err := lintOf(d, a, name)
		if err != nil {
			return err
		}
		if entries[i], err = prototree.Management.Encode(out); err != nil {
			return err
		}
	}
	return x.mux.List(w, q.Page, total, entries)
}

func lintOf(d *configv1.Domain, a *configv1.Application, name profile.Name) (*managementv1.ProfileLint, error) {
	p, found := catalog.Lint(d, a, name)
	tree, err := prototree.Management.Encode(a.GetSettings().GetOauth())
	if err != nil {
		return nil, fmt.Errorf("application %s: %w", a.GetId(), err)
	}
	out := &managementv1.ProfileLint{
		Id: a.GetId(), Name: a.GetName(), ClientId: catalog.ClientID(a), Profile: p.Name, Clean: len(found) == 0,
	}
	for _, v := range found {
		told := &managementv1.ProfileViolation{Path: v.Path(), Clause: v.Clause, Why: v.Why}
		if told.Value, err = structpb.NewValue(tree[v.Member]); err != nil {
			return nil, fmt.Errorf("%s of application %s: %w", v.Path(), a.GetId(), err)
		}
		if told.Cure, err = structpb.NewValue(plain(v.Cure)); err != nil {
			return nil, fmt.Errorf("cure of %s: %w", v.Path(), err)
		}
		out.Violations = append(out.Violations, told)
	}
	return out, nil
}

// plain makes a list of any values out of a list of strings.
func plain(v any) any {
	texts, ok := v.([]string)
	if !ok {
		return v
	}
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	return list
}

func profileWords() []string {
	var words []string
	for _, p := range profile.All() {
		words = append(words, strings.ToLower(p.Name.String()))
	}
	return words
}

// profileOf reads the name of a profile, in any case; unspecified if there is none.
func profileOf(r *http.Request) (profile.Name, error) {
	values, err := query(r)
	if err != nil {
		return 0, err
	}
	text := values.Get("profile")
	if !values.Has("profile") {
		return configv1.SecurityProfileSettings_PROFILE_UNSPECIFIED, nil
	}
	for _, p := range profile.All() {
		if strings.EqualFold(p.Name.String(), text) {
			return p.Name, nil
		}
	}
	return 0, constraint("profile", text, "must be one of "+strings.Join(profileWords(), ", "))
}
