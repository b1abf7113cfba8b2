package ldap

import (
	"regexp"

	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// What a password policy answers beside the result (draft-behera-ldap-password-policy-10 §6.2).
const (
	policyExpired    = 0
	policyLocked     = 1
	policyMustChange = 2
)

// activeDirectory finds the code by which Active Directory says why it refused a bind: "… data 775, v4563".
var activeDirectory = regexp.MustCompile(`\bdata ([0-9a-f]{3,8})\b`)

// blockedCodes are those of Active Directory for accounts that are known and may not sign in: outside their hours, from another
// machine, password expired, disabled, expired, password to be changed, locked.
var blockedCodes = map[string]bool{"530": true, "531": true, "532": true, "533": true, "701": true, "773": true, "775": true}

// outcome reads what a bind as a person came to.
func outcome(result *ldap.SimpleBindResult, err error) error {
	if result != nil {
		policy, ok := ldap.FindControl(result.Controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy)
		if ok && (policy.Error == policyExpired || policy.Error == policyLocked || policy.Error == policyMustChange) {
			return idp.ErrBlocked
		}
	}
	switch {
	case err == nil:
		return nil
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials):
		if found := activeDirectory.FindStringSubmatch(err.Error()); found != nil && blockedCodes[found[1]] {
			return idp.ErrBlocked
		}
		return idp.ErrRefused
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform,
		ldap.LDAPResultInvalidAttributeSyntax):
		return idp.ErrRefused
	}
	return unavailable("bind as the person", err)
}
