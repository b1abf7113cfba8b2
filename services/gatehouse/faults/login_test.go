package faults

import (
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestALoginBegunOnAGatewayThatDiesContinuesOnAnother(t *testing.T) {
	w := newWorld(t, 2)
	dying, other := w.gateways[0], w.gateways[1]
	// People are asked for consent here, so that the login has as many steps as it can have.
	w.api.Do("PATCH", w.in("/applications/"+w.web.ID), object{"settings": object{"advanced": object{"skipConsent": false}}})
	w.settle()

	b := newBrowser(t, dying)
	p, err := b.open(t.Context(), w.authorization(w.web, nil))
	if err != nil {
		t.Fatal(err)
	}
	dying.Kill()
	b.send(other)
	if p, err = b.logIn(t.Context(), p, alice, alicesPassword); err != nil {
		t.Fatal(err)
	}
	if p, err = b.allow(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	code, err := p.code()
	if err != nil {
		t.Fatal(err)
	}
	if state := p.Location.Query().Get("state"); state != "of the test" {
		t.Errorf("state %q", state)
	}
	got := w.granted(other, w.web, codeOf(code))
	w.works("userinfo", w.at(other, "/oidc/userinfo"), got.Access)
}

func TestSessionsCodesAndTokensOutliveTheGatewayThatMadeThem(t *testing.T) {
	w := newWorld(t, 2)
	dying, other := w.gateways[0], w.gateways[1]
	b, code := w.signedIn(dying)
	made := w.aliceAt(dying)
	dying.Kill()
	b.send(other)

	redeemed := w.granted(other, w.web, codeOf(code))
	w.works("userinfo by the token of a code of the dead gateway", w.at(other, "/oidc/userinfo"), redeemed.Access)
	w.works("userinfo by a token of the dead gateway", w.at(other, "/oidc/userinfo"), made.Access)
	w.granted(other, w.web, refreshOf(made.Refresh))

	p, err := b.open(t.Context(), w.authorization(w.web, url.Values{"prompt": {"none"}}))
	if err != nil {
		t.Fatal(err)
	}
	if code, err = p.code(); err != nil {
		t.Fatalf("the session of the dead gateway: %v", err)
	}
	w.granted(other, w.web, codeOf(code))
}

// Where another use of the code comes before the first one has made its tokens, none are made: one success at most.
func TestACodeIsRedeemedOnceOverSeveralGatewaysAndItsTokensEndWithTheSecondUse(t *testing.T) {
	w := newWorld(t, 3)
	for round := range 4 {
		_, code := w.signedIn(w.gateways[round%3])
		answers := w.race(32, codeOf(code))
		var won []proc.Answer
		for _, a := range answers {
			switch {
			case a.Status == http.StatusOK:
				won = append(won, a)
			case a.Status != http.StatusBadRequest || a.JSON().Text("error") != "invalid_grant":
				t.Errorf("refused with %d %s", a.Status, a.Text)
			}
		}
		if len(won) > 1 {
			t.Fatalf("%d of %d requests redeemed the code", len(won), len(answers))
		}
		for _, a := range won {
			w.goneWithinASecond(tokensOf(a))
		}
	}
}

// race sends the same token request of web many times at once, spread over the gateways.
func (w *world) race(n int, form url.Values) []proc.Answer {
	w.t.Helper()
	answers, errs := make([]proc.Answer, n), make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			answers[i], errs[i] = w.post(w.t.Context(), w.gateways[i%len(w.gateways)], w.web, "/oauth/token", form)
		})
	}
	close(start)
	all.Wait()
	for _, err := range errs {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return answers
}

func TestASecondUseOfACodeEndsTheTokensOfTheFirstOnEveryGatewayWithinASecond(t *testing.T) {
	w := newWorld(t, 3)
	_, code := w.signedIn(w.gateways[0])
	got := w.granted(w.gateways[1], w.web, codeOf(code))
	for _, g := range w.gateways {
		if active, err := w.active(t.Context(), g, got.Access); err != nil || !active {
			t.Fatalf("before the second use, at %s: %v %v", g.Name, active, err)
		}
	}
	second := w.must(w.gateways[2], w.web, "/oauth/token", codeOf(code))
	if second.Status != http.StatusBadRequest || second.JSON().Text("error") != "invalid_grant" {
		t.Fatalf("second use: %d %s", second.Status, second.Text)
	}
	w.goneWithinASecond(got)
}

func TestARevocationIsHonouredOnEveryGatewayWithinASecond(t *testing.T) {
	tests := []struct {
		name   string
		revoke func(tokens) url.Values
		gone   func(tokens) tokens
	}{
		{
			name:   "of an access token",
			revoke: func(t tokens) url.Values { return url.Values{"token": {t.Access}, "token_type_hint": {"access_token"}} },
			gone:   func(t tokens) tokens { return tokens{Access: t.Access} },
		},
		{
			name:   "of a refresh token, which ends its access tokens too",
			revoke: func(t tokens) url.Values { return url.Values{"token": {t.Refresh}} },
			gone:   func(t tokens) tokens { return t },
		},
	}
	w := newWorld(t, 3)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := w.during(t)
			made := w.aliceAt(w.gateways[1])
			if answer := w.must(w.gateways[0], w.web, "/oauth/revoke", tt.revoke(made)); answer.Status != http.StatusOK {
				t.Fatalf("revoke: %d %s", answer.Status, answer.Text)
			}
			w.goneWithinASecond(tt.gone(made))
		})
	}
}

func TestAReusedRefreshTokenEndsItsFamilyOnEveryGateway(t *testing.T) {
	w := newWorld(t, 3)
	a, b, c := w.gateways[0], w.gateways[1], w.gateways[2]
	first := w.aliceAt(a)
	second := w.granted(b, w.web, refreshOf(first.Refresh))
	third := w.granted(c, w.web, refreshOf(second.Refresh))

	reused := w.must(a, w.web, "/oauth/token", refreshOf(first.Refresh))
	if reused.Status != http.StatusBadRequest || reused.JSON().Text("error") != "invalid_grant" {
		t.Fatalf("reuse: %d %s", reused.Status, reused.Text)
	}
	for _, made := range []tokens{first, second, third} {
		w.goneWithinASecond(made)
	}
}

func TestARefreshWhoseAnswerWasLostIsRepeatedOnAnyGateway(t *testing.T) {
	w := newWorld(t, 2)
	a, b := w.gateways[0], w.gateways[1]
	first := w.aliceAt(a)
	lost := w.granted(a, w.web, refreshOf(first.Refresh))
	second := w.granted(b, w.web, refreshOf(first.Refresh))
	if second.Refresh == lost.Refresh {
		t.Error("the repeated answer has the refresh token of the lost one")
	}
	third := w.granted(a, w.web, refreshOf(second.Refresh))
	w.works("userinfo", w.at(b, "/oidc/userinfo"), third.Access)

	// Whoever has the lost answer is not the one who used its successor.
	reused := w.must(b, w.web, "/oauth/token", refreshOf(lost.Refresh))
	if reused.Status != http.StatusBadRequest {
		t.Errorf("the token of the lost answer: %d %s", reused.Status, reused.Text)
	}
}

func TestARefreshTokenIsRotatedOnceOverSeveralGateways(t *testing.T) {
	w := newWorld(t, 3)
	first := w.aliceAt(w.gateways[0])
	// Every one of the racing requests may be the repetition of one whose answer was lost, but only one successor lives.
	answers := w.race(24, refreshOf(first.Refresh))
	working := map[string]bool{}
	for _, answer := range answers {
		if answer.Status != http.StatusOK {
			t.Errorf("racing refresh: %d %s", answer.Status, answer.Text)
			continue
		}
		working[tokensOf(answer).Refresh] = true
	}
	living := 0
	for token := range working {
		active, err := w.active(t.Context(), w.gateways[2], token)
		if err != nil {
			t.Fatal(err)
		}
		if active {
			living++
		}
	}
	if living != 1 {
		t.Errorf("%d of %d successors are alive, want 1", living, len(working))
	}
}
