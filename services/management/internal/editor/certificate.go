package editor

import (
	"context"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// SetFallbackCertificate chooses the certificate that signs where an application's own cannot; empty is none.
func (e *Editor) SetFallbackCertificate(ctx context.Context, at Place, id string) (*configv1.Domain, error) {
	return update(ctx, e, catalog.Domains, at, at.Domain, 0, Updated,
		func(_ context.Context, _ *catalog.Scene, old *configv1.Domain) (*configv1.Domain, error) {
			d := proto.CloneOf(old)
			d.CertificateSettings = &configv1.CertificateSettings{FallbackCertificate: id}
			return d, nil
		})
}

// RotateCertificate makes another system certificate with the algorithm of the domain's oldest one. Its key is published
// and can be chosen by an application; it does not take over by itself.
func (e *Editor) RotateCertificate(ctx context.Context, at Place) (*configv1.Certificate, error) {
	// The key is made already; what normalising would do is done.
	made := *catalog.Certificates
	made.Normalize = nil
	c, _, err := create(ctx, e, &made, at, Rotated,
		func(_ context.Context, s *catalog.Scene) (*configv1.Certificate, catalog.Issued, error) {
			c, err := catalog.Rotated(s)
			return c, catalog.Issued{}, err
		})
	return c, err
}
