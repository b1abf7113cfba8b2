package catalog

import (
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Roles are what people of a domain may have.
var Roles = &Kind[*configv1.Role]{
	Arm:    "role",
	Title:  "Role",
	Path:   "roles",
	Parent: Domains,
	List:   Paged,
	Name:   (*configv1.Role).GetName,
}
