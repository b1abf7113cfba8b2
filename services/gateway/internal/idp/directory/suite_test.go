package directory_test

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/gatewaytest"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/directory"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/idp/idptest"
)

func TestSuite(t *testing.T) {
	idptest.Password(t, func(*testing.T) *idptest.Rig {
		people := gatewaytest.NewDirectory()
		return &idptest.Rig{
			Provider: directory.New("d", "staff", people), Username: "staff-ann", Password: gatewaytest.Password,
			Identity: &idp.Identity{Source: "staff", ExternalId: "staff-ann", Username: "staff-ann"},
			Requests: func() int64 { return int64(people.Calls()) },
			Away: func(*testing.T) func() {
				people.Away(fault.Unavailablef("management is away"))
				return func() { people.Away(nil) }
			},
		}
	})
}
