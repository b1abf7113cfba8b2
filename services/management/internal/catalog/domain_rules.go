package catalog

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// checkDomainSettings holds the constraints of a domain's groups of settings.
func checkDomainSettings(s *Scene, old, d *configv1.Domain) error {
	if err := checkAccountSettings("accountSettings", d.GetAccountSettings()); err != nil {
		return err
	}
	if err := checkPasswordSettings("passwordSettings", d.GetPasswordSettings()); err != nil {
		return err
	}
	if err := checkBranding("branding", d.GetBranding()); err != nil {
		return err
	}
	for _, m := range []struct {
		path   string
		number int64
	}{
		{"oidc.dpopSettings.maxAgeSeconds", int64(d.GetOidc().GetDpopSettings().GetMaxAgeSeconds())},
		{"loginSettings.passwordlessEnforcePasswordMaxAge", int64(d.GetLoginSettings().GetPasswordlessEnforcePasswordMaxAge())},
		{
			"selfServiceAccountManagementSettings.resetPassword.tokenAge",
			int64(d.GetSelfServiceAccountManagementSettings().GetResetPassword().GetTokenAge()),
		},
		{"oidc.refreshTokenMaxAgeSeconds", d.GetOidc().GetRefreshTokenMaxAgeSeconds()},
		{"oidc.refreshTokenGraceSeconds", int64(d.GetOidc().GetRefreshTokenGraceSeconds())},
		{"tokenExchangeSettings.maxDelegationDepth", int64(d.GetTokenExchangeSettings().GetMaxDelegationDepth())},
	} {
		if err := notNegative(m.path, m.number); err != nil {
			return err
		}
	}
	for _, check := range []func(*configv1.Domain) error{checkTags, checkVirtualHosts, checkTokenExchange, checkTrustedIssuers, checkStatementIssuers, checkResources, checkProvisioning} {
		if err := check(d); err != nil {
			return err
		}
	}
	return checkRedirectSwitch(s, old, d)
}

const maxTags = 50

func checkTags(d *configv1.Domain) error {
	if len(d.GetTags()) > maxTags {
		return broken("tags", "", "must have at most 50 entries")
	}
	for i, tag := range d.GetTags() {
		if strings.TrimSpace(tag) == "" || len(tag) > 255 {
			return broken(index("tags", i), tag, "must have 1 to 255 bytes and not be blank")
		}
		if slices.Index(d.GetTags(), tag) < i {
			return broken(index("tags", i), tag, "must be unique")
		}
	}
	return nil
}

const maxVirtualHosts = 50

// VirtualHosts are the places of a domain that is reached under names of its own: host and path.
func VirtualHosts(d *configv1.Domain) []string {
	if !d.GetVhostMode() {
		return nil
	}
	var places []string
	for _, v := range d.GetVhosts() {
		places = append(places, v.GetHost()+v.GetPath())
	}
	return places
}

// VirtualHostTaken is the refusal of a place that another domain has.
func VirtualHostTaken(d *configv1.Domain, place string) error {
	i := slices.Index(VirtualHosts(d), place)
	return exists("domain", place).At(index("vhosts", max(i, 0)), "already exists")
}

// normalizeVirtualHosts writes hosts in lower case and paths with one slash at the beginning and none at the end.
func normalizeVirtualHosts(d *configv1.Domain) {
	for _, v := range d.GetVhosts() {
		v.Host = strings.ToLower(strings.TrimSpace(v.GetHost()))
		v.Path = "/" + strings.Trim(v.GetPath(), "/")
	}
}

func checkVirtualHosts(d *configv1.Domain) error {
	switch {
	case d.GetVhostMode() && len(d.GetVhosts()) == 0:
		return broken("vhosts", "", "must not be empty while vhostMode is on")
	case len(d.GetVhosts()) > maxVirtualHosts:
		return broken("vhosts", "", "must have at most 50 entries")
	}
	seen, overrides := map[string]bool{}, 0
	for i, v := range d.GetVhosts() {
		path := index("vhosts", i)
		if !validHost(v.GetHost()) {
			return broken(path+".host", v.GetHost(), "must be a host name such as login.example.com, with an optional port")
		}
		if v.GetPath() != "/" && (len(v.GetPath()) > 255 || !domainPath.MatchString(v.GetPath())) {
			return broken(path+".path", v.GetPath(), "must be a slash, or one or more segments of letters, digits, '-', '.', '_' and '~'")
		}
		if v.GetPath() != "/" {
			if err := validateSegments(v.GetPath()); err != nil {
				return at(err, path+".path")
			}
		}
		if place := v.GetHost() + v.GetPath(); seen[place] {
			return broken(path, place, "must be unique")
		} else if seen[place] = true; v.GetOverrideEntrypoint() {
			overrides++
		}
		if overrides > 1 {
			return broken(path+".overrideEntrypoint", "", "must be on for at most one of them")
		}
	}
	return nil
}

// at tells a refusal with another place.
func at(err error, path string) error {
	return fault.Invalidf("%s", fault.BodyOf(err).Message).At(path, fault.BodyOf(err).Errors[0].Detail)
}

var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// validHost accepts a name (RFC 1123 §2.1) or an address, and a port.
func validHost(host string) bool {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return false
		}
		name = h
		if net.ParseIP(h) != nil {
			return true
		}
	}
	if len(name) > 253 || strings.Contains(name, ":") {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !hostLabel.MatchString(label) {
			return false
		}
	}
	return true
}

// tokenTypes are those of token exchange (RFC 8693 §3) that there are here.
var tokenTypes = []string{
	"urn:ietf:params:oauth:token-type:access_token",
	"urn:ietf:params:oauth:token-type:refresh_token",
	"urn:ietf:params:oauth:token-type:id_token",
	"urn:ietf:params:oauth:token-type:jwt",
}

func checkTokenExchange(d *configv1.Domain) error {
	s := d.GetTokenExchangeSettings()
	for _, list := range []struct {
		name  string
		types []string
	}{
		{"allowedSubjectTokenTypes", s.GetAllowedSubjectTokenTypes()},
		{"allowedRequestedTokenTypes", s.GetAllowedRequestedTokenTypes()},
		{"allowedActorTokenTypes", s.GetAllowedActorTokenTypes()},
	} {
		for i, name := range list.types {
			if !slices.Contains(tokenTypes, name) {
				return broken(index("tokenExchangeSettings."+list.name, i), name, "must be one of "+strings.Join(tokenTypes, ", "))
			}
		}
	}
	return nil
}

func checkProvisioning(d *configv1.Domain) error {
	rule := d.GetScim().GetIdpSelectionRule()
	if strings.TrimSpace(rule) == "" {
		return nil
	}
	if _, err := rules.CompileTemplate(rules.FlowValue, rule); err != nil {
		return badExpression("scim.idpSelectionRule", err)
	}
	return nil
}

const redirectSwitch = "oidc.clientRegistrationSettings.allowRedirectUriParamsExpressionLanguage"

// EnablesRedirectExpressions reports whether a change of a domain lets redirect URIs have expressions. Its applications
// are looked at then.
func EnablesRedirectExpressions(old, d *configv1.Domain) bool {
	on := func(d *configv1.Domain) bool {
		return d.GetOidc().GetClientRegistrationSettings().GetAllowRedirectUriParamsExpressionLanguage()
	}
	return on(d) && !on(old)
}

// checkRedirectSwitch refuses expressions in redirect URIs while an application could not tell its URIs apart.
func checkRedirectSwitch(s *Scene, old, d *configv1.Domain) error {
	if !EnablesRedirectExpressions(old, d) {
		return nil
	}
	for _, a := range s.Applications {
		if sharedRedirect(a) >= 0 {
			return fault.Invalidf(oneRedirect).At(redirectSwitch,
				"the application "+strconv.Quote(a.GetName())+" ["+a.GetId()+"] has two redirect URIs with the same host and path")
		}
	}
	return nil
}

// PublicURL returns where people reach a domain, without a slash at its end: at the virtual host that stands for it, or below the
// gateways' address.
func PublicURL(d *configv1.Domain, gateway string) string {
	urls := EntrypointURLs(d, gateway)
	if !d.GetVhostMode() || len(urls) == 0 {
		return strings.TrimRight(strings.TrimRight(gateway, "/")+d.GetPath(), "/")
	}
	for i, v := range d.GetVhosts() {
		if v.GetOverrideEntrypoint() {
			return urls[i]
		}
	}
	return urls[0]
}

// EntrypointURLs are the base URLs under which a domain is reached, with the gateways' own URL as the first part of those
// that lie below it: that one alone, or one for every virtual host.
func EntrypointURLs(d *configv1.Domain, gateway string) []string {
	if !d.GetVhostMode() {
		return []string{gateway}
	}
	scheme := "https"
	if u, err := url.Parse(gateway); err == nil && u.Scheme != "" {
		scheme = u.Scheme
	}
	var urls []string
	for _, v := range d.GetVhosts() {
		urls = append(urls, strings.TrimRight(scheme+"://"+v.GetHost()+v.GetPath(), "/"))
	}
	return urls
}
