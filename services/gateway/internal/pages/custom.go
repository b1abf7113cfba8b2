package pages

import (
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/pagetext"
)

// custom is how a page is said in the words of package pagetext, for administrators who write their own. A page that can be
// replaced gives one to its view; nil is a page that cannot.
type custom struct {
	// template is the name of the page: "login".
	template string
	// values are what the text may say, but for those that all pages have: domain, application and language. Only texts of
	// administrators need them, so they are made late.
	values func(l *language) map[string]any
}

// form begins the values of a page with a form.
func form(l *language, action, token string, message Message, more map[string]any) map[string]any {
	more["action"], more["token"], more["message"] = action, token, l.message(message)
	return more
}

// own renders the page that an administrator wrote in place of ours, and returns its policy. ok is false if there is none, or if
// it cannot be rendered, which is reported: people then see our own.
func (p *Pages) own(r *http.Request, l *language, policy string, v *view) (page, itsPolicy string, ok bool) {
	if v.custom == nil || v.d == nil {
		return "", "", false
	}
	f := v.d.Form(v.app, v.custom.template)
	if f == nil {
		return "", "", false
	}
	values := v.custom.values(l)
	values["language"] = l.tag
	values["domain"] = map[string]any{"name": v.d.Name}
	if v.app != nil {
		values["application"] = map[string]any{
			"name": v.App(), "clientId": v.app.ClientID, "logoUri": v.Logo(), "policyUri": v.Policy(), "tosUri": v.Terms(),
		}
	}
	page, err := f.Text.Render(values)
	if err != nil {
		p.Failures.Report(r.Context(), f.Expression(v.d.ID), err)
		return "", "", false
	}
	nonce := rand.Text()
	return pagetext.Styled(page, f.Assets, nonce), customPolicy(nonce) + actionOf(policy), true
}

// customPolicy lets the page of an administrator run no scripts, show pictures and fonts that come over https, and have its own
// styles: style sheets by the nonce, and attributes, which cannot look at anything.
func customPolicy(nonce string) string {
	return "default-src 'none'; style-src 'nonce-" + nonce + "'; style-src-attr 'unsafe-inline'; img-src 'self' https: data:; font-src https: data:; " +
		"base-uri 'none'; frame-ancestors 'none'"
}

// providerValues are other sites in the words of the vocabulary.
func providerValues(list []Provider) []map[string]any {
	out := make([]map[string]any, len(list))
	for i, p := range list {
		out[i] = map[string]any{"id": p.ID, "name": p.Name, "type": p.Type, "url": p.URL}
	}
	return out
}

// summary is what is wrong with a form, as one text: pages of administrators have one place for it.
func (l *language) summary(m Message, list Problems) Message {
	if m != "" {
		return m
	}
	var texts []string
	for _, p := range list {
		texts = append(texts, l.label(p.Field)+": "+l.problem(p))
	}
	return Message(strings.Join(texts, " · "))
}

// scopeValues are scopes in the words of the vocabulary. With more than a text can take the page is our own.
func scopeValues(l *language, scopes []Scope) []map[string]any {
	out := make([]map[string]any, len(scopes))
	for i, s := range scopes {
		s = l.scope(s)
		out[i] = map[string]any{"key": s.Key, "name": s.Name, "description": s.Description, "required": s.Required}
	}
	return out
}
