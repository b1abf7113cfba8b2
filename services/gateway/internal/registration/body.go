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
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// decode reads the body of a registration, with what its software statement claims, or that of the client so far. A body without a
// Content-Type counts as JSON.
func (h *Handler) decode(w http.ResponseWriter, r *http.Request, d *domain.Domain, stored string) (clientmeta.Metadata, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return clientmeta.Metadata{}, oauth2.InvalidClientMetadata.Errorf("The request body is larger than %d bytes", tooLarge.Limit).WithCause(err)
	case err != nil:
		return clientmeta.Metadata{}, oauth2.InvalidClientMetadata.Errorf("The request body cannot be read").WithCause(err)
	}
	if len(body) > 0 && !isJSON(r.Header.Get("Content-Type")) {
		return clientmeta.Metadata{}, oauth2.InvalidClientMetadata.Errorf("Unsupported Content-Type")
	}
	if body, err = h.stated(r, d, body, stored); err != nil {
		return clientmeta.Metadata{}, err
	}
	meta, err := clientmeta.Decode(body)
	if err == nil && meta.OAuth.GetJwks() != nil {
		err = checkKeys(meta.OAuth.GetJwks())
	}
	return meta, err
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
