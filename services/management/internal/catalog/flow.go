package catalog

import (
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Flows are what runs at the points of a login.
var Flows = &Kind[*configv1.Flow]{
	Arm:    "flow",
	Title:  "Flow",
	Path:   "flows",
	Parent: Domains,
	List:   Bare,
	Name:   (*configv1.Flow).GetName,
}
