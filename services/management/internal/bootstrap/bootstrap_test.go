package bootstrap_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/bootstrap"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

func TestFirstOperator(t *testing.T) {
	s, hasher, log := storetest.Open(t, storetest.Options(t)), secret.NewHasher(), slog.New(slog.DiscardHandler)
	now := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	begin := func(name, password string) error {
		first := bootstrap.FirstOperator{Name: name, Password: password, Organization: "DEFAULT"}
		return bootstrap.Operators(t.Context(), s.Operators(), hasher, first, func() time.Time { return now }, log)
	}
	for _, nobody := range [][2]string{{"", ""}, {"admin", ""}, {"", "secret"}} {
		if err := begin(nobody[0], nobody[1]); !errors.Is(err, bootstrap.ErrNoOperator) {
			t.Errorf("%q: %v", nobody, err)
		}
	}
	for _, name := range []string{"a:b", "a\nb", strings.Repeat("a", 256)} {
		if err := begin(name, "secret"); err == nil {
			t.Errorf("nobody can sign in as %q", name)
		}
	}

	// Several replicas that start at once.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := begin("Admin", "secret"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := s.Operators().List(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d operators, %v", len(all), err)
	}
	made := all[0]
	if made.Name != "Admin" || made.Organization != "DEFAULT" || made.Disabled || !made.CreatedAt.Equal(now) ||
		len(made.Memberships) != 1 || made.Memberships[0].Reference != "organization/DEFAULT" ||
		made.Memberships[0].Role != operator.RoleOrganizationOwner || made.Memberships[0].Operator != made.ID {
		t.Errorf("operator %+v", made)
	}
	if ok, _, err := hasher.Verify(t.Context(), made.PasswordHash, "secret"); !ok || err != nil {
		t.Errorf("the password does not fit: %v", err)
	}

	// Later starts change nothing, whatever they bring along.
	for _, later := range [][2]string{{"", ""}, {"Admin", "another"}, {"root", "secret"}, {"a:b", "x"}} {
		if err := begin(later[0], later[1]); err != nil {
			t.Errorf("%q: %v", later, err)
		}
	}
	again, err := s.Operators().List(t.Context())
	if err != nil || len(again) != 1 || again[0].PasswordHash != made.PasswordHash {
		t.Errorf("a later start changed the operators: %d, %v", len(again), err)
	}
}

func TestWhileNobodyOwnsTheOrganizationTheConfiguredOperatorDoes(t *testing.T) {
	s := storetest.Open(t, storetest.Options(t))
	hasher := secret.NewHasher()
	for _, name := range []string{"Admin", "Other"} {
		if err := s.Operators().Insert(t.Context(), &store.Operator{ID: name, Name: name, Organization: "DEFAULT"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ configured, owner string }{{"", ""}, {"nobody", ""}, {"admin", "Admin"}, {"other", "Admin"}} {
		first := bootstrap.FirstOperator{Name: tt.configured, Password: "secret", Organization: "DEFAULT"}
		if err := bootstrap.Operators(t.Context(), s.Operators(), hasher, first, time.Now, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		all, err := s.Operators().List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		owner := ""
		for _, o := range all {
			for _, m := range o.Memberships {
				if m.Role == operator.RoleOrganizationOwner {
					owner += o.Name
				}
			}
		}
		if owner != tt.owner {
			t.Errorf("with %q the owner is %q, want %q", tt.configured, owner, tt.owner)
		}
	}
}
