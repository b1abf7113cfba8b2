package catalog

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// MaxBindings is how many bindings an application may have, and each of its entitlements.
const MaxBindings = 500

const (
	defaultBindingTimeout = 5
	mostBindingTimeout    = 60
	bindingOrderStep      = 10
)

// BoundTo is what a binding belongs to.
type BoundTo uint8

// What bindings belong to.
const (
	ToApplication BoundTo = iota
	ToEntitlement
)

// Subjects returns the identifiers of the people whom bindings name.
func Subjects(bindings []*configv1.Binding) []string {
	var users []string
	for _, b := range bindings {
		if b.GetUser() != "" {
			users = append(users, b.GetUser())
		}
	}
	return users
}

// CheckBindings completes a list of bindings and notes what is wrong with it. Old is the stored list: what has the
// identifier of one of these, or the same meaning, is that one. Path is the place of the list: `bindings`. S needs policies,
// groups and the people whom the bindings name.
func CheckBindings(s *Scene, f *Faults, path string, old, fresh []*configv1.Binding, to BoundTo) {
	if len(fresh) > MaxBindings {
		f.Refuse(path, fmt.Sprintf("must have at most %d entries", MaxBindings))
		return
	}
	stored := make(map[string]*configv1.Binding, len(old))
	for _, b := range old {
		stored[b.GetId()] = b
	}
	taken := map[string]bool{}
	for i, b := range fresh {
		if b.GetId() == "" {
			continue
		}
		at := fmt.Sprintf("%s[%d].id", path, i)
		switch {
		case stored[b.GetId()] == nil:
			f.Refuse(at, fmt.Sprintf("Binding [%s] can not be found.", b.GetId()))
		case taken[b.GetId()]:
			f.Refuse(at, givenOnce)
		}
		taken[b.GetId()] = true
	}
	for i, b := range fresh {
		if b.GetId() == "" { // a list that is sent again changes nothing
			for _, o := range old {
				if !taken[o.GetId()] && meaning(o) == meaning(b) {
					b.Id = o.GetId()
					taken[b.Id] = true
					break
				}
			}
		}
		CheckBinding(s, f, fmt.Sprintf("%s[%d]", path, i), stored[b.GetId()], b, fresh[:i], to)
	}
	for i, b := range fresh {
		if other := sameMeaning(b, fresh[:i]); other != nil {
			f.Clash(subjectPath(fmt.Sprintf("%s[%d]", path, i), b), fmt.Sprintf("says the same as %s[%d]", path, slices.Index(fresh, other)))
		}
	}
	SortBindings(fresh)
}

// CheckBinding completes a binding and notes what is wrong with it. Old is what is stored of it, or nil; before are those
// after which it comes where it has no order. Path is its place, empty for a body of its own.
func CheckBinding(s *Scene, f *Faults, path string, old, b *configv1.Binding, before []*configv1.Binding, to BoundTo) {
	at := func(member string) string {
		if path == "" {
			return member
		}
		return path + "." + member
	}
	if old != nil {
		b.Id, b.CreatedAt = old.GetId(), old.GetCreatedAt()
	} else {
		b.Id, b.CreatedAt = secret.NewID(), timestamppb.New(s.Now.Truncate(time.Millisecond))
	}
	checkSubject(s, f, path, at, old, b, to)
	if to == ToEntitlement {
		checkHolding(f, at, b)
	} else {
		checkVerdict(f, at, b, before)
	}
	if b.Enabled == nil {
		b.Enabled = proto.Bool(true)
	}
	if b.ExpiresAt != nil && !proto.Equal(b.ExpiresAt, old.GetExpiresAt()) {
		switch {
		case b.ExpiresAt.CheckValid() != nil:
			f.Refuse(at("expiresAt"), "is no time")
		case !b.ExpiresAt.AsTime().After(s.Now):
			f.Refuse(at("expiresAt"), "must lie in the future")
		}
	}
}

// checkSubject looks at whom or what a binding names, and keeps its name.
func checkSubject(s *Scene, f *Faults, path string, at func(string) string, old, b *configv1.Binding, to BoundTo) {
	b.Name, b.Orphaned = "", false
	var named []string
	for _, m := range []struct{ member, id string }{{"policy", b.GetPolicy()}, {"group", b.GetGroup()}, {"user", b.GetUser()}} {
		if m.id != "" {
			named = append(named, m.member)
		}
	}
	if to == ToEntitlement && b.GetPolicy() != "" {
		f.Refuse(at("policy"), "entitlements take users and groups")
		return
	}
	if len(named) != 1 {
		want, found := "exactly one of policy, group and user must be given", "none"
		if to == ToEntitlement {
			want = "exactly one of group and user must be given"
		}
		if len(named) > 0 {
			found = strings.Join(named, " and ")
		}
		f.Refuse(path, want+", found "+found)
		return
	}
	if old != nil && old.GetOrphaned() && subjectOf(old) == subjectOf(b) {
		b.Name, b.Orphaned = old.GetName(), true
		return
	}
	switch {
	case b.GetPolicy() != "":
		for _, p := range s.Policies {
			if p.GetId() == b.GetPolicy() {
				b.Name = p.GetName()
				return
			}
		}
		f.Refuse(at("policy"), fmt.Sprintf("Policy [%s] can not be found.", b.GetPolicy()))
	case b.GetGroup() != "":
		for _, g := range s.Groups {
			if g.GetId() == b.GetGroup() {
				b.Name = g.GetName()
				return
			}
		}
		f.Refuse(at("group"), fmt.Sprintf("Group [%s] can not be found.", b.GetGroup()))
	default:
		name, known := s.People[b.GetUser()]
		if !known {
			f.Refuse(at("user"), fmt.Sprintf("User [%s] can not be found.", b.GetUser()))
		}
		b.Name = name
	}
}

// checkHolding refuses what bindings of entitlements do not have.
func checkHolding(f *Faults, at func(string) string, b *configv1.Binding) {
	if b.GetEffect() == configv1.Binding_DENY {
		f.Refuse(at("effect"), "entitlements take users and groups, and deny nobody")
	}
	for _, m := range []struct {
		member string
		given  bool
	}{
		{"reportOnly", b.GetReportOnly()}, {"order", b.Order != nil}, {"timeoutSeconds", b.GetTimeoutSeconds() != 0},
		{"failureResult", b.GetFailureResult()}, {"message", len(b.GetMessage()) > 0},
	} {
		if m.given {
			f.Refuse(at(m.member), "does not exist for bindings of entitlements")
		}
	}
	b.Effect = configv1.Binding_ALLOW
}

// checkVerdict completes what bindings of applications have beside their condition.
func checkVerdict(f *Faults, at func(string) string, b *configv1.Binding, before []*configv1.Binding) {
	if b.GetEffect() == configv1.Binding_EFFECT_UNSPECIFIED {
		b.Effect = configv1.Binding_ALLOW
	}
	if b.GetTimeoutSeconds() == 0 {
		b.TimeoutSeconds = defaultBindingTimeout
	}
	if n := b.GetTimeoutSeconds(); n < 1 || n > mostBindingTimeout {
		f.Refuse(at("timeoutSeconds"), fmt.Sprintf("must be from 1 to %d", mostBindingTimeout))
	}
	if b.Order == nil {
		last := int64(0)
		for _, other := range before {
			last = max(last, int64(other.GetOrder()))
		}
		b.Order = proto.Int32(int32(min(last+bindingOrderStep, math.MaxInt32))) //nolint:gosec // it is bounded
	}
	checkTold(f, at("message"), b.GetMessage())
}

// languageTag is a language tag (BCP 47) as far as its form goes: `de`, `pt-BR`.
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

// Limits of what people are told, in languages and in bytes of a text.
const (
	maxLanguages = 100
	maxMessage   = 1000
)

// checkTold holds texts by language to their limits.
func checkTold(f *Faults, path string, texts map[string]string) {
	if len(texts) > maxLanguages {
		f.Refuse(path, fmt.Sprintf("must have at most %d languages", maxLanguages))
		return
	}
	for tag, text := range texts {
		switch {
		case tag != "default" && !languageTag.MatchString(tag):
			f.Refuse(path, fmt.Sprintf("[%s] is neither a language tag nor `default`", tag))
		case len(text) > maxMessage:
			f.Refuse(path+"."+tag, fmt.Sprintf("size must be at most %d", maxMessage))
		}
	}
}

// subjectOf names what a binding is about.
func subjectOf(b *configv1.Binding) string {
	return b.GetPolicy() + "\x00" + b.GetGroup() + "\x00" + b.GetUser()
}

// meaning is what no two bindings of a list may share: subject, effect and negation.
func meaning(b *configv1.Binding) string {
	effect := "allow"
	if b.GetEffect() == configv1.Binding_DENY {
		effect = "deny"
	}
	return fmt.Sprintf("%s\x00%s\x00%t", subjectOf(b), effect, b.GetNegate())
}

func sameMeaning(b *configv1.Binding, others []*configv1.Binding) *configv1.Binding {
	for _, other := range others {
		if other != b && subjectOf(b) != "\x00\x00" && meaning(other) == meaning(b) {
			return other
		}
	}
	return nil
}

// subjectPath is the place of a binding's subject.
func subjectPath(path string, b *configv1.Binding) string {
	member := "user"
	switch {
	case b.GetPolicy() != "":
		member = "policy"
	case b.GetGroup() != "":
		member = "group"
	}
	if path == "" {
		return member
	}
	return path + "." + member
}

// ClashingBinding notes a binding among others that says the same, naming it.
func ClashingBinding(f *Faults, path string, b *configv1.Binding, others []*configv1.Binding) {
	if other := sameMeaning(b, others); other != nil {
		f.Clash(subjectPath(path, b), fmt.Sprintf("binding [%s] says the same", other.GetId()))
	}
}

// SortBindings puts bindings into their order; equal ones follow their identifiers.
func SortBindings(bindings []*configv1.Binding) {
	slices.SortStableFunc(bindings, func(a, b *configv1.Binding) int {
		return cmp.Or(cmp.Compare(a.GetOrder(), b.GetOrder()), cmp.Compare(a.GetId(), b.GetId()))
	})
}

// allBindings returns the bindings of an application and of its entitlements.
func allBindings(a *configv1.Application) []*configv1.Binding {
	all := slices.Clone(a.GetBindings())
	for _, e := range a.GetEntitlements() {
		all = append(all, e.GetBindings()...)
	}
	return all
}

// Bound reports whether one of the bindings of an application, or of its entitlements, is what is looked for.
func Bound(a *configv1.Application, is func(*configv1.Binding) bool) bool {
	return slices.ContainsFunc(allBindings(a), is)
}

// Orphan marks the bindings of an application whose subject is gone. They go on limiting the application, and match nobody.
func Orphan(a *configv1.Application, gone func(*configv1.Binding) bool) {
	for _, b := range allBindings(a) {
		b.Orphaned = b.GetOrphaned() || gone(b)
	}
}
