package registration

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Counter counts registrations by where they come from, over all gateways; *state.Store does.
type Counter interface {
	BeginRegistration(ctx context.Context, r state.Registration, most int, window time.Duration) (state.Counted, error)
	EndRegistration(ctx context.Context, r state.Registration) error
}

const (
	defaultWindow = time.Hour
	// fullAgain is when somebody may ask again whether a domain has room for another client.
	fullAgain = time.Hour
	// placeOfLimit is the place of management's refusal because a domain has as many clients as it may have.
	placeOfLimit = "maxRegisteredClients"
)

var (
	errTooMany        = oauth2.TooManyRequests.Errorf("Too many registrations from this address, try again later")
	errTooManyFetches = oauth2.TooManyRequests.Errorf("Too many changes from this address made this server fetch something, try again later")
)

// count counts a registration by its source where the domain limits those, and returns how to end that when it surely came to nothing:
// it is taken back, unless something was fetched for it. The same key with the same body counts once, however often it is sent, as
// long as it makes one client: management knows an attempt for as long as it counts here. Another body is another attempt, of
// which the other may be refused.
func (h *Handler) count(w http.ResponseWriter, r *http.Request, d *domain.Domain, attempt *registrationv1.Attempt, fetches bool) (end func(fetched bool), err error) {
	one := state.Registration{Fetches: fetches}
	if attempt != nil {
		one.Attempt = secret.HashToken(attempt.GetKey() + "\x00" + attempt.GetFingerprint())
	}
	return h.counted(w, r, d, one, errTooMany)
}

// countFetch counts a change of a client that makes this gateway fetch what the client names, as a registration is counted.
func (h *Handler) countFetch(w http.ResponseWriter, r *http.Request, d *domain.Domain) error {
	_, err := h.counted(w, r, d, state.Registration{Fetches: true}, errTooManyFetches)
	return err
}

func (h *Handler) counted(w http.ResponseWriter, r *http.Request, d *domain.Domain, one state.Registration, tooMany error) (end func(fetched bool), err error) {
	most := int(d.Registration.GetRegistrationsPerAddress())
	if most <= 0 {
		return func(bool) {}, nil
	}
	window := time.Duration(d.Registration.GetRegistrationWindowSeconds()) * time.Second
	if window <= 0 {
		window = defaultWindow
	}
	one.Domain, one.Source = d.ID, h.source(r).String()
	counted, err := h.Counter.BeginRegistration(r.Context(), one, most, window)
	switch {
	case err != nil:
		return nil, err
	case !counted.Allowed:
		retryAfter(w, counted.Left)
		return nil, tooMany
	}
	over := h.Now().Add(counted.Left)
	return func(fetched bool) {
		if h.Now().Before(over) { // what another window counts is none of this one's business
			one.Attempt, one.Fetches = counted.As, fetched
			// What cannot be taken back is forgotten with the window.
			_ = h.Counter.EndRegistration(context.WithoutCancel(r.Context()), one)
		}
	}, nil
}

// madeNothing reports whether an error says for certain that no client was made, and that asking cost little. Who hangs up, or whose
// answer is lost, may have made one.
func madeNothing(err error) bool {
	for _, kind := range []fault.Kind{fault.Invalid, fault.Conflict, fault.Denied, fault.Unauthenticated, fault.NotFound} {
		if fault.Is(err, kind) {
			return true
		}
	}
	return false
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
