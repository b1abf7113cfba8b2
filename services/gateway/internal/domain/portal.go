package domain

import (
	"cmp"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/branding"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/usage"
)

// compilePortal makes My applications a client like others for the pages of a sign-in: with the providers that the domain names for
// people who come from no application, or else all internal ones, and with the domain's settings and flows.
func (core *Core) compilePortal() {
	d := core.Settings
	app := &configv1.Application{Domain: core.ID, Name: cmp.Or(d.GetPortalSettings().GetTitle(), core.Name)}
	c := &Client{
		Name: app.GetName(), Profile: core.Profile, Application: app, Meter: new(usage.Meter), DefaultMaxAge: -1,
		Selection: selection.SettingsOf(d, app), Login: d.GetLoginSettings(), Account: d.GetAccountSettings(),
		Rules: selection.ClientOf(app), Theme: core.Theme, Flows: core.flowsOf(app, nil),
	}
	c.IdentifierFirst = c.Selection.IdentifierFirst
	c.Lockout, c.Everywhere, c.Remember = lockoutOf(c.Account), true, rememberOf(c.Login, c.Account)
	named := d.GetPortalSettings().GetIdentityProviders()
	for _, id := range named {
		if p := core.Providers[id]; p != nil {
			c.Providers = append(c.Providers, ClientProvider{Provider: p})
		}
	}
	if len(named) == 0 {
		for _, p := range core.Providers {
			if !p.External {
				c.Providers = append(c.Providers, ClientProvider{Provider: p})
			}
		}
		slices.SortFunc(c.Providers, func(a, b ClientProvider) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
		})
	}
	core.portal = c
}

// ShowsPortal reports whether people of the domain have My applications. Launch links work in any case.
func (core *Core) ShowsPortal() bool {
	s := core.Settings.GetPortalSettings()
	return s == nil || s.Enabled == nil || s.GetEnabled()
}

// Entrance is the client as which an application lets people in who open it by its launch link: the application itself, where people
// can sign in to it; else My applications under the application's name and in its colours.
func (d *Domain) Entrance(app *App) *Client {
	message := app.Message
	if e := d.clients.get(message.GetSettings().GetOauth().GetClientId()); e != nil && e.id == message.GetId() {
		if c, err := d.client(e); err == nil && len(c.Providers) > 0 {
			return c
		}
	}
	made := *d.Portal
	made.ID, made.Name, made.Application, made.Revision = app.ID, app.Name, message, message.GetRevision()
	made.Access, made.Restricted = app.Client.Access, app.Client.Restricted
	made.Rules, made.Flows = selection.ClientOf(message), d.flowsOf(message, nil)
	if own := message.GetSettings().GetBranding(); own != nil {
		made.Theme = branding.Compile(d.Settings.GetBranding(), own)
	}
	return &made
}
