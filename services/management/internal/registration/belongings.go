package registration

import (
	"context"
	"errors"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

// FindBelongings implements registrationv1.RegistrationServiceServer. Of an application that there is not it says nothing, not that it
// has none: a gateway that has it still must not serve it without.
func (s *Server) FindBelongings(ctx context.Context, r *registrationv1.FindBelongingsRequest) (*registrationv1.FindBelongingsResponse, error) {
	found, err := s.belongings(ctx, r.GetDomain(), r.GetApplication())
	if fault.Is(err, fault.NotFound) {
		return &registrationv1.FindBelongingsResponse{}, nil
	}
	if err != nil {
		return nil, s.fail(ctx, "FindBelongings", r.GetDomain(), err)
	}
	return &registrationv1.FindBelongingsResponse{Belongings: found}, nil
}

func (s *Server) belongings(ctx context.Context, domain, application string) (*registrationv1.Belongings, error) {
	if domain == "" || application == "" {
		return nil, fault.Invalidf("an application is named by its domain and its identifier")
	}
	if err := errors.Join(bounded("domain", domain), bounded("application", application)); err != nil {
		return nil, err
	}
	found, err := s.editor.Belongings(ctx, domain, application)
	if err != nil {
		return nil, err
	}
	return wrapped(found), nil
}

func wrapped(found []resource.Resource) *registrationv1.Belongings {
	b := &registrationv1.Belongings{}
	for _, r := range found {
		b.Resources = append(b.Resources, resource.Wrap(r))
	}
	return b
}

// withBelongings adds to an answer what the copy of a template has of it. If that cannot be read now, gateways ask for it.
func (s *Server) withBelongings(ctx context.Context, made *registrationv1.CreateResponse) *registrationv1.CreateResponse {
	a := made.GetApplication()
	if a.GetRegistration().GetTemplate() == "" {
		return made
	}
	found, err := s.belongings(ctx, a.GetDomain(), a.GetId())
	if err != nil {
		s.log.WarnContext(ctx, "what belongs to a registered client is told later", "domain", a.GetDomain(), "application", a.GetId(), "err", err)
		return made
	}
	made.Belongings = found
	return made
}
