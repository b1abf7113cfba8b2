package demo

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

func TestMain(m *testing.M) { proc.Main(m) }

const (
	callback = "http://localhost:8094/callback"
	home     = "http://localhost:8094"
)

// TestEnsure tells one story, because every chapter needs what the one before made.
func TestEnsure(t *testing.T) {
	ctx := t.Context()
	management := proc.NewInstallation(t, proc.StartMongoDB(t).URI, "redis://127.0.0.1:1/0").StartManagement()
	operator := management.Operator()
	api := &API{URL: management.URL, Name: proc.OperatorName, Password: proc.OperatorPassword}
	file := filepath.Join(t.TempDir(), "demo.json")

	stranger := &API{URL: management.URL, Name: proc.OperatorName, Password: "something else"}
	if _, err := Ensure(ctx, stranger, file, callback, home); !errors.Is(err, ErrCredentials) {
		t.Fatalf("with a wrong password: %v", err)
	}

	made, err := Ensure(ctx, api, file, callback, home)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", info.Mode(), err)
	}
	domain := operator.Do("GET", "/domains/"+made.Domain.ID, nil)
	if domain.At("enabled") != true || domain.Text("path") != "/demo" || made.Domain.Path != "/demo" {
		t.Errorf("domain %v", domain)
	}
	if domain.At("oidc", "clientRegistrationSettings", "isDynamicClientRegistrationEnabled") != false {
		t.Error("dynamic registration is on")
	}
	web := operator.Do("GET", "/domains/"+made.Domain.ID+"/applications/"+made.Web.ID, nil)
	if diff := cmp.Diff([]any{"authorization_code", "refresh_token"}, sorted(web.At("settings", "oauth", "grantTypes"))); diff != "" {
		t.Errorf("grant types (-want +got):\n%s", diff)
	}
	if got := web.At("settings", "oauth", "forcePKCE"); got != true {
		t.Errorf("forcePKCE %v", got)
	}
	if providers, _ := web.At("identityProviders").([]any); len(providers) != 1 {
		t.Errorf("identity providers %v", providers)
	}
	for _, c := range []Client{made.Web, made.Service} {
		if c.ClientID == "" || len(c.ClientSecret) < 32 {
			t.Errorf("client %q without a proper secret", c.ID)
		}
	}
	if len(made.User.Password) != 14 {
		t.Errorf("password %q", made.User.Password)
	}

	// A later start asks nothing of management.
	again, err := Ensure(ctx, stranger, file, callback, home)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made, again); diff != "" {
		t.Errorf("a second time (-first +second):\n%s", diff)
	}

	// At other addresses the web application follows.
	moved, err := Ensure(ctx, api, file, "http://localhost:9/callback", "http://localhost:9")
	if err != nil {
		t.Fatal(err)
	}
	web = operator.Do("GET", "/domains/"+moved.Domain.ID+"/applications/"+moved.Web.ID, nil)
	if diff := cmp.Diff([]any{"http://localhost:9/callback"}, web.At("settings", "oauth", "redirectUris")); diff != "" {
		t.Errorf("redirect URIs (-want +got):\n%s", diff)
	}
	if moved.Web.ClientSecret != made.Web.ClientSecret {
		t.Error("the secret is another one")
	}

	// Without the file the credentials are lost, and the domain is not ours to change.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(ctx, api, file, callback, home); err == nil || !strings.Contains(err.Error(), "credentials are not known") {
		t.Errorf("with a domain of unknown credentials: %v", err)
	}

	// A start that was interrupted left the domain disabled.
	operator.Do("PATCH", "/domains/"+made.Domain.ID, proc.Object{"enabled": false})
	fresh, err := Ensure(ctx, api, file, callback, home)
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Domain.ID == made.Domain.ID || !fresh.Finished {
		t.Errorf("the half-made domain was kept: %+v", fresh.Domain)
	}

	// One that was interrupted at the very end only enables it.
	operator.Do("PATCH", "/domains/"+fresh.Domain.ID, proc.Object{"enabled": false})
	fresh.Finished = false
	if err := write(file, fresh); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(ctx, api, file, callback, home); err != nil {
		t.Fatal(err)
	}
	if operator.Do("GET", "/domains/"+fresh.Domain.ID, nil).At("enabled") != true {
		t.Error("the domain is not enabled")
	}
	if err := api.SignOut(ctx); err != nil {
		t.Error(err)
	}
}

func sorted(v any) []any {
	list, _ := v.([]any)
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return list
}
