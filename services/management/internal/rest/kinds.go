package rest

import (
	"net/http"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountKinds adds the collection of every kind in the catalog.
func mountKinds(m *Mux) {
	Mount(m, catalog.Domains, Special{})
	Mount(m, catalog.Applications, applications)
	Mount(m, catalog.IdentityProviders, Special{
		Summary: only("id", "name", "type", "system", "external", "passwordPolicy"),
	})
	Mount(m, catalog.Scopes, Special{MaxSize: 50})
	Mount(m, catalog.Certificates, Special{})
	Mount(m, catalog.Roles, Special{})
	mountGroups(m)
	Mount(m, catalog.ApplicationGroups, Special{})
	Mount(m, catalog.Policies, Special{Named: only("id", "name", "description", "type", "situational", "inputs")})
	Mount(m, catalog.ClaimMappings, Special{Named: only("id", "name", "description", "scope", "default", "targets")})
}

var applications = Special{
	Summary: summarizeApplication,
	Entry:   &managementv1.ApplicationEntry{},
	Filter:  filterApplications,
	Query: []operation.Parameter{
		{Name: "slug", Type: "string", Description: "The application that has this slug."},
	},
	Issued:  issueApplication,
	Derived: openness,
}

// only makes entries of a list that have no more than the given members.
func only(names ...string) func(prototree.Object) prototree.Object {
	return func(whole prototree.Object) prototree.Object {
		entry := make(prototree.Object, len(names))
		for _, name := range names {
			if value, ok := whole[name]; ok {
				entry[name] = value
			}
		}
		return entry
	}
}

var applicationEntry = only("id", "name", "description", "type", "enabled", "template", "updatedAt",
	"slug", "group", "publisher", "icon", "hidden", "visibility")

func summarizeApplication(whole prototree.Object) prototree.Object {
	entry := applicationEntry(whole)
	if id, ok := oauthOf(whole)["clientId"]; ok {
		entry["clientId"] = id
	}
	if rule, ok := whole["access"].(prototree.Object); ok {
		entry["access"] = only("mode", "open")(rule)
	}
	return entry
}

// issueApplication shows the secret of a new application, this once.
func issueApplication(whole prototree.Object, issued catalog.Issued) {
	if oauth := oauthOf(whole); oauth != nil && issued.ClientSecret != "" {
		oauth["clientSecret"] = issued.ClientSecret
	}
}

func oauthOf(application prototree.Object) prototree.Object {
	settings, _ := application["settings"].(prototree.Object)
	oauth, _ := settings["oauth"].(prototree.Object)
	return oauth
}

// filterApplications reads `type`, which may be repeated, and `status`, in any case. `expand` asks for nothing that there
// is.
func filterApplications(r *http.Request, q *image.Query) error {
	values, err := query(r)
	if err != nil {
		return err
	}
	if values.Has("type") {
		types := map[configv1.Application_Type]bool{}
		for _, text := range values["type"] {
			number, ok := configv1.Application_Type_value[strings.ToUpper(text)]
			if !ok || number == int32(configv1.Application_TYPE_UNSPECIFIED) {
				return constraint("type", text, "must be one of web, native, browser, service, resource_server, bookmark")
			}
			types[configv1.Application_Type(number)] = true
		}
		q.And(func(r resource.Resource) bool { return types[r.(*configv1.Application).GetType()] })
	}
	if values.Has("slug") {
		slug := values.Get("slug")
		q.And(func(r resource.Resource) bool { return r.(*configv1.Application).GetSlug() == slug })
	}
	if text := values.Get("status"); text != "" {
		var enabled bool
		switch strings.ToLower(text) {
		case "enabled", "true":
			enabled = true
		case "disabled", "false":
		default:
			return constraint("status", text, "must be one of enabled, disabled")
		}
		q.And(func(r resource.Resource) bool { return r.(*configv1.Application).GetEnabled() == enabled })
	}
	return nil
}
