// Package bootstrap makes what an installation needs before anybody can use it: the first operator.
package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// ErrNoOperator means that nobody could sign in: there is no operator and none was configured.
var ErrNoOperator = errors.New("there is no operator yet: name the first one with --operator-name and --operator-password-file (or GATEHOUSE_OPERATOR_PASSWORD)")

// FirstOperator is who may sign in first.
type FirstOperator struct{ Name, Password, Organization string }

// Operators makes the first operator, who owns the organization, if there is none. Later, what was configured for the first
// start has no effect, but for one thing: while nobody owns the organization, the operator of that name does.
func Operators(ctx context.Context, operators *store.Operators, hasher *secret.Hasher, first FirstOperator,
	now func() time.Time, log *slog.Logger,
) error {
	all, err := operators.List(ctx)
	if err != nil {
		return fmt.Errorf("list operators: %w", err)
	}
	if len(all) > 0 {
		return owned(ctx, operators, all, first, now, log)
	}
	if first.Name == "" || first.Password == "" {
		return ErrNoOperator
	}
	if err := operator.CheckName("--operator-name", first.Name); err != nil {
		return err
	}
	hash, err := hasher.Password(ctx, first.Password)
	if err != nil {
		return fmt.Errorf("password of the first operator: %w", err)
	}
	made := now().UTC().Truncate(time.Millisecond)
	id := secret.NewID()
	err = operators.Insert(ctx, &store.Operator{
		ID: id, Name: first.Name, PasswordHash: hash, Organization: first.Organization,
		Memberships: []store.OperatorMembership{ownership(first.Organization, id, made)}, CreatedAt: made, UpdatedAt: made,
	})
	if errors.Is(err, store.ErrDuplicate) {
		return nil // another replica was faster
	}
	if err != nil {
		return fmt.Errorf("make the first operator: %w", err)
	}
	log.InfoContext(ctx, "first operator made", "operator", first.Name)
	return nil
}

func ownership(organization, id string, at time.Time) store.OperatorMembership {
	return store.OperatorMembership{
		Reference: store.PlaceOfOrganization(organization), Operator: id, Role: operator.RoleOrganizationOwner,
		CreatedAt: at, UpdatedAt: at,
	}
}

// owned makes the operator who is configured owner if there is no owner at all, as in a database in which operators had no
// roles yet.
func owned(ctx context.Context, operators *store.Operators, all []*store.Operator, first FirstOperator, now func() time.Time, log *slog.Logger) error {
	var named *store.Operator
	for _, o := range all {
		for _, m := range o.Memberships {
			if m.Role == operator.RoleOrganizationOwner {
				return nil
			}
		}
		if strings.EqualFold(o.Name, first.Name) {
			named = o
		}
	}
	if named == nil {
		log.WarnContext(ctx, "nobody owns the organization: name an operator who shall own it with --operator-name")
		return nil
	}
	made := now().UTC().Truncate(time.Millisecond)
	place := store.PlaceOfOrganization(first.Organization)
	named.Memberships = slices.DeleteFunc(named.Memberships, func(m store.OperatorMembership) bool { return m.Reference == place })
	named.Memberships, named.UpdatedAt = append(named.Memberships, ownership(first.Organization, named.ID, made)), made
	err := operators.Replace(ctx, named)
	if errors.Is(err, store.ErrStale) {
		return nil // another replica was faster
	}
	if err != nil {
		return fmt.Errorf("make %s owner of the organization: %w", named.Name, err)
	}
	log.InfoContext(ctx, "operator made owner of the organization", "operator", named.Name)
	return nil
}
