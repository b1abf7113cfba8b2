package directory

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"unicode"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// setting is where something happens to somebody: in a domain and, where that is known, before the pages of an application.
type setting struct {
	domain *configv1.Domain
	app    *configv1.Application // nil where none is known
}

// setting returns a domain, or fault.NotFound, and one of its applications by identifier. An application that is not there is
// none: it may have been deleted since.
func (s *Service) setting(ctx context.Context, domain, application string) (*setting, error) {
	d, err := store.Get(ctx, s.store, catalog.Domains, domain)
	if errors.Is(err, store.ErrNotFound) {
		return nil, catalog.Domains.NotFound(domain)
	}
	if err != nil || application == "" {
		return &setting{domain: d}, err
	}
	app, err := store.Get(ctx, s.store, catalog.Applications, application)
	if errors.Is(err, store.ErrNotFound) || err == nil && app.GetDomain() != domain {
		return &setting{domain: d}, nil
	}
	return &setting{domain: d, app: app}, err
}

// inherits reports whether settings of an application leave the decision to its domain.
func inherits(inherited *bool) bool { return inherited == nil || *inherited }

// login returns the settings of sign-in pages that count here.
func (p *setting) login() *configv1.LoginSettings {
	if own := p.app.GetSettings().GetLogin(); own != nil && !inherits(own.Inherited) {
		return own
	}
	return p.domain.GetLoginSettings()
}

// account returns the settings of accounts that count here.
func (p *setting) account() *configv1.AccountSettings {
	if own := p.app.GetSettings().GetAccount(); own != nil && !inherits(own.Inherited) {
		return own
	}
	return p.domain.GetAccountSettings()
}

// passwords returns what new passwords must be like here.
func (p *setting) passwords() *configv1.PasswordSettings {
	if own := p.app.GetSettings().GetPasswordSettings(); own != nil && !inherits(own.Inherited) {
		return own
	}
	return p.domain.GetPasswordSettings()
}

// Limits of what a gateway tells about a person's whereabouts.
const (
	maxBaseURL = 2048
	maxQuery   = 16 << 10
	maxLocales = 20
)

// checkSender refuses a sender whose links would not lead back.
func checkSender(s *directoryv1.Sender) error {
	if err := required("sender.baseUrl", s.GetBaseUrl()); err != nil {
		return err
	}
	if len(s.GetBaseUrl()) > maxBaseURL || !isWebAddress(s.GetBaseUrl()) || strings.ContainsFunc(s.GetBaseUrl(), unicode.IsControl) ||
		strings.ContainsAny(s.GetBaseUrl(), "?#") {
		return broken("sender.baseUrl", "must be an http or https address without a query")
	}
	if len(s.GetQuery()) > maxQuery || strings.ContainsFunc(s.GetQuery(), func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return broken("sender.query", "must be a query of at most 16384 bytes")
	}
	if len(s.GetLocales()) > maxLocales {
		return fault.Invalidf("[sender.locales: size must be at most %d]", maxLocales).At("sender.locales", "too many")
	}
	return bounded("sender.application", s.GetApplication(), maxIdentifier)
}

// linkTo is the address of a page of the gateway, with the query of the authorization request to go on with.
func linkTo(s *directoryv1.Sender, page string) string {
	link := strings.TrimRight(s.GetBaseUrl(), "/") + page
	if s.GetQuery() != "" {
		link += "?" + s.GetQuery()
	}
	return link
}

// linkWith is the address of a page of the gateway that a ticket opens.
func linkWith(s *directoryv1.Sender, page, token string) string {
	return strings.TrimRight(s.GetBaseUrl(), "/") + page + "?token=" + url.QueryEscape(token)
}
