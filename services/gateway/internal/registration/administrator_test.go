package registration_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// byAdministrators are the requests that the holder of dcr_admin may make about any client; the last one ends it.
var byAdministrators = []struct{ what, method, below, body string }{
	{"reads", "GET", "", ""},
	{"patches", "PATCH", "", `{"client_name":"Theirs"}`},
	{"overwrites", "PUT", "", minimal},
	{"renews the secret of", "POST", "/renew_secret", ""},
	{"deletes", "DELETE", "", ""},
}

// TestTheScopeDCRAdminAdministersAnyClient of the domain, with a token of its client's own or with one of somebody who signed in at that client.
// Management is told who it was. A change ends the client's registration access token and answers the new one; reading shows none.
func TestTheScopeDCRAdminAdministersAnyClient(t *testing.T) {
	for person, name := range map[string]string{"": "the client's own", "ann": "somebody's who signed in there"} {
		t.Run("a token that is "+name, func(t *testing.T) {
			rg := newRig(t, open())
			rg.admin()
			rg.people["ann"] = &directoryv1.User{Subject: "ann"}
			header := bearer(rg.token("admin", person, "dcr_admin"))
			rg.client("byhand", "openid")
			made := rg.register(minimal)
			for _, id := range []string{made.field("client_id"), "byhand"} {
				current := ""
				if id != "byhand" {
					current = made.field("registration_access_token")
				}
				for _, tt := range byAdministrators {
					got := rg.do(tt.method, "/acme/oidc/register/"+id+tt.below, tt.body, header...)
					want := 200
					if tt.method == "DELETE" {
						want = 204
					}
					if got.status != want {
						t.Fatalf("%s %s: %d %s", tt.what, id, got.status, got.text)
					}
					fresh := got.field("registration_access_token")
					if changes := want == 200 && tt.method != "GET"; (fresh != "") != changes || changes && fresh == current {
						t.Errorf("%s %s: registration access token %q", tt.what, id, fresh)
					}
					if secret := got.field("client_secret"); (secret != "") != (tt.method == "POST") {
						t.Errorf("%s %s: secret %q", tt.what, id, secret)
					}
					if fresh != "" && current != "" {
						rg.refused(rg.do("GET", "/acme/oidc/register/"+id, "", bearer(current)...), 403, oauth2.RegistrationForbidden, superseded)
					}
					if fresh != "" {
						current = fresh
					}
				}
				for what, told := range map[string]interface {
					GetCaller() string
					GetPerson() string
					GetRegistrationAccessTokenHash() string
				}{"changed": rg.management.updated, "renewed": rg.management.renewed, "deleted": rg.management.deleted} {
					if told.GetCaller() != "admin" || told.GetPerson() != person || told.GetRegistrationAccessTokenHash() != "" {
						t.Errorf("%s %s: management was told %q for %q", what, id, told.GetCaller(), told.GetPerson())
					}
				}
				rg.refused(rg.do("GET", "/acme/oidc/register/"+id, "", header...), 404, oauth2.NotFound, "client not found")
			}
		})
	}
}

// TestAnAdministratorActsForThoseWhoMayStill: a token of somebody with dcr_admin ends with their account, their password and their consent,
// and registers nobody.
func TestAnAdministratorActsForThoseWhoMayStill(t *testing.T) {
	never := false
	for _, tt := range []struct {
		name string
		user func(now time.Time) *directoryv1.User
		good bool
	}{
		{"somebody who is enabled", func(time.Time) *directoryv1.User { return &directoryv1.User{Subject: "ann"} }, true},
		{"somebody who changed the password before", func(now time.Time) *directoryv1.User {
			return &directoryv1.User{Subject: "ann", LastPasswordReset: timestamppb.New(now.Add(-time.Minute))}
		}, true},
		{"somebody who withdrew from another client", func(now time.Time) *directoryv1.User {
			return &directoryv1.User{Subject: "ann", Withdrawals: map[string]*timestamppb.Timestamp{"other": timestamppb.New(now.Add(time.Minute))}}
		}, true},
		{"somebody who is gone", func(time.Time) *directoryv1.User { return nil }, false},
		{"somebody who is disabled", func(time.Time) *directoryv1.User { return &directoryv1.User{Subject: "ann", Enabled: &never} }, false},
		{"somebody who changed the password since", func(now time.Time) *directoryv1.User {
			return &directoryv1.User{Subject: "ann", LastPasswordReset: timestamppb.New(now.Add(time.Minute))}
		}, false},
		{"somebody who withdrew since what they allowed", func(now time.Time) *directoryv1.User {
			return &directoryv1.User{Subject: "ann", Withdrawals: map[string]*timestamppb.Timestamp{"admin": timestamppb.New(now.Add(time.Minute))}}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rg := newRig(t, closed())
			made := rg.register(minimal, bearer(rg.admin())...)
			header := bearer(rg.token("admin", "ann", "dcr_admin"))
			rg.people["ann"] = tt.user(rg.now)
			rg.now = rg.now.Add(2 * time.Minute)
			rg.refused(rg.register(minimal, header...), 401, oauth2.InvalidToken, notAClient)
			for _, ask := range byAdministrators {
				got := rg.do(ask.method, own(made)+ask.below, ask.body, header...)
				if tt.good {
					if got.status/100 != 2 {
						t.Errorf("%s: %d %s", ask.what, got.status, got.text)
					}
					continue
				}
				rg.refused(got, 401, oauth2.InvalidToken, invalid)
				if c := got.header.Get("WWW-Authenticate"); !strings.Contains(c, `error="invalid_token"`) {
					t.Errorf("%s: challenged by %q", ask.what, c)
				}
			}
		})
	}
}
