package upstream_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/upstream"
)

// management notes what it is asked and answers with err, or with what a test expects.
type management struct {
	directoryv1.UnimplementedDirectoryServiceServer
	registrationv1.UnimplementedRegistrationServiceServer
	err   error
	asked proto.Message
}

func answer[R proto.Message](m *management, asked proto.Message, r R) (R, error) {
	m.asked = asked
	if m.err != nil {
		var none R
		return none, fault.ToGRPC(m.err)
	}
	return r, nil
}

func (m *management) Authenticate(_ context.Context, r *directoryv1.AuthenticateRequest) (*directoryv1.AuthenticateResponse, error) {
	return answer(m, r, &directoryv1.AuthenticateResponse{Identity: &directoryv1.Identity{Username: "ann"}})
}

func (m *management) SignIn(_ context.Context, r *directoryv1.SignInRequest) (*directoryv1.SignInResponse, error) {
	return answer(m, r, &directoryv1.SignInResponse{User: &directoryv1.User{Id: "u"}})
}

func (m *management) GetUser(_ context.Context, r *directoryv1.GetUserRequest) (*directoryv1.GetUserResponse, error) {
	return answer(m, r, &directoryv1.GetUserResponse{User: &directoryv1.User{Id: "u"}})
}

func (m *management) GetConsents(_ context.Context, r *directoryv1.GetConsentsRequest) (*directoryv1.GetConsentsResponse, error) {
	return answer(m, r, &directoryv1.GetConsentsResponse{Consents: []*directoryv1.Consent{{Scope: "read"}}})
}

func (m *management) SaveConsents(_ context.Context, r *directoryv1.SaveConsentsRequest) (*directoryv1.SaveConsentsResponse, error) {
	return answer(m, r, &directoryv1.SaveConsentsResponse{})
}

func (m *management) Create(_ context.Context, r *registrationv1.CreateRequest) (*registrationv1.CreateResponse, error) {
	return answer(m, r, &registrationv1.CreateResponse{ClientSecret: "s"})
}

func (m *management) Update(_ context.Context, r *registrationv1.UpdateRequest) (*registrationv1.UpdateResponse, error) {
	return answer(m, r, &registrationv1.UpdateResponse{RegistrationAccessToken: "t"})
}

func (m *management) RenewSecret(_ context.Context, r *registrationv1.RenewSecretRequest) (*registrationv1.RenewSecretResponse, error) {
	return answer(m, r, &registrationv1.RenewSecretResponse{ClientSecret: "s"})
}

func (m *management) Delete(_ context.Context, r *registrationv1.DeleteRequest) (*registrationv1.DeleteResponse, error) {
	return answer(m, r, &registrationv1.DeleteResponse{Revision: 7})
}

func (m *management) Resolve(_ context.Context, r *registrationv1.ResolveRequest) (*registrationv1.ResolveResponse, error) {
	return answer(m, r, &registrationv1.ResolveResponse{Application: &configv1.Application{Id: "a"}})
}

func dial(t *testing.T, m *management) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	directoryv1.RegisterDirectoryServiceServer(server, m)
	registrationv1.RegisterRegistrationServiceServer(server, m)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Log(err)
		}
	})
	conn, err := grpc.NewClient("passthrough:///management", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestCalls(t *testing.T) {
	m := &management{}
	conn := dial(t, m)
	failures := 0
	fail := func() { failures++ }
	d, r := upstream.NewDirectory(conn, fail), upstream.NewRegistration(conn, fail)
	calls := []struct {
		name string
		call func() (any, error)
		want any
		sent proto.Message
	}{
		{"Authenticate", func() (any, error) { return d.Authenticate(t.Context(), "d", "p", "ann", "x") }, &directoryv1.Identity{Username: "ann"},
			&directoryv1.AuthenticateRequest{Domain: "d", Source: "p", Username: "ann", Password: "x"}},
		{"SignIn", func() (any, error) { return d.SignIn(t.Context(), "d", "app", &directoryv1.Identity{Username: "ann"}) }, &directoryv1.User{Id: "u"},
			&directoryv1.SignInRequest{Domain: "d", Application: "app", Identity: &directoryv1.Identity{Username: "ann"}}},
		{"User", func() (any, error) { return d.User(t.Context(), "d", "s") }, &directoryv1.User{Id: "u"}, &directoryv1.GetUserRequest{Domain: "d", Subject: "s"}},
		{"Consents", func() (any, error) { return d.Consents(t.Context(), "d", "u", "web") }, []*directoryv1.Consent{{Scope: "read"}},
			&directoryv1.GetConsentsRequest{Domain: "d", User: "u", ClientId: "web"}},
		{"SaveConsents", func() (any, error) {
			return nil, d.SaveConsents(t.Context(), "d", "u", "web", []*directoryv1.Consent{{Scope: "read"}})
		}, nil,
			&directoryv1.SaveConsentsRequest{Domain: "d", User: "u", ClientId: "web", Consents: []*directoryv1.Consent{{Scope: "read"}}}},
		{"Create", func() (any, error) { return r.Create(t.Context(), &registrationv1.CreateRequest{Domain: "d"}) }, &registrationv1.CreateResponse{ClientSecret: "s"},
			&registrationv1.CreateRequest{Domain: "d"}},
		{"Update", func() (any, error) { return r.Update(t.Context(), &registrationv1.UpdateRequest{Domain: "d"}) }, &registrationv1.UpdateResponse{RegistrationAccessToken: "t"},
			&registrationv1.UpdateRequest{Domain: "d"}},
		{"RenewSecret", func() (any, error) {
			return r.RenewSecret(t.Context(), &registrationv1.RenewSecretRequest{Domain: "d"})
		}, &registrationv1.RenewSecretResponse{ClientSecret: "s"},
			&registrationv1.RenewSecretRequest{Domain: "d"}},
		{"Delete", func() (any, error) { return r.Delete(t.Context(), &registrationv1.DeleteRequest{Domain: "d"}) }, int64(7), &registrationv1.DeleteRequest{Domain: "d"}},
		{"Resolve", func() (any, error) { return r.Resolve(t.Context(), "d", "web") }, &configv1.Application{Id: "a"}, &registrationv1.ResolveRequest{Domain: "d", ClientId: "web"}},
		{"Find", func() (any, error) {
			return r.Find(t.Context(), &registrationv1.ResolveRequest{Domain: "d", ClientId: "web", Revision: 7, Belongings: true})
		}, &registrationv1.ResolveResponse{Application: &configv1.Application{Id: "a"}},
			&registrationv1.ResolveRequest{Domain: "d", ClientId: "web", Revision: 7, Belongings: true}},
	}
	for _, tt := range calls {
		t.Run(tt.name, func(t *testing.T) {
			m.err = nil
			got, err := tt.call()
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" || err != nil {
				t.Errorf("error %v, answer (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(tt.sent, m.asked, protocmp.Transform()); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			for _, kind := range fault.Kinds() {
				if kind == fault.Internal {
					continue
				}
				before := failures
				m.err = fault.Newf(kind, "because")
				if _, err := tt.call(); !fault.Is(err, kind) {
					t.Errorf("%v became %v", kind, err)
				}
				if counted := failures - before; (counted == 1) != (kind == fault.Unavailable) {
					t.Errorf("%v was counted %d times", kind, counted)
				}
			}
		})
	}
}

func TestManagementThatIsNotThere(t *testing.T) {
	conn, err := grpc.NewClient("127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := upstream.NewDirectory(conn, nil).User(t.Context(), "d", "s"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("error %v", err)
	}
}

// stalled never answers.
type stalled struct{ grpc.ClientConnInterface }

func (stalled) Invoke(ctx context.Context, _ string, _, _ any, _ ...grpc.CallOption) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestEveryCallHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, r := upstream.NewDirectory(stalled{}, nil), upstream.NewRegistration(stalled{}, nil)
		for name, call := range map[string]func() error{
			"Authenticate": func() error { _, err := d.Authenticate(t.Context(), "", "", "", ""); return err },
			"SignIn":       func() error { _, err := d.SignIn(t.Context(), "", "", nil); return err },
			"User":         func() error { _, err := d.User(t.Context(), "", ""); return err },
			"Consents":     func() error { _, err := d.Consents(t.Context(), "", "", ""); return err },
			"SaveConsents": func() error { return d.SaveConsents(t.Context(), "", "", "", nil) },
			"Create":       func() error { _, err := r.Create(t.Context(), nil); return err },
			"Delete":       func() error { _, err := r.Delete(t.Context(), nil); return err },
			"Resolve":      func() error { _, err := r.Resolve(t.Context(), "", ""); return err },
		} {
			began := time.Now()
			if err := call(); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: error %v", name, err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s waits for %v", name, took)
			}
		}
	})
}
