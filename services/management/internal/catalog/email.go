package catalog

import (
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Emails are the messages that people receive, where they replace the product's own.
var Emails = &Kind[*configv1.Email]{
	Arm:    "email",
	Title:  "Email",
	Path:   "emails",
	Parent: Domains,
	List:   Bare,
	Name:   func(m *configv1.Email) string { return m.GetTemplate().String() },
}
