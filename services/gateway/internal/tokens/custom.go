package tokens

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// customClaim is a custom claim with its value in JSON. The audiences of a claim aud are listed instead.
type customClaim struct {
	name      string
	value     json.RawMessage
	audiences []string
}

// custom computes custom claims in their order; of several with one name the last counts. What cannot be computed is
// left out and reported; null is left out.
func (m *Minter) custom(ctx context.Context, d *domain.Domain, c *domain.Client, p *state.Person, authFlow json.RawMessage, list []domain.Claim) []customClaim {
	if len(list) == 0 {
		return nil
	}
	in := Input(d, c, p, authFlow)
	out := make([]customClaim, 0, len(list))
	for _, claim := range list {
		if oauth2.ReservedClaim(claim.Name) {
			continue
		}
		made, err := compute(ctx, claim, &in)
		if err != nil {
			m.failures.Report(ctx, c.Expression(d.ID, ruleerrors.Claim, claim.Name), err, slog.String("client_id", c.ClientID))
			continue
		}
		out = slices.DeleteFunc(out, func(c customClaim) bool { return c.name == claim.Name })
		if made.value != nil {
			out = append(out, made)
		}
	}
	return out
}

var errAudience = errors.New("the value is neither a string nor a list of strings")

func compute(ctx context.Context, claim domain.Claim, in *rules.Input) (customClaim, error) {
	made := customClaim{name: claim.Name}
	v, err := claim.Value.Value(ctx, in)
	if err != nil || v == nil {
		return made, err
	}
	if claim.Name == "aud" {
		switch v := v.(type) {
		case string:
			made.audiences = []string{v}
		case []any:
			for _, one := range v {
				s, ok := one.(string)
				if !ok {
					return made, errAudience
				}
				made.audiences = append(made.audiences, s)
			}
		default:
			return made, errAudience
		}
	}
	made.value, err = json.Marshal(v)
	return made, err
}

// nothingSet is what flows set where they set nothing. It must not be changed.
var nothingSet = map[string]any{}

// Input is what expressions see where tokens are made: the client, the person where the token is about one, and what flows set during the
// login, a JSON object.
func Input(d *domain.Domain, c *domain.Client, p *state.Person, authFlow json.RawMessage) rules.Input {
	set, err := flows.Decode(authFlow)
	if err != nil || set == nil {
		set = nothingSet
	}
	attributes := map[string]any{"client": map[string]any{"id": c.ID, "clientId": c.ClientID, "name": c.Name}, "authFlow": set}
	in := rules.Input{Client: c.Rules, Domain: d.Rules, Attributes: attributes}
	if p != nil {
		in.User = UserValue(p)
		attributes["user"] = in.User
	}
	return in
}

// appendAudience appends the claim aud: the usual one, followed by what a custom claim adds. A token for resources that were
// asked for has these alone, because a custom audience would make it good for more (RFC 8707 §2.2). One audience is a string.
func appendAudience(b []byte, usual string, resources []string, custom []customClaim) []byte {
	all := resources
	if len(resources) == 0 {
		i := slices.IndexFunc(custom, func(c customClaim) bool { return c.name == "aud" })
		if i < 0 {
			return appendString(b, usual)
		}
		all = append([]string{usual}, custom[i].audiences...)
	}
	start := len(b)
	b = append(b, '[')
	n := 0
	for i, s := range all {
		if s == "" || slices.Contains(all[:i], s) {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	if n == 1 {
		return append(b[:start], b[start+1:]...)
	}
	return append(b, ']')
}

func appendCustom(b []byte, custom []customClaim) []byte {
	for _, claim := range custom {
		if claim.name == "aud" {
			continue
		}
		b = append(b, ',')
		b = appendString(b, claim.name)
		b = append(b, ':')
		b = append(b, claim.value...)
	}
	return b
}

// UserValue is a person as expressions see them (the variable user).
func UserValue(p *state.Person) map[string]any {
	claim := func(name string) any {
		if v, ok := p.Profile[name]; ok {
			return v
		}
		return ""
	}
	list := func(name string) any {
		if v, ok := p.Profile[name].([]any); ok {
			return v
		}
		return []any{}
	}
	additional, _ := p.Profile[state.AdditionalInformation].(map[string]any)
	if additional == nil {
		additional = map[string]any{}
	}
	return map[string]any{
		"id": p.UserID, "username": p.Username, "source": p.Source, "email": claim("email"),
		"firstName": claim("given_name"), "lastName": claim("family_name"),
		"groups": list("groups"), "roles": list("roles"), "additionalInformation": additional,
	}
}
