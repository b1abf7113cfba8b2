package rest

import (
	"context"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// GroupMembers keeps who is in groups; *directory.Service does.
type GroupMembers interface {
	// CheckMembers refuses a list in which somebody stands who is not in the domain, by path.
	CheckMembers(ctx context.Context, domain string, users []string) error
	// SetMembers makes these people, and nobody else, members of a group.
	SetMembers(ctx context.Context, domain, group string, users []string) error
}

// mountGroups adds groups. `members` in a body replaces who is in the group.
func mountGroups(m *Mux) {
	Mount(m, catalog.Groups, Special{Beside: m.groupMembers, Named: only("id", "name", "description")})
}

func (m *Mux) groupMembers(r *http.Request, body prototree.Object) (func(context.Context, string) error, error) {
	given, ok := body["members"]
	if !ok {
		return nil, nil
	}
	var group configv1.Group
	if err := prototree.Management.Decode(prototree.Object{"members": given}, &group); err != nil {
		return nil, catalog.TreeError(err)
	}
	members, users, domain := m.api.Members, group.GetMembers(), r.PathValue("domain")
	if members == nil {
		return nil, fault.Unavailablef("Members of groups are not kept here")
	}
	if err := members.CheckMembers(r.Context(), domain, users); err != nil {
		return nil, err
	}
	return func(ctx context.Context, id string) error {
		// The group is written already: what belongs to it follows, whether or not the caller still waits.
		return members.SetMembers(context.WithoutCancel(ctx), domain, id, users)
	}, nil
}
