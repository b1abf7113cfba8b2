package registration

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// body reads the body of a registration. One without a Content-Type counts as JSON.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, oauth2.InvalidClientMetadata.Errorf("The request body is larger than %d bytes", tooLarge.Limit).WithCause(err)
	case err != nil:
		return nil, oauth2.InvalidClientMetadata.Errorf("The request body cannot be read").WithCause(err)
	}
	if len(body) > 0 && !isJSON(r.Header.Get("Content-Type")) {
		return nil, oauth2.InvalidClientMetadata.Errorf("Unsupported Content-Type")
	}
	return prototree.JoinLines(body), nil
}

// metadata reads client metadata, with what their software statement claims, and says which members stay as they are stored: those are
// not in what it returns. Stored is the client as it is, nil for a new one.
func (h *Handler) metadata(r *http.Request, d *domain.Domain, body []byte, stored *configv1.OAuthSettings, administrator bool) (clientmeta.Metadata, []string, error) {
	s, err := h.state(r.Context(), d, body, stored, administrator)
	if err != nil {
		return clientmeta.Metadata{}, nil, err
	}
	meta, err := clientmeta.Decode(s.body)
	if err != nil {
		return meta, nil, err
	}
	clientmeta.Overlay(meta.OAuth, nil, append([]string{}, s.held...))
	for _, name := range s.held {
		delete(meta.Given, name)
		if name == scopeMember {
			meta.Scope = nil
		}
	}
	meta.OAuth.SoftwareStatementVerdict = s.verdict
	if meta.OAuth.GetJwks() != nil {
		err = checkKeys(meta.OAuth.GetJwks())
	}
	return meta, s.held, err
}

// checkKeys refuses a key set with a key that could not be used, or that is private (RFC 7591 §2).
func checkKeys(set *structpb.Struct) error {
	data, err := set.MarshalJSON()
	if err == nil {
		_, err = jose.ParseJWKS(data)
	}
	if err != nil {
		return oauth2.InvalidClientMetadata.Errorf("Unable to parse jwks content: %s", err).WithCause(err)
	}
	return nil
}

func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind == "application/json"
}
