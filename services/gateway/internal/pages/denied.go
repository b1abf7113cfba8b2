package pages

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Denied is the page of somebody who may not use an application. It names no rule, no policy and no group: who is refused learns
// what was written for them, and nothing of how it was decided.
type Denied struct {
	Client *domain.Client
	// Username is who was refused.
	Username string
	// Messages are what the bindings that decided say, in their order: each a text by language tag, with `default`.
	Messages []map[string]string
	// Return leads back to the application, Portal to the person's applications, Other to the sign-in as somebody else; empty
	// where there is no such way.
	Return, Portal, Other string
}

// Denied answers the page.
func (p *Pages) Denied(w http.ResponseWriter, r *http.Request, d *domain.Domain, page Denied) error {
	help := d.Settings.GetAccessSettings().GetHelpContact()
	mail := ""
	if web(help) == "" && strings.Contains(help, "@") {
		mail = "mailto:" + strings.TrimPrefix(help, "mailto:")
	}
	return p.write(w, r, http.StatusForbidden, "denied", p.with(page.Client)+noForms+pictured(page.Client), view{
		d: d, base: d.Base, Title: "denied.title", Domain: d.Name, app: page.Client,
		Page: struct {
			Denied
			Texts          []string
			HelpMail, Help string
			Contact        string
			Reference      string
		}{page, p.Said(r, page.Messages), mail, web(help), strings.TrimPrefix(help, "mailto:"), observe.RequestID(r.Context())},
	})
}

// Said is what messages say in the language of the reader, without repetitions.
func (p *Pages) Said(r *http.Request, messages []map[string]string) []string {
	var texts []string
	for _, m := range messages {
		if text := p.chosen(r, m); text != "" && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// chosen is the text of a message that the reader prefers, be it in a language that pages speak or in another: the first of their
// languages that it is written in (RFC 4647 §3.4), else the one for all others, else whatever there is.
func (p *Pages) chosen(r *http.Request, message map[string]string) string {
	for _, tag := range wishes(r) {
		for tag != "" {
			for written, text := range message {
				if strings.EqualFold(written, tag) && text != "" {
					return text
				}
			}
			tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
		}
	}
	for _, tag := range append([]string{"default", p.language(r).tag, "en"}, slices.Sorted(maps.Keys(message))...) {
		if text := message[tag]; text != "" {
			return text
		}
	}
	return ""
}

// Icon and IconDark are where the gateway serves the application's pictures; empty where there are none.
func (v view) Icon() string {
	icon := iconOf(v.app)
	if icon[0] == "" {
		return ""
	}
	return v.base + AssetPath + url.PathEscape(icon[0])
}

// IconDark is like Icon, on dark ground.
func (v view) IconDark() string {
	icon := iconOf(v.app)
	if icon[1] == "" || icon[1] == icon[0] {
		return ""
	}
	return v.base + AssetPath + url.PathEscape(icon[1])
}

// AssetPath is below which pictures of applications are served, by digest.
const AssetPath = "/assets/"

// iconOf are the digests of an application's pictures on light and on dark ground. Where there is one alone it serves for both.
func iconOf(c *domain.Client) [2]string {
	if c == nil {
		return [2]string{}
	}
	light, dark := c.Application.GetIcon().GetLight(), c.Application.GetIcon().GetDark()
	if light == "" {
		light = dark
	}
	return [2]string{light, dark}
}

// pictured lets a page show the pictures of an application, which the gateway serves itself.
func pictured(c *domain.Client) string {
	if hasLogo(c) || iconOf(c)[0] == "" {
		return ""
	}
	return "; img-src 'self'"
}
