package authorization

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/signin"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/state"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/tokens"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// client has the scopes openid, profile and offline_access and asks for consent.
func client(change ...func(*domain.Client)) *domain.Client {
	c := &domain.Client{
		ClientID: "web", DefaultMaxAge: -1,
		GrantTypes: []oauth2.GrantType{oauth2.GrantAuthorizationCode, oauth2.GrantRefreshToken},
		Scopes: map[string]*configv1.ScopeSetting{
			"openid": {Scope: "openid"}, "profile": {Scope: "profile"}, "offline_access": {Scope: "offline_access"},
		},
		Providers: []domain.ClientProvider{{Provider: &idp.Provider{ID: "staff"}}},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func skips(c *domain.Client)           { c.SkipConsent = true }
func identifierFirst(c *domain.Client) { c.IdentifierFirst = true }
func noRefresh(c *domain.Client)       { c.GrantTypes = c.GrantTypes[:1] }

// session is ann's, ten minutes old.
func session(change ...func(*state.Session)) *state.Session {
	s := &state.Session{Person: state.Person{Subject: "ann"}, Provider: "staff", AuthTime: noon.Add(-10 * time.Minute).Unix(), Client: "web"}
	for _, f := range change {
		f(s)
	}
	return s
}

func signedInForThis(s *state.Session) { s.Answered = "this" }
func consentedToThis(s *state.Session) { s.Consented = "this" }

// classes are what the domain knows, the strongest last.
var classes = &configv1.Domain{Oidc: &configv1.OpenIDSettings{AuthenticationContexts: []*configv1.AuthenticationContext{
	{Name: "bronze", Methods: []string{"pwd"}}, {Name: "silver", IdentityProviders: []string{"vault"}}, {Name: "gold", Methods: []string{"pwd", "otp"}},
}}}

func byPassword(s *state.Session) { s.AMR, s.ACR = []string{signin.AMRPassword}, signin.ACRPassword }
func vaulted(c *domain.Client) {
	c.Providers = append(c.Providers, domain.ClientProvider{Provider: &idp.Provider{ID: "vault"}})
}

func approvals(scopes ...string) Approvals {
	a := Approvals{}
	for _, s := range scopes {
		a[s] = true
	}
	return a
}

func TestNext(t *testing.T) {
	d := &domain.Domain{Core: &domain.Core{Registration: &configv1.ClientRegistrationSettings{}, Settings: classes}}
	all := approvals("openid", "profile")
	tests := []struct {
		name      string
		scope     string // "" = openid profile
		prompt    string
		maxAge    time.Duration // 0 = none; negative = 0
		hint      string
		subject   string
		acr       contexts
		kind      oauth2.ResponseType // "" = code
		username  string
		client    *domain.Client
		session   *state.Session
		approvals Approvals
		want      string // step, and scopes or error
	}{
		// OpenID Connect Core §3.1.2.1, prompt by prompt: no session, session fits, too old, hint names another person.
		{name: "plain, no session", want: "sign in"},
		{name: "plain, session fits, approved", session: session(), approvals: all, want: "finish openid profile"},
		{name: "plain, session fits, nothing approved", session: session(), approvals: approvals(), want: "consent openid profile"},
		{name: "plain, session too old", maxAge: time.Minute, session: session(), approvals: all, want: "sign in"},
		{name: "plain, hint names another", hint: "bob", session: session(), approvals: all, want: "sign in"},
		{name: "plain, hint names another, and another signed in", hint: "bob", session: session(signedInForThis), approvals: all, want: "refuse login_required: Login required"},

		{name: "none, no session", prompt: "none", want: "refuse login_required: Login required"},
		{name: "none, session fits, approved", prompt: "none", session: session(), approvals: all, want: "finish openid profile"},
		{name: "none, session fits, consent due", prompt: "none", session: session(), approvals: approvals("openid"), want: "refuse interaction_required: Interaction required"},
		{name: "none, session too old", prompt: "none", maxAge: time.Minute, session: session(), approvals: all, want: "refuse login_required: Login required"},
		{name: "none, hint names another", prompt: "none", hint: "bob", session: session(), approvals: all, want: "refuse login_required: Login required"},

		{name: "login, no session", prompt: "login", want: "sign in"},
		{name: "login, session fits", prompt: "login", session: session(), approvals: all, want: "sign in"},
		{name: "login, session too old", prompt: "login", maxAge: time.Minute, session: session(), approvals: all, want: "sign in"},
		{name: "login, hint names another", prompt: "login", hint: "bob", session: session(), approvals: all, want: "sign in"},
		{name: "login, signed in for this request", prompt: "login", session: session(signedInForThis), approvals: all, want: "finish openid profile"},

		{name: "consent, no session", prompt: "consent", want: "sign in"},
		{name: "consent, session fits", prompt: "consent", session: session(), approvals: all, want: "consent openid profile"},
		{name: "consent, session too old", prompt: "consent", maxAge: time.Minute, session: session(), approvals: all, want: "sign in"},
		{name: "consent, hint names another", prompt: "consent", hint: "bob", session: session(), approvals: all, want: "sign in"},
		{name: "consent, too old, signed in for this request", prompt: "consent", maxAge: time.Minute, session: session(signedInForThis), want: "consent openid profile"},
		{name: "consent, answered for this request", prompt: "consent", session: session(consentedToThis), approvals: all, want: "finish openid profile"},

		{name: "select_account, no session", prompt: "select_account", want: "sign in"},
		{name: "select_account, session fits", prompt: "select_account", session: session(), approvals: all, want: "sign in"},
		{name: "select_account, session too old", prompt: "select_account", maxAge: time.Minute, session: session(), approvals: all, want: "sign in"},
		{name: "select_account, hint names another", prompt: "select_account", hint: "bob", session: session(), approvals: all, want: "sign in"},
		{name: "select_account, chosen", prompt: "select_account", session: session(signedInForThis), approvals: all, want: "finish openid profile"},
		{name: "select_account, chosen, consent due", prompt: "select_account", session: session(signedInForThis), approvals: approvals(), want: "consent openid profile"},

		// The age of a session.
		{name: "a session as old as max_age allows fits", maxAge: 10 * time.Minute, session: session(), approvals: all, want: "finish openid profile"},
		{name: "a session a second older does not", maxAge: 10*time.Minute - time.Second, session: session(), approvals: all, want: "sign in"},
		{name: "max_age=0 is prompt=login", maxAge: -1, session: session(func(s *state.Session) { s.AuthTime = noon.Unix() }), approvals: all, want: "sign in"},
		{name: "max_age=0 asks once", maxAge: -1, session: session(signedInForThis), approvals: all, want: "finish openid profile"},
		{name: "a sign-in for this request counts for a quarter of an hour", prompt: "login", approvals: all, session: session(signedInForThis, func(s *state.Session) { s.AuthTime = noon.Add(-16 * time.Minute).Unix() }), want: "sign in"},
		{name: "a sign-in for another request does not count", prompt: "login", approvals: all, session: session(func(s *state.Session) { s.Answered = "other" }), want: "sign in"},
		{name: "an account chosen long after its sign-in counts", prompt: "select_account", approvals: all, session: session(signedInForThis, func(s *state.Session) { s.AuthTime = noon.Add(-time.Hour).Unix() }), want: "finish openid profile"},
		{name: "a hint that names the person fits", hint: "ann", session: session(), approvals: all, want: "finish openid profile"},
		{name: "login and consent ask for both, login first", prompt: "login consent", session: session(), approvals: all, want: "sign in"},
		{name: "login and consent ask for both, consent then", prompt: "login consent", session: session(signedInForThis), approvals: all, want: "consent openid profile"},

		// The first page.
		{name: "identifier-first asks for the name", client: client(identifierFirst), want: "identify"},
		{name: "identifier-first with a username goes to the password", client: client(identifierFirst), username: "ann", want: "sign in"},
		{name: "identifier-first signs in again on one page", client: client(identifierFirst), prompt: "login", session: session(), want: "sign in"},

		// A session of a provider that the client does not use.
		{name: "a session of a foreign provider is shown an error", session: session(func(s *state.Session) { s.Provider = "partners" }), want: "refuse access_denied: Invalid request for the current SSO context (shown)"},
		{name: "a session of a foreign provider is no session for prompt=none", prompt: "none", session: session(func(s *state.Session) { s.Provider = "partners" }), want: "refuse login_required: Login required"},
		{name: "a session of a foreign provider may sign in anew", prompt: "login", session: session(func(s *state.Session) { s.Provider = "partners" }), want: "sign in"},

		// Scopes and consent.
		{name: "a scope the client does not have is refused after sign-in", scope: "openid root", session: session(), want: "refuse invalid_scope: Invalid scope(s): root"},
		{name: "no scope needs no consent", scope: " ", session: session(), want: "finish"},
		{name: "approvals are looked up where the decision depends on them", session: session(), want: "recall"},
		{name: "only unapproved scopes are asked for", session: session(), approvals: approvals("openid"), want: "consent profile"},
		{name: "skipConsent asks nothing and looks nothing up", client: client(skips), session: session(), want: "finish openid profile"},
		{name: "prompt=consent asks in spite of skipConsent", client: client(skips), prompt: "consent", session: session(), want: "consent openid profile"},
		{name: "prompt=none with skipConsent is silent", client: client(skips), prompt: "none", session: session(), want: "finish openid profile"},
		{name: "denied scopes are dropped after the answer", session: session(consentedToThis), approvals: approvals("openid"), want: "finish openid"},
		{name: "an answer for another request asks again", prompt: "consent", session: session(func(s *state.Session) { s.Consented = "other" }), approvals: all, want: "consent openid profile"},
		{name: "an answer that approved nothing is a refusal", session: session(consentedToThis), approvals: approvals(), want: "refuse access_denied: User denied access"},

		// Offline access (OpenID Connect Core §11).
		{name: "offline access is asked for", scope: "openid offline_access", session: session(), approvals: approvals("openid"), want: "consent offline_access"},
		{name: "offline access is granted once approved", scope: "openid offline_access", session: session(), approvals: approvals("openid", "offline_access"), want: "finish openid offline_access"},
		{name: "offline access without the refresh grant is ignored", scope: "openid offline_access", client: client(noRefresh), session: session(), approvals: approvals("openid"), want: "finish openid"},
		{name: "offline access with skipConsent needs an approval", scope: "openid offline_access", client: client(skips), session: session(), want: "recall"},
		{name: "offline access with skipConsent and no approval is ignored", scope: "openid offline_access", client: client(skips), session: session(), approvals: approvals(), want: "finish openid"},
		{name: "offline access with skipConsent and an approval is granted", scope: "openid offline_access", client: client(skips), session: session(), approvals: approvals("offline_access"), want: "finish openid offline_access"},
		{name: "offline access is ignored where no code is answered", kind: oauth2.ResponseIDTokenToken, scope: "openid offline_access", session: session(), approvals: approvals("openid"), want: "finish openid"},
		{name: "offline access comes with a hybrid answer's code", kind: oauth2.ResponseCodeIDToken, scope: "openid offline_access", session: session(), approvals: approvals("openid"), want: "consent offline_access"},

		// A subject that is asked for by the parameter claims (OpenID Connect Core §3.1.2.2).
		{name: "the subject asked for is signed in", subject: "ann", session: session(), approvals: all, want: "finish openid profile"},
		{name: "another subject is asked for", subject: "bob", session: session(), approvals: all, want: "sign in"},
		{name: "another subject is asked for in silence", subject: "bob", prompt: "none", session: session(), approvals: all, want: "refuse login_required: Login required"},
		{name: "another subject is asked for than signed in", subject: "bob", session: session(signedInForThis), approvals: all, want: "refuse login_required: Login required"},

		// Authentication context classes (OpenID Connect Core §3.1.2.1, §5.5.1.1).
		{name: "a class that the session meets", acr: contexts{names: []string{"bronze"}}, session: session(byPassword), approvals: all, want: "finish openid profile"},
		{name: "a class that nobody knows is no error", acr: contexts{names: []string{"platinum"}}, session: session(byPassword), approvals: all, want: "finish openid profile"},
		{name: "a class that no provider of the client leads to is no error", acr: contexts{names: []string{"silver"}}, session: session(byPassword), approvals: all, want: "finish openid profile"},
		{name: "a class that another provider leads to", client: client(vaulted), acr: contexts{names: []string{"silver"}}, session: session(byPassword), approvals: all, want: "sign in"},
		{name: "a class that another provider leads to, once per request", client: client(vaulted), acr: contexts{names: []string{"silver"}}, session: session(byPassword, signedInForThis), approvals: all, want: "finish openid profile"},
		{name: "a class that another provider leads to, in silence", client: client(vaulted), prompt: "none", acr: contexts{names: []string{"silver"}}, session: session(byPassword), approvals: all, want: "finish openid profile"},
		{name: "the second of two classes is met", client: client(vaulted), acr: contexts{names: []string{"silver", "bronze"}}, session: session(byPassword), approvals: all, want: "finish openid profile"},
		{name: "a class that needs more methods than a password", client: client(vaulted), acr: contexts{names: []string{"gold"}}, session: session(byPassword), approvals: all, want: "finish openid profile"},
		{name: "an essential class that the session meets", acr: contexts{[]string{"gold", "bronze"}, true}, session: session(byPassword), approvals: all, want: "finish openid profile"},
		{name: "an essential class that cannot be met", acr: contexts{[]string{"silver"}, true}, session: session(byPassword), approvals: all, want: "refuse unmet_authentication_requirements: The sign-in meets none of the requested authentication context classes"},
		{name: "an essential class that another provider leads to", client: client(vaulted), acr: contexts{[]string{"silver"}, true}, session: session(byPassword), approvals: all, want: "sign in"},
		{name: "an essential class that another provider leads to, in silence", client: client(vaulted), prompt: "none", acr: contexts{[]string{"silver"}, true}, session: session(byPassword), approvals: all, want: "refuse login_required: Login required"},
		{name: "an essential class that the sign-in did not meet", client: client(vaulted), acr: contexts{[]string{"silver"}, true}, session: session(byPassword, signedInForThis), approvals: all, want: "refuse unmet_authentication_requirements: The sign-in meets none of the requested authentication context classes"},
		{name: "an essential class without a name, and one is known", acr: contexts{nil, true}, session: session(byPassword), approvals: all, want: "finish openid profile"},
		{name: "an essential class without a name, and none is known", acr: contexts{nil, true}, session: session(), approvals: all, want: "refuse unmet_authentication_requirements: The sign-in meets none of the requested authentication context classes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.client == nil {
				tt.client = client()
			}
			if tt.scope == "" {
				tt.scope = "openid profile"
			}
			prompt, err := oauth2.ParsePrompt(tt.prompt)
			if err != nil {
				t.Fatal(err)
			}
			r := &Request{
				Client: tt.client, ClientID: "web", Scopes: oauth2.SplitScope(tt.scope), Prompt: prompt, MaxAge: tt.maxAge,
				Hint: hinted(tt.hint), Username: tt.username, Digest: "this", Type: tt.kind, contexts: tt.acr, domain: d,
			}
			if tt.kind == "" {
				r.Type = oauth2.ResponseCode
			}
			if tt.subject != "" {
				r.subjects = []string{tt.subject}
			}
			switch {
			case tt.maxAge == 0:
				r.MaxAge = -1
			case tt.maxAge < 0:
				r.MaxAge = 0
			}
			got := Next(d, r, tt.session, tt.approvals, noon)
			text := strings.TrimSpace(got.Step.String() + " " + oauth2.JoinScope(got.Scopes))
			if got.Err != nil {
				text += " " + got.Err.Error()
			}
			if got.Shown {
				text += " (shown)"
			}
			if text != tt.want {
				t.Errorf("next is %q, want %q", text, tt.want)
			}
		})
	}
}

// hinted is an ID token that names somebody.
func hinted(subject string) *tokens.Hint {
	if subject == "" {
		return nil
	}
	return &tokens.Hint{Subject: subject}
}

func TestMayChoose(t *testing.T) {
	tests := []struct {
		name    string
		prompt  oauth2.Prompt
		maxAge  time.Duration
		hint    string
		session *state.Session
		want    bool
	}{
		{"somebody who is signed in may go on", oauth2.PromptSelectAccount, -1, "", session(), true},
		{"nobody is signed in", oauth2.PromptSelectAccount, -1, "", nil, false},
		{"the request did not ask for a choice", 0, -1, "", session(), false},
		{"the request asks for a sign-in as well", oauth2.PromptSelectAccount | oauth2.PromptLogin, -1, "", session(), false},
		{"the session is too old", oauth2.PromptSelectAccount, time.Minute, "", session(), false},
		{"the request is for somebody else", oauth2.PromptSelectAccount, -1, "bob", session(), false},
		{"the provider is not one of the client's", oauth2.PromptSelectAccount, -1, "", session(func(s *state.Session) { s.Provider = "x" }), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{Client: client(), Prompt: tt.prompt, MaxAge: tt.maxAge, Hint: hinted(tt.hint)}
			if got := r.MayChoose(tt.session, noon); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestRemembered(t *testing.T) {
	at := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(noon.Add(d)) }
	got := Remembered([]*directoryv1.Consent{
		{Scope: "kept", Approved: true, ExpiresAt: at(time.Second)},
		{Scope: "endless", Approved: true},
		{Scope: "denied", Approved: false, ExpiresAt: at(time.Hour)},
		{Scope: "expired", Approved: true, ExpiresAt: at(0)},
	}, noon)
	if diff := cmp.Diff(approvals("kept", "endless"), got); diff != "" {
		t.Errorf("approvals (-want +got):\n%s", diff)
	}
	if Remembered(nil, noon) == nil {
		t.Error("no decisions look like decisions that were not looked up")
	}
}
