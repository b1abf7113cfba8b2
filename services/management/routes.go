package management

import (
	"github.com/gatehouse-am/gatehouse/services/management/internal/access"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/gateways"
	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi"
	"github.com/gatehouse-am/gatehouse/services/management/internal/registration"
	"github.com/gatehouse-am/gatehouse/services/management/internal/rest"
	"github.com/gatehouse-am/gatehouse/services/management/internal/transfer"
)

// mounts are the routes of the API that packages beside rest add.
func mounts(registrations *registration.Server, people *directory.Service, reports *access.Service, edit *editor.Editor, connected *gateways.Register, transfers *transfer.Service) []func(*rest.Mux) {
	return []func(*rest.Mux){
		func(m *rest.Mux) { people.Mount(m) },
		func(m *rest.Mux) { registrations.Mount(m) },
		func(m *rest.Mux) { reports.Mount(m, edit) },
		func(m *rest.Mux) { connected.Mount(m) },
		func(m *rest.Mux) { transfers.Mount(m) },
	}
}

// OpenAPI returns the description of the management API. It is made from the routes that New serves; nothing stands behind
// them here.
func OpenAPI() (*openapi.Document, error) {
	api := rest.New(rest.Options{Mount: mounts(registration.New(registration.Options{}), directory.New(directory.Options{}), access.New(access.Options{}), nil, gateways.New(gateways.Options{}), transfer.New(transfer.Options{}))})
	return openapi.New(api.Routes())
}
