package tokens

import (
	"encoding/json"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// appendConfirmation appends the claim cnf of a token that is bound to a key (RFC 7800 §3.1), with a comma before it.
func appendConfirmation(b []byte, c state.Confirmation) []byte {
	if !c.Bound() {
		return b
	}
	encoded, _ := json.Marshal(c) // strings always have a JSON form
	return append(append(b, `,"cnf":`...), encoded...)
}

// readConfirmation notes to which key a token is bound. A claim that cannot be read makes the token worth nothing: to take
// it for unbound would be to take it from anybody.
func readConfirmation(found *domain.VerifiedToken, c *jose.Claims) error {
	var bound state.Confirmation
	present, err := c.Decode("cnf", &bound)
	switch {
	case err != nil:
		return err
	case present && !bound.Bound():
		return ErrInvalid
	}
	found.JKT, found.X5T = bound.JKT, bound.X5T
	return nil
}
