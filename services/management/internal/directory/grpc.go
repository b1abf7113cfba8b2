package directory

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// server is the directory as gateways see it.
type server struct {
	directoryv1.UnimplementedDirectoryServiceServer
	service *Service
}

// Register adds the directory to a gRPC server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	directoryv1.RegisterDirectoryServiceServer(r, &server{service: s})
}

// Authenticate implements directoryv1.DirectoryServiceServer.
func (s *server) Authenticate(ctx context.Context, r *directoryv1.AuthenticateRequest) (*directoryv1.AuthenticateResponse, error) {
	identity, err := s.service.Authenticate(ctx, r.GetDomain(), r.GetSource(), r.GetUsername(), r.GetPassword())
	if err != nil {
		return nil, s.fail(ctx, "Authenticate", r.GetDomain(), err)
	}
	return &directoryv1.AuthenticateResponse{Identity: identity}, nil
}

// SignIn implements directoryv1.DirectoryServiceServer.
func (s *server) SignIn(ctx context.Context, r *directoryv1.SignInRequest) (*directoryv1.SignInResponse, error) {
	user, err := s.service.SignIn(ctx, r.GetDomain(), r.GetApplication(), r.GetIdentity())
	if err != nil {
		return nil, s.fail(ctx, "SignIn", r.GetDomain(), err)
	}
	if user, err = s.service.forGateways(ctx, user); err != nil {
		return nil, s.fail(ctx, "SignIn", r.GetDomain(), err)
	}
	return &directoryv1.SignInResponse{User: user}, nil
}

// GetUser implements directoryv1.DirectoryServiceServer.
func (s *server) GetUser(ctx context.Context, r *directoryv1.GetUserRequest) (*directoryv1.GetUserResponse, error) {
	user, err := s.service.User(ctx, r.GetDomain(), r.GetSubject())
	if err != nil {
		return nil, s.fail(ctx, "GetUser", r.GetDomain(), err)
	}
	if user, err = s.service.forGateways(ctx, user); err != nil {
		return nil, s.fail(ctx, "GetUser", r.GetDomain(), err)
	}
	return &directoryv1.GetUserResponse{User: user}, nil
}

// GetConsents implements directoryv1.DirectoryServiceServer.
func (s *server) GetConsents(ctx context.Context, r *directoryv1.GetConsentsRequest) (*directoryv1.GetConsentsResponse, error) {
	list, err := s.service.Consents(ctx, r.GetDomain(), r.GetUser(), r.GetClientId())
	if err != nil {
		return nil, s.fail(ctx, "GetConsents", r.GetDomain(), err)
	}
	return &directoryv1.GetConsentsResponse{Consents: list}, nil
}

// SaveConsents implements directoryv1.DirectoryServiceServer.
func (s *server) SaveConsents(ctx context.Context, r *directoryv1.SaveConsentsRequest) (*directoryv1.SaveConsentsResponse, error) {
	if err := s.service.SaveConsents(ctx, r.GetDomain(), r.GetUser(), r.GetClientId(), r.GetConsents()); err != nil {
		return nil, s.fail(ctx, "SaveConsents", r.GetDomain(), err)
	}
	return &directoryv1.SaveConsentsResponse{}, nil
}

// ListConsents implements directoryv1.DirectoryServiceServer.
func (s *server) ListConsents(ctx context.Context, r *directoryv1.ListConsentsRequest) (*directoryv1.ListConsentsResponse, error) {
	list, err := s.service.OwnConsents(ctx, r.GetDomain(), r.GetUser())
	if err != nil {
		return nil, s.fail(ctx, "ListConsents", r.GetDomain(), err)
	}
	return &directoryv1.ListConsentsResponse{Clients: list}, nil
}

// WithdrawConsent implements directoryv1.DirectoryServiceServer.
func (s *server) WithdrawConsent(ctx context.Context, r *directoryv1.WithdrawConsentRequest) (*directoryv1.WithdrawConsentResponse, error) {
	if err := s.service.WithdrawOwn(ctx, r.GetDomain(), r.GetUser(), r.GetClientId()); err != nil {
		return nil, s.fail(ctx, "WithdrawConsent", r.GetDomain(), err)
	}
	return &directoryv1.WithdrawConsentResponse{}, nil
}

// fail is the error of a call as gateways see it. A fault of ours is logged, because they are not told.
func (s *server) fail(ctx context.Context, call, domain string, err error) error {
	if fault.Is(err, fault.Internal) && ctx.Err() == nil {
		s.service.log.ErrorContext(ctx, "call of the directory failed", "call", call, "domain", domain, "err", err)
	}
	return fault.ToGRPC(err)
}

// forGateways returns a person as gateways see them: with what groups and roles come to, without hashes, which stay in
// the control plane, and disabled while the account is locked, which is the same to them.
func (s *Service) forGateways(ctx context.Context, u *directoryv1.User) (*directoryv1.User, error) {
	standing, err := s.standing(ctx, u)
	if err != nil {
		return nil, err
	}
	out := proto.CloneOf(u)
	out.PasswordHash, out.PasswordHistory, out.Standing = "", nil, standing
	if out.AccountNonLocked = !locked(u, s.now()); !out.AccountNonLocked {
		out.Enabled = proto.Bool(false)
	}
	return out, nil
}
