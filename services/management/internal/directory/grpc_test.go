package directory_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// client serves the directory and returns what a gateway has of it.
func (h *house) client() directoryv1.DirectoryServiceClient {
	h.Helper()
	server, err := serve.NewGRPC("plane", "127.0.0.1:0", nil, serve.GRPCOptions{Plaintext: true})
	if err != nil {
		h.Fatal(err)
	}
	h.people.Register(server)
	if err := server.Listen(); err != nil {
		h.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	h.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			h.Error(err)
		}
	})
	conn, err := serve.DialGRPC(server.Addr(), nil, serve.DialOptions{Plaintext: true})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { conn.Close() })
	return directoryv1.NewDirectoryServiceClient(conn)
}

func TestDirectoryOverGRPC(t *testing.T) {
	h := newHouse(t)
	client, ctx := h.client(), t.Context()
	home := catalog.DefaultProviderID(h.domain)
	h.newApplication(h.domain, "c1")
	ann := h.newUser("ann")

	in, err := client.Authenticate(ctx, &directoryv1.AuthenticateRequest{Domain: h.domain, Source: home, Username: "ann", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	user, err := client.SignIn(ctx, &directoryv1.SignInRequest{Domain: h.domain, Identity: in.GetIdentity()})
	if err != nil || user.GetUser().GetId() != ann.GetId() || user.GetUser().GetPasswordHash() != "" {
		t.Errorf("sign in: %v, %v", user, err)
	}
	found, err := client.GetUser(ctx, &directoryv1.GetUserRequest{Domain: h.domain, Subject: ann.GetSubject()})
	if err != nil || found.GetUser().GetId() != ann.GetId() || found.GetUser().GetPasswordHash() != "" {
		t.Errorf("get: %v, %v", found, err)
	}
	if _, err := client.SaveConsents(ctx, &directoryv1.SaveConsentsRequest{
		Domain: h.domain, User: ann.GetId(), ClientId: "c1", Consents: []*directoryv1.Consent{{Scope: "email", Approved: true}},
	}); err != nil {
		t.Error(err)
	}
	list, err := client.GetConsents(ctx, &directoryv1.GetConsentsRequest{Domain: h.domain, User: ann.GetId(), ClientId: "c1"})
	if err != nil || len(list.GetConsents()) != 1 || !list.GetConsents()[0].GetApproved() {
		t.Errorf("consents: %v, %v", list, err)
	}
}

func TestRefusalsOverGRPC(t *testing.T) {
	h := newHouse(t)
	client, ctx := h.client(), t.Context()
	home := catalog.DefaultProviderID(h.domain)
	authenticate := func(domain, name, with string) error {
		_, err := client.Authenticate(ctx, &directoryv1.AuthenticateRequest{Domain: domain, Source: home, Username: name, Password: with})
		return err
	}
	ann := h.newUser("ann")
	tests := []struct {
		name string
		err  error
		code codes.Code
		kind fault.Kind
	}{
		{"wrong credentials", authenticate(h.domain, "ann", "x"), codes.Unauthenticated, fault.Unauthenticated},
		{"an unknown domain", authenticate("nowhere", "ann", "x"), codes.NotFound, fault.NotFound},
		{"no domain", authenticate("", "ann", "x"), codes.InvalidArgument, fault.Invalid},
		{"an endless name", authenticate(h.domain, strings.Repeat("x", 1<<20), "x"), codes.Unauthenticated, fault.Unauthenticated},
	}
	for _, tt := range tests {
		if status.Code(tt.err) != tt.code || fault.KindOf(fault.FromGRPC(tt.err)) != tt.kind {
			t.Errorf("%s: %v", tt.name, tt.err)
		}
	}

	broken := proto.CloneOf(ann)
	broken.PasswordHash = "$argon2id$nonsense"
	if err := h.store.Users().Replace(ctx, ann, broken); err != nil {
		t.Fatal(err)
	}
	err := authenticate(h.domain, "ann", password)
	if status.Code(err) != codes.Internal || status.Convert(err).Message() != "Internal error" {
		t.Errorf("a fault of ours is told: %v", err)
	}
	if log := h.log.String(); !strings.Contains(log, "call of the directory failed") || strings.Contains(log, password) {
		t.Errorf("a fault of ours is not logged as it should be:\n%s", log)
	}
}
