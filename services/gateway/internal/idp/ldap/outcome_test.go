package ldap

import (
	"errors"
	"io"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

func TestOutcomeOfABind(t *testing.T) {
	refusal := func(code uint16, text string) error { return ldap.NewError(code, errors.New(text)) }
	ad := func(data string) error {
		return refusal(ldap.LDAPResultInvalidCredentials, "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data "+data+", v4563")
	}
	policy := func(code int8) *ldap.SimpleBindResult {
		return &ldap.SimpleBindResult{Controls: []ldap.Control{&ldap.ControlBeheraPasswordPolicy{Error: code}}}
	}
	for _, tt := range []struct {
		name   string
		result *ldap.SimpleBindResult
		err    error
		want   error
	}{
		{"accepted", &ldap.SimpleBindResult{}, nil, nil},
		{"accepted, with a policy that has nothing to say", policy(-1), nil, nil},
		{"refused", &ldap.SimpleBindResult{}, refusal(ldap.LDAPResultInvalidCredentials, ""), idp.ErrRefused},
		{"Active Directory: unknown", nil, ad("525"), idp.ErrRefused},
		{"Active Directory: wrong password", nil, ad("52e"), idp.ErrRefused},
		{"Active Directory: disabled", nil, ad("533"), idp.ErrBlocked},
		{"Active Directory: locked", nil, ad("775"), idp.ErrBlocked},
		{"Active Directory: password expired", nil, ad("532"), idp.ErrBlocked},
		{"policy: locked", policy(1), refusal(ldap.LDAPResultInvalidCredentials, ""), idp.ErrBlocked},
		{"policy: password expired", policy(0), refusal(ldap.LDAPResultInvalidCredentials, ""), idp.ErrBlocked},
		{"policy: the password must be changed before anything else", policy(2), nil, idp.ErrBlocked},
		{"the entry has gone meanwhile", nil, refusal(ldap.LDAPResultNoSuchObject, ""), idp.ErrRefused},
		{"busy", nil, refusal(ldap.LDAPResultBusy, ""), idp.ErrUnavailable},
		{"a referral", nil, refusal(ldap.LDAPResultReferral, ""), idp.ErrUnavailable},
		{"a connection that ends", nil, io.EOF, idp.ErrUnavailable},
	} {
		if got := outcome(tt.result, tt.err); !errors.Is(got, tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
