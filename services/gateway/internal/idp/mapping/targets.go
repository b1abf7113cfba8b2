package mapping

import (
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// targets are the members of a profile that mappers set, by their names in lower case without underscores: as the REST API spells
// them (firstName) and as claims are called (given_name). Any other name is a member of the additional information.
var targets = map[string]func(*idp.Identity, any) bool{
	"username": named, "preferredusername": named,
	"email": address, "emailverified": verified,
	"firstname": texts(func(i *idp.Identity) *string { return &i.FirstName }), "givenname": texts(func(i *idp.Identity) *string { return &i.FirstName }),
	"lastname": texts(func(i *idp.Identity) *string { return &i.LastName }), "familyname": texts(func(i *idp.Identity) *string { return &i.LastName }),
	"displayname": texts(func(i *idp.Identity) *string { return &i.DisplayName }), "name": texts(func(i *idp.Identity) *string { return &i.DisplayName }),
	"nickname":          texts(func(i *idp.Identity) *string { return &i.NickName }),
	"middlename":        texts(func(i *idp.Identity) *string { return &i.MiddleName }),
	"preferredlanguage": texts(func(i *idp.Identity) *string { return &i.PreferredLanguage }),
	"locale":            texts(func(i *idp.Identity) *string { return &i.Locale }),
	"zoneinfo":          texts(func(i *idp.Identity) *string { return &i.ZoneInfo }),
	"birthdate":         texts(func(i *idp.Identity) *string { return &i.Birthdate }),
	"gender":            texts(func(i *idp.Identity) *string { return &i.Gender }),
	"profile":           texts(func(i *idp.Identity) *string { return &i.Profile }),
	"picture":           texts(func(i *idp.Identity) *string { return &i.Picture }),
	"website":           texts(func(i *idp.Identity) *string { return &i.Website }),
	"phonenumber":       texts(func(i *idp.Identity) *string { return &i.PhoneNumber }),
}

func canonical(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// texts sets a member that is text. Without a value it is empty.
func texts(field func(*idp.Identity) *string) func(*idp.Identity, any) bool {
	return func(i *idp.Identity, v any) bool {
		text, ok := textOf(v)
		*field(i) = text
		return ok || v == nil
	}
}

// named sets the user name, which stays what it was where there is no other.
func named(i *idp.Identity, v any) bool {
	text, ok := textOf(v)
	if text = strings.TrimSpace(text); text != "" {
		i.Username = text
	}
	return ok || v == nil
}

// address sets the address. What the provider verified was its own.
func address(i *idp.Identity, v any) bool {
	text, ok := textOf(v)
	i.EmailVerified = i.GetEmailVerified() && text != "" && strings.EqualFold(text, i.GetEmail())
	i.Email = text
	return ok || v == nil
}

func verified(i *idp.Identity, v any) bool {
	text, ok := textOf(v)
	i.EmailVerified = strings.EqualFold(text, "true") && i.GetEmail() != ""
	return ok || v == nil
}
