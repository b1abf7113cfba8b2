package editor

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// SetFallbackCertificate chooses the certificate that signs where an application's own cannot; empty is none.
func (e *Editor) SetFallbackCertificate(ctx context.Context, at Place, id string) (*configv1.Domain, error) {
	return update(ctx, e, catalog.Domains, at, at.Domain, 0, Updated,
		func(_ context.Context, _ *catalog.Scene, old *configv1.Domain) (*configv1.Domain, error) {
			d := proto.CloneOf(old)
			if d.CertificateSettings == nil {
				d.CertificateSettings = &configv1.CertificateSettings{}
			}
			d.CertificateSettings.FallbackCertificate = id
			return d, nil
		})
}

// Rotation says which key of the server's own is replaced, and when its successor signs.
type Rotation struct {
	// Algorithm is that of the key; empty means that of the domain's default certificate.
	Algorithm string
	// Overlap is how long the successor is published before it signs; nil means what the domain says.
	Overlap *time.Duration
}

// RotateCertificate makes a successor of one of the server's own keys.
func (e *Editor) RotateCertificate(ctx context.Context, at Place, r Rotation) (*configv1.Certificate, error) {
	var made *configv1.Certificate
	err := e.rotationStep(ctx, at, func(s *catalog.Scene, retention func() (time.Duration, error)) (catalog.RotationStep, bool, error) {
		overlap := catalog.Overlap(s.Domain)
		if r.Overlap != nil {
			overlap = *r.Overlap
		}
		step, err := catalog.Rotate(s, r.Algorithm, overlap, retention)
		made = step.Meant
		return step, true, err
	})
	return made, err
}

// RotateDue does the next step that is due with a domain's own keys, and reports whether there was one. It may be called
// by several at a time: a step is done once.
func (e *Editor) RotateDue(ctx context.Context, domain string) (bool, error) {
	done := false
	var gone *configv1.Certificate
	at := Place{Domain: domain}
	err := e.rotationStep(ctx, at, func(s *catalog.Scene, retention func() (time.Duration, error)) (catalog.RotationStep, bool, error) {
		step, due, err := catalog.DueStep(s, retention)
		done, gone = due, nil
		if due && err == nil && step.Remove {
			gone = step.Meant
			return step, false, nil
		}
		return step, due, err
	})
	if err == nil && gone != nil {
		_, err = Delete(ctx, e, catalog.Certificates, at, gone.GetId(), gone.GetRevision())
	}
	return done && err == nil, err
}

// rotationStep decides on a step and makes it, as one change.
func (e *Editor) rotationStep(ctx context.Context, at Place,
	decide func(*catalog.Scene, func() (time.Duration, error)) (catalog.RotationStep, bool, error),
) error {
	k := catalog.Certificates
	defer e.locks.lock(k.Arm + " of " + at.Domain)()
	return again(0, func(bool) error {
		d, err := e.parent(ctx, k, at)
		if err != nil {
			return err
		}
		var step catalog.RotationStep
		due := false
		err = e.onScene(ctx, at, d, k.Needs, true, func(s *catalog.Scene) error {
			var err error
			step, due, err = decide(s, func() (time.Duration, error) { return e.retention(ctx, d) })
			return err
		})
		if err != nil || !due {
			return err
		}
		// The new key comes first: it is there before another one stops to sign.
		var ops []store.Op
		if step.Made {
			ops = append(ops, store.Op{New: step.Meant})
		}
		for _, c := range step.Changed {
			ops = append(ops, store.Op{Old: c[0], New: c[1]})
		}
		_, err = e.write(ctx, step.Meant, Rotated, ops)
		return lost(k, step.Meant.GetId(), err)
	})
}

// retention is how long a key of a domain stays published after it has signed for the last time: as long as the domain
// says, and as any token can be worth something.
func (e *Editor) retention(ctx context.Context, d *configv1.Domain) (time.Duration, error) {
	longest := catalog.Retention(d)
	find, err := e.finder(ctx)
	if err != nil {
		return 0, err
	}
	all, err := find.all(ctx, catalog.Applications, d.GetId())
	for _, r := range all {
		longest = max(longest, catalog.TokenLifetime(r.(*configv1.Application)))
	}
	return longest, err
}

// Rotating returns the domains whose own keys may have a step before them.
func (e *Editor) Rotating(ctx context.Context) ([]string, error) {
	find, err := e.finder(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var domains []string
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			domains = append(domains, id)
		}
	}
	scheduled, err := find.where(ctx, catalog.Domains, "certificateSettings.rotation.enabled", true, func(r resource.Resource) bool {
		return r.(*configv1.Domain).GetCertificateSettings().GetRotation().GetEnabled()
	})
	if err != nil {
		return nil, err
	}
	for _, d := range scheduled {
		add(d.GetId())
	}
	for status, word := range map[configv1.Certificate_Status]string{configv1.Certificate_NEXT: "next", configv1.Certificate_RETIRED: "retired"} {
		waiting, err := find.where(ctx, catalog.Certificates, "status", word, func(r resource.Resource) bool {
			c := r.(*configv1.Certificate)
			return c.GetStatus() == status && !c.GetDueAt().AsTime().After(e.opts.Now())
		})
		if err != nil {
			return nil, err
		}
		for _, c := range waiting {
			add(c.GetDomain())
		}
	}
	return domains, nil
}
