package crowd

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
	registrationv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/registration/v1"
)

// page is about as long as a login page that somebody wrote.
var page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form method=post>" +
	strings.Repeat("<p class=hint>Sign in with the account of your company.</p>\n", 12) + "</form></body></html>"

// client returns a registered client and what belongs to it.
func (m *management) client(clientID string) []*configv1.Resource {
	a := client(clientID)
	return append(m.belongings(a), resource.Wrap(a))
}

// belongings makes what belongs to a client.
func (m *management) belongings(a *configv1.Application) []*configv1.Resource {
	if !m.options.Copies {
		return nil
	}
	a.Registration.Template = "template"
	return []*configv1.Resource{
		resource.Wrap(&configv1.Form{
			Id: formOf(a), Domain: Domain, Application: a.GetId(), Level: a.GetId(), CreatedAt: a.GetCreatedAt(), UpdatedAt: a.GetUpdatedAt(),
			Template: configv1.Form_LOGIN, Enabled: true, Content: page,
		}),
		resource.Wrap(&configv1.Flow{
			Id: flowOf(a), Domain: Domain, Application: a.GetId(), Level: a.GetId(), CreatedAt: a.GetCreatedAt(), UpdatedAt: a.GetUpdatedAt(),
			Type: configv1.Flow_LOGIN, Enabled: proto.Bool(true), Name: "Nobody",
			Post: []*configv1.FlowStep{{Name: "deny", Config: &configv1.FlowStep_Deny{Deny: &configv1.DenyStep{Error: "access_denied", Message: "no"}}}},
		}),
	}
}

func formOf(a *configv1.Application) string { return "form-of-" + a.GetId() }
func flowOf(a *configv1.Application) string { return "flow-of-" + a.GetId() }

// of finds what belongs to a client.
func (m *management) of(a *configv1.Application) *registrationv1.Belongings {
	own := &registrationv1.Belongings{}
	for _, k := range []resource.Key{{Kind: "form", Domain: Domain, ID: formOf(a)}, {Kind: "flow", Domain: Domain, ID: flowOf(a)}} {
		if r, ok := m.publisher.Get(k); ok {
			own.Resources = append(own.Resources, r)
		}
	}
	return own
}

// FindBelongings finds what belongs to a client.
func (m *management) FindBelongings(_ context.Context, r *registrationv1.FindBelongingsRequest) (*registrationv1.FindBelongingsResponse, error) {
	return &registrationv1.FindBelongingsResponse{Belongings: m.of(&configv1.Application{Id: r.GetApplication()})}, nil
}

// stream is the configuration stream.
func (m *management) stream() configsyncv1.ConfigSyncServiceServer {
	if m.options.Brings {
		return before{m.publisher}
	}
	return m.publisher
}

// before is a stream that does not know that belongings may be on demand.
type before struct {
	configsyncv1.ConfigSyncServiceServer
}

// Watch implements configsyncv1.ConfigSyncServiceServer.
func (b before) Watch(s configsyncv1.ConfigSyncService_WatchServer) error {
	return b.ConfigSyncServiceServer.Watch(deaf{s})
}

type deaf struct {
	configsyncv1.ConfigSyncService_WatchServer
}

// Recv leaves out what was not known.
func (d deaf) Recv() (*configsyncv1.WatchRequest, error) {
	m, err := d.ConfigSyncService_WatchServer.Recv()
	if sub := m.GetSubscribe(); sub != nil {
		sub.BelongingsOnDemand = false
	}
	return m, err
}
