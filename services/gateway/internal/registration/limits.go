package registration

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// Counter counts registrations by where they come from, over all gateways; *state.Store does.
type Counter interface {
	BeginRegistration(ctx context.Context, domain, source string, most int, window time.Duration) (allowed bool, left time.Duration, err error)
	ReturnRegistration(ctx context.Context, domain, source string) error
}

const (
	defaultWindow = time.Hour
	// fullAgain is when somebody may ask again whether a domain has room for another client.
	fullAgain = time.Hour
	// placeOfLimit is the place of management's refusal because a domain has as many clients as it may have.
	placeOfLimit = "maxRegisteredClients"
)

var errTooMany = oauth2.TooManyRequests.Errorf("Too many registrations from this address, try again later")

// count counts a registration by its source where the domain limits those, and returns how to take that back.
func (h *Handler) count(w http.ResponseWriter, r *http.Request, d *domain.Domain) (takeBack func(), err error) {
	most := int(d.Registration.GetRegistrationsPerAddress())
	if most <= 0 {
		return func() {}, nil
	}
	window := time.Duration(d.Registration.GetRegistrationWindowSeconds()) * time.Second
	if window <= 0 {
		window = defaultWindow
	}
	source := h.source(r).String()
	allowed, left, err := h.Counter.BeginRegistration(r.Context(), d.ID, source, most, window)
	if err != nil {
		return nil, err
	}
	if !allowed {
		retryAfter(w, left)
		return nil, errTooMany
	}
	return func() {
		// What cannot be taken back is forgotten with the window.
		_ = h.Counter.ReturnRegistration(context.WithoutCancel(r.Context()), d.ID, source)
	}, nil
}

// retryAfter says when to ask again, in whole seconds (RFC 9110 §10.2.3).
func retryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.FormatInt(max(1, int64(math.Ceil(d.Seconds()))), 10))
}

// notCreated says why management made no client.
func notCreated(w http.ResponseWriter, err error) error {
	switch {
	case fault.Is(err, fault.Unavailable):
		retryAfter(w, time.Second)
	case fault.Is(err, fault.Unauthenticated):
		return errInvalid.WithCause(err) // the initial access token was used up or ended meanwhile
	case fault.Is(err, fault.Limited) && placed(err, placeOfLimit):
		retryAfter(w, fullAgain)
		return oauth2.TooManyRequests.Errorf("The domain has as many registered clients as it may have").WithCause(err)
	}
	return translate(err)
}
