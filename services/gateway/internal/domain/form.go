package domain

import (
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/pagetext"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
)

// Form is a page that an administrator wrote in place of the product's own.
type Form struct {
	ID       string
	Revision int64
	// Template is the name of the page, in lower case.
	Template string
	Text     *pagetext.Text
	// Assets is a style sheet, as it was written.
	Assets string
}

// Expression names the form, to whoever reports that it cannot be rendered.
func (f *Form) Expression(domain string) ruleerrors.Expression {
	return ruleerrors.Expression{Domain: domain, Kind: ruleerrors.Form, ID: f.ID, Revision: f.Revision, Place: ruleerrors.Page, Name: f.Template}
}

// formKey is where a form counts; application is empty for the domain's.
type formKey struct{ application, template string }

type formPart struct {
	message *configv1.Form
	key     formKey
	// form is nil if the form is switched off or cannot be used, or belongs to an application.
	form *Form
	err  error
}

func newFormPart(m *configv1.Form) *formPart {
	part := &formPart{message: m, key: formKey{m.GetApplication(), strings.ToLower(m.GetTemplate().String())}}
	vocabulary := pagetext.Page(part.key.template)
	if !m.GetEnabled() || vocabulary == nil { // nil is a page that only later gateways know
		return part
	}
	text, err := pagetext.Compile(vocabulary, m.GetContent())
	if err != nil {
		part.err = err
		return part
	}
	part.form = &Form{ID: m.GetId(), Revision: m.GetRevision(), Template: part.key.template, Text: text, Assets: m.GetAssets()}
	return part
}

func (core *Core) compileForms(parts map[string]*formPart) {
	for _, part := range parts {
		if part.form == nil {
			continue
		}
		if core.forms == nil {
			core.forms = map[string]*Form{}
		}
		core.forms[part.key.template] = part.form
	}
}

// Form returns the page that takes the place of the product's own where it is shown for a client: the client's, or else the
// domain's. It returns nil if there is none. The client may be nil.
func (core *Core) Form(c *Client, template string) *Form {
	if c != nil {
		if f := c.forms[template]; f != nil {
			return f
		}
	}
	return core.forms[template]
}
