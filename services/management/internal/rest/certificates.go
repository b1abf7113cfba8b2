package rest

import (
	"net/http"
	"strings"
	"time"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// mountCertificates adds what certificates have beside their collection.
func mountCertificates(m *Mux) {
	x := &certificates{mux: m, editor: m.api.Editor}
	domain, one := catalog.Domains.Item(), catalog.Certificates.Item()
	m.Handle("PUT "+domain+"/certificate-settings", "domain:update", x.setFallback, operation.Operation{
		Summary: "Choose the certificate that signs where an application's own cannot.",
		Details: "How keys are rotated stays as it is; it is changed with the domain.",
		Body:    &managementv1.FallbackCertificate{}, Answer: &configv1.Domain{},
	})
	m.Handle("POST "+catalog.Certificates.Collection()+"/rotate", "certificate:create", x.rotate, operation.Operation{
		Summary: "Make a successor of one of the server's own signing keys.",
		Details: "The successor is published at once with the status `next` and signs after the overlap. The key before it is " +
			"then retired, stays published as long as a token that it signed can be worth something, and is removed. " +
			"Applications follow. The body may be left out.",
		Query: []operation.Parameter{{
			Name: "immediately", Type: "boolean", Description: "The successor signs at once, as with an overlap of 0 seconds.",
		}},
		Body: &managementv1.Rotation{}, Status: http.StatusCreated, Answer: &configv1.Certificate{},
	})
	m.Handle("GET "+one+"/key", "certificate:read", x.key, operation.Operation{
		Summary: "Read the public key of a certificate as text.",
		Query: []operation.Parameter{{
			Name: "fmt", Type: "string", Values: []string{"ssh", "pem"},
			Description: "A line as in OpenSSH's authorized_keys (the default), or the X.509 certificate.",
		}},
		AnswerType: "text/plain",
	})
	m.Handle("GET "+one+"/keys", "certificate:read", x.keys, operation.Operation{
		Summary: "Read the public key of a certificate in all its forms.",
		Answer:  &managementv1.CertificateKey{}, Shape: operation.Array,
	})
}

type certificates struct {
	mux    *Mux
	editor *editor.Editor
}

func (x *certificates) setFallback(w http.ResponseWriter, r *http.Request) error {
	var body managementv1.FallbackCertificate
	if err := x.mux.decode(r, &body); err != nil {
		return err
	}
	changed, err := x.editor.SetFallbackCertificate(r.Context(), placeOf(r), body.GetFallbackCertificate())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, changed)
}

// maxOverlap is how many seconds a key may be published before it signs.
const maxOverlap = 10 * 365 * 24 * 60 * 60

func (x *certificates) rotate(w http.ResponseWriter, r *http.Request) error {
	values, err := query(r)
	if err != nil {
		return err
	}
	var body managementv1.Rotation
	if r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody {
		if err := x.mux.decode(r, &body); err != nil {
			return err
		}
	}
	rotation := editor.Rotation{Algorithm: body.GetAlgorithm()}
	if body.OverlapSeconds != nil {
		if n := body.GetOverlapSeconds(); n < 0 || n > maxOverlap {
			return constraint("overlapSeconds", "", "must be from 0 to 315360000")
		}
		overlap := time.Duration(body.GetOverlapSeconds()) * time.Second
		rotation.Overlap = &overlap
	}
	switch text := values.Get("immediately"); strings.ToLower(text) {
	case "", "false":
	case "true":
		at := time.Duration(0)
		rotation.Overlap = &at
	default:
		return constraint("immediately", text, "must be true or false")
	}
	made, err := x.editor.RotateCertificate(r.Context(), placeOf(r), rotation)
	if err != nil {
		return err
	}
	w.Header().Set("Location", x.mux.beside(r, made.GetId()))
	return answer(w, http.StatusCreated, made)
}

func (x *certificates) read(r *http.Request) ([]*managementv1.CertificateKey, error) {
	found, err := editor.Read(r.Context(), x.editor, catalog.Certificates, placeOf(r), r.PathValue(catalog.Certificates.Arm))
	if err != nil {
		return nil, err
	}
	return publicForms(found)
}

func (x *certificates) key(w http.ResponseWriter, r *http.Request) error {
	values, err := query(r)
	if err != nil {
		return err
	}
	wanted := strings.ToLower(values.Get("fmt"))
	if wanted == "" {
		wanted = "ssh"
	}
	if wanted != "ssh" && wanted != "pem" {
		return constraint("fmt", values.Get("fmt"), "must be one of ssh, pem")
	}
	forms, err := x.read(r)
	if err != nil {
		return err
	}
	for _, form := range forms {
		if strings.HasPrefix(form.GetFmt(), wanted) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			// The client may be gone; there is nobody left to tell.
			_, _ = w.Write([]byte(form.GetPayload()))
			return nil
		}
	}
	return errNoRoute
}

func (x *certificates) keys(w http.ResponseWriter, r *http.Request) error {
	forms, err := x.read(r)
	if err != nil {
		return err
	}
	return writeList(x.mux, w, forms)
}
