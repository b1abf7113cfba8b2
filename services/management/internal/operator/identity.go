package operator

import (
	"context"
	"slices"
)

// PermissionOwner is the permission that includes all others. The operator of the first start has it.
const PermissionOwner = "owner"

// Operator is who calls the management API.
type Operator struct {
	ID           string
	Name         string
	Organization string
	// Permissions are what the operator may do: PermissionOwner, or texts such as application:read.
	Permissions []string
	// TokenID is the jti of the token that was presented.
	TokenID string
}

// Allows reports whether the operator has a permission.
func (o Operator) Allows(permission string) bool {
	return slices.Contains(o.Permissions, PermissionOwner) || slices.Contains(o.Permissions, permission)
}

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
