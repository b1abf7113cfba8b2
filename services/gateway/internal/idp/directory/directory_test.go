package directory_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/directory"
)

// says answers every question the same way.
type says struct {
	t   *testing.T
	err error
}

func (s says) Authenticate(_ context.Context, domain, source, username, password string) (*idp.Identity, error) {
	if domain != "d" || source != "p" || username != "ann" || password != "secret" {
		s.t.Errorf("asked for %s %s %s %s", domain, source, username, password)
	}
	if s.err != nil {
		return nil, s.err
	}
	return &idp.Identity{Source: source, Username: username}, nil
}

func TestAuthenticate(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct{ answer, want error }{
		"accepted":           {nil, nil},
		"wrong credentials":  {fault.Unauthenticatedf("no"), idp.ErrRefused},
		"a disabled account": {fault.Deniedf("no"), idp.ErrBlocked},
		"away":               {fault.Unavailablef("no"), idp.ErrUnavailable},
		"busy":               {fault.Limitedf("no"), idp.ErrUnavailable},
		"broken":             {broken, broken},
	} {
		got, err := directory.New("d", "p", says{t, tt.answer}).Authenticate(t.Context(), idp.Credentials{Username: "ann", Password: "secret"})
		if tt.want == nil && (err != nil || got.Identity.GetUsername() != "ann") || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
