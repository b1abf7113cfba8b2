package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
)

// How many of each stream there are, and how often each makes a step: about 600 requests a second altogether, which leaves two
// cores time for the restarts.
const (
	rollingClients = 4
	rollingPeople  = 4
	rollingWriters = 4
)

// prepare makes the domain and the streams.
func (r *rolling) prepare(ctx context.Context) error {
	d, err := r.cluster.NewDomain(ctx, "rolling", harness.Object{"oidc": harness.Object{
		"clientRegistrationSettings": harness.Object{
			"isDynamicClientRegistrationEnabled": true, "isOpenDynamicClientRegistrationEnabled": true,
		},
	}})
	if err != nil {
		return err
	}
	w, err := furnish(ctx, d)
	if err != nil {
		return err
	}
	service, err := w.newService(ctx, "service", jose.ES256)
	if err != nil {
		return err
	}
	app, err := w.newWebApp(ctx, "web", w.quick, "authorization_code", "password", "refresh_token")
	if err != nil {
		return err
	}
	staff, err := w.newWebApp(ctx, "staff", "default-idp-"+d.ID, "authorization_code", "password", "refresh_token")
	if err != nil {
		return err
	}
	if _, err := d.Create(ctx, "users", harness.Object{
		"firstName": "Ann", "lastName": "Ash", "username": "ann", "email": "ann@example.com", "password": directoryPassword,
	}); err != nil {
		return err
	}
	web := &flow{
		world: w, app: app, host: r.cluster.Host, publicURL: r.cluster.PublicURL(), basic: load.Basic(app.ClientID, app.Secret), somebody: person(quickName, 0),
	}
	if err := r.cluster.AwaitDomain(ctx, d.ID); err != nil {
		return err
	}
	var person tokenAnswer
	c := load.NewConn(r.cluster.Host)
	defer c.Close()
	if err := harness.Await(ctx, firstPatience, "a person's token", func(ctx context.Context) (err error) {
		person, err = w.passwordGrant(ctx, c, r.cluster.Host, app, web.somebody, "openid profile email")
		return err
	}); err != nil {
		return err
	}
	r.clients(w, service, web, person.AccessToken)
	if err := r.chains(ctx, web); err != nil {
		return err
	}
	if err := r.people(ctx, web); err != nil {
		return err
	}
	r.staff(w, staff)
	r.registrations(w)
	return r.writers(ctx, w)
}

func (r *rolling) add(name string, k kind, every time.Duration, step func(context.Context, *load.Conn) error) {
	r.streams = append(r.streams, stream{name: name, kind: k, every: every, step: step})
}

// clients ask for tokens, introspect them, and ask who somebody is.
func (r *rolling) clients(w *world, service *harness.Application, web *flow, token string) {
	host, path := r.cluster.Host, w.domain.Path
	grant := load.AppendForm(nil, host, path+"/oauth/token", "grant_type=client_credentials", load.Basic(service.ClientID, service.Secret))
	look := load.AppendForm(nil, host, path+"/oauth/introspect", "token="+token, web.basic)
	who := load.AppendGet(nil, host, path+"/oidc/userinfo", load.Bearer(token))
	for range rollingClients {
		n := 0
		r.add("client credentials", alone, 20*time.Millisecond, func(ctx context.Context, c *load.Conn) error {
			got, err := ask(ctx, c, grant, 200)
			if err != nil {
				return err
			}
			if n++; n%20 != 1 {
				_, err := decodeToken(got.Body)
				return err
			}
			return w.checkService(ctx, got.Body, service, jose.ES256)
		})
	}
	contains := func(request []byte, text string) func(context.Context, *load.Conn) error {
		return func(ctx context.Context, c *load.Conn) error {
			got, err := ask(ctx, c, request, 200)
			if err == nil && !strings.Contains(string(got.Body), text) {
				err = fmt.Errorf("the answer is %.300s", got.Body)
			}
			return err
		}
	}
	for range rollingClients / 2 {
		r.add("introspection", alone, 20*time.Millisecond, contains(look, `"active":true`))
		r.add("userinfo", throughManagement, 20*time.Millisecond, contains(who, web.somebody+"@people.example"))
	}
}

// chains are refresh tokens that are exchanged for their successors.
func (r *rolling) chains(ctx context.Context, web *flow) error {
	all := &refreshing{world: web.world, app: web.app, host: web.host, basic: web.basic, tokens: make([]string, rollingClients)}
	if err := all.before(ctx); err != nil {
		return err
	}
	for i := range all.tokens {
		step := all.operation(i)
		n := 0
		r.add("refresh", alone, 40*time.Millisecond, func(ctx context.Context, c *load.Conn) error {
			if all.tokens[i] == "" {
				return errors.New("the chain is broken")
			}
			n++
			return step(ctx, c, n%20 == 1)
		})
	}
	r.keeps = append(r.keeps, promise{"refresh chains", func(ctx context.Context, at *harness.Replica) (asked, lost int, first error) {
		c := load.NewConn(at.Address)
		defer c.Close()
		return count(len(all.tokens), func(i int) error {
			if all.tokens[i] == "" {
				return errors.New("the chain was broken")
			}
			return all.operation(i)(ctx, c, true)
		})
	}})
	return nil
}

// count calls a function for each of n and counts those that fail.
func count(n int, ask func(int) error) (asked, lost int, first error) {
	for i := range n {
		if err := ask(i); err != nil {
			lost++
			if first == nil {
				first = fmt.Errorf("%d of %d: %w", i, n, err)
			}
		}
	}
	return n, lost, first
}

// people sign in anew again and again, or sign on with the session they have. All their sessions are kept.
func (r *rolling) people(ctx context.Context, web *flow) error {
	var mu sync.Mutex
	var sessions []*visitor
	keep := func(v *visitor) {
		kept := &visitor{flow: v.flow, user: v.user}
		kept.browser.names = append(kept.browser.names, v.browser.names...)
		kept.browser.values = append(kept.browser.values, v.browser.values...)
		mu.Lock()
		defer mu.Unlock()
		sessions = append(sessions, kept)
	}
	first := load.NewConn(r.cluster.Host)
	defer first.Close()
	for i := range rollingPeople {
		v := &visitor{flow: web, user: person(quickName, i)}
		if err := v.signIn(ctx, first, true); err != nil {
			return err
		}
		keep(v)
		n := 0
		r.add("sign-on", alone, 60*time.Millisecond, func(ctx context.Context, c *load.Conn) error {
			if v.browser.header() == nil {
				return errors.New("the session was lost")
			}
			n++
			return v.signOn(ctx, c, n%20 == 1)
		})
		// A person has at most a hundred sessions: another one signs in each time.
		somebody, turn := &visitor{flow: web}, i
		r.add("login", throughManagement, 150*time.Millisecond, func(ctx context.Context, c *load.Conn) error {
			somebody.user = person(quickName, rollingPeople+turn%(quickPeople-rollingPeople))
			turn += rollingPeople
			err := somebody.signIn(ctx, c, true)
			if err == nil {
				keep(somebody)
			}
			return err
		})
	}
	r.keeps = append(r.keeps, promise{"sessions", func(ctx context.Context, at *harness.Replica) (asked, lost int, first error) {
		c := load.NewConn(at.Address)
		defer c.Close()
		return count(len(sessions), func(i int) error {
			if sessions[i].browser.header() == nil {
				return errors.New("the session was lost before")
			}
			return sessions[i].signOn(ctx, c, false)
		})
	}})
	return nil
}

const directoryPassword = "Ann-likes-2-sign-in!"

// staff sign in with a password that management checks, which takes as long as its hash.
func (r *rolling) staff(w *world, app *harness.Application) {
	form := "grant_type=password&username=ann&scope=openid&password=" + strings.ReplaceAll(directoryPassword, "!", "%21")
	request := load.AppendForm(nil, r.cluster.Host, w.domain.Path+"/oauth/token", form, load.Basic(app.ClientID, app.Secret))
	r.add("directory", throughManagement, 250*time.Millisecond, func(ctx context.Context, c *load.Conn) error {
		got, err := ask(ctx, c, request, 200)
		if err == nil {
			_, err = member(got.Body, "id_token")
		}
		return err
	})
}

// registeredClient is a client with the token that it manages itself with.
type registeredClient struct{ id, name, token string }

// registrations register clients, read them, change them and read them again, each with the token of the answer before.
func (r *rolling) registrations(w *world) {
	var mu sync.Mutex
	var clients []registeredClient
	host, place := r.cluster.Host, w.domain.Path+"/oidc/register"
	for range rollingWriters / 2 {
		n := 0
		r.add("registration", throughManagement, 200*time.Millisecond, func(ctx context.Context, c *load.Conn) error {
			got, err := ask(ctx, c, load.AppendJSON(nil, host, place, registrationBody), 201)
			if err != nil {
				return fmt.Errorf("register: %w", err)
			}
			client := registeredClient{name: "registered"}
			if client.id, err = member(got.Body, "client_id"); err != nil {
				return err
			}
			if client.token, err = member(got.Body, "registration_access_token"); err != nil {
				return err
			}
			if err := client.read(ctx, c, host, place); err != nil {
				return fmt.Errorf("read what was registered: %w", err)
			}
			n++
			client.name = fmt.Sprintf("changed %d", n)
			got, err = ask(ctx, c, load.AppendPatch(nil, host, place+"/"+client.id, `{"client_name":"`+client.name+`"}`, load.Bearer(client.token)), 200)
			if err != nil {
				return fmt.Errorf("change: %w", err)
			}
			if client.token, err = member(got.Body, "registration_access_token"); err != nil {
				return err
			}
			mu.Lock()
			clients = append(clients, client)
			mu.Unlock()
			if err := client.read(ctx, c, host, place); err != nil {
				return fmt.Errorf("read what was changed: %w", err)
			}
			return nil
		})
	}
	r.keeps = append(r.keeps, promise{"clients", func(ctx context.Context, at *harness.Replica) (asked, lost int, first error) {
		c := load.NewConn(at.Address)
		defer c.Close()
		return count(len(clients), func(i int) error { return clients[i].read(ctx, c, host, place) })
	}})
}

// read reads a client with its token.
func (t registeredClient) read(ctx context.Context, c *load.Conn, host, place string) error {
	got, err := ask(ctx, c, load.AppendGet(nil, host, place+"/"+t.id, load.Bearer(t.token)), 200)
	if err != nil {
		return err
	}
	if name, err := member(got.Body, "client_name"); err != nil || name != t.name {
		return fmt.Errorf("the client's name is %q instead of %q: %w", name, t.name, orEmpty(err))
	}
	return nil
}

// writer changes the lifetime of an application's tokens and reads it back.
type writer struct {
	app     *harness.Application
	seconds int // acknowledged
	etag    string
}

// writers change applications over REST, every second one with If-Match.
func (r *rolling) writers(ctx context.Context, w *world) error {
	all := make([]*writer, rollingWriters)
	bearer := load.Bearer(r.cluster.OperatorToken())
	for i := range all {
		app, err := w.newService(ctx, fmt.Sprintf("written %d", i), jose.ES256)
		if err != nil {
			return err
		}
		this := &writer{app: app, seconds: int(serviceLifetime.Seconds())}
		all[i] = this
		place := "/management/domains/" + w.domain.ID + "/applications/" + app.ID
		read := load.AppendGet(nil, r.cluster.REST, place, bearer)
		r.streams = append(r.streams, stream{name: "write", kind: atManagement, every: 150 * time.Millisecond, step: func(ctx context.Context, c *load.Conn) error {
			headers := []string{bearer}
			if i%2 == 1 && this.etag != "" {
				headers = append(headers, "If-Match: "+this.etag)
			}
			next := this.seconds + 1
			body := fmt.Sprintf(`{"settings":{"oauth":{"accessTokenValiditySeconds":%d}}}`, next)
			got, err := ask(ctx, c, load.AppendPatch(nil, r.cluster.REST, place, body, headers...), 200)
			if err != nil {
				return fmt.Errorf("PATCH: %w", err)
			}
			this.seconds, this.etag = next, got.Header("ETag")
			if got, err = ask(ctx, c, read, 200); err != nil {
				return fmt.Errorf("GET: %w", err)
			}
			return this.same(got.Body)
		}})
	}
	r.keeps = append(r.keeps, promise{"writes", func(ctx context.Context, at *harness.Replica) (asked, lost int, first error) {
		if err := r.cluster.AwaitDomain(ctx, w.domain.ID); err != nil {
			return len(all), len(all), err
		}
		return count(len(all), func(i int) error {
			for _, m := range r.cluster.Managements() {
				var stored json.RawMessage
				if err := r.cluster.ManagementAt(m).Get(ctx, "/domains/"+w.domain.ID+"/applications/"+all[i].app.ID, &stored); err != nil {
					return err
				}
				if err := all[i].same(stored); err != nil {
					return fmt.Errorf("%s: %w", m.Name, err)
				}
			}
			watch := newWatcher(at.Address, w.domain.Path, all[i].app)
			defer watch.conn.Close()
			return watch.await(ctx, all[i].seconds)
		})
	}})
	return nil
}

// same looks whether management shows what it acknowledged.
func (w *writer) same(body []byte) error {
	var app struct {
		Settings struct {
			OAuth struct {
				Seconds int `json:"accessTokenValiditySeconds"`
			} `json:"oauth"`
		}
	}
	if err := json.Unmarshal(body, &app); err != nil {
		return err
	}
	if got := app.Settings.OAuth.Seconds; got != w.seconds {
		return fmt.Errorf("tokens live for %d s where %d s were acknowledged", got, w.seconds)
	}
	return nil
}
