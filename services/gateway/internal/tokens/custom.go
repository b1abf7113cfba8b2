package tokens

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/claims"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/ruleerrors"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// customClaim is a custom claim with its value in JSON. The audiences of a claim aud are listed instead.
type customClaim = claims.Custom

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
		made, err := claims.Compute(ctx, claim.Name, claim.Value, &in)
		if err != nil {
			m.failures.Report(ctx, c.Expression(d.ID, ruleerrors.Claim, claim.Name), err, slog.String("client_id", c.ClientID))
			continue
		}
		out = slices.DeleteFunc(out, func(c customClaim) bool { return c.Name == claim.Name })
		if made.Value != nil {
			out = append(out, made)
		}
	}
	return out
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
	var user map[string]any
	if p != nil {
		user = UserValue(p)
	}
	return claims.Input(claims.Client{ID: c.ID, ClientID: c.ClientID, Name: c.Name}, c.Rules, d.Rules, user, set)
}

// appendAudience appends the claim aud: the usual one, followed by what a custom claim adds. A token for resources that were
// asked for has these alone, because a custom audience would make it good for more (RFC 8707 §2.2). One audience is a string.
func appendAudience(b []byte, usual string, resources []string, custom []customClaim) []byte {
	all := resources
	if len(resources) == 0 {
		i := slices.IndexFunc(custom, func(c customClaim) bool { return c.Name == "aud" })
		if i < 0 {
			return appendString(b, usual)
		}
		all = append([]string{usual}, custom[i].Audiences...)
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
		if claim.Name == "aud" {
			continue
		}
		b = append(b, ',')
		b = appendString(b, claim.Name)
		b = append(b, ':')
		b = append(b, claim.Value...)
	}
	return b
}

// UserValue is a person as expressions see them (the variable user).
func UserValue(p *state.Person) map[string]any {
	return claims.Whom{ID: p.UserID, Username: p.Username, Source: p.Source, Profile: p.Profile}.Value()
}
