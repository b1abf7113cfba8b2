package idptest

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
)

// Journeys is a provider that sends people to a site, and the site.
type Journeys struct {
	Federator idp.Federator
	// Source and ExternalID are those of the person who signs in there.
	Source, ExternalID string
	// Authorize has the person sign in: it takes the URL to which the browser was sent and returns the one by which it comes back.
	Authorize func(location string) string
	// Break makes every endpoint of the site answer with status 503.
	Break func()
}

const callbackURL = "https://gw.example/acme/login/callback?provider=p"

// leg is a new journey.
func leg() idp.Leg { return idp.Leg{Callback: callbackURL, State: secret.NewToken()} }

// away begins a journey and signs in at the site; the answer is as it comes back.
func (j *Journeys) away(t *testing.T, l idp.Leg) (answer url.Values, memo []byte) {
	t.Helper()
	location, memo, err := j.Federator.Begin(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("state") != l.State || q.Get("redirect_uri") != l.Callback || q.Get("response_type") != "code" || q.Get("client_id") == "" || q.Get("code_challenge") == "" {
		t.Errorf("the browser is sent to %s", location)
	}
	if len(memo) > 4<<10 {
		t.Errorf("a memo of %d bytes", len(memo))
	}
	back, err := url.Parse(j.Authorize(location))
	if err != nil {
		t.Fatal(err)
	}
	answer = back.Query()
	answer.Del("provider")
	return answer, memo
}

// Federation is what every provider that sends people to a site must do.
func Federation(t *testing.T, open func(t *testing.T) *Journeys) {
	t.Run("somebody who signed in there is named", func(t *testing.T) {
		j, l := open(t), leg()
		answer, memo := j.away(t, l)
		got, err := j.Federator.Finish(t.Context(), l, answer, memo)
		if err != nil {
			t.Fatal(err)
		}
		if got.Identity.GetSource() != j.Source || got.Identity.GetExternalId() != j.ExternalID || got.Identity.GetUsername() == "" || len(got.Profile) == 0 {
			t.Errorf("assertion %+v", got)
		}
	})
	t.Run("a code is worth something once", func(t *testing.T) {
		j, l := open(t), leg()
		answer, memo := j.away(t, l)
		if _, err := j.Federator.Finish(t.Context(), l, answer, memo); err != nil {
			t.Fatal(err)
		}
		if got, err := j.Federator.Finish(t.Context(), l, answer, memo); err == nil {
			t.Errorf("used again it names %v", got.Identity)
		}
	})
	t.Run("what does not belong to the journey is refused", func(t *testing.T) {
		for name, change := range map[string]func(url.Values){
			"another state": func(q url.Values) { q.Set("state", secret.NewToken()) },
			"no state":      func(q url.Values) { q.Del("state") },
			"no code":       func(q url.Values) { q.Del("code") },
			"another code":  func(q url.Values) { q.Set("code", secret.NewToken()) },
			"two codes":     func(q url.Values) { q.Add("code", q.Get("code")) },
			"an error":      func(q url.Values) { q.Set("error", "access_denied") },
			"nothing":       func(q url.Values) { clear(q) },
		} {
			j, l := open(t), leg()
			answer, memo := j.away(t, l)
			change(answer)
			if got, err := j.Federator.Finish(t.Context(), l, answer, memo); !errors.Is(err, idp.ErrRefused) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	})
	t.Run("a code of another journey is refused, and so is a memo", func(t *testing.T) {
		j := open(t)
		one, other := leg(), leg()
		_, memo := j.away(t, one)
		stolen, _ := j.away(t, other)
		stolen.Set("state", one.State)
		if got, err := j.Federator.Finish(t.Context(), one, stolen, memo); !errors.Is(err, idp.ErrRefused) {
			t.Errorf("%v, %v", got, err)
		}
		for _, memo := range [][]byte{nil, []byte("{}"), []byte("x")} {
			answer, _ := j.away(t, one)
			if got, err := j.Federator.Finish(t.Context(), one, answer, memo); err == nil {
				t.Errorf("memo %q: %v", memo, got)
			}
		}
	})
	t.Run("a site that is away is not available", func(t *testing.T) {
		j, l := open(t), leg()
		answer, memo := j.away(t, l)
		j.Break()
		if got, err := j.Federator.Finish(t.Context(), l, answer, memo); !errors.Is(err, idp.ErrUnavailable) {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("a caller who leaves is not waited for", func(t *testing.T) {
		j, l := open(t), leg()
		answer, memo := j.away(t, l)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := j.Federator.Finish(ctx, l, answer, memo); err == nil {
			t.Errorf("it names %v", got.Identity)
		}
	})
	t.Run("a name that was given travels on as it is", func(t *testing.T) {
		l := leg()
		l.LoginHint = "ann+x y@acme.example"
		location, _, err := open(t).Federator.Begin(t.Context(), l)
		if err != nil || !strings.HasSuffix(location, "login_hint=ann%2Bx%20y%40acme.example") {
			t.Errorf("%s, %v", location, err)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		j := open(t)
		type journey struct {
			leg    idp.Leg
			answer url.Values
			memo   []byte
		}
		list := make([]journey, 8)
		for i := range list {
			list[i].leg = leg()
			list[i].answer, list[i].memo = j.away(t, list[i].leg)
		}
		var wg sync.WaitGroup
		for _, one := range list {
			wg.Go(func() {
				if _, err := j.Federator.Finish(t.Context(), one.leg, one.answer, one.memo); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// Answer is what comes back when the person signs in at the place where the browser was sent.
func Answer(t *testing.T, location string, authorize func(string) string) url.Values {
	t.Helper()
	q := Query(t, authorize(location))
	q.Del("provider")
	return q
}

// Query are the parameters of a URL.
func Query(t *testing.T, location string) url.Values {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
