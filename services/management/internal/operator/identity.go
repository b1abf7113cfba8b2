package operator

import (
	"context"

	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Operator is who calls the management API.
type Operator struct {
	ID           string
	Name         string
	Organization string
	// Permissions are what the operator may do: at the place of the request while it is answered, and at the organization
	// right after signing in.
	Permissions Permissions
	// TokenID identifies the token that was presented.
	TokenID string
	// Personal says that it was a token of an operator's own making, not one of signing in.
	Personal bool

	// ChangesDomain says that the operator may change the domain of the request, not only an application in it.
	ChangesDomain bool

	memberships []store.OperatorMembership // in the organization and its environment
}

// Allows reports whether the operator has a permission.
func (o Operator) Allows(permission string) bool { return o.Permissions.Has(permission) }

type operatorKey struct{}

// WithOperator says on whose behalf the work under ctx is done.
func WithOperator(ctx context.Context, o Operator) context.Context {
	return context.WithValue(ctx, operatorKey{}, o)
}

// From returns the operator of ctx. Work of gateways and of the service itself has none.
func From(ctx context.Context) (Operator, bool) {
	o, ok := ctx.Value(operatorKey{}).(Operator)
	return o, ok
}
