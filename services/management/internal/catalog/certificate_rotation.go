package catalog

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// What a rotation is like where the domain does not say.
const (
	defaultRotationDays     = 90
	defaultOverlapSeconds   = 24 * 60 * 60
	defaultRetentionSeconds = 7 * 24 * 60 * 60

	maxRotationDays    = 3650
	maxRotationSeconds = 10 * 365 * 24 * 60 * 60
)

// Signs reports whether a certificate is active. Uploaded ones are, and those from before there were rotations.
func Signs(c *configv1.Certificate) bool {
	return c.GetStatus() == configv1.Certificate_ACTIVE || c.GetStatus() == configv1.Certificate_STATUS_UNSPECIFIED
}

// activeCertificates returns the certificates that sign, the oldest line first: a key that replaced another one has its place.
func activeCertificates(all []*configv1.Certificate) []*configv1.Certificate {
	active := slices.DeleteFunc(slices.Clone(all), func(c *configv1.Certificate) bool { return !Signs(c) })
	slices.SortStableFunc(active, func(a, b *configv1.Certificate) int {
		return cmp.Or(
			lineSince(a).Compare(lineSince(b)),
			a.GetCreatedAt().AsTime().Compare(b.GetCreatedAt().AsTime()),
			strings.Compare(a.GetId(), b.GetId()),
		)
	})
	return active
}

func lineSince(c *configv1.Certificate) time.Time {
	if since := c.GetLineSince(); since != nil {
		return since.AsTime()
	}
	return c.GetCreatedAt().AsTime()
}

// signingSystem returns the system certificates among those that sign, in the same order.
func signingSystem(all []*configv1.Certificate) []*configv1.Certificate {
	return slices.DeleteFunc(activeCertificates(all), func(c *configv1.Certificate) bool { return !c.GetSystem() })
}

// activeOf returns the system certificate that signs with an algorithm, nil if there is none.
func activeOf(all []*configv1.Certificate, algorithm string) *configv1.Certificate {
	for _, c := range signingSystem(all) {
		if c.GetAlgorithm() == algorithm {
			return c
		}
	}
	return nil
}

// defaultCertificate returns the certificate of a new application. Of those that sign it is the oldest system one, else
// one called "Default", else the first, else none.
func defaultCertificate(all []*configv1.Certificate) string {
	if system := signingSystem(all); len(system) > 0 {
		return system[0].GetId()
	}
	active := activeCertificates(all)
	for _, c := range active {
		if c.GetName() == "Default" {
			return c.GetId()
		}
	}
	if len(active) > 0 {
		return active[0].GetId()
	}
	return ""
}

// keepLastKey refuses to leave a domain that is served without a key that signs, and without any key.
func keepLastKey(s *Scene, gone *configv1.Certificate) error {
	if !s.Domain.GetEnabled() || slices.ContainsFunc(s.Certificates, func(c *configv1.Certificate) bool {
		return c.GetId() != gone.GetId() && (Signs(c) || !Signs(gone))
	}) {
		return nil
	}
	return fault.Invalidf("You can't delete the last certificate of an enabled domain.")
}

// replacedKey returns the active key in the place of one of the server's own that does not sign.
func replacedKey(s *Scene, gone *configv1.Certificate) (*configv1.Certificate, bool) {
	if !gone.GetSystem() || Signs(gone) {
		return nil, false
	}
	active := activeOf(s.Certificates, gone.GetAlgorithm())
	return active, active != nil
}

// RotationStep is one step in the life of a domain's own keys. All of it is one change.
type RotationStep struct {
	// Meant is the certificate the step is about. Made says that it is a new one, Remove that it goes.
	Meant        *configv1.Certificate
	Made, Remove bool
	// Changed are certificates as they were and as they are to be, Meant among them if it is one.
	Changed [][2]*configv1.Certificate
}

// change returns a copy of a stored certificate that the step changes.
func (r *RotationStep) change(s *Scene, old *configv1.Certificate) *configv1.Certificate {
	fresh := copyOf(old)
	fresh.UpdatedAt = timestamppb.New(s.Now)
	r.Changed = append(r.Changed, [2]*configv1.Certificate{old, fresh})
	return fresh
}

// Rotate makes a successor of the system key that signs with an algorithm; without one, of the domain's default. The
// successor is published at once and signs after the overlap; with none it signs now, and the key before it is retired
// for as long as retention says. Where there is no key to succeed, it signs now in any case.
func Rotate(s *Scene, algorithm string, overlap time.Duration, retention func() (time.Duration, error)) (RotationStep, error) {
	var current *configv1.Certificate
	if system := signingSystem(s.Certificates); algorithm != "" {
		current = activeOf(s.Certificates, algorithm)
	} else if len(system) > 0 {
		current = system[0]
	}
	name, alias := "Default", "default"
	switch {
	case current != nil:
		name, algorithm = current.GetName(), current.GetAlgorithm()
	case algorithm == "":
		algorithm = string(jose.RS256)
	default:
		name = algorithm + " signing key"
	}
	if err := checkSigningAlgorithm("algorithm", algorithm); err != nil {
		return RotationStep{}, err
	}
	if name != "Default" {
		alias += "-" + strings.ToLower(algorithm)
	}
	made, err := systemCertificate(s, s.Domain.GetId(), name, newAlias(s, alias), jose.Algorithm(algorithm))
	if err != nil {
		return RotationStep{}, err
	}
	step := RotationStep{Meant: made, Made: true}
	if current == nil {
		return step, nil
	}
	made.LineSince = timestamppb.New(lineSince(current))
	if overlap > 0 {
		made.Status, made.ActiveSince = configv1.Certificate_NEXT, nil
		made.DueAt = timestamppb.New(s.Now.Add(overlap))
		step.change(s, current) // so that of two who rotate at the same moment the second one looks again
		return step, nil
	}
	return step, step.retire(s, made, retention)
}

// newAlias returns a kid that begins with a word and is never used again: whoever keeps keys by their kid would take the new
// key for an old one.
func newAlias(s *Scene, word string) string {
	return word + "-" + s.Now.UTC().Format("20060102-150405")
}

// activate lets a key sign in the place of the one before it.
func activate(s *Scene, next *configv1.Certificate, retention func() (time.Duration, error)) (RotationStep, error) {
	step := RotationStep{}
	step.Meant = step.change(s, next)
	step.Meant.Status, step.Meant.ActiveSince, step.Meant.DueAt = configv1.Certificate_ACTIVE, timestamppb.New(s.Now), nil
	return step, step.retire(s, next, retention)
}

// retire ends the signing of all system keys with the algorithm of another one.
func (r *RotationStep) retire(s *Scene, successor *configv1.Certificate, retention func() (time.Duration, error)) error {
	var until *timestamppb.Timestamp
	for _, c := range signingSystem(s.Certificates) {
		if c.GetAlgorithm() != successor.GetAlgorithm() || c.GetId() == successor.GetId() {
			continue
		}
		if until == nil {
			kept, err := retention()
			if err != nil {
				return err
			}
			until = timestamppb.New(s.Now.Add(kept))
		}
		old := r.change(s, c)
		old.Status, old.DueAt = configv1.Certificate_RETIRED, until
	}
	return nil
}

// DueStep returns the next step that is due in a domain, and false if none is: a successor begins to sign, a retired key
// goes unless it is the domain's last, and where the domain wants it a key that has signed for long gets a successor.
func DueStep(s *Scene, retention func() (time.Duration, error)) (step RotationStep, due bool, err error) {
	var ripe *configv1.Certificate
	for _, c := range s.Certificates {
		waits := c.GetStatus() == configv1.Certificate_NEXT || c.GetStatus() == configv1.Certificate_RETIRED && len(s.Certificates) > 1
		if waits && c.GetSystem() && !c.GetDueAt().AsTime().After(s.Now) &&
			(ripe == nil || c.GetDueAt().AsTime().Before(ripe.GetDueAt().AsTime())) {
			ripe = c
		}
	}
	if ripe != nil {
		if ripe.GetStatus() == configv1.Certificate_RETIRED {
			return RotationStep{Meant: ripe, Remove: true}, true, nil
		}
		step, err = activate(s, ripe, retention)
		return step, true, err
	}
	rotation := s.Domain.GetCertificateSettings().GetRotation()
	if !rotation.GetEnabled() {
		return RotationStep{}, false, nil
	}
	days := cmp.Or(rotation.GetEveryDays(), defaultRotationDays)
	for _, c := range signingSystem(s.Certificates) {
		since := c.GetActiveSince()
		if since == nil {
			since = c.GetCreatedAt()
		}
		if since.AsTime().AddDate(0, 0, int(days)).After(s.Now) || c != activeOf(s.Certificates, c.GetAlgorithm()) ||
			slices.ContainsFunc(s.Certificates, func(other *configv1.Certificate) bool {
				return other.GetStatus() == configv1.Certificate_NEXT && other.GetAlgorithm() == c.GetAlgorithm()
			}) {
			continue
		}
		step, err = Rotate(s, c.GetAlgorithm(), Overlap(s.Domain), retention)
		return step, true, err
	}
	return RotationStep{}, false, nil
}

// Overlap is how long a domain publishes a new key before it signs.
func Overlap(d *configv1.Domain) time.Duration {
	if r := d.GetCertificateSettings().GetRotation(); r != nil && r.OverlapSeconds != nil {
		return time.Duration(r.GetOverlapSeconds()) * time.Second
	}
	return defaultOverlapSeconds * time.Second
}

// Retention is how long a domain publishes a key that does not sign any more, where no token lives longer.
func Retention(d *configv1.Domain) time.Duration {
	if r := d.GetCertificateSettings().GetRotation(); r != nil && r.RetentionSeconds != nil {
		return time.Duration(r.GetRetentionSeconds()) * time.Second
	}
	return defaultRetentionSeconds * time.Second
}

// TokenLifetime is the longest time that a token of an application signed by its certificate can be worth something.
func TokenLifetime(a *configv1.Application) time.Duration {
	o := a.GetSettings().GetOauth()
	longest := time.Duration(max(o.GetAccessTokenValiditySeconds(), o.GetIdTokenValiditySeconds())) * time.Second
	if o.GetRegistrationAccessTokenHash() != "" {
		longest = max(longest, RegistrationTokenLifetime)
	}
	return longest
}

// RegistrationTokenLifetime is how long a registration access token is valid unless a change ends it before.
const RegistrationTokenLifetime = 2 * 365 * 24 * time.Hour

// normalizeRotation fills in what a rotation that is configured leaves out.
func normalizeRotation(d *configv1.Domain) {
	r := d.GetCertificateSettings().GetRotation()
	if r == nil {
		return
	}
	if r.EveryDays == 0 {
		r.EveryDays = defaultRotationDays
	}
	if r.OverlapSeconds == nil {
		seconds := int64(defaultOverlapSeconds)
		r.OverlapSeconds = &seconds
	}
	if r.RetentionSeconds == nil {
		seconds := int64(defaultRetentionSeconds)
		r.RetentionSeconds = &seconds
	}
}

func validateRotation(d *configv1.Domain) error {
	r := d.GetCertificateSettings().GetRotation()
	if r == nil {
		return nil
	}
	for _, m := range []struct {
		path        string
		number      int64
		least, most int64
	}{
		{"certificateSettings.rotation.everyDays", int64(r.GetEveryDays()), 1, maxRotationDays},
		{"certificateSettings.rotation.overlapSeconds", r.GetOverlapSeconds(), 0, maxRotationSeconds},
		{"certificateSettings.rotation.retentionSeconds", r.GetRetentionSeconds(), 0, maxRotationSeconds},
	} {
		if err := between(m.path, m.number, m.least, m.most); err != nil {
			return err
		}
	}
	return nil
}
