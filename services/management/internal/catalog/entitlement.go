package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// MaxEntitlements is how many entitlements an application may have.
const MaxEntitlements = 200

const (
	maxEntitlementName = 128
	maxAttributesSize  = 16 << 10
)

// CheckEntitlement completes an entitlement and notes what is wrong with it, its bindings excepted. Old is what is stored of
// it, or nil; others are those of the same application, of which it may be one. Path is its place, empty for a body of its
// own.
func CheckEntitlement(s *Scene, f *Faults, path string, old, e *configv1.Entitlement, others []*configv1.Entitlement) {
	at := func(member string) string {
		if path == "" {
			return member
		}
		return path + "." + member
	}
	now := timestamppb.New(s.Now.Truncate(time.Millisecond))
	e.UpdatedAt = now
	if old != nil {
		e.Id, e.CreatedAt = old.GetId(), old.GetCreatedAt()
	} else {
		e.Id, e.CreatedAt = secret.NewID(), now
	}
	name := e.GetName()
	switch {
	case strings.TrimSpace(name) == "":
		f.Refuse(at("name"), notBlank)
	case strings.TrimSpace(name) != name:
		f.Refuse(at("name"), "must not begin or end with a space")
	case utf8.RuneCountInString(name) > maxEntitlementName:
		f.Refuse(at("name"), fmt.Sprintf("must have at most %d characters", maxEntitlementName))
	case strings.ContainsFunc(name, unicode.IsControl):
		f.Refuse(at("name"), "must not contain control characters")
	}
	for _, other := range others {
		if other != e && other.GetId() != e.GetId() && strings.EqualFold(other.GetName(), name) {
			f.Clash(at("name"), fmt.Sprintf("An entitlement [%s] already exists.", other.GetName()))
			break
		}
	}
	if len(e.GetDescription()) > maxGroupDescription {
		f.Refuse(at("description"), fmt.Sprintf("size must be at most %d", maxGroupDescription))
	}
	CheckAttributes(f, at("attributes"), e.GetAttributes())
}

// CheckAttributes holds the attributes of an entitlement or of a group to 16 KiB of JSON.
func CheckAttributes(f *Faults, path string, attributes *structpb.Struct) {
	if attributes == nil {
		return
	}
	text, err := protojson.Marshal(attributes)
	switch {
	case err != nil:
		f.Refuse(path, "must be a JSON object")
	case len(text) > maxAttributesSize:
		f.Refuse(path, fmt.Sprintf("must be at most %d bytes of JSON", maxAttributesSize))
	}
}

// SortedEntitlements returns the entitlements of an application by name.
func SortedEntitlements(a *configv1.Application) []*configv1.Entitlement {
	return slices.SortedFunc(slices.Values(a.GetEntitlements()), func(x, y *configv1.Entitlement) int {
		return cmp.Or(strings.Compare(strings.ToLower(x.GetName()), strings.ToLower(y.GetName())), strings.Compare(x.GetId(), y.GetId()))
	})
}
