package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Defaults and limits of the configuration.
const (
	defaultConnect  = 2 * time.Second
	defaultResponse = 5 * time.Second
	maxTime         = 8 * time.Second
	defaultPool     = 10
	maxPool         = 100
	maxGroups       = 1000
)

// Provider is one LDAP directory.
type Provider struct {
	id     string
	server *server

	bindDN, bindPassword    string
	base, users, groups     string
	userFilter, groupFilter string
	fetchGroups             bool
	groupAttribute          string

	// searching are connections bound as bindDN, binding those on which people are bound.
	searching, binding *pool
}

// New reads the configuration; it connects to nothing. What cannot be used is an error that names the member.
func New(id string, config *configv1.LDAPProvider, network Network) (*Provider, error) {
	s, err := newServer(config, network)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		id: id, server: s,
		bindDN: config.GetContextSourceUsername(), bindPassword: config.GetContextSourcePassword(),
		base:       config.GetContextSourceBase(),
		userFilter: inParentheses(config.GetUserSearchFilter(), "uid={0}"), groupFilter: inParentheses(config.GetGroupSearchFilter(), "member={0}"),
		fetchGroups: config.GetFetchGroups(), groupAttribute: config.GetGroupRoleAttribute(),
	}
	if p.bindDN != "" && p.bindPassword == "" {
		return nil, errors.New("contextSourcePassword: must be set with contextSourceUsername; without either the search is anonymous")
	}
	if p.groupAttribute == "" {
		p.groupAttribute = "cn"
	}
	if p.users, err = below(config.GetUserSearchBase(), p.base); err != nil {
		return nil, fmt.Errorf("userSearchBase: %w", err)
	}
	if p.groups, err = below(config.GetGroupSearchBase(), p.base); err != nil {
		return nil, fmt.Errorf("groupSearchBase: %w", err)
	}
	for member, filter := range map[string]string{"userSearchFilter": p.userFilter, "groupSearchFilter": p.groupFilter} {
		if _, err := ldap.CompileFilter(strings.ReplaceAll(filter, "{0}", "x")); err != nil || !strings.Contains(filter, "{0}") {
			return nil, fmt.Errorf("%s: must be a search filter (RFC 4515) with {0}", member)
		}
	}
	size := int(config.GetMaxPoolSize())
	if size <= 0 {
		size = defaultPool
	}
	size = min(size, maxPool)
	p.searching, p.binding = newPool(size, p.openForSearch), newPool(size, s.open)
	return p, nil
}

func inParentheses(filter, otherwise string) string {
	if filter = strings.TrimSpace(filter); filter == "" {
		filter = otherwise
	}
	if !strings.HasPrefix(filter, "(") {
		filter = "(" + filter + ")"
	}
	return filter
}

// below returns where a search begins: a DN below the base as it is, another one put before the base.
func below(dn, base string) (string, error) {
	parsedBase, err := ldap.ParseDN(base)
	if err != nil {
		return "", fmt.Errorf("the base %q is no distinguished name", base)
	}
	if dn == "" {
		return base, nil
	}
	parsed, err := ldap.ParseDN(dn)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q is no distinguished name", dn)
	case base == "" || parsedBase.EqualFold(parsed) || parsedBase.AncestorOfFold(parsed):
		return dn, nil
	}
	return dn + "," + base, nil
}

// openForSearch connects and binds as the configured user, if there is one.
func (p *Provider) openForSearch(ctx context.Context) (*conn, error) {
	c, err := p.server.open(ctx)
	if err != nil || p.bindDN == "" {
		return c, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.server.response)
	defer cancel()
	if err := c.do(ctx, func() error { return c.Bind(p.bindDN, p.bindPassword) }); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("bind as contextSourceUsername: %w", err)
	}
	return c, nil
}

// Authenticate implements idp.PasswordAuthenticator.
func (p *Provider) Authenticate(ctx context.Context, c idp.Credentials) (*idp.Assertion, error) {
	if !c.Plausible() {
		return nil, idp.ErrRefused
	}
	entries, err := p.search(ctx, &ldap.SearchRequest{
		BaseDN: p.users, Scope: ldap.ScopeWholeSubtree, DerefAliases: ldap.NeverDerefAliases,
		// Two, so that a name that is not one person's is seen to be so.
		SizeLimit: 2, TimeLimit: seconds(p.server.response),
		Filter: strings.ReplaceAll(p.userFilter, "{0}", ldap.EscapeFilter(c.Username)), Attributes: wanted,
	})
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultSizeLimitExceeded):
		entries = nil
	case err != nil:
		return nil, unavailable("search for the person", err)
	}
	if len(entries) != 1 || entries[0].DN == "" {
		// The same work as for a wrong password: an entry that does not exist.
		if err := p.bind(ctx, "cn="+secret.NewID()+","+p.base, c.Password); errors.Is(err, idp.ErrUnavailable) {
			return nil, err
		}
		return nil, idp.ErrRefused
	}
	entry := entries[0]
	if err := p.bind(ctx, entry.DN, c.Password); err != nil {
		return nil, err
	}
	assertion, err := p.assert(entry, c.Username)
	if err != nil {
		return nil, unavailable("read the entry", err)
	}
	if p.fetchGroups {
		groups, err := p.groupsOf(ctx, entry.DN)
		if err != nil {
			return nil, err
		}
		assertion.Profile["groups"] = groups
	}
	return assertion, nil
}

// groupsOf returns the names of the groups that have an entry as a member. All of them or an error: somebody must not lose a
// role because a directory was slow.
func (p *Provider) groupsOf(ctx context.Context, dn string) ([]any, error) {
	entries, err := p.search(ctx, &ldap.SearchRequest{
		BaseDN: p.groups, Scope: ldap.ScopeWholeSubtree, DerefAliases: ldap.NeverDerefAliases,
		SizeLimit: maxGroups, TimeLimit: seconds(p.server.response),
		Filter: strings.ReplaceAll(p.groupFilter, "{0}", ldap.EscapeFilter(dn)), Attributes: []string{p.groupAttribute},
	})
	if err != nil {
		return nil, unavailable("search for groups", err)
	}
	groups := []any{}
	for _, e := range entries {
		for _, name := range e.GetEqualFoldAttributeValues(p.groupAttribute) {
			groups = append(groups, name)
		}
	}
	return groups, nil
}

// search returns entries. References to other servers are not followed: where they lead is not for a directory to say.
func (p *Provider) search(ctx context.Context, r *ldap.SearchRequest) ([]*ldap.Entry, error) {
	var found []*ldap.Entry
	err := p.searching.use(ctx, func(c *conn) error {
		ctx, cancel := context.WithTimeout(ctx, p.server.response)
		defer cancel()
		return c.do(ctx, func() error {
			r.EnforceSizeLimit = true
			result, err := c.Search(r)
			if err != nil {
				return err
			}
			found = result.Entries
			return nil
		})
	})
	return found, err
}

// bind proves a password.
func (p *Provider) bind(ctx context.Context, dn, password string) error {
	var result *ldap.SimpleBindResult
	err := p.binding.use(ctx, func(c *conn) error {
		ctx, cancel := context.WithTimeout(ctx, p.server.response)
		defer cancel()
		return c.do(ctx, func() (err error) {
			result, err = c.SimpleBind(ldap.NewSimpleBindRequest(dn, password, []ldap.Control{ldap.NewControlBeheraPasswordPolicy()}))
			return err
		})
	})
	return outcome(result, err)
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// unavailable keeps the cause for operators.
func unavailable(what string, err error) error {
	return fmt.Errorf("%w: %s: %w", idp.ErrUnavailable, what, err)
}
