package resource

import (
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Resource is a message that begins with the five fields every resource has.
type Resource interface {
	proto.Message
	GetId() string
	GetDomain() string
	GetRevision() int64
	GetCreatedAt() *timestamppb.Timestamp
	GetUpdatedAt() *timestamppb.Timestamp
}

// Key names a resource. It is comparable.
type Key struct {
	Kind   string // the arm of configv1.Resource: domain, application, identity_provider, …
	Domain string // the domain it belongs to; a domain's own key names itself
	ID     string
}

// KeyOf returns the key of r. A resource that is no arm of configv1.Resource, such as a user, has its own name as kind.
func KeyOf(r Resource) Key {
	md := r.ProtoReflect().Descriptor()
	k := Key{Kind: kindOf(md), Domain: r.GetDomain(), ID: r.GetId()}
	if k.Domain == "" && md == domainType {
		k.Domain = k.ID
	}
	return k
}

// KeyFromProto returns the key that p carries.
func KeyFromProto(p *configv1.Key) Key {
	return Key{Kind: p.GetKind(), Domain: p.GetDomain(), ID: p.GetId()}
}

// Proto returns the key as a message.
func (k Key) Proto() *configv1.Key {
	return &configv1.Key{Kind: k.Kind, Domain: k.Domain, Id: k.ID}
}

// String returns the key as kind/domain/id, for logs and error texts.
func (k Key) String() string { return k.Kind + "/" + k.Domain + "/" + k.ID }

var (
	arms       = (&configv1.Resource{}).ProtoReflect().Descriptor().Oneofs().ByName("kind")
	armByType  = armsByType()
	domainType = (&configv1.Domain{}).ProtoReflect().Descriptor()
)

func armsByType() map[protoreflect.FullName]protoreflect.FieldDescriptor {
	m := map[protoreflect.FullName]protoreflect.FieldDescriptor{}
	for i := range arms.Fields().Len() {
		arm := arms.Fields().Get(i)
		m[arm.Message().FullName()] = arm
	}
	return m
}

func kindOf(md protoreflect.MessageDescriptor) string {
	if arm, ok := armByType[md.FullName()]; ok {
		return string(arm.Name())
	}
	var b strings.Builder
	for i, r := range string(md.Name()) {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Kinds returns the kinds of all configuration resources in the order of configv1.Resource.
func Kinds() []string {
	kinds := make([]string, arms.Fields().Len())
	for i := range kinds {
		kinds[i] = string(arms.Fields().Get(i).Name())
	}
	return kinds
}

// New returns an empty resource of a kind, and nil for a kind that is not in Kinds.
func New(kind string) Resource {
	arm := arms.Fields().ByName(protoreflect.Name(kind))
	if arm == nil {
		return nil
	}
	r, _ := (&configv1.Resource{}).ProtoReflect().NewField(arm).Message().Interface().(Resource)
	return r
}

// Wrap returns r as the message that carries any kind; it shares r. It returns nil for what is no arm of it.
func Wrap(r Resource) *configv1.Resource {
	m := r.ProtoReflect()
	arm, ok := armByType[m.Descriptor().FullName()]
	if !ok {
		return nil
	}
	w := &configv1.Resource{}
	w.ProtoReflect().Set(arm, protoreflect.ValueOfMessage(m))
	return w
}

// Unwrap returns the resource that w carries, or nil if it carries none that is known here.
func Unwrap(w *configv1.Resource) Resource {
	m := w.ProtoReflect()
	arm := m.WhichOneof(arms)
	if arm == nil {
		return nil
	}
	r, _ := m.Get(arm).Message().Interface().(Resource)
	return r
}

// Stamps are the fields that the server sets. The zero value of each means: leave it as it is.
type Stamps struct {
	ID        string
	Domain    string
	Revision  int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Stamp sets the given stamps on r. Times are cut to whole milliseconds, which is what the database keeps.
func Stamp(r Resource, s Stamps) {
	m := r.ProtoReflect()
	fields := m.Descriptor().Fields()
	set := func(name protoreflect.Name, v protoreflect.Value) {
		if fd := fields.ByName(name); fd != nil {
			m.Set(fd, v)
		}
	}
	setTime := func(name protoreflect.Name, t time.Time) {
		if !t.IsZero() {
			at := timestamppb.New(time.UnixMilli(t.UnixMilli()))
			set(name, protoreflect.ValueOfMessage(at.ProtoReflect()))
		}
	}
	if s.ID != "" {
		set("id", protoreflect.ValueOfString(s.ID))
	}
	if s.Domain != "" {
		set("domain", protoreflect.ValueOfString(s.Domain))
	}
	if s.Revision != 0 {
		set("revision", protoreflect.ValueOfInt64(s.Revision))
	}
	setTime("created_at", s.CreatedAt)
	setTime("updated_at", s.UpdatedAt)
}
