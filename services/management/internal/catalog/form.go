package catalog

import (
	"errors"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/pagetext"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Forms are the pages that people see, where they replace the product's own.
var Forms = &Kind[*configv1.Form]{
	Arm:    "form",
	Title:  "Form",
	Path:   "forms",
	Parent: Domains,
	List:   Bare,
	Name:   func(f *configv1.Form) string { return FormTemplate(f.GetTemplate()) },
	Unique: []Unique[*configv1.Form]{{
		Name:  UniqueTemplate,
		Value: func(f *configv1.Form) string { return levelKey(f, FormTemplate(f.GetTemplate())) },
		Taken: func(_, f *configv1.Form) error {
			return exists("page with template", FormTemplate(f.GetTemplate()))
		},
	}},
	Validate: func(_ *Scene, _, f *configv1.Form) error { return validateForm(f) },
}

// UniqueTemplate names the unique value of forms and e-mails: one of a template at each level.
const UniqueTemplate = "template"

// TemplateKey returns the unique value of a template at a level.
func TemplateKey(domain, application, template string) string {
	return DomainKey(domain, LevelOf(domain, application)+"/"+template)
}

// FormTemplate returns the word of a template, in lower case; none is empty.
func FormTemplate(t configv1.Form_Template) string {
	if t == configv1.Form_TEMPLATE_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(t.String())
}

func validateForm(f *configv1.Form) error {
	template := FormTemplate(f.GetTemplate())
	if err := required("template", template, "content", f.GetContent()); err != nil {
		return err
	}
	if len(f.GetAssets()) > pagetext.MaxSource {
		return broken("assets", "", "size must be at most 262144 bytes")
	}
	_, err := pagetext.Compile(pagetext.Page(template), f.GetContent())
	return badText("content", err)
}

// badText is the refusal of a text that does not compile: text with line and column. No error is none.
func badText(path string, err error) error {
	if err == nil {
		return nil
	}
	detail := fault.Detail{Path: path, Detail: err.Error()}
	var e *pagetext.Error
	if errors.As(err, &e) {
		detail.Detail, detail.Line, detail.Column = e.Detail, e.Line, e.Column
	}
	return fault.Invalidf("[%s: %s]", leaf(path), err.Error()).With(detail)
}

// PreviewForm renders a page with sample data and a style sheet. Without content it is the text to begin with.
func PreviewForm(template, content, assets string) (string, error) {
	v := pagetext.Page(template)
	if v == nil {
		return "", required("template", "")
	}
	if content == "" {
		content, _ = v.Standard()
	}
	page, err := filled(v, "content", content, v.Sample(), pagetext.Compile)
	return pagetext.Styled(page, assets, ""), err
}

// filled compiles a text and renders it.
func filled(v *pagetext.Vocabulary, path, source string, values map[string]any,
	compile func(*pagetext.Vocabulary, string) (*pagetext.Text, error),
) (string, error) {
	text, err := compile(v, source)
	if err != nil {
		return "", badText(path, err)
	}
	out, err := text.Render(values)
	if err != nil {
		return "", badText(path, err)
	}
	return out, nil
}
