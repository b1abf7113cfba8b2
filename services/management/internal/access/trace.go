package access

import (
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/access"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
)

// messageOf returns a trace in the form in which it is answered.
func (w *world) messageOf(t *access.Trace) *managementv1.AccessTrace {
	out := &managementv1.AccessTrace{
		Verdict: t.Verdict, Depends: t.Depends, Open: t.Open, Mode: configv1.ApplicationAccess_ANY, Revision: t.Revision,
		Deciding: t.Deciding, Entitlements: t.Entitlements, ByEntitlement: t.ByEntitlement,
	}
	if t.Mode == "all" {
		out.Mode = configv1.ApplicationAccess_ALL
	}
	for _, texts := range t.Messages {
		s := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for tag, text := range texts {
			s.Fields[tag] = structpb.NewStringValue(text)
		}
		out.Messages = append(out.Messages, s)
	}
	if s := t.Step; s != nil {
		out.Step = &managementv1.AccessStrength{
			AcrValues: s.ACRValues, Amr: s.AMR, MaxAgeSeconds: int64(s.MaxAge / time.Second), IdentityProviders: s.IdentityProviders,
		}
	}
	for _, b := range t.Bindings {
		effect := configv1.Binding_ALLOW
		if b.Effect == "deny" {
			effect = configv1.Binding_DENY
		}
		out.Bindings = append(out.Bindings, &managementv1.AccessTraceBinding{
			Id: b.ID, Order: b.Order, Name: b.Name, Policy: b.Policy, Group: b.Group, User: b.User, Effect: effect, Negate: b.Negate,
			Disabled: b.Disabled, ReportOnly: b.ReportOnly, Expired: b.Expired, Orphaned: b.Orphaned, Condition: b.Condition,
			Passed: b.Passed, Failed: b.Failed, FailureResult: b.FailureResult, Depends: b.Depends, Via: b.Via, ViaNames: w.named(b.Via),
			Because: becauseOf(b.Because), Message: b.Message, Micros: b.Micros,
		})
	}
	return out
}

func becauseOf(parts []access.Because) []*managementv1.AccessBecause {
	var list []*managementv1.AccessBecause
	for _, p := range parts {
		list = append(list, &managementv1.AccessBecause{Expression: p.Expression, Value: p.Value, Depends: p.Depends, Failed: p.Failed})
	}
	return list
}
