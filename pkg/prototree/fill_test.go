package prototree_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

// wax seals like the real sealer, without its key: a value opens only where it was sealed.
type wax struct{}

var errWax = errors.New("the seal is of another place")

func (wax) Seal(place string, plain []byte) string {
	return base64.StdEncoding.EncodeToString([]byte(place)) + ":" + base64.StdEncoding.EncodeToString(plain)
}

func (wax) Open(place, sealed string) ([]byte, error) {
	where, what, _ := strings.Cut(sealed, ":")
	if where != base64.StdEncoding.EncodeToString([]byte(place)) {
		return nil, errWax
	}
	return base64.StdEncoding.DecodeString(what)
}

// resources are the messages that are stored and served as a whole.
func resources() []protoreflect.MessageDescriptor {
	all := []protoreflect.MessageDescriptor{(&directoryv1.User{}).ProtoReflect().Descriptor()}
	arms := (&configv1.Resource{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	for i := range arms.Len() {
		all = append(all, arms.Get(i).Message())
	}
	return all
}

// reachable are all messages of ours that can stand inside a resource, the resources and request bodies among them.
func reachable() []protoreflect.MessageDescriptor {
	var all []protoreflect.MessageDescriptor
	seen := map[protoreflect.FullName]bool{}
	var visit func(protoreflect.MessageDescriptor)
	visit = func(md protoreflect.MessageDescriptor) {
		if seen[md.FullName()] || md.ParentFile().Package() == "google.protobuf" {
			return
		}
		seen[md.FullName()] = true
		if !md.IsMapEntry() {
			all = append(all, md)
		}
		for i := range md.Fields().Len() {
			if inner := md.Fields().Get(i).Message(); inner != nil {
				visit(inner)
			}
		}
	}
	for _, m := range []proto.Message{
		&configv1.Resource{}, &directoryv1.User{}, &directoryv1.NewUser{}, &configv1.NewApplication{},
		&configv1.NewDomain{}, &configv1.NewClientSecret{}, &configv1.ApplicationType{},
	} {
		visit(m.ProtoReflect().Descriptor())
	}
	return all
}

func newMessage(t testing.TB, md protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	mt, err := protoregistry.GlobalTypes.FindMessageByName(md.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return mt.New().Interface()
}

// filler fills messages with random values that have a form in every dialect.
type filler struct {
	*rand.Rand
	likely float64 // that a member is filled
	secret string  // if not empty, what all secret and internal text is
}

func (f filler) fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if f.Float64() >= f.likely {
			continue
		}
		switch {
		case fd.IsMap():
			for range 1 + f.IntN(3) {
				k := protoreflect.ValueOfString(f.text()).MapKey()
				m.Mutable(fd).Map().Set(k, f.value(fd.MapValue(), func() protoreflect.Message {
					return m.Get(fd).Map().NewValue().Message()
				}, depth))
			}
		case fd.IsList():
			for range 1 + f.IntN(3) {
				l := m.Mutable(fd).List()
				l.Append(f.value(fd, func() protoreflect.Message { return l.NewElement().Message() }, depth))
			}
		default:
			m.Set(fd, f.value(fd, func() protoreflect.Message { return m.NewField(fd).Message() }, depth))
		}
	}
}

func (f filler) value(fd protoreflect.FieldDescriptor, made func() protoreflect.Message, depth int) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(f.likely == 1 || f.IntN(2) == 0)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(pick[int32](f, 1, -1, math.MaxInt32, math.MinInt32))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(pick[int64](f, 1, -1, 1<<53+1, math.MaxInt64, math.MinInt64))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(fd.Enum().Values().Get(1 + f.IntN(fd.Enum().Values().Len()-1)).Number())
	case protoreflect.StringKind:
		if marks := prototree.MarksOf(fd); f.secret != "" && (marks.Secret || marks.Internal) {
			return protoreflect.ValueOfString(f.secret)
		}
		return protoreflect.ValueOfString(f.text())
	case protoreflect.BytesKind:
		if marks := prototree.MarksOf(fd); f.secret != "" && (marks.Secret || marks.Internal) {
			return protoreflect.ValueOfBytes([]byte(f.secret))
		}
		return protoreflect.ValueOfBytes([]byte(f.text() + "\xff"))
	case protoreflect.MessageKind:
		inner := made()
		switch m := inner.Interface().(type) {
		case *timestamppb.Timestamp:
			proto.Merge(m, timestamppb.New(timestamppb.Now().AsTime().Truncate(1e6).Add(-1e6*1e10)))
		case *structpb.Struct:
			proto.Merge(m, f.object(3))
		default:
			f.fill(inner, depth+1)
		}
		return protoreflect.ValueOfMessage(inner)
	}
	panic(fmt.Sprintf("the filler does not know %s of %s", fd.Kind(), fd.FullName()))
}

func (f filler) object(depth int) *structpb.Struct {
	s := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for range f.IntN(4) {
		s.Fields[f.text()] = f.free(depth - 1)
	}
	return s
}

func (f filler) free(depth int) *structpb.Value {
	kinds := 6
	if depth <= 0 {
		kinds = 4
	}
	switch f.IntN(kinds) {
	case 0:
		return structpb.NewNullValue()
	case 1:
		return structpb.NewBoolValue(f.IntN(2) == 0)
	case 2:
		return structpb.NewStringValue(f.text())
	case 3:
		return structpb.NewNumberValue(pick(f, 0, 1, -1.5, 1e300, 5e-324, 1<<53, f.NormFloat64()))
	case 4:
		return structpb.NewStructValue(f.object(depth))
	}
	l := &structpb.ListValue{}
	for range f.IntN(3) {
		l.Values = append(l.Values, f.free(depth-1))
	}
	return structpb.NewListValue(l)
}

func (f filler) text() string {
	return pick(f, "plain", "", "a.b", "$set", "$", "%2E", "%", "%list", "_id", "id", "\x00", "Grüße 🏰", "<&>\"\\\u2028", "null")
}

func pick[T any](f filler, from ...T) T { return from[f.IntN(len(from))] }
