package authorization

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
)

// approvalLife is how long an approval lasts where neither the application nor the scope says.
const approvalLife = 30 * 24 * time.Hour

// Decisions are what is recorded of a person's answer: one for each scope that was asked for, with the time for which the
// client or the scope lets it last, else thirty days.
func Decisions(d *domain.Domain, c *domain.Client, asked, approved []string, now time.Time) []*directoryv1.Consent {
	list := make([]*directoryv1.Consent, len(asked))
	for i, key := range asked {
		list[i] = &directoryv1.Consent{
			Scope: key, Approved: slices.Contains(approved, key),
			ExpiresAt: timestamppb.New(now.Add(life(d, c, key))), UpdatedAt: timestamppb.New(now),
		}
	}
	return list
}

// life is how long a decision about a scope lasts.
func life(d *domain.Domain, c *domain.Client, key string) time.Duration {
	if n := SettingOf(c, key).GetScopeApproval(); n > 0 {
		return time.Duration(n) * time.Second
	}
	if scope, _ := ScopeOf(d, key); scope.GetExpiresIn() > 0 {
		return time.Duration(scope.GetExpiresIn()) * time.Second
	}
	return approvalLife
}

// SettingOf is how the client uses a scope, which may be `key:parameter`; nil if it says nothing about it.
func SettingOf(c *domain.Client, scope string) *configv1.ScopeSetting {
	if s := c.Scopes[scope]; s != nil {
		return s
	}
	key, _, _ := strings.Cut(scope, ":")
	return c.Scopes[key]
}

// ScopeOf is a scope of the domain and the parameter with which it is asked for. The scope may be nil.
func ScopeOf(d *domain.Domain, scope string) (*configv1.Scope, string) {
	if s := d.Scopes[scope]; s != nil {
		return s, ""
	}
	key, parameter, _ := strings.Cut(scope, ":")
	return d.Scopes[key], parameter
}
