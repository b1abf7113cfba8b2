package catalog

import (
	"fmt"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Leveled is a resource that belongs to a domain or to one of its applications. What an application has stands before,
// or in the place of, what its domain has. It goes with its application.
type Leveled interface {
	resource.Resource
	// GetApplication returns the identifier of the application, or nothing for the domain's own.
	GetApplication() string
	// GetLevel returns the identifier of what the resource belongs to.
	GetLevel() string
}

// LeveledKinds are the kinds of such resources.
var LeveledKinds = []Any{Forms, Emails, Flows}

// IsLeveled reports whether resources of a kind belong to a domain or to one of its applications.
func IsLeveled(k Any) bool {
	_, ok := k.NewResource().(Leveled)
	return ok
}

// LevelOf returns the level of an application, or of a domain where there is none.
func LevelOf(domain, application string) string {
	if application != "" {
		return application
	}
	return domain
}

// SetLevel gives a new resource its level. It does nothing to resources without levels.
func SetLevel(r resource.Resource, domain, application string) {
	level := LevelOf(domain, application)
	switch r := r.(type) {
	case *configv1.Form:
		r.Application, r.Level = application, level
	case *configv1.Email:
		r.Application, r.Level = application, level
	case *configv1.Flow:
		r.Application, r.Level = application, level
	case Leveled:
		panic(fmt.Sprintf("catalog: the level of a %T cannot be set", r))
	}
}

// levelKey returns the value under which something is found that is unique at its level.
func levelKey(r Leveled, value string) string {
	return DomainKey(r.GetDomain(), r.GetLevel()+"/"+value)
}
