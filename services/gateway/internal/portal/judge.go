package portal

import (
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
)

// Verdict is what was decided about a person and an application.
type Verdict struct {
	// Allowed counts whoever gets in after a stronger sign-in too, StepUp tells that they need one.
	Allowed, StepUp bool
	// Messages are what refused people are told, by language tag with "default", in order.
	Messages []map[string]string
	// What the sign-in lacks, for StepUp.
	ACRValues []string
	MaxAge    time.Duration
}

// Judge decides who may use an application.
type Judge interface {
	// Lately decides about many applications by one answer of the directory.
	Lately(r *http.Request, d *domain.Domain, s *state.Session) func(*domain.App) (Verdict, error)
	// Now decides about one application that is to be opened, and leaves a record of it.
	Now(r *http.Request, d *domain.Domain, app *domain.App, s *state.Session) (Verdict, error)
}

// Unasked lets people into what is open to everybody, and into nothing else.
type Unasked struct{}

// Lately implements Judge.
func (Unasked) Lately(*http.Request, *domain.Domain, *state.Session) func(*domain.App) (Verdict, error) {
	return func(app *domain.App) (Verdict, error) { return Verdict{Allowed: app.Open}, nil }
}

// Now implements Judge.
func (Unasked) Now(_ *http.Request, _ *domain.Domain, app *domain.App, _ *state.Session) (Verdict, error) {
	return Verdict{Allowed: app.Open}, nil
}
