package pages

import (
	"html/template"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/branding"
)

// Theme is how the page looks, as its application or its domain says; never nil.
func (v view) Theme() *branding.Theme {
	switch {
	case v.app != nil && v.app.Theme != nil:
		return v.app.Theme
	case v.app == nil && v.d != nil && v.d.Theme != nil:
		return v.d.Theme
	}
	return &noTheme
}

var noTheme branding.Theme

// ThemeCSS is the style sheet of the theme.
func (v view) ThemeCSS() template.CSS { return template.CSS(v.Theme().CSS) } //nolint:gosec // colours, lengths and fonts

// Brand is what stands at the head of the page: the name of the theme, or that of the domain.
func (v view) Brand() string {
	if name := v.Theme().Name; name != "" {
		return name
	}
	return v.Domain
}

// BrandLogo, BrandLogoDark and Favicon are where the gateway serves the pictures of the theme again; empty where there are none.
func (v view) BrandLogo() string { return v.picture("logo", v.Theme().Logo) }

// BrandLogoDark is like BrandLogo.
func (v view) BrandLogoDark() string { return v.picture("logo-dark", v.Theme().LogoDark) }

// Favicon is like BrandLogo.
func (v view) Favicon() string { return v.picture("favicon", v.Theme().Favicon) }

func (v view) picture(name, address string) string {
	base := v.base
	if base == "" && v.d != nil {
		base = v.d.Base
	}
	switch {
	case address == "" || base == "":
		return ""
	case v.app != nil:
		return base + "/oauth/brand/" + name + "/" + url.PathEscape(v.app.ClientID)
	}
	return base + "/oauth/brand/" + name
}

// themed lets the policy of a page have the style sheet and the pictures of its theme.
func (p *Pages) themed(policy string, v *view) string {
	t := v.Theme()
	if t.CSS != "" {
		policy = strings.Replace(policy, "; style-src ", "; style-src "+t.Hash+" ", 1)
	}
	if (t.Logo != "" || t.LogoDark != "" || t.Favicon != "") && !strings.Contains(policy, "; img-src ") {
		policy += "; img-src 'self'"
	}
	return policy
}
