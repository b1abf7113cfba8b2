package catalog

import (
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Forms are the pages that people see, where they replace the product's own.
var Forms = &Kind[*configv1.Form]{
	Arm:    "form",
	Title:  "Form",
	Path:   "forms",
	Parent: Domains,
	List:   Bare,
	Name:   func(f *configv1.Form) string { return f.GetTemplate().String() },
}
