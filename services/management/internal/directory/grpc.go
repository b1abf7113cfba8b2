package directory

import (
	"context"
	"errors"

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
	var expired *ExpiredError
	if errors.As(err, &expired) {
		out := &directoryv1.AuthenticateResponse{PasswordExpired: true}
		if r.GetResetExpired() {
			if out.Ticket, err = s.service.WayOut(ctx, expired.User, r.GetSender()); err != nil {
				return nil, s.fail(ctx, "Authenticate", r.GetDomain(), err)
			}
		}
		return out, nil
	}
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

// Register implements directoryv1.DirectoryServiceServer.
func (s *server) Register(ctx context.Context, r *directoryv1.RegisterRequest) (*directoryv1.RegisterResponse, error) {
	if err := s.service.Enroll(ctx, r); err != nil {
		return nil, s.fail(ctx, "Register", r.GetDomain(), err)
	}
	return &directoryv1.RegisterResponse{}, nil
}

// ForgotPassword implements directoryv1.DirectoryServiceServer.
func (s *server) ForgotPassword(ctx context.Context, r *directoryv1.ForgotPasswordRequest) (*directoryv1.ForgotPasswordResponse, error) {
	if err := s.service.Forgot(ctx, r); err != nil {
		return nil, s.fail(ctx, "ForgotPassword", r.GetDomain(), err)
	}
	return &directoryv1.ForgotPasswordResponse{}, nil
}

// GetTicket implements directoryv1.DirectoryServiceServer.
func (s *server) GetTicket(ctx context.Context, r *directoryv1.GetTicketRequest) (*directoryv1.GetTicketResponse, error) {
	ticket, err := s.service.GetTicket(ctx, r.GetDomain(), r.GetToken())
	if err != nil {
		return nil, s.fail(ctx, "GetTicket", r.GetDomain(), err)
	}
	return &directoryv1.GetTicketResponse{Ticket: ticket}, nil
}

// UseTicket implements directoryv1.DirectoryServiceServer.
func (s *server) UseTicket(ctx context.Context, r *directoryv1.UseTicketRequest) (*directoryv1.UseTicketResponse, error) {
	ticket, user, err := s.service.UseTicket(ctx, r.GetDomain(), r.GetToken(), r.GetPassword())
	if err != nil {
		return nil, s.fail(ctx, "UseTicket", r.GetDomain(), err)
	}
	if user, err = s.service.forGateways(ctx, user); err != nil {
		return nil, s.fail(ctx, "UseTicket", r.GetDomain(), err)
	}
	return &directoryv1.UseTicketResponse{Ticket: ticket, User: user}, nil
}

// NotifyLocked implements directoryv1.DirectoryServiceServer.
func (s *server) NotifyLocked(ctx context.Context, r *directoryv1.NotifyLockedRequest) (*directoryv1.NotifyLockedResponse, error) {
	if err := s.service.NotifyLocked(ctx, r); err != nil {
		return nil, s.fail(ctx, "NotifyLocked", r.GetDomain(), err)
	}
	return &directoryv1.NotifyLockedResponse{}, nil
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
