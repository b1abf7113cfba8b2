package introspection

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/endpoint"
)

// typeJWT is the typ of an answer in the form of RFC 9701, and after application/ its media type.
const typeJWT = "token-introspection+jwt"

// wantsJWT reports whether a request accepts the answer as a JWT by name (RFC 9701 §4). Wildcards are content with JSON.
func wantsJWT(r *http.Request) bool {
	for _, field := range r.Header["Accept"] {
		for one := range strings.SplitSeq(field, ",") {
			kind, parameters, err := mime.ParseMediaType(one)
			if err != nil || kind != "application/"+typeJWT {
				continue
			}
			if q, err := strconv.ParseFloat(parameters["q"], 64); parameters["q"] == "" || err == nil && q > 0 {
				return true
			}
		}
	}
	return false
}

// signed answers with a JWT that the domain signs for the caller (RFC 9701 §5). What it says of the token is in one claim, and
// neither sub nor exp stand beside that, so that it cannot be taken for a token itself.
func (h *Handler) signed(w http.ResponseWriter, d *domain.Domain, caller *domain.Client, body []byte) error {
	claims, err := json.Marshal(struct {
		Issuer   string          `json:"iss"`
		Audience string          `json:"aud"`
		IssuedAt int64           `json:"iat"`
		Token    json.RawMessage `json:"token_introspection"`
	}{d.Issuer, caller.ClientID, h.now().Unix(), body})
	if err != nil {
		return err
	}
	answer, err := caller.AccessKey.AppendSign(nil, typeJWT, claims)
	if err != nil {
		return err
	}
	endpoint.Body(w, http.StatusOK, "application/"+typeJWT, answer)
	return nil
}
