package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/testkit/balance"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// drain is how long replicas go on serving after they stopped being ready: longer than balancers take to notice.
const drain = "--drain-delay=1500ms"

// TestReplicasAreRestartedUnderLoad stops one management and one gateway of two in order, and replaces them, while clients and people go
// on: nothing fails. Then it kills the others: what was under way may fail, and everything goes on at those that are left. Nothing
// that was ever answered is lost. The bench does the first with all replicas and ten times the load (rolling-restart).
func TestReplicasAreRestartedUnderLoad(t *testing.T) {
	f := newFleet(t)
	w := newWorkload(f)
	w.start()
	w.await("everything is answered", 5)

	f.replaceManagement(0, (*proc.Process).Stop)
	f.replaceGateway(0, (*proc.Process).Stop)
	w.await("everything is answered by those that are new", 5)
	if again, refused := w.again.Load(), f.refused(); refused != 0 {
		t.Errorf("%d connections refused, %d requests sent again", refused, again)
	}
	w.promises("after an orderly restart")

	w.mayFail.Store(true)
	f.replaceManagement(1, (*proc.Process).Kill)
	f.replaceGateway(1, (*proc.Process).Kill)
	w.await("everything is answered after a death", 1)
	w.mayFail.Store(false)
	w.await("nothing fails any more", 5)
	w.stop()
	w.promises("after a death")
	t.Logf("%d requests were sent again, %d failed while replicas were killed", w.again.Load(), w.failed.Load())
}

// fleet is two managements and two gateways behind balancers.
type fleet struct {
	t                  *testing.T
	installation       *proc.Installation
	front, rest, plane *balance.Balancer
	managements        [2]*proc.Management
	gateways           [2]*proc.Gateway
	api                *proc.API
	site               *site
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t}
	for _, b := range []**balance.Balancer{&f.front, &f.rest, &f.plane} {
		made, err := balance.Listen("127.0.0.1:0", balance.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(made.Close)
		*b = made
	}
	f.installation = proc.NewInstallation(t, proc.StartMongoDB(t).URI, proc.StartRedis(t).URL)
	for i := range f.managements {
		f.startManagement(i)
	}
	for i := range f.gateways {
		f.startGateway(i)
	}
	f.api = proc.SignIn(t, "http://"+f.rest.Address()+"/management", proc.OperatorName, proc.OperatorPassword)
	domain := f.api.CreateDomain("rolling")
	f.site = &site{api: f.api, id: domain.Text("id"), base: "http://" + f.front.Address() + domain.Text("path")}
	f.site.patch("", proc.Object{"oidc": proc.Object{"clientRegistrationSettings": proc.Object{
		"allowLocalhostRedirectUri": true, "allowHttpSchemeRedirectUri": true,
		"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": true,
	}}})
	f.site.bob()
	return f
}

func (f *fleet) startManagement(i int) {
	m := f.installation.StartManagement(drain)
	f.managements[i] = m
	technical := strings.TrimPrefix(m.TechnicalURL, "http://")
	address := hostOf(f.t, m.URL)
	f.rest.Add(balance.Server{Address: address, Technical: technical})
	f.plane.Add(balance.Server{Address: m.PlaneAddress, Technical: technical})
	f.rotates(f.rest, address)
	f.rotates(f.plane, m.PlaneAddress)
}

func (f *fleet) startGateway(i int) {
	g := f.installation.StartGateway(&proc.Management{PlaneAddress: f.plane.Address()}, "http://"+f.front.Address(), drain)
	f.gateways[i] = g
	address := hostOf(f.t, g.URL)
	f.front.Add(balance.Server{Address: address, Technical: strings.TrimPrefix(g.TechnicalURL, "http://")})
	f.rotates(f.front, address)
}

func (f *fleet) rotates(b *balance.Balancer, address string) {
	proc.Await(f.t, "a new replica is in rotation", 20*time.Second, func(context.Context) error {
		if !b.InRotation(address) {
			return errors.New("it is not ready")
		}
		return nil
	})
}

// replaceManagement ends a replica and starts another one, as a cluster does.
func (f *fleet) replaceManagement(i int, end func(*proc.Process)) {
	gone := f.managements[i]
	end(gone.Process)
	f.rest.Remove(hostOf(f.t, gone.URL))
	f.plane.Remove(gone.PlaneAddress)
	f.startManagement(i)
}

func (f *fleet) replaceGateway(i int, end func(*proc.Process)) {
	gone := f.gateways[i]
	end(gone.Process)
	f.front.Remove(hostOf(f.t, gone.URL))
	f.startGateway(i)
}

func (f *fleet) refused() int64 { return f.front.Refused() + f.rest.Refused() + f.plane.Refused() }

func hostOf(t *testing.T, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// workload is clients and people who go on asking, and what they were promised.
type workload struct {
	*fleet
	web, service credentials
	mayFail      atomic.Bool
	again        atomic.Int64 // requests that were sent a second time
	failed       atomic.Int64 // while they may

	steps   []*routine
	over    context.CancelFunc
	running sync.WaitGroup
	halted  bool // they have stopped

	mu      sync.Mutex // guards both
	people  []*proc.Visitor
	clients []registeredClient

	refresh  string // the newest token of the chain, which belongs to its step
	lifetime int    // of the service's tokens, as management acknowledged it last; belongs to the step that writes
	asked    int    // the last one that was asked for
}

// routine is what one of them does again and again.
type routine struct {
	name string
	do   func(context.Context) error
	done atomic.Int64
}

func newWorkload(f *fleet) *workload {
	w := &workload{fleet: f, web: f.site.web(), service: f.site.service("profile"), lifetime: 7200, asked: 7200}
	f.site.patch("/applications/"+w.web.app, proc.Object{"settings": proc.Object{"advanced": proc.Object{"skipConsent": true}}})
	f.api.Settle(f.site.id, f.gateways[0].TechnicalURL, f.gateways[1].TechnicalURL)
	w.steps = []*routine{
		{name: "a service", do: w.token}, {name: "a refresh", do: w.refreshing}, {name: "a login", do: w.login},
		{name: "a sign-on", do: w.signOn}, {name: "a registration", do: w.register}, {name: "a write", do: w.write},
	}
	ctx := f.t.Context()
	if err := w.login(ctx); err != nil {
		f.t.Fatal(err)
	}
	answer, err := w.post(ctx, w.site.base+"/oauth/token", w.web, url.Values{
		"grant_type": {"password"}, "username": {"bob"}, "password": {bobPassword}, "scope": {"openid"},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	w.refresh = answer.JSON().Text("refresh_token")
	return w
}

func (w *workload) start() {
	ctx, over := context.WithCancel(w.t.Context())
	w.over = over
	for _, s := range w.steps {
		w.running.Go(func() {
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				began := w.mayFail.Load()
				err := s.do(ctx)
				switch {
				case ctx.Err() != nil:
					return
				case err == nil:
					s.done.Add(1)
				case (began || w.mayFail.Load()) && excused(err):
					w.failed.Add(1)
				default:
					w.t.Errorf("%s %s: %v", time.Now().Format("15:04:05.000"), s.name, err)
				}
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
}

func (w *workload) stop() {
	w.over()
	w.running.Wait()
	w.halted = true
}

// await waits until each step was done so many times more.
func (w *workload) await(what string, times int64) {
	w.t.Helper()
	want := make([]int64, len(w.steps))
	for i, s := range w.steps {
		want[i] = s.done.Load() + times
	}
	proc.Await(w.t, what, 30*time.Second, func(context.Context) error {
		for i, s := range w.steps {
			if s.done.Load() < want[i] {
				return fmt.Errorf("not %s", s.name)
			}
		}
		return nil
	})
}

// unfit is an answer that is not the right one.
type unfit struct{ proc.Answer }

func (u unfit) Error() string { return fmt.Sprintf("%d %s", u.Status, u.Text) }

// excused reports whether a request may fail so while a replica is killed: it met no server, got no answer, or was told to come
// back. That it is wrong in any other way is no excuse.
func excused(err error) bool {
	var u unfit
	if errors.As(err, &u) {
		return u.Status == http.StatusServiceUnavailable
	}
	var op *net.OpError
	return errors.As(err, &op) || unanswered(err)
}

// unanswered reports whether a connection was closed or reset without an answer.
func unanswered(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		err != nil && strings.Contains(err.Error(), "server closed idle connection")
}

// repeat makes an attempt a second time if the first one met a connection that was closed.
func (w *workload) repeat(attempt func() error) error {
	err := attempt()
	if !w.mayFail.Load() && unanswered(err) {
		w.again.Add(1)
		err = attempt()
	}
	return err
}

func (w *workload) send(want int, request func() (*http.Request, error)) (answer proc.Answer, err error) {
	err = w.repeat(func() error {
		r, err := request()
		if err != nil {
			return err
		}
		answer, err = proc.Send(r)
		if err == nil && answer.Status != want {
			err = unfit{answer}
		}
		return err
	})
	return answer, err
}

func (w *workload) post(ctx context.Context, target string, c credentials, form url.Values) (proc.Answer, error) {
	return w.send(http.StatusOK, func() (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
		if err == nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth(url.QueryEscape(c.id), url.QueryEscape(c.secret))
		}
		return r, err
	})
}

func (w *workload) token(ctx context.Context) error {
	_, err := w.post(ctx, w.site.base+"/oauth/token", w.service, url.Values{"grant_type": {"client_credentials"}})
	return err
}

// refreshing keeps the token that it has where it gets no other: a refresh whose answer was lost can be asked for again.
func (w *workload) refreshing(ctx context.Context) error { return w.refreshAt(ctx, w.site.base) }

func (w *workload) refreshAt(ctx context.Context, base string) error {
	answer, err := w.post(ctx, base+"/oauth/token", w.web, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.refresh}})
	if err == nil {
		w.refresh = answer.JSON().Text("refresh_token")
	}
	return err
}

func (w *workload) authorize() string {
	return w.site.base + "/oauth/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {w.web.id}, "redirect_uri": {callback}, "scope": {"openid"}, "state": {"s"},
	}.Encode()
}

// redeem exchanges the code of a callback.
func (w *workload) redeem(ctx context.Context, back *url.URL) error {
	if back == nil || back.Query().Get("code") == "" {
		return fmt.Errorf("no code: %v", back)
	}
	answer, err := w.post(ctx, w.site.base+"/oauth/token", w.web, url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback},
	})
	if err == nil && answer.JSON().Text("id_token") == "" {
		err = unfit{answer}
	}
	return err
}

// login signs somebody in who was not, with a password that management checks.
func (w *workload) login(ctx context.Context) error {
	v := proc.NewVisitor(callback)
	var back *url.URL
	err := w.repeat(func() (err error) {
		back, err = v.LogIn(ctx, w.authorize(), "bob", bobPassword)
		return told(err)
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.people = append(w.people, v)
	w.mu.Unlock()
	return w.redeem(ctx, back)
}

// told makes of what a visitor is shown instead of the next page an answer: pages of a gateway without its management say 503.
func told(err error) error {
	if err != nil && strings.Contains(err.Error(), ": 503 ") {
		return unfit{proc.Answer{Status: http.StatusServiceUnavailable, Text: err.Error()}}
	}
	return err
}

// signOn asks for a code with the first session that there was.
func (w *workload) signOn(ctx context.Context) error {
	w.mu.Lock()
	v := w.people[0]
	w.mu.Unlock()
	return w.signOnAs(ctx, v)
}

func (w *workload) signOnAs(ctx context.Context, v *proc.Visitor) error {
	var p *proc.Page
	err := w.repeat(func() (err error) {
		p, err = v.Open(ctx, w.authorize())
		return err
	})
	if err != nil {
		return err
	}
	if p.Callback == nil {
		return unfit{proc.Answer{Status: p.Status, Text: "the session does not count: " + p.URL.String()}}
	}
	return w.redeem(ctx, p.Callback)
}

// registeredClient is a client with the token that it manages itself with.
type registeredClient struct{ place, name, token string }

// register makes a client, changes it, and reads it with the new token.
func (w *workload) register(ctx context.Context) error {
	ask := func(method, target, token, body string, want int) (proc.Answer, error) {
		return w.send(want, func() (*http.Request, error) {
			r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
			if err == nil {
				r.Header.Set("Content-Type", "application/json")
				if token != "" {
					r.Header.Set("Authorization", "Bearer "+token)
				}
			}
			return r, err
		})
	}
	answer, err := ask(http.MethodPost, w.site.base+"/oidc/register", "", `{"client_name":"new","redirect_uris":["`+callback+`"]}`, http.StatusCreated)
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	place := w.site.base + "/oidc/register/" + answer.JSON().Text("client_id")
	// A change whose answer is lost may have been made, and then the old token is none any more: such a client promised nothing.
	answer, err = ask(http.MethodPatch, place, answer.JSON().Text("registration_access_token"), `{"client_name":"changed"}`, http.StatusOK)
	if err != nil {
		return fmt.Errorf("change a client: %w", err)
	}
	client := registeredClient{place: place, name: "changed", token: answer.JSON().Text("registration_access_token")}
	w.mu.Lock()
	w.clients = append(w.clients, client)
	w.mu.Unlock()
	answer, err = ask(http.MethodGet, place, client.token, "", http.StatusOK)
	if err == nil && answer.JSON().Text("client_name") != client.name {
		err = unfit{answer}
	}
	return err
}

// write gives the service's tokens another lifetime and reads it back.
func (w *workload) write(ctx context.Context) error {
	w.asked++
	ask := func(method string, body any) (answer proc.Answer, err error) {
		err = w.repeat(func() (err error) {
			answer, err = w.api.Try(ctx, method, w.site.path("/applications/"+w.service.app), body)
			if err == nil && answer.Status != http.StatusOK {
				err = unfit{answer}
			}
			return err
		})
		return answer, err
	}
	if _, err := ask(http.MethodPatch, proc.Object{"settings": proc.Object{"oauth": proc.Object{"accessTokenValiditySeconds": w.asked}}}); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	w.lifetime = w.asked
	answer, err := ask(http.MethodGet, nil)
	if err != nil {
		return fmt.Errorf("read what was written: %w", err)
	}
	if got, _ := answer.JSON().At("settings", "oauth", "accessTokenValiditySeconds").(float64); int(got) != w.lifetime {
		return fmt.Errorf("management shows %v where it acknowledged %d", got, w.lifetime)
	}
	return nil
}

// promises asks for everything that was answered, at each gateway; the workload may go on meanwhile, except for what it writes and
// refreshes, which is asked for when it has stopped.
func (w *workload) promises(when string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.mu.Lock()
	people, clients := slices.Clone(w.people), slices.Clone(w.clients)
	w.mu.Unlock()
	if len(people) < 10 || len(clients) < 10 {
		w.t.Errorf("%s: only %d people and %d clients", when, len(people), len(clients))
	}
	for i, v := range people {
		if err := w.signOnAs(ctx, v); err != nil {
			w.t.Errorf("%s: session %d of %d: %v", when, i, len(people), err)
		}
	}
	public := "http://" + w.front.Address()
	for _, g := range w.gateways {
		for _, c := range clients {
			answer, err := w.send(http.StatusOK, func() (*http.Request, error) {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+strings.TrimPrefix(c.place, public), http.NoBody)
				if err == nil {
					r.Header.Set("Authorization", "Bearer "+c.token)
				}
				return r, err
			})
			if err != nil || answer.JSON().Text("client_name") != c.name {
				w.t.Errorf("%s: a client at %s: %v %s", when, g.Name, err, answer.Text)
			}
		}
	}
	if !w.halted {
		return
	}
	w.api.Settle(w.site.id, w.gateways[0].TechnicalURL, w.gateways[1].TechnicalURL)
	for _, g := range w.gateways {
		base := g.URL + strings.TrimPrefix(w.site.base, public)
		if err := w.refreshAt(ctx, base); err != nil {
			w.t.Errorf("%s: the refresh chain at %s: %v", when, g.Name, err)
		}
		answer, err := w.post(ctx, base+"/oauth/token", w.service, url.Values{"grant_type": {"client_credentials"}})
		got, _ := answer.JSON().At("expires_in").(float64)
		if err != nil || int(got) < w.lifetime || int(got) > w.asked {
			w.t.Errorf("%s: tokens of %s live for %v s where %d were acknowledged and %d asked for last: %v", when, g.Name, got, w.lifetime, w.asked, err)
		}
	}
}
