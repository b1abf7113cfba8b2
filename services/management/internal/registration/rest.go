package registration

import (
	"context"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// Mux is the management API as far as registrations need it. Domain and permission have been checked when a handler runs.
type Mux interface {
	Handle(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	Body(r *http.Request) (prototree.Object, error)
	Page(r *http.Request, maxSize int) (page, size int, q string, err error)
	JSON(w http.ResponseWriter, status int, v any) error
	List(w http.ResponseWriter, page int, total int64, data []prototree.Object) error
	Location(r *http.Request, segments ...string) string
}

// Recorder keeps audit records; *audit.Recorder is one. Who acted is in ctx. It deals with its own failures.
type Recorder interface {
	Record(ctx context.Context, e audit.Event)
}

type routes struct {
	*Server
	mux Mux
}

// Mount adds initial access tokens and registered clients to the management API.
func (s *Server) Mount(m Mux) {
	h := &routes{s, m}
	tokens, token := catalog.Domains.Item()+"/registration-tokens", &managementv1.RegistrationToken{}
	m.Handle("GET "+tokens, "registration_token:list", h.listTokens, operation.Operation{
		ID: "listRegistrationTokens", Summary: "List the initial access tokens of a domain, the newest first, without their values.",
		Query: operation.Paging()[:2], Answer: token, Shape: operation.Page,
	})
	m.Handle("POST "+tokens, "registration_token:create", h.createToken, operation.Operation{
		ID: "createRegistrationToken", Summary: "Make an initial access token, and answer its value this once.",
		Details: "Whoever has it registers clients (RFC 7591 §3) while dynamic registration is on and not open to everybody.",
		Body:    &managementv1.NewRegistrationToken{}, Status: http.StatusCreated, Answer: token,
	})
	m.Handle("GET "+tokens+"/{token}", "registration_token:read", h.readToken, operation.Operation{
		ID: "readRegistrationToken", Summary: "Read an initial access token, without its value.", Answer: token,
	})
	m.Handle("DELETE "+tokens+"/{token}", "registration_token:delete", h.deleteToken, operation.Operation{
		ID: "deleteRegistrationToken", Summary: "End an initial access token at once. Clients that it registered stay.",
	})

	client := &managementv1.RegisteredClient{}
	list := catalog.Domains.Item() + "/registrations"
	m.Handle("GET "+list, "registration:list", h.listClients, operation.Operation{
		ID: "listRegistrations", Summary: "List the clients of a domain that registered themselves.",
		Query: operation.Paging(
			operation.Parameter{Name: "status", Type: "string", Values: []string{"active", "pending", "unused"}, Description: "Only those that are in use, that wait for approval, or that were disabled because nobody used them."},
			operation.Parameter{Name: "unusedDays", Type: "integer", Description: "Only those that nobody used for so many days, at most 3660."},
			operation.Parameter{Name: "template", Type: "string", Description: "Only copies of the application with this identifier; each says whether it differs from it."},
			operation.Parameter{Name: "statementIssuer", Type: "string", Description: "Only those whose software statement was accepted as this issuer's, be it trusted still or not."},
		), Answer: client, Shape: operation.Page,
	})
	m.Handle("POST "+list+"/{application}/_accept", "registration:update", h.accept, operation.Operation{
		ID: "acceptRegistration", Summary: "Let a registered client be used that waits for approval.",
		Details: "One that was accepted already stays as it is.", Answer: client,
	})
	m.Handle("POST "+list+"/{application}/_reject", "registration:update", h.reject, operation.Operation{
		ID: "rejectRegistration", Summary: "Delete a registered client that waits for approval.",
		Details: "One that is gone already stays so: the answer is the same.",
	})
	m.Handle("GET "+catalog.Applications.Item()+"/template-difference", "application:read", h.difference, operation.Operation{
		ID: "compareWithTemplate", Summary: "Tell where a client differs from the template that it was registered from.",
		Details: "What is never copied is not compared: identifiers, secrets, the name, redirect URIs and keys. Forms, e-mails and flows are compared by what they are for, such as `forms.login`.",
		Answer:  &managementv1.TemplateDifference{},
	})
}

func placeOf(r *http.Request) editor.Place {
	return editor.Place{
		Organization: r.PathValue("organization"), Environment: r.PathValue("environment"), Domain: r.PathValue("domain"),
	}
}

func (h *routes) answer(w http.ResponseWriter, status int, m proto.Message) error {
	tree, err := prototree.Management.Encode(m)
	if err != nil {
		return err
	}
	return h.mux.JSON(w, status, tree)
}
