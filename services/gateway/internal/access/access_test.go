package access_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
)

const revoked = "Bad Request | invalid_grant | Refresh token is invalid"

func TestEveryMomentAsksWhoMayUseTheApplication(t *testing.T) {
	r := newRig(t)
	ann, bob := r.Browser("/acme"), r.Browser("/acme")

	t.Run("a member gets in", func(t *testing.T) { r.tokens(ann, "ann", "pay") })
	t.Run("after signing in: the denied page", func(t *testing.T) {
		page := r.enter(bob, "bob", authorize("pay"))
		if page.StatusCode != http.StatusForbidden || !strings.Contains(page.Text, "Ask finance") {
			t.Errorf("status %d\n%s", page.StatusCode, page.Text)
		}
		facts := r.decided()
		want(t, "the record", fmt.Sprintln(facts["verdict"], facts["bindings"], facts["revision"], facts["client_id"], facts["user"]), "denied [binding-1] 1 pay user-bob\n")
	})
	t.Run("with a session of another application", func(t *testing.T) {
		r.tokens(bob, "bob", "open")
		if page := bob.Get(authorize("pay")); page.StatusCode != http.StatusForbidden {
			t.Errorf("status %d", page.StatusCode)
		}
	})
	t.Run("prompt=none: access_denied", func(t *testing.T) {
		page := bob.Get(authorize("pay", "prompt", "none"))
		want(t, "error", page.Query().Get("error"), "access_denied")
		want(t, "state", page.Query().Get("state"), "s-1")
		want(t, "code", page.Query().Get("code"), "")
	})
	t.Run("redemption of a code: invalid_grant, and the grant is gone", func(t *testing.T) {
		code := r.enter(ann, "ann", authorize("pay")).Query().Get("code")
		r.leave("ann")
		want(t, "answer", r.redeem("pay", code).Error(t), "Bad Request | invalid_grant | The authorization code is invalid")
		r.join("ann")
		want(t, "again", r.redeem("pay", code).Error(t), "Bad Request | invalid_grant | The authorization code is invalid")
	})
	t.Run("password grant: invalid_grant", func(t *testing.T) {
		want(t, "bob", r.password("pay", "bob").Error(t), "Bad Request | invalid_grant | The person may not use this application")
		if a := r.password("pay", "ann"); a.Status != http.StatusOK {
			t.Errorf("ann: %s", a.Body)
		}
	})
	t.Run("token exchange: invalid_grant, and the grant is gone", func(t *testing.T) {
		tokens := r.tokens(ann, "ann", "pay")
		try := func(client string) gatewaytest.Answer {
			return r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", exchange, "subject_token", tokens["refresh_token"].(string),
				"subject_token_type", refreshType), gatewaytest.Basic(client))
		}
		if a := try("pay"); a.Status != http.StatusOK {
			t.Fatalf("a member: %s", a.Body)
		}
		r.leave("ann")
		want(t, "a former member", try("pay").Error(t), "Bad Request | invalid_grant | The person may not use this application")
		r.join("ann")
		want(t, "the refresh token", r.refresh("pay", tokens).Error(t), revoked)
	})
	t.Run("token exchange by another application", func(t *testing.T) {
		tokens := r.tokens(bob, "bob", "open")
		a := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", exchange, "subject_token", tokens["access_token"].(string),
			"subject_token_type", accessType), gatewaytest.Basic("pay"))
		want(t, "answer", a.Error(t), "Bad Request | invalid_grant | The person may not use this application")
		if again := r.refresh("open", tokens); again.Status != http.StatusOK {
			t.Errorf("what bob may have is taken away: %s", again.Body)
		}
	})
	t.Run("clients that act for themselves are asked nothing", func(t *testing.T) {
		a := r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", "client_credentials"), gatewaytest.Basic("pay"))
		if a.Status != http.StatusOK {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
}

// leave takes somebody out of the group, and lets the moment pass for which gateways may know it otherwise.
func (r *rig) leave(name string) {
	r.Directory.Join(r.domain, name)
	r.Clock.Forward(time.Second)
}

func (r *rig) join(name string) {
	r.Directory.Join(r.domain, name, "finance")
	r.Clock.Forward(time.Second)
}

func TestAcceptance14ARemovedMemberIsRefusedAtTheNextRefreshAndTheGrantIsGone(t *testing.T) {
	r := newRig(t)
	r.Follow()
	other := gatewaytest.New(t, gatewaytest.Options{Directory: r.Directory}, r.config)
	other.Clock, other.Directory = r.Clock, r.Directory
	b := r.Browser("/acme")
	first, second := r.tokens(b, "ann", "pay"), r.tokens(b, "ann", "pay")
	answer := r.refresh("pay", first)
	if answer.Status != http.StatusOK {
		t.Fatalf("a member's refresh: %s", answer.Body)
	}
	first = answer.JSON(t)

	r.leave("ann")
	want(t, "the next refresh", r.refresh("pay", first).Error(t), revoked)
	elsewhere := rig{Harness: other, t: t, domain: r.domain}
	want(t, "and of another grant at another gateway", elsewhere.refresh("pay", second).Error(t), revoked)
	if page := b.Get(authorize("pay")); page.StatusCode != http.StatusForbidden {
		t.Errorf("the next authorization: status %d", page.StatusCode)
	}

	r.join("ann")
	want(t, "the grant is gone", r.refresh("pay", first).Error(t), revoked)
	want(t, "the other one too", r.refresh("pay", second).Error(t), revoked)
	info := r.Post("/acme/oauth/introspect", gatewaytest.Form("token", first["access_token"].(string)), gatewaytest.Basic("open"))
	want(t, "and so is its access token", info.Body, `{"active":false}`)
}

func TestAcceptance13AnExpiredAllowBindingStopsPassingWithoutAChangeOfConfiguration(t *testing.T) {
	r := newRig(t, func(_ *gatewaytest.Config, a *configv1.Application) {
		a.Bindings[0].ExpiresAt = timestamppb.New(time.Now().Add(time.Hour))
	})
	tokens := r.tokens(r.Browser("/acme"), "ann", "pay")
	left := r.app.GetBindings()[0].GetExpiresAt().AsTime().Sub(r.Clock.Now())
	r.Clock.Forward(left - time.Second)
	answer := r.refresh("pay", tokens)
	if answer.Status != http.StatusOK {
		t.Fatalf("a second before: %s", answer.Body)
	}
	r.Clock.Forward(2 * time.Second)
	want(t, "a second after", r.refresh("pay", answer.JSON(t)).Error(t), revoked)
}

func TestAcceptance08ADenyBindingRefusesWhateverElsePasses(t *testing.T) {
	r := newRig(t)
	revision := int64(2)
	for _, mode := range []configv1.ApplicationAccess_Mode{configv1.ApplicationAccess_ANY, configv1.ApplicationAccess_ALL} {
		t.Run(mode.String(), func(t *testing.T) {
			r.put(revision, func(a *configv1.Application) {
				a.Access.Mode = mode
				a.Bindings = append(a.Bindings, &configv1.Binding{Id: "b2", Group: "banned", Effect: configv1.Binding_DENY})
			})
			revision++
			r.Directory.Join(r.domain, "ann", "finance")
			r.Clock.Forward(time.Second)
			if a := r.password("pay", "ann"); a.Status != http.StatusOK {
				t.Fatalf("a member: %s", a.Body)
			}
			r.Directory.Join(r.domain, "ann", "finance", "banned")
			r.Clock.Forward(time.Second)
			want(t, "a banned member", r.password("pay", "ann").Error(t), "Bad Request | invalid_grant | The person may not use this application")
		})
	}
}

func TestAcceptance09AFailingPolicyFollowsItsFailureResult(t *testing.T) {
	r := newRig(t)
	broken := &configv1.Policy{Id: "broken", Name: "broken", Config: &configv1.Policy_ByExpression{
		ByExpression: &configv1.ExpressionPolicy{Expression: `user.attributes["absent"] == "x"`},
	}}
	revision := int64(2)
	for _, policy := range []string{"broken", "missing"} {
		for i := range 8 {
			negate, deny, lenient := i&1 != 0, i&2 != 0, i&4 != 0
			t.Run(fmt.Sprintf("%s negate=%v deny=%v failureResult=%v", policy, negate, deny, lenient), func(t *testing.T) {
				r.put(revision, func(a *configv1.Application) {
					b := &configv1.Binding{Id: "b2", Policy: policy, Negate: negate, FailureResult: lenient}
					if deny {
						b.Effect = configv1.Binding_DENY
						a.Bindings = append(a.Bindings, b) // ann passes the other one
					} else {
						a.Bindings = []*configv1.Binding{b}
					}
				}, broken)
				revision++
				if a := r.password("pay", "ann"); (a.Status == http.StatusOK) != lenient {
					t.Errorf("status %d: %s", a.Status, a.Body)
				}
			})
		}
	}
}

func TestAcceptance33DisabledHiddenAndDeniedEachGiveTheirOwnAnswerAtSignIn(t *testing.T) {
	r := newRig(t)
	b := r.Browser("/acme")
	tokens := r.tokens(b, "ann", "pay")
	r.put(2, func(a *configv1.Application) { a.Hidden = true })
	if page := b.Get(authorize("pay")); page.Query().Get("code") == "" {
		t.Errorf("hidden: status %d, location %q", page.StatusCode, page.Location())
	}
	r.put(3, func(a *configv1.Application) { a.LaunchUrl = "blank://blank" })
	if page := b.Get(authorize("pay")); page.Query().Get("code") == "" {
		t.Errorf("without a card: status %d, location %q", page.StatusCode, page.Location())
	}
	if answer := r.refresh("pay", tokens); answer.Status != http.StatusOK {
		t.Errorf("hidden: %s", answer.Body)
	} else {
		tokens = answer.JSON(t)
	}
	r.put(4, func(a *configv1.Application) { a.Enabled = new(bool) })
	page := b.Follow(b.Get(authorize("pay")))
	if page.StatusCode != http.StatusBadRequest || !strings.Contains(page.Text, "No client found") {
		t.Errorf("disabled: status %d\n%s", page.StatusCode, page.Text)
	}
	want(t, "disabled", strings.SplitAfter(r.refresh("pay", tokens).Error(t), "invalid_client")[0], "Unauthorized | invalid_client")
	// Switched on again it has none of the grants of before: management writes since when tokens are good.
	r.Clock.Forward(time.Second)
	r.put(5, func(a *configv1.Application) { a.TokensValidFrom = timestamppb.New(r.Clock.Now()) })
	want(t, "a grant of before", strings.SplitAfter(r.refresh("pay", tokens).Error(t), "invalid_grant")[0], "Bad Request | invalid_grant")
	if page := b.Get(authorize("pay")); page.Query().Get("code") == "" {
		t.Errorf("enabled again: status %d, location %q", page.StatusCode, page.Location())
	}
	r.put(6, func(a *configv1.Application) { a.Bindings[0].Group = "banned" })
	if page := b.Get(authorize("pay")); page.StatusCode != http.StatusForbidden {
		t.Errorf("denied: status %d", page.StatusCode)
	}
}

func TestTheLastKnownGroupsCountWhileTheDirectoryIsAway(t *testing.T) {
	r := newRig(t, func(c *gatewaytest.Config, _ *configv1.Application) {
		seconds := int32(60)
		c.Domain.AccessSettings = &configv1.AccessSettings{MembershipGraceSeconds: &seconds}
	})
	tokens := r.tokens(r.Browser("/acme"), "ann", "pay")
	r.Directory.Away(fault.Unavailablef("management is away"))
	r.Clock.Forward(59 * time.Second)
	answer := r.refresh("pay", tokens)
	if answer.Status != http.StatusOK {
		t.Fatalf("within the grace: %s", answer.Body)
	}
	tokens = answer.JSON(t)
	r.Clock.Forward(2 * time.Second)
	if a := r.refresh("pay", tokens); a.Status != http.StatusServiceUnavailable {
		t.Errorf("beyond it nobody gets anything: status %d: %s", a.Status, a.Body)
	}
	r.Directory.Away(nil)
	r.Clock.Forward(2 * time.Second)
	if a := r.refresh("pay", tokens); a.Status != http.StatusOK {
		t.Errorf("and nothing is taken away: %s", a.Body)
	}
}

func TestWithoutGraceNobodyGetsInWhileTheDirectoryIsAway(t *testing.T) {
	r := newRig(t, func(c *gatewaytest.Config, _ *configv1.Application) {
		c.Domain.AccessSettings = &configv1.AccessSettings{MembershipGraceSeconds: new(int32)}
	})
	b := r.Browser("/acme")
	tokens := r.tokens(b, "ann", "pay")
	r.Directory.Away(fault.Unavailablef("management is away"))
	r.Clock.Forward(time.Second)
	if a := r.refresh("pay", tokens); a.Status != http.StatusServiceUnavailable {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	if page := b.Get(authorize("pay")); page.StatusCode != http.StatusServiceUnavailable || strings.Contains(page.Location(), "code=") {
		t.Errorf("status %d, location %q", page.StatusCode, page.Location())
	}
	want(t, "prompt=none", b.Get(authorize("pay", "prompt", "none")).Query().Get("error"), "temporarily_unavailable")
}

func TestDevicesOfPeopleWhoMayNotUseTheApplication(t *testing.T) {
	r := newRig(t)
	begin := func() (code, page string) {
		a := r.Post("/acme/oauth/device_authorization", gatewaytest.Form("scope", "openid"), gatewaytest.Basic("pay")).JSON(t)
		return a["device_code"].(string), a["verification_uri_complete"].(string)
	}
	poll := func(code string) gatewaytest.Answer {
		return r.Post("/acme/oauth/token", gatewaytest.Form("grant_type", device, "device_code", code), gatewaytest.Basic("pay"))
	}
	const refused = "Bad Request | access_denied | User denied access"
	ann, bob := r.Browser("/acme"), r.Browser("/acme")

	code, page := begin()
	if shown := r.enter(bob, "bob", page); shown.StatusCode != http.StatusForbidden || !strings.Contains(shown.Text, "Ask finance") {
		t.Errorf("status %d\n%s", shown.StatusCode, shown.Text)
	}
	want(t, "the device of somebody who may not", poll(code).Error(t), refused)

	code, page = begin()
	question := r.enter(ann, "ann", page)
	r.leave("ann")
	form := ann.Form(question)
	form.Values.Set("user_oauth_approval", "true")
	if answer := ann.Post(form.Action, form.Values); answer.StatusCode != http.StatusForbidden {
		t.Errorf("an approval by somebody who may not any more: status %d", answer.StatusCode)
	}
	want(t, "the device", poll(code).Error(t), refused)

	r.join("ann")
	code, page = begin()
	form = ann.Form(r.enter(ann, "ann", page))
	form.Values.Set("user_oauth_approval", "true")
	if answer := ann.Post(form.Action, form.Values); answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d\n%s", answer.StatusCode, answer.Text)
	}
	r.leave("ann")
	want(t, "a device that comes for its tokens too late", poll(code).Error(t), refused)
}

func TestAcceptance35TheDeniedPageShowsTheMessageInTheReadersLanguageAndNoRule(t *testing.T) {
	r := newRig(t, func(c *gatewaytest.Config, a *configv1.Application) {
		a.Bindings[0].Name = "finance department"
		c.Domain.AccessSettings = &configv1.AccessSettings{HelpContact: "help@acme.example"}
	})
	bob := r.Browser("/acme")
	bob.Headers["Accept-Language"] = "de"
	page := r.enter(bob, "bob", authorize("pay"))
	want(t, "status", fmt.Sprint(page.StatusCode), "403")
	for _, text := range []string{"Fragen Sie die Buchhaltung", "Payroll", "bob", "help@acme.example", `id="denied-portal"`, `id="denied-other"`, `id="denied-return"`} {
		if !strings.Contains(page.Text, text) {
			t.Errorf("%q is missing:\n%s", text, page.Text)
		}
	}
	for _, text := range []string{"finance", "binding-1", "group", "app-pay"} {
		if _, body, _ := strings.Cut(page.Text, "<body>"); strings.Contains(body, text) {
			t.Errorf("%q is there:\n%s", text, body)
		}
	}
	reference := between(page.Text, `<code id="request-id">`, "<")
	if facts := r.decided(); reference == "" || !strings.Contains(fmt.Sprint(facts), reference) || facts["verdict"] != "denied" {
		t.Errorf("an operator finds %v under %q", facts, reference)
	}
	t.Run("return to the application", func(t *testing.T) {
		back := bob.Get(unescaped(between(page.Text, `id="denied-return"`, "", `href="`)))
		want(t, "error", back.Query().Get("error"), "access_denied")
		want(t, "state", back.Query().Get("state"), "s-1")
		want(t, "where", strings.Split(back.Location(), "?")[0], "https://pay.example/cb")
	})
	t.Run("whoever may meanwhile goes on", func(t *testing.T) {
		r.join("bob")
		back := bob.Follow(bob.Get(unescaped(between(page.Text, `id="denied-return"`, "", `href="`))))
		if back.Query().Get("code") == "" {
			t.Errorf("status %d, location %q", back.StatusCode, back.Location())
		}
		r.leave("bob")
	})
	t.Run("sign in as someone else", func(t *testing.T) {
		form := bob.Get(unescaped(between(page.Text, `id="denied-other"`, "", `href="`)))
		done := bob.Follow(bob.SignIn(form, "ann", gatewaytest.Password))
		if done.Query().Get("code") == "" {
			t.Errorf("status %d, location %q\n%s", done.StatusCode, done.Location(), done.Text)
		}
	})
	t.Run("or the application is told at once", func(t *testing.T) {
		r.put(2, func(a *configv1.Application) { a.Access.OnDenied = configv1.ApplicationAccess_REDIRECT })
		b := r.Browser("/acme")
		told := r.enter(b, "bob", authorize("pay"))
		want(t, "error", told.Query().Get("error"), "access_denied")
		want(t, "state", told.Query().Get("state"), "s-1")
	})
	t.Run("the application's own words where the bindings say nothing", func(t *testing.T) {
		r.put(3, func(a *configv1.Application) {
			a.Bindings[0].Message, a.Access.Message = nil, map[string]string{"default": "Payroll is for some"}
		})
		if page := r.enter(r.Browser("/acme"), "bob", authorize("pay")); !strings.Contains(page.Text, "Payroll is for some") {
			t.Errorf("page:\n%s", page.Text)
		}
	})
}

// between is the text from one mark to another; with a third, what stands in quotes after that, looked for backwards from the first.
func between(text, from, to string, before ...string) string {
	at := strings.Index(text, from)
	if at < 0 {
		return ""
	}
	if len(before) > 0 {
		i := strings.LastIndex(text[:at], before[0])
		if i < 0 {
			return ""
		}
		value, _, _ := strings.Cut(text[i+len(before[0]):], `"`)
		return value
	}
	value, _, _ := strings.Cut(text[at+len(from):], to)
	return value
}

func unescaped(link string) string {
	link = strings.ReplaceAll(link, "&amp;", "&")
	if u, err := url.Parse(link); err == nil {
		return u.String()
	}
	return link
}
