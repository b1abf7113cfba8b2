package authorization

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

// SealedLife is how long an answer in the form of a JWT may be used (JARM §2.1).
const SealedLife = 10 * time.Minute

// Sealed returns an answer as it travels. In the modes of JARM that is one parameter, response: a JWT whose claims are the
// issuer, the client as audience, an end, and the parameters (§2.1), signed with the key for the algorithm that the client
// registered (§3), and then encrypted where it registered that. Answers in other modes stay as they are. That a client has no key
// to encrypt for is invalid_client_metadata, which nobody but the person can be told.
func (a Answer) Sealed(ctx context.Context, keys tokens.Encrypter, now time.Time) (Answer, error) {
	if !a.Mode.Signed() {
		return a, nil
	}
	claims := make(map[string]string, len(a.Params)+2)
	for _, p := range a.Params {
		claims[p.Name] = p.Value
	}
	claims["iss"], claims["aud"] = a.issuer, a.client.ClientID
	payload, err := json.Marshal(claims)
	if err != nil {
		return Answer{}, err
	}
	payload = append(payload[:len(payload)-1], `,"exp":`...)
	payload = append(strconv.AppendInt(payload, now.Add(SealedLife).Unix(), 10), '}')
	// Without a typ nobody takes it for an ID token or an access token (RFC 8725 §3.12).
	token, err := a.client.AuthorizationKey.Sign(jose.TypeNone, payload)
	if err != nil {
		return Answer{}, fmt.Errorf("sign the answer: %w", err)
	}
	if e := a.client.AuthorizationEncryption; e != nil {
		if token, err = keys.Encrypt(ctx, a.client, e.Alg, e.Enc, []byte(token), jose.ContentJWT); err != nil {
			return Answer{}, err
		}
	}
	a.Mode, a.Params = a.Mode.Carrier(), []Param{{"response", token}}
	return a, nil
}
