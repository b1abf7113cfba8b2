package ldap

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// wanted are the attributes that a search asks for: all of a person, and those that say for good who it is.
var wanted = []string{"*", "entryUUID", "objectGUID", "memberOf"}

// always are attributes that are a list in profiles, however many values they have.
var always = []string{"memberof", "objectclass"}

// Limits of a profile.
const (
	maxValue  = 16 << 10
	maxValues = 1000
)

// secretAttribute reports whether an attribute holds what nobody may see, in whatever way it is kept.
func secretAttribute(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"password", "pwd", "krbprincipalkey", "secret", "sambalmhash", "unicodepw"} {
		if strings.Contains(name, word) && name != "pwdlastset" {
			return true
		}
	}
	return false
}

// assert makes an assertion of an entry. Who somebody is, is what the server says for good of the entry: its UUID, which
// outlives a new name or place, or else its DN.
func (p *Provider) assert(e *ldap.Entry, typed string) (*idp.Assertion, error) {
	external, err := stable(e)
	if err != nil {
		return nil, err
	}
	profile := profileOf(e)
	first := func(names ...string) string {
		for _, n := range names {
			if v := e.GetEqualFoldAttributeValue(n); v != "" && len(v) <= maxValue && utf8.ValidString(v) {
				return v
			}
		}
		return ""
	}
	username := first("uid", "sAMAccountName")
	if username == "" {
		username = strings.ToLower(typed)
	}
	return &idp.Assertion{AMR: []string{idp.MethodPassword}, Profile: profile, Identity: &idp.Identity{
		Source: p.id, ExternalId: external, Username: username, Email: first("mail"),
		FirstName: first("givenName"), LastName: first("sn"), DisplayName: first("displayName", "cn"),
		PreferredLanguage: first("preferredLanguage"), PhoneNumber: first("telephoneNumber"),
	}}, nil
}

// stable returns what names an entry for good.
func stable(e *ldap.Entry) (string, error) {
	if id := e.GetEqualFoldAttributeValue("entryUUID"); id != "" {
		return strings.ToLower(id), nil
	}
	if id := e.GetEqualFoldRawAttributeValue("objectGUID"); len(id) > 0 {
		return hex.EncodeToString(id), nil
	}
	dn, err := ldap.ParseDN(e.DN)
	if err != nil {
		return "", errors.New("the entry has no entryUUID or objectGUID, and a name that cannot be read")
	}
	return strings.ToLower(dn.String()), nil
}

// profileOf returns the attributes of an entry as JSON values: text where an attribute has one value, a list where it has
// several. Values that are not text are base64. What holds a password, in whatever form, is left out.
func profileOf(e *ldap.Entry) map[string]any {
	profile := map[string]any{"dn": e.DN}
	for _, a := range e.Attributes {
		name, _, _ := strings.Cut(a.Name, ";") // options such as ;binary
		if secretAttribute(name) {
			continue
		}
		values := make([]any, 0, min(len(a.ByteValues), maxValues))
		for _, v := range a.ByteValues {
			if text, ok := textOf(v); ok && len(values) < maxValues {
				values = append(values, text)
			}
		}
		switch {
		case len(values) == 1 && !slices.Contains(always, strings.ToLower(name)):
			profile[name] = values[0]
		case len(values) > 0:
			profile[name] = values
		}
	}
	return profile
}

func textOf(v []byte) (string, bool) {
	if len(v) > maxValue {
		return "", false
	}
	if utf8.Valid(v) && !slices.Contains(v, 0) {
		return string(v), true
	}
	return base64.StdEncoding.EncodeToString(v), true
}
