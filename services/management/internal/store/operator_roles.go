package store

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const operatorRolesCollection = "operator_roles"

// OperatorRole is a role that an organization has made for its operators.
type OperatorRole struct {
	ID string `bson:"_id"`
	// Name is unique in the organization, in any case; Key, which Insert and Replace set, makes it so.
	Name         string    `bson:"name"`
	Key          string    `bson:"_unique_name"`
	Organization string    `bson:"organization"`
	Description  string    `bson:"description"`
	Assignable   string    `bson:"assignable"`
	Permissions  []string  `bson:"permissions"`
	Revision     int64     `bson:"revision"`
	CreatedAt    time.Time `bson:"createdAt"`
	UpdatedAt    time.Time `bson:"updatedAt"`
}

// OperatorRoles keeps the roles of operators that are not built in.
type OperatorRoles struct{ docs documents[OperatorRole] }

// OperatorRoles returns the roles of operators.
func (s *Store) OperatorRoles() *OperatorRoles {
	return &OperatorRoles{documents[OperatorRole]{s, operatorRolesCollection}}
}

func (r *OperatorRole) key() string { return r.Organization + "/" + strings.ToLower(r.Name) }

// Get returns a role, or ErrNotFound.
func (o *OperatorRoles) Get(ctx context.Context, id string) (*OperatorRole, error) {
	return o.docs.get(ctx, id)
}

// List returns all roles in the order of their names.
func (o *OperatorRoles) List(ctx context.Context) ([]*OperatorRole, error) {
	all, _, err := o.docs.find(ctx, bson.M{}, bson.D{{Key: "_unique_name", Value: 1}}, 0, 0)
	return all, err
}

// Insert stores a new role at revision 1; a taken name is a *DuplicateError.
func (o *OperatorRoles) Insert(ctx context.Context, r *OperatorRole) error {
	r.Key, r.Revision = r.key(), 1
	return o.docs.insert(ctx, r.ID, r)
}

// Replace stores a role that was read before, at the next revision, or returns ErrStale or a *DuplicateError.
func (o *OperatorRoles) Replace(ctx context.Context, r *OperatorRole) error {
	was := r.Revision
	r.Key = r.key()
	r.Revision++
	if err := o.docs.replace(ctx, bson.M{"_id": r.ID, "revision": was}, r); err != nil {
		r.Revision = was
		return err
	}
	return nil
}

// Delete removes a role that was read before, or returns ErrStale.
func (o *OperatorRoles) Delete(ctx context.Context, r *OperatorRole) error {
	removed, err := o.docs.remove(ctx, bson.M{"_id": r.ID, "revision": r.Revision})
	if err == nil && !removed {
		return ErrStale
	}
	return err
}
