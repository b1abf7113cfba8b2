package rest

import (
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/pagetext"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountForms adds forms and e-mails, of domains and of applications.
func mountForms(m *Mux) {
	mountTexts(m, wording[*configv1.Form]{
		kind:      catalog.Forms,
		words:     templateWords(pagetext.Pages()),
		unwritten: func(word string) *configv1.Form { return &configv1.Form{Template: formTemplate(word)} },
		content:   func(f *configv1.Form) (string, string) { return f.GetAssets(), f.GetContent() },
		asked: func() (proto.Message, func() preview) {
			body := &managementv1.FormPreview{}
			return body, func() preview {
				return preview{template: catalog.FormTemplate(body.GetTemplate()), content: body.Content, assets: body.Assets}
			}
		},
		render: func(template, assets, content string) (string, string, error) {
			rendered, err := catalog.PreviewForm(template, content, assets)
			return "", rendered, err
		},
		vocabulary: pagetext.Pages(),
	})
	mountTexts(m, wording[*configv1.Email]{
		kind:      catalog.Emails,
		words:     templateWords(pagetext.Emails()),
		unwritten: func(word string) *configv1.Email { return &configv1.Email{Template: emailTemplate(word)} },
		content:   func(m *configv1.Email) (string, string) { return m.GetSubject(), m.GetContent() },
		asked: func() (proto.Message, func() preview) {
			body := &managementv1.EmailPreview{}
			return body, func() preview {
				return preview{template: catalog.EmailTemplate(body.GetTemplate()), content: body.Content, subject: body.Subject}
			}
		},
		render:     catalog.PreviewEmail,
		vocabulary: pagetext.Emails(),
	})
}

// wording is a kind that replaces texts of the product, one for each template and level.
type wording[R resource.Resource] struct {
	mux  *Mux
	kind *catalog.Kind[R]
	// words are the templates, in lower case.
	words []string
	// unwritten is what is answered for a template that nobody wrote.
	unwritten func(word string) R
	// content returns what is stored. What a message has as subject is the style sheet of a page.
	content func(R) (subject, content string)
	// asked returns an empty body of a preview, and how to understand it once it is read.
	asked      func() (proto.Message, func() preview)
	render     func(template, subject, content string) (renderedSubject, renderedContent string, err error)
	vocabulary []*pagetext.Vocabulary
}

// preview is what a caller wants to see.
type preview struct {
	template         string
	content, subject *string
	// assets is the style sheet of a page.
	assets *string
}

func mountTexts[R resource.Resource](m *Mux, t wording[R]) {
	t.mux = m
	k := t.kind
	c := &collection[R]{mux: m, editor: m.api.Editor, kind: k}
	title := strings.ToLower(k.Title)
	for _, level := range []struct{ path, of string }{
		{catalog.Domains.Item(), "a domain"}, {catalog.Applications.Item(), "an application"},
	} {
		base := level.path + "/" + k.Path
		m.Handle("GET "+base, k.Arm+":read", t.read, operation.Operation{
			Summary: "Read the " + title + " of a template of " + level.of + ".",
			Details: "Where nobody has written one, it is not enabled, has no id, and its revision is 0.",
			Query:   []operation.Parameter{{Name: "template", Type: "string", Description: "The template, in any case.", Required: true, Values: t.words}},
			Answer:  k.New(),
		})
		m.Handle("POST "+base, k.Arm+":create", c.create, operation.Operation{
			Summary: "Create the " + title + " of a template of " + level.of + ".",
			Details: "There is one of a template at each level. Its text is compiled; faults are answered with line and column.",
			Body:    k.Draft(), Status: http.StatusCreated, Answer: k.New(), DryRun: true,
		})
		body, _ := t.asked()
		m.Handle("POST "+base+"/preview", k.Arm+":read", t.preview, operation.Operation{
			Summary: "Show a text with sample data.",
			Details: "Without content it is what is stored at the level, or else the product's own. Nothing is stored.",
			Body:    body, Answer: &managementv1.Preview{},
		})
		m.Handle("GET "+base+"/_templates", k.Arm+":read", t.templates, operation.Operation{
			Summary: "List the templates, with what their texts may say.", Answer: &managementv1.TextVocabulary{},
		})
		c.mountItem(base+"/{"+k.Arm+"}", func(r *http.Request) (string, error) { return r.PathValue(k.Arm), nil })
	}
}

// read answers the text of the template that the query names.
func (t *wording[R]) read(w http.ResponseWriter, r *http.Request) error {
	values, err := query(r)
	if err != nil {
		return err
	}
	word := strings.ToLower(values.Get("template"))
	switch {
	case word == "":
		return constraint("template", "", "must not be null")
	case !slices.Contains(t.words, word):
		return constraint("template", values.Get("template"), "must be one of "+strings.Join(t.words, ", "))
	}
	found, written, err := editor.FindTemplate(r.Context(), t.mux.api.Editor, t.kind, placeOf(r), word)
	if err != nil {
		return err
	}
	if written {
		return answer(w, http.StatusOK, found)
	}
	tree, err := prototree.Management.Encode(t.unwritten(word))
	if err != nil {
		return err
	}
	return answerTree(w, http.StatusOK, 0, tree)
}

func (t *wording[R]) preview(w http.ResponseWriter, r *http.Request) error {
	body, understood := t.asked()
	if err := t.mux.decode(r, body); err != nil {
		return err
	}
	p := understood()
	if p.template == "" {
		return constraint("template", "", "must not be blank")
	}
	subject, content, err := t.stored(r, p.template)
	if err != nil {
		return err
	}
	if p.content != nil {
		content = *p.content
	}
	if p.subject != nil {
		subject = *p.subject
	}
	if p.assets != nil {
		subject = *p.assets
	}
	if p.subject != nil && strings.TrimSpace(subject) == "" {
		return constraint("subject", "", "must not be blank")
	}
	if p.content != nil && strings.TrimSpace(content) == "" {
		return constraint("content", "", "must not be blank")
	}
	out := &managementv1.Preview{}
	if out.Subject, out.Content, err = t.render(p.template, subject, content); err != nil {
		return err
	}
	tree, err := prototree.Management.Encode(out)
	if err != nil {
		return err
	}
	return t.mux.JSON(w, http.StatusOK, tree)
}

// stored returns what is stored for a template: at the level of the request, or else in its domain.
func (t *wording[R]) stored(r *http.Request, template string) (subject, content string, err error) {
	at := placeOf(r)
	found, written, err := editor.FindTemplate(r.Context(), t.mux.api.Editor, t.kind, at, template)
	if err == nil && !written && at.Application != "" {
		at.Application = ""
		found, written, err = editor.FindTemplate(r.Context(), t.mux.api.Editor, t.kind, at, template)
	}
	if err != nil || !written {
		return "", "", err
	}
	subject, content = t.content(found)
	return subject, content, nil
}

func (t *wording[R]) templates(w http.ResponseWriter, r *http.Request) error {
	if _, err := editor.ReadLevel(r.Context(), t.mux.api.Editor, t.kind, placeOf(r)); err != nil {
		return err
	}
	out := &managementv1.TextVocabulary{}
	for _, v := range t.vocabulary {
		content, subject := v.Standard()
		out.Templates = append(out.Templates, &managementv1.TextTemplate{
			Template: v.Name, Members: textMembers(nil, "", v.Members), Content: content, Subject: subject,
		})
	}
	for _, f := range pagetext.Functions() {
		out.Functions = append(out.Functions, &managementv1.TextFunction{Name: f.Name, Signature: f.Signature, Description: f.Doc})
	}
	tree, err := prototree.Management.Encode(out)
	if err != nil {
		return err
	}
	return t.mux.JSON(w, http.StatusOK, tree)
}

// textMembers lists members and, behind each, those in it.
func textMembers(all []*managementv1.TextMember, path string, members []pagetext.Member) []*managementv1.TextMember {
	for _, m := range members {
		name := path + m.Name
		all = append(all, &managementv1.TextMember{Name: name, Type: string(m.Type), Description: m.Doc})
		if m.Type == pagetext.List {
			name += "[]"
		}
		all = textMembers(all, name+".", m.Members)
	}
	return all
}

func templateWords(all []*pagetext.Vocabulary) []string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = v.Name
	}
	return words
}

func formTemplate(word string) configv1.Form_Template {
	return configv1.Form_Template(configv1.Form_Template_value[strings.ToUpper(word)])
}

func emailTemplate(word string) configv1.Email_Template {
	return configv1.Email_Template(configv1.Email_Template_value[strings.ToUpper(word)])
}
