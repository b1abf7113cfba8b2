// Package bootstrap makes what an installation needs before anybody can use it: the first operator, and the key that
// signs operators' tokens.
package bootstrap

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// ErrNoOperator means that nobody could sign in: there is no operator and none was configured.
var ErrNoOperator = errors.New("there is no operator yet: name the first one with --operator-name and --operator-password-file (or GATEHOUSE_OPERATOR_PASSWORD)")

// OperatorKey returns the key that signs operators' tokens. It follows from the sealing key, so that all replicas have
// the same one and nothing has to be stored.
func OperatorKey(sealer *secret.Sealer) (*jose.Key, error) {
	return jose.NewKey(ed25519.NewKeyFromSeed(sealer.Derive("operator tokens")), "", jose.EdDSA)
}

// FirstOperator is who may sign in first.
type FirstOperator struct{ Name, Password, Organization string }

// Operators makes the first operator if there is none. Operators that exist are left alone: what was configured for the
// first start has no effect later.
func Operators(ctx context.Context, operators *store.Operators, hasher *secret.Hasher, first FirstOperator,
	now func() time.Time, log *slog.Logger,
) error {
	all, err := operators.List(ctx)
	if err != nil {
		return fmt.Errorf("list operators: %w", err)
	}
	if len(all) > 0 {
		return nil
	}
	if first.Name == "" || first.Password == "" {
		return ErrNoOperator
	}
	if err := checkName(first.Name); err != nil {
		return err
	}
	hash, err := hasher.Password(ctx, first.Password)
	if err != nil {
		return fmt.Errorf("password of the first operator: %w", err)
	}
	made := now().UTC().Truncate(time.Millisecond)
	err = operators.Insert(ctx, &store.Operator{
		ID: secret.NewID(), Name: first.Name, PasswordHash: hash, Organization: first.Organization,
		Permissions: []string{operator.PermissionOwner}, CreatedAt: made, UpdatedAt: made,
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

// maxName bounds the name, in bytes.
const maxName = 255

// checkName refuses a name with which nobody could sign in: Basic authentication ends it at a colon (RFC 7617 §2).
func checkName(name string) error {
	unusable := func(r rune) bool { return r == ':' || unicode.IsControl(r) }
	if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unusable) {
		return fmt.Errorf("--operator-name: at most %d bytes without colons and control characters", maxName)
	}
	return nil
}
