package operator

import (
	"maps"
	"slices"
	"strings"
)

// holders are roles, and the other ways to a permission.
type holders uint16

const (
	organizationOwner holders = 1 << iota
	environmentOwner
	domainOwner
	applicationOwner
	auditor
	environmentUser
	domainUser
	applicationUser
	// everyone is every operator, without any role.
	everyone
	// guest is, at a domain, whoever is member of an application in it: without it they would not find their application.
	guest
	// self is, at an operator, that operator.
	self
)

// Who may do something as a matter of course: the owners of a place and of those above it. Users of a place read its
// configuration. Auditors read everything.
const (
	ownersOfOrganization = organizationOwner
	ownersOfEnvironment  = ownersOfOrganization | environmentOwner
	ownersOfDomain       = ownersOfEnvironment | domainOwner
	ownersOfApplication  = ownersOfDomain | applicationOwner

	readersOfDomain      = ownersOfDomain | auditor | environmentUser | domainUser
	readersOfApplication = ownersOfApplication | readersOfDomain | applicationUser
)

// table says for every permission who has it. A route is registered with one of these texts; where its path lies decides
// at which places a role for it counts. A new route needs its row here.
var table = map[string]holders{
	"organization:read": everyone,
	"environment:list":  everyone,
	"environment:read":  everyone,

	// Gateways carry the domains of everybody: their names and what they refuse are for those who look after all of them.
	"gateway:list": ownersOfEnvironment | auditor | environmentUser,

	"operator:list":            ownersOfOrganization | auditor,
	"operator:read":            ownersOfOrganization | auditor | self,
	"operator:create":          ownersOfOrganization,
	"operator:update":          ownersOfOrganization,
	"operator:delete":          ownersOfOrganization,
	"operator_password:update": ownersOfOrganization | self,
	"operator_token:list":      ownersOfOrganization | auditor | self,
	"operator_token:create":    ownersOfOrganization | self,
	"operator_token:delete":    ownersOfOrganization | self,
	"operator_role:list":       everyone,
	"operator_role:read":       everyone,
	"operator_role:create":     ownersOfOrganization,
	"operator_role:update":     ownersOfOrganization,
	"operator_role:delete":     ownersOfOrganization,
	"token_key:list":           ownersOfOrganization | auditor,
	"token_key:update":         ownersOfOrganization,

	"member:list":   ownersOfApplication | auditor,
	"member:create": ownersOfApplication,
	"member:delete": ownersOfApplication,

	"audit:read": ownersOfApplication | auditor,

	// The list of domains shows those of the caller to whoever may not read them all.
	"domain:list":   everyone,
	"domain:read":   readersOfDomain | guest,
	"domain:create": ownersOfEnvironment,
	"domain:update": ownersOfDomain,
	"domain:delete": ownersOfDomain,
	// An archive holds every key of a domain, and brings in whatever somebody has written into it.
	"domain:export":       ownersOfEnvironment,
	"domain:import":       ownersOfEnvironment,
	"organization:export": ownersOfOrganization,
	"organization:import": ownersOfOrganization,

	// So does the list of applications.
	"application:list":   readersOfDomain | guest,
	"application:read":   readersOfApplication,
	"application:create": ownersOfDomain,
	"application:update": ownersOfApplication,
	"application:delete": ownersOfApplication,

	"application_secret:read":   readersOfApplication,
	"application_secret:create": ownersOfApplication,
	"application_secret:update": ownersOfApplication,
	"application_secret:delete": ownersOfApplication,

	// Members of an application choose among what its domain has; what is inside is not for them.
	"identity_provider:list":   readersOfDomain | guest,
	"identity_provider:read":   readersOfDomain,
	"identity_provider:create": ownersOfDomain,
	"identity_provider:update": ownersOfDomain,
	"identity_provider:delete": ownersOfDomain,

	"certificate:list":   readersOfDomain | guest,
	"certificate:read":   readersOfDomain,
	"certificate:create": ownersOfDomain,
	"certificate:update": ownersOfDomain,
	"certificate:delete": ownersOfDomain,

	// What registers clients, and who registered.
	"registration_token:list":   ownersOfDomain | auditor,
	"registration_token:read":   ownersOfDomain | auditor,
	"registration_token:create": ownersOfDomain,
	"registration_token:delete": ownersOfDomain,
	"registration:list":         readersOfDomain,
	"registration:update":       ownersOfDomain,

	"scope:list":   readersOfDomain | guest,
	"scope:read":   readersOfDomain | guest,
	"scope:create": ownersOfDomain,
	"scope:update": ownersOfDomain,
	"scope:delete": ownersOfDomain,

	"form:list":   readersOfApplication,
	"form:read":   readersOfApplication,
	"form:create": ownersOfApplication,
	"form:update": ownersOfApplication,
	"form:delete": ownersOfApplication,

	"email:list":   readersOfApplication,
	"email:read":   readersOfApplication,
	"email:create": ownersOfApplication,
	"email:update": ownersOfApplication,
	"email:delete": ownersOfApplication,

	"flow:list":   readersOfApplication,
	"flow:read":   readersOfApplication,
	"flow:create": ownersOfApplication,
	"flow:update": ownersOfApplication,
	"flow:delete": ownersOfApplication,

	"role:list":   readersOfDomain,
	"role:read":   readersOfDomain,
	"role:create": ownersOfDomain,
	"role:update": ownersOfDomain,
	"role:delete": ownersOfDomain,

	// Members of an application bind groups and policies by their names.
	"group:list":   readersOfDomain | guest,
	"group:read":   readersOfDomain,
	"group:create": ownersOfDomain,
	"group:update": ownersOfDomain,
	"group:delete": ownersOfDomain,

	"application_group:list":   readersOfDomain,
	"application_group:read":   readersOfDomain,
	"application_group:create": ownersOfDomain,
	"application_group:update": ownersOfDomain,
	"application_group:delete": ownersOfDomain,

	"policy:list":   readersOfDomain | guest,
	"policy:read":   readersOfDomain,
	"policy:create": ownersOfDomain,
	"policy:update": ownersOfDomain,
	"policy:delete": ownersOfDomain,

	"claim_mapping:list":   readersOfDomain | guest,
	"claim_mapping:read":   readersOfDomain,
	"claim_mapping:create": ownersOfDomain,
	"claim_mapping:update": ownersOfDomain,
	"claim_mapping:delete": ownersOfDomain,

	// Who can open an application: its owners say so, and whoever reads it sees it. Checks name people, whom not everybody
	// may read.
	"binding:list":       readersOfApplication,
	"binding:read":       readersOfApplication,
	"binding:create":     ownersOfApplication,
	"binding:update":     ownersOfApplication,
	"binding:delete":     ownersOfApplication,
	"entitlement:list":   readersOfApplication,
	"entitlement:read":   readersOfApplication,
	"entitlement:create": ownersOfApplication,
	"entitlement:update": ownersOfApplication,
	"entitlement:delete": ownersOfApplication,
	"access:check":       ownersOfApplication | auditor,
	// The list of all bindings of a domain shows those of the applications that the caller may read.
	"access:list": readersOfDomain | guest,

	// People are read by those who look after them.
	"user:read":   ownersOfDomain | auditor,
	"user:create": ownersOfDomain,
	"user:update": ownersOfDomain,
	"user:delete": ownersOfDomain,
}

// Permissions are texts such as application:read. It is not changed once somebody else may have it.
type Permissions map[string]bool

// Has reports whether a permission is among them.
func (p Permissions) Has(permission string) bool { return p[permission] || p[everything] }

// Known returns every permission there is, in order.
func Known() []string { return slices.Sorted(maps.Keys(table)) }

// everything is, in a set of permissions, all there are.
const everything = "*"

// held returns the permissions of some holders. Owners of the organization have everything.
func held(h holders) Permissions {
	p := Permissions{}
	if h&organizationOwner != 0 {
		p[everything] = true
	}
	for permission, who := range table {
		if who&h != 0 {
			p[permission] = true
		}
	}
	return p
}

// beyond returns the permissions of p that other does not have, in order.
func (p Permissions) beyond(other Permissions) []string {
	var more []string
	if other[everything] {
		return nil
	}
	for permission := range p {
		if !other[permission] {
			more = append(more, permission)
		}
	}
	slices.Sort(more)
	return more
}

// with returns the permissions of both.
func (p Permissions) with(other Permissions) Permissions {
	if len(other.beyond(p)) == 0 {
		return p
	}
	both := maps.Clone(p)
	maps.Copy(both, other)
	return both
}

// Texts returns the permissions in order.
func (p Permissions) Texts() []string {
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(p))))
}

// brief is Texts for tokens, which travel with every request: `application:*` stands for all there is of application.
func (p Permissions) brief() []string {
	all, have := map[string]int{}, map[string]int{}
	for permission := range table {
		kind, _, _ := strings.Cut(permission, ":")
		all[kind]++
		if p[permission] {
			have[kind]++
		}
	}
	if p[everything] {
		return []string{everything}
	}
	texts := []string{}
	for kind, n := range have {
		if n == all[kind] {
			texts = append(texts, kind+":*")
		}
	}
	for permission := range p {
		if kind, _, _ := strings.Cut(permission, ":"); have[kind] != all[kind] {
			texts = append(texts, permission)
		}
	}
	slices.Sort(texts)
	return texts
}
