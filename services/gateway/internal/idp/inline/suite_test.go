package inline_test

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/inline"
)

func TestSuite(t *testing.T) {
	hasher := secret.NewHasher()
	hash, err := hasher.Password(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	idptest.Password(t, func(t *testing.T) *idptest.Rig {
		users := []*configv1.InlineUser{{Username: "Ann", Password: hash, Email: "ann@acme.example", Firstname: "Ann", Lastname: "Doe"}}
		odd := []string{"a*b", "a(b)", `a"b`, "ünï cödé"}
		for _, name := range odd {
			users = append(users, &configv1.InlineUser{Username: name, Password: hash})
		}
		p, err := inline.New("staff", &configv1.InlineProvider{Users: users}, hasher)
		if err != nil {
			t.Fatal(err)
		}
		return &idptest.Rig{
			Provider: p, Username: "Ann", Password: "correct horse", Odd: odd, Costly: true,
			Identity: &idp.Identity{
				Source: "staff", ExternalId: "ann", Username: "Ann", Email: "ann@acme.example", FirstName: "Ann", LastName: "Doe",
			},
		}
	})
}
