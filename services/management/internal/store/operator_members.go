package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const operatorMembersCollection = "operator_memberships"

// OperatorMembership is the role that an operator has at one place and everywhere below it.
type OperatorMembership struct {
	// Reference is the place: organization/<id>, environment/<id>, domain/<id> or application/<id>.
	Reference string `bson:"reference"`
	// Domain is where the place lies; empty above domains.
	Domain string `bson:"domain"`
	// Operator is the identifier of who it is.
	Operator string `bson:"operator"`
	// Role is the identifier of a role.
	Role      string    `bson:"role"`
	CreatedAt time.Time `bson:"createdAt"`
	UpdatedAt time.Time `bson:"updatedAt"`
}

// operatorMembershipDocument is a membership in a domain or application: one for each place and operator.
type operatorMembershipDocument struct {
	ID                 string `bson:"_id"`
	OperatorMembership `bson:",inline"`
}

// OperatorMembers keeps who is member of a domain or an application. Whoever calls finds one of them by place and operator.
type OperatorMembers struct {
	docs documents[operatorMembershipDocument]
}

// OperatorMembers returns the memberships in domains and applications.
func (s *Store) OperatorMembers() *OperatorMembers {
	return &OperatorMembers{documents[operatorMembershipDocument]{s, operatorMembersCollection}}
}

func operatorMembershipID(reference, operator string) string { return reference + "/" + operator }

// Get returns the membership of an operator at a place, or ErrNotFound.
func (m *OperatorMembers) Get(ctx context.Context, reference, operator string) (*OperatorMembership, error) {
	doc, err := m.docs.get(ctx, operatorMembershipID(reference, operator))
	if err != nil {
		return nil, err
	}
	return &doc.OperatorMembership, nil
}

// Put stores a membership in the place of the one there may be.
func (m *OperatorMembers) Put(ctx context.Context, one OperatorMembership) error {
	id := operatorMembershipID(one.Reference, one.Operator)
	return m.docs.put(ctx, id, &operatorMembershipDocument{ID: id, OperatorMembership: one})
}

// Delete removes a membership, or returns ErrNotFound.
func (m *OperatorMembers) Delete(ctx context.Context, reference, operator string) error {
	removed, err := m.docs.remove(ctx, bson.M{"_id": operatorMembershipID(reference, operator)})
	if err == nil && !removed {
		return ErrNotFound
	}
	return err
}

// At returns the memberships at a place in the order of their operators, and how many there are on all pages. A size of 0
// means all.
func (m *OperatorMembers) At(ctx context.Context, reference string, page, size int) ([]OperatorMembership, int64, error) {
	docs, total, err := m.docs.find(ctx, bson.M{"reference": reference}, bson.D{{Key: "_id", Value: 1}}, page, size)
	return operatorMemberships(docs), total, err
}

// Of returns the memberships of an operator in a domain and its applications.
func (m *OperatorMembers) Of(ctx context.Context, operator, domain string) ([]OperatorMembership, error) {
	docs, _, err := m.docs.find(ctx, bson.M{"operator": operator, "domain": domain}, bson.D{{Key: "_id", Value: 1}}, 0, 0)
	return operatorMemberships(docs), err
}

// Any reports whether an operator is member of a domain or of anything in it.
func (m *OperatorMembers) Any(ctx context.Context, operator, domain string) (bool, error) {
	_, err := m.docs.one(ctx, bson.M{"operator": operator, "domain": domain})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// DomainsOf returns the domains of which an operator is member, or of an application in them.
func (m *OperatorMembers) DomainsOf(ctx context.Context, operator string) ([]string, error) {
	return m.docs.distinct(ctx, bson.M{"operator": operator}, "domain")
}

// RolesOf returns the identifiers of all roles that an operator has in domains and applications.
func (m *OperatorMembers) RolesOf(ctx context.Context, operator string) ([]string, error) {
	return m.docs.distinct(ctx, bson.M{"operator": operator}, "role")
}

// HasRole reports whether somebody has a role in a domain or an application.
func (m *OperatorMembers) HasRole(ctx context.Context, role string) (bool, error) {
	_, err := m.docs.one(ctx, bson.M{"role": role})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// RemoveOperator deletes what an operator is member of.
func (m *OperatorMembers) RemoveOperator(ctx context.Context, operator string) error {
	return m.docs.removeMany(ctx, bson.M{"operator": operator})
}

// RemovePlace deletes all memberships at a place.
func (m *OperatorMembers) RemovePlace(ctx context.Context, reference string) error {
	return m.docs.removeMany(ctx, bson.M{"reference": reference})
}

// RemoveDomain deletes all memberships in a domain and its applications.
func (m *OperatorMembers) RemoveDomain(ctx context.Context, domain string) error {
	return m.docs.removeMany(ctx, bson.M{"domain": domain})
}

func operatorMemberships(docs []*operatorMembershipDocument) []OperatorMembership {
	all := make([]OperatorMembership, len(docs))
	for i, d := range docs {
		all[i] = d.OperatorMembership
	}
	return all
}

// The places that memberships refer to.

// PlaceOfOrganization is the place of everything.
func PlaceOfOrganization(id string) string { return "organization/" + id }

// PlaceOfEnvironment is the place of all domains of an environment.
func PlaceOfEnvironment(id string) string { return "environment/" + id }

// PlaceOfDomain is the place of a domain and what is in it.
func PlaceOfDomain(id string) string { return "domain/" + id }

// PlaceOfApplication is the place of one application.
func PlaceOfApplication(id string) string { return "application/" + id }
