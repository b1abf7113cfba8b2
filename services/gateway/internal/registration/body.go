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
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// decode reads the body of a change, as metadata does.
func (h *Handler) decode(w http.ResponseWriter, r *http.Request, d *domain.Domain, stored string) (clientmeta.Metadata, error) {
	body, err := h.body(w, r)
	if err != nil {
		return clientmeta.Metadata{}, err
	}
	return h.metadata(r, d, body, stored)
}

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

// metadata reads client metadata, with what their software statement claims, or that of the client so far.
func (h *Handler) metadata(r *http.Request, d *domain.Domain, body []byte, stored string) (clientmeta.Metadata, error) {
	body, err := h.stated(r, d, body, stored)
	if err != nil {
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
