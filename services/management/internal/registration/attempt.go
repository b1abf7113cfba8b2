package registration

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Times of a registration that may be asked for again.
const (
	// answersKept is how long an answer can be asked for again, at least.
	answersKept = 24 * time.Hour
	// abandonedAfter is when somebody who began a registration and gave no answer counts as gone. It is longer than attemptTime.
	abandonedAfter = 30 * time.Second
	// attemptTime is how long a registration that was begun is worked at, whether or not its caller still waits.
	attemptTime = 15 * time.Second
	// Who asks while another one is at work waits for its answer so long, and looks so often.
	answerWait  = 2 * time.Second
	answerEvery = 50 * time.Millisecond
)

// Step is a point in a registration that may be asked for again.
type Step string

// The points.
const (
	Chosen  Step = "chosen"  // the identifier of the client is kept, there is no client
	Counted Step = "counted" // it is counted for its initial access token
	Made    Step = "made"    // there is the client, and nobody knows its secret
	Kept    Step = "kept"    // the answer is kept, and not given
)

// died is the error of a process that the hook has killed: there is nobody to put anything in order.
type died struct{ error }

// placeOfKey is the place of a refusal that concerns the key, not the metadata.
const placeOfKey = "idempotency_key"

// keptFor is how long the answers of a domain can be asked for again: as long as gateways count the same key once, or more. Where it was
// forgotten earlier, the key would make another client that nobody counts.
func keptFor(settings *configv1.ClientRegistrationSettings) time.Duration {
	if settings.GetRegistrationsPerAddress() == 0 {
		return answersKept
	}
	return max(answersKept, time.Duration(settings.GetRegistrationWindowSeconds())*time.Second)
}

// attempt makes the client that an attempt names, or gives the answer that it was given before. The identifier of the client is
// kept before it is made, so that whoever asks again finds the client that a process left which died; its answer, sealed,
// afterwards. What was refused is forgotten: there is nothing to be made twice.
func (s *Server) attempt(ctx context.Context, a *registrationv1.Attempt, kept time.Duration, asked editor.Registration, token *initialToken) (*registrationv1.CreateResponse, error) {
	mine, old, err := s.begin(ctx, a, asked.Domain, kept)
	if err != nil || old != nil {
		if err == nil {
			return s.again(ctx, old)
		}
		return nil, err
	}
	// The caller may hang up; what was begun ends all the same, and the next one gets its answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTime)
	defer cancel()
	if err := s.hook(Chosen); err != nil {
		return nil, err
	}
	made, err := s.makeAs(ctx, mine, asked, token)
	if err != nil {
		if d := (died{}); !errors.As(err, &d) {
			s.end(ctx, mine, err)
		}
		return nil, err
	}
	if err := s.hook(Made); err != nil {
		return nil, err
	}
	plain, err := proto.Marshal(&registrationv1.CreateResponse{
		ClientSecret: made.GetClientSecret(), RegistrationAccessToken: made.GetRegistrationAccessToken(),
	})
	if err != nil {
		return nil, err
	}
	mine.Answer = s.attempts.Seal(mine.ID, plain)
	err = s.attempts.Put(ctx, mine)
	if errors.Is(err, store.ErrStale) {
		// Somebody took over who thought that this one was dead, and gave the client other credentials.
		return nil, errUnderWay
	}
	if err != nil {
		return nil, err
	}
	return made, s.hook(Kept)
}

var (
	errUnderWay = fault.Unavailablef("the registration is under way, try again shortly")
	errOther    = fault.Invalidf("The Idempotency-Key was used for another registration. Choose a new key").At(placeOfKey, "was used for another request")
	errGone     = fault.Invalidf("The client that was registered with this Idempotency-Key is gone. Choose a new key").At(placeOfKey, "names a client that is gone")
	errChanged  = fault.Invalidf("The client that was registered with this Idempotency-Key has new credentials since").At(placeOfKey, "names a client that has changed")
)

// begin takes an attempt over, to be kept for a while, or returns one that has an answer.
func (s *Server) begin(ctx context.Context, a *registrationv1.Attempt, domain string, kept time.Duration) (mine, answered *store.RegistrationAttempt, err error) {
	id := secret.HashToken(domain + "\x00" + a.GetKey())
	for until := time.Now().Add(answerWait); ; {
		now := s.now()
		there, err := s.attempts.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			there = &store.RegistrationAttempt{ID: id}
		case err != nil:
			return nil, nil, err
		}
		known := there.Revision > 0 && now.Before(there.ExpiresAt)
		switch {
		case known && there.Fingerprint != a.GetFingerprint():
			return nil, nil, errOther
		case known && there.Answer != "":
			return nil, there, nil
		case !known || now.Sub(there.BegunAt) >= abandonedAfter:
			if !known {
				there = &store.RegistrationAttempt{
					ID: id, Domain: domain, Fingerprint: a.GetFingerprint(), Application: secret.NewID(), Revision: there.Revision,
				}
			}
			there.BegunAt, there.ExpiresAt = now, now.Add(kept)
			switch err := s.enter(ctx, there); {
			case err == nil:
				return there, nil, nil
			case !errors.Is(err, store.ErrStale):
				return nil, nil, err
			}
		}
		if time.Now().After(until) {
			return nil, nil, errUnderWay
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(answerEvery):
		}
	}
}

// enter stores that an attempt is begun. Whether or not the caller still waits: with one that hangs up it would not be known whether it
// is stored, and nobody could make the client until the attempt counts as abandoned.
func (s *Server) enter(ctx context.Context, a *store.RegistrationAttempt) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTime)
	defer cancel()
	err := s.attempts.Put(ctx, a)
	if err != nil && !errors.Is(err, store.ErrStale) {
		s.end(ctx, a, err)
	}
	return err
}

// makeAs makes the client of an attempt, or gives the one that there is already new credentials.
func (s *Server) makeAs(ctx context.Context, a *store.RegistrationAttempt, asked editor.Registration, token *initialToken) (*registrationv1.CreateResponse, error) {
	there, err := s.clientOf(ctx, a)
	if err != nil {
		return nil, err
	}
	if there == nil {
		asked.ID = a.Application
		made, err := s.make(ctx, asked, token)
		if err == nil {
			return made, nil
		}
		// Somebody who was slow rather than dead may have made it meanwhile.
		if there, _ = s.clientOf(ctx, a); there == nil {
			return nil, err
		}
	}
	// Nobody was told its credentials, as long as nobody took over from this one: then somebody may have been. A change in between
	// is noticed by the revision.
	now, err := s.attempts.Get(ctx, a.ID)
	if err != nil || now.Revision != a.Revision {
		return nil, errUnderWay.Because(err)
	}
	asked.Presented, asked.Seen, asked.Application = "", there.GetRevision(), nil
	app, made, err := s.editor.RenewRegistration(ctx, a.Application, asked)
	if err != nil {
		return nil, err
	}
	return &registrationv1.CreateResponse{Application: app, ClientSecret: made.ClientSecret, RegistrationAccessToken: made.Token}, nil
}

// clientOf returns the client that an attempt has made; nil if there is none.
func (s *Server) clientOf(ctx context.Context, a *store.RegistrationAttempt) (*configv1.Application, error) {
	app, err := editor.Read(ctx, s.editor, catalog.Applications, editor.Place{Domain: a.Domain}, a.Application)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return app, err
}

// again repeats an answer, as long as what it says is true.
func (s *Server) again(ctx context.Context, a *store.RegistrationAttempt) (*registrationv1.CreateResponse, error) {
	app, err := s.clientOf(ctx, a)
	switch {
	case err != nil:
		return nil, err
	case app == nil:
		return nil, errGone
	}
	plain, err := s.attempts.Open(a)
	if err != nil {
		return nil, err
	}
	answer := &registrationv1.CreateResponse{}
	if err := proto.Unmarshal(plain, answer); err != nil {
		return nil, err
	}
	current := secret.Equal(secret.HashToken(answer.GetRegistrationAccessToken()), app.GetSettings().GetOauth().GetRegistrationAccessTokenHash())
	if !current || len(app.GetSecrets()) == 0 || !secret.Equal(app.GetSecrets()[0].GetHash(), secret.Generated(answer.GetClientSecret())) {
		return nil, errChanged
	}
	answer.Application = app
	return answer, nil
}

// end says of an attempt that it came to nothing. Where it may have made the client, the next one looks for that.
func (s *Server) end(ctx context.Context, a *store.RegistrationAttempt, why error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTime)
	defer cancel()
	there, err := s.clientOf(ctx, a)
	switch kind := fault.KindOf(why); {
	case err != nil:
	case there != nil || kind == fault.Internal || kind == fault.Unavailable:
		a.BegunAt = time.Time{}
		err = s.attempts.Put(ctx, a)
	default:
		err = s.attempts.Forget(ctx, a)
	}
	if err != nil && !errors.Is(err, store.ErrStale) {
		s.log.WarnContext(ctx, "a registration that failed is tried again only after a while", "domain", a.Domain, "err", err)
	}
}

func checkAttempt(a *registrationv1.Attempt) error {
	if a == nil {
		return nil
	}
	if a.GetKey() == "" || a.GetFingerprint() == "" {
		return fault.Invalidf("an attempt needs a key and a fingerprint")
	}
	return errors.Join(bounded("key", a.GetKey()), bounded("fingerprint", a.GetFingerprint()))
}
