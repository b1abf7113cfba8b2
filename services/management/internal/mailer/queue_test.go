package mailer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer/mailtest"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

// office is a database with a mail server, and a clock for both ends.
type office struct {
	*testing.T
	options store.Options
	server  *mailtest.Server

	mu    sync.Mutex
	clock time.Time
}

func newOffice(t *testing.T, o mailtest.Options) *office {
	t.Helper()
	f := &office{T: t, options: storetest.Options(t), server: mailtest.New(t, o), clock: time.Now().UTC().Truncate(time.Second)}
	f.options.Now = f.now
	return f
}

func (f *office) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *office) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

// replica is one process.
type replica struct {
	*mailer.Mailer
	store *store.Store
	log   *log
}

func (f *office) replica() *replica {
	f.Helper()
	r := &replica{log: &log{}}
	o := f.options
	o.Logger = slog.New(slog.NewJSONHandler(r.log, nil))
	r.store = storetest.Open(f, o)
	settings, err := mailer.Configured{
		URL: "smtp://" + f.server.Address(), From: "no-reply@example.com", Auth: "auto", Insecure: true, Timeout: 3 * time.Second,
	}.Read()
	if err != nil {
		f.Fatal(err)
	}
	r.Mailer = mailer.New(mailer.Options{
		Mails: r.store.Mails(), Settings: settings, Logger: o.Logger, Now: f.now, Poll: 10 * time.Millisecond,
		Recorder: audit.New(audit.Options{Audits: r.store.Audits(), Logger: o.Logger}), Metrics: prometheus.NewRegistry(),
	})
	return r
}

func (f *office) ask(r *replica, domain string, to ...string) {
	f.Helper()
	if err := r.Ask(f.Context(), mailer.Errand{Domain: domain, Purpose: "forgot_password", Content: to}); err != nil {
		f.Fatal(err)
	}
}

func (f *office) round(r *replica, a mailer.Author) int {
	f.Helper()
	n, err := r.Round(f.Context(), a)
	if err != nil {
		f.Fatal(err)
	}
	return n
}

func (f *office) waiting(r *replica) int64 {
	f.Helper()
	n, err := r.store.Mails().Waiting(f.Context(), "")
	if err != nil {
		f.Fatal(err)
	}
	return n
}

// records returns the results of the records of letters, the oldest first, with what they say.
func (f *office) records(r *replica) (results []string, texts string) {
	f.Helper()
	found, _, err := r.store.Audits().List(f.Context(), store.AuditQuery{Domain: "d", Size: 100})
	if err != nil {
		f.Fatal(err)
	}
	for _, one := range found {
		full, err := r.store.Audits().Get(f.Context(), one.ID)
		if err != nil {
			f.Fatal(err)
		}
		results = append(results, full.Result)
		texts += full.After + full.Changes
	}
	return results, texts
}

// author makes a letter for each address of an errand.
type author struct {
	mu    sync.Mutex
	asked int
	until time.Time
	err   error
}

func (a *author) Letters(_ context.Context, _, _, purpose string, content []byte) ([]mailer.Letter, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if a.err != nil {
		return nil, a.err
	}
	var to []string
	if err := json.Unmarshal(content, &to); err != nil {
		return nil, err
	}
	var letters []mailer.Letter
	for _, address := range to {
		letters = append(letters, mailer.Letter{
			To: address, Subject: "s", Template: purpose, Until: a.until,
			HTML: fmt.Sprintf(`<a href="https://auth.example.com/?token=hush-%d">go</a>`, a.asked),
		})
	}
	return letters, nil
}

type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func TestALetterIsSentAndGone(t *testing.T) {
	f := newOffice(t, mailtest.Options{})
	r := f.replica()
	f.ask(r, "d", "ann@example.com", "bob@example.com")
	if n := f.round(r, &author{}); n != 1 {
		t.Errorf("%d dealt with", n)
	}
	got := f.server.Letters()
	if len(got) != 2 || got[0].To[0] != "ann@example.com" || got[1].To[0] != "bob@example.com" || f.waiting(r) != 0 {
		t.Fatalf("%d letters, %d wait", len(got), f.waiting(r))
	}
	if results, texts := f.records(r); len(results) != 2 || strings.Contains(texts, "hush") || !strings.Contains(texts, "ann@example.com") {
		t.Errorf("records %v: %s", results, texts)
	}
}

func TestWhatWaitsIsSealed(t *testing.T) {
	f := newOffice(t, mailtest.Options{Refuse: func(string, string) error {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCodeNotSet, Message: "later"}
	}})
	r := f.replica()
	f.ask(r, "d", "ann@example.com")
	stored := func() string {
		cursor, err := storetest.Database(t, f.options).Collection("mails").Find(t.Context(), bson.M{})
		if err != nil {
			t.Fatal(err)
		}
		var all []bson.M
		if err := cursor.All(t.Context(), &all); err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return fmt.Sprint(all)
	}
	before := stored()
	f.round(r, &author{})
	for _, text := range []string{before, stored(), r.log.text.String()} {
		if strings.Contains(text, "hush") || strings.Contains(text, "token=") {
			t.Errorf("a link is in %s", text)
		}
	}
	if strings.Contains(before, "ann@") || strings.Contains(stored(), "ann@") {
		t.Error("an address waits in the clear")
	}
}

func TestWhenALetterIsTriedAgain(t *testing.T) {
	answer := 451
	f := newOffice(t, mailtest.Options{Refuse: func(step, _ string) error {
		if step != "data" || answer == 0 {
			return nil
		}
		return &smtp.SMTPError{Code: answer, EnhancedCode: smtp.EnhancedCodeNotSet, Message: "no"}
	}})
	r := f.replica()
	f.ask(r, "d", "ann@example.com")
	a := &author{}
	f.round(r, a)
	for i, pause := range []time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
	} {
		f.pass(pause - time.Second)
		if n := f.round(r, a); n != 0 {
			t.Fatalf("attempt %d is too early", i+2)
		}
		f.pass(time.Second)
		if n := f.round(r, a); n != 1 {
			t.Fatalf("attempt %d is not made", i+2)
		}
	}
	if f.waiting(r) != 0 || len(f.server.Letters()) != 0 || f.server.Attempts() != 8 {
		t.Errorf("%d wait after %d attempts", f.waiting(r), f.server.Attempts())
	}
	if a.asked != 1 {
		t.Errorf("the letter was written %d times", a.asked)
	}
	results, texts := f.records(r)
	if len(results) != 1 || results[0] != store.ResultFailure || !strings.Contains(texts, "451") {
		t.Errorf("records %v: %s", results, texts)
	}

	answer = 554
	f.ask(r, "d", "bob@example.com", "eve@example.com")
	f.round(r, a)
	if results, _ := f.records(r); f.waiting(r) != 0 || len(results) != 3 {
		t.Errorf("refused for good: %d wait, records %v", f.waiting(r), results)
	}

	answer = 451
	f.ask(r, "d", "carl@example.com")
	f.round(r, a)
	answer = 0
	f.pass(time.Minute)
	f.round(r, a)
	if got := f.server.Letters(); len(got) != 1 || f.waiting(r) != 0 {
		t.Errorf("after a refusal for now: %d letters", len(got))
	}
}

func TestALetterWhoseLinkHasExpiredIsNotSent(t *testing.T) {
	f := newOffice(t, mailtest.Options{})
	r := f.replica()
	f.ask(r, "d", "ann@example.com")
	f.server.Stop()
	a := &author{until: f.now().Add(30 * time.Second)}
	f.round(r, a)
	f.server.Start()
	f.pass(time.Minute)
	f.round(r, a)
	if results, texts := f.records(r); len(f.server.Letters()) != 0 || f.waiting(r) != 0 || len(results) != 1 || !strings.Contains(texts, "expired") {
		t.Errorf("%d letters, %d wait, records %s", len(f.server.Letters()), f.waiting(r), texts)
	}
}

// The first replica dies after it has written the letter down and before it has sent it: it is told to stop while the server
// hangs, and its database is gone before it can give the lease back.
func TestAnotherReplicaTakesOver(t *testing.T) {
	f := newOffice(t, mailtest.Options{})
	first, second := f.replica(), f.replica()
	f.ask(first, "d", "ann@example.com")
	a := &author{}
	end := f.server.Stall()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = first.Round(t.Context(), a)
	}()
	f.server.AwaitAttempts(1)
	if n := f.round(second, a); n != 0 {
		t.Fatal("the second replica took what the first one holds")
	}
	if err := first.store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-done
	end()
	if n := f.round(second, a); n != 0 {
		t.Error("a lease was broken")
	}
	f.pass(2*time.Minute + time.Second)
	if n := f.round(second, a); n != 1 {
		t.Error("nobody took over")
	}
	got := f.server.Letters()
	if a.asked != 1 || len(got) != 1 || !strings.Contains(got[0].HTML, "hush-1") || f.waiting(second) != 0 {
		t.Errorf("%d letters, written %d times", len(got), a.asked)
	}
}

func TestTheMessageIDStays(t *testing.T) {
	refused := true
	var seen []string
	f := newOffice(t, mailtest.Options{Refuse: func(step, _ string) error {
		if step == "data" && refused {
			refused = false
			// The letter is there and its sender does not learn it.
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCodeNotSet, Message: "lost"}
		}
		return nil
	}})
	r := f.replica()
	f.ask(r, "d", "ann@example.com")
	f.round(r, &author{})
	mails, err := r.store.Mails().Claim(t.Context(), "x", time.Second, 1)
	if err != nil || len(mails) != 0 {
		t.Fatal(mails, err)
	}
	f.pass(time.Minute)
	f.round(r, &author{})
	for _, l := range f.server.Letters() {
		seen = append(seen, l.Header.Get("Message-Id"))
	}
	if len(seen) != 1 || !strings.HasSuffix(seen[0], ".0@example.com>") {
		t.Errorf("seen %v", seen)
	}
}

func TestManyReplicasSendOnce(t *testing.T) {
	f := newOffice(t, mailtest.Options{})
	replicas := []*replica{f.replica(), f.replica(), f.replica()}
	const letters = 24
	for i := range letters {
		f.ask(replicas[0], "d", fmt.Sprintf("p%d@example.com", i))
	}
	a := &author{}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, r := range replicas {
		all.Go(func() { _ = r.Run(ctx, a) })
	}
	f.server.Await(letters)
	for f.waiting(replicas[0]) > 0 {
	}
	cancel()
	all.Wait()
	if got := len(f.server.Letters()); got != letters {
		t.Errorf("%d letters, want %d", got, letters)
	}
}

func TestAMailerStopsWhileAServerHangs(t *testing.T) {
	f := newOffice(t, mailtest.Options{})
	r := f.replica()
	defer f.server.Stall()()
	f.ask(r, "d", "ann@example.com")
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- r.Run(ctx, &author{}) }()
	f.server.AwaitAttempts(1)
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	mine, err := r.store.Mails().Claim(t.Context(), "another", time.Minute, 1)
	if err != nil || len(mine) != 1 {
		t.Errorf("the lease was not given back: %v, %v", mine, err)
	}
}

func TestTooManyThatWaitAreRefused(t *testing.T) {
	f := newOffice(t, mailtest.Options{})
	r := f.replica()
	some := make([]any, 5000)
	for i := range some {
		some[i] = bson.M{"_id": fmt.Sprint(i), "domain": "full", "dueAt": f.now().Add(time.Hour)}
	}
	if _, err := storetest.Database(t, f.options).Collection("mails").InsertMany(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	err := r.Ask(t.Context(), mailer.Errand{Domain: "full", Purpose: "x", Content: []string{}})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("a full domain: %v", err)
	}
	if err := r.Ask(t.Context(), mailer.Errand{Domain: "other", Purpose: "x", Content: []string{}}); err != nil {
		t.Errorf("another domain: %v", err)
	}
}

func TestAnErrandThatFails(t *testing.T) {
	f := newOffice(t, mailtest.Options{})
	r := f.replica()
	f.ask(r, "d", "ann@example.com")
	a := &author{err: fault.NotFoundf("no such domain")}
	f.round(r, a)
	if f.waiting(r) != 0 {
		t.Error("an errand of a domain that is gone waits")
	}
	f.ask(r, "d", "ann@example.com")
	a.err = errors.New("the database hiccups")
	f.round(r, a)
	a.err = nil
	f.pass(time.Minute)
	f.round(r, a)
	if got := f.server.Letters(); len(got) != 1 {
		t.Errorf("%d letters", len(got))
	}
}

func TestStrangersDoNotUseUpWhatADomainMaySend(t *testing.T) {
	f := newOffice(t, mailtest.Options{})
	r, a := f.replica(), &author{}
	send := func(purpose string, n int) int {
		var to []string
		for i := range n {
			to = append(to, fmt.Sprintf("%s-%d@example.com", purpose, i))
		}
		if err := r.Ask(t.Context(), mailer.Errand{Domain: "d", Purpose: purpose, Content: to}); err != nil {
			t.Fatal(err)
		}
		before := len(f.server.Letters())
		for f.round(r, a) > 0 {
		}
		return len(f.server.Letters()) - before
	}
	if got := send("registration_verify", 299) + send("registration_taken", 3); got != 300 {
		t.Errorf("strangers caused %d letters", got)
	}
	if got := send("forgot_password", 701) + send("pre_registration", 1); got != 702 {
		t.Errorf("%d letters for people with an account", got)
	}
}
