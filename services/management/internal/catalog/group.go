package catalog

import (
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Groups are people of a domain who are treated alike.
var Groups = &Kind[*configv1.Group]{
	Arm:    "group",
	Title:  "Group",
	Path:   "groups",
	Parent: Domains,
	List:   Paged,
	Name:   (*configv1.Group).GetName,
}
