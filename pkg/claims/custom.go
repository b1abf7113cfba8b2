package claims

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/rules"
)

// Custom is the value of a custom claim in JSON. The audiences of a claim aud are listed instead.
type Custom struct {
	Name      string
	Value     json.RawMessage
	Audiences []string
}

var errAudience = errors.New("the value is neither a string nor a list of strings")

// Compute evaluates a custom claim. One that is null has no value.
func Compute(ctx context.Context, name string, value *rules.Template, in *rules.Input) (Custom, error) {
	made := Custom{Name: name}
	v, err := value.Value(ctx, in)
	if err != nil || v == nil {
		return made, err
	}
	if name == "aud" {
		switch v := v.(type) {
		case string:
			made.Audiences = []string{v}
		case []any:
			for _, one := range v {
				s, ok := one.(string)
				if !ok {
					return made, errAudience
				}
				made.Audiences = append(made.Audiences, s)
			}
		default:
			return made, errAudience
		}
	}
	made.Value, err = json.Marshal(v)
	return made, err
}

// Whom is a person as custom claims see them (the variable user).
type Whom struct {
	ID, Username, Source string
	Profile              map[string]any
}

// Value is the variable.
func (w Whom) Value() map[string]any {
	claim := func(name string) any {
		if v, ok := w.Profile[name]; ok {
			return v
		}
		return ""
	}
	list := func(name string) any {
		if v, ok := w.Profile[name].([]any); ok {
			return v
		}
		return []any{}
	}
	additional, _ := w.Profile[AdditionalInformation].(map[string]any)
	if additional == nil {
		additional = map[string]any{}
	}
	return map[string]any{
		"id": w.ID, "username": w.Username, "source": w.Source, "email": claim("email"),
		"firstName": claim("given_name"), "lastName": claim("family_name"),
		"groups": list("groups"), "roles": list("roles"), "additionalInformation": additional,
	}
}

// Client names the client for which claims are made.
type Client struct{ ID, ClientID, Name string }

// Input is what custom claims see: a client, somebody as [Whom.Value] says or nil, and what flows set during the login.
func Input(c Client, client *rules.Client, domain *rules.Domain, user, set map[string]any) rules.Input {
	attributes := map[string]any{"client": map[string]any{"id": c.ID, "clientId": c.ClientID, "name": c.Name}, "authFlow": set}
	in := rules.Input{Client: client, Domain: domain, Attributes: attributes}
	if user != nil {
		in.User = user
		attributes["user"] = user
	}
	return in
}
