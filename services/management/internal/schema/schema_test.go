package schema_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/schema"
)

const prefix = "#/$defs/"

// TestAnswersConform fills every message, with every variant in turn, and holds what Management writes to the schema.
func TestAnswersConform(t *testing.T) {
	for _, file := range []protoreflect.FileDescriptor{
		configv1.File_gatehouse_config_v1_domain_proto, configv1.File_gatehouse_config_v1_application_proto,
		configv1.File_gatehouse_config_v1_identity_provider_proto, configv1.File_gatehouse_config_v1_certificate_proto,
		configv1.File_gatehouse_config_v1_flow_proto, configv1.File_gatehouse_config_v1_form_proto,
		configv1.File_gatehouse_config_v1_email_proto, configv1.File_gatehouse_config_v1_role_proto,
		configv1.File_gatehouse_config_v1_group_proto, configv1.File_gatehouse_config_v1_scope_proto,
		directoryv1.File_gatehouse_directory_v1_directory_proto, managementv1.File_gatehouse_management_v1_audit_proto,
	} {
		for i := range file.Messages().Len() {
			md := file.Messages().Get(i)
			t.Run(string(md.Name()), func(t *testing.T) {
				set := schema.NewSet(prefix, nil)
				whole := set.Ref(md)
				defs := set.Definitions()
				for turn := range turns(md) {
					tree, err := prototree.Management.Encode(filled(t, md, turn))
					if err != nil {
						t.Fatal(err)
					}
					text, err := json.Marshal(tree)
					if err != nil {
						t.Fatal(err)
					}
					var value any
					if err := json.Unmarshal(text, &value); err != nil {
						t.Fatal(err)
					}
					if prototree.IsList(md) {
						continue // only inside of others
					}
					if problem := check(defs, whole, value); problem != "" {
						t.Errorf("%s\n%s", problem, text)
					}
				}
			})
		}
	}
}

func TestMembers(t *testing.T) {
	comment := func(d protoreflect.Descriptor) string {
		if d.Name() == "users" {
			return "The people."
		}
		return ""
	}
	set := schema.NewSet(prefix, comment)
	set.Ref((&configv1.IdentityProvider{}).ProtoReflect().Descriptor())
	set.Ref((&configv1.Certificate{}).ProtoReflect().Descriptor())
	set.Ref((&configv1.FlowStep{}).ProtoReflect().Descriptor())
	defs := set.Definitions()
	property := func(message, member string) schema.Object {
		t.Helper()
		found, _ := defs[message]["properties"].(schema.Object)[member].(schema.Object)
		return found
	}
	for _, tt := range []struct {
		what      string
		got, want schema.Object
	}{
		{"a secret", property("InlineUser", "password"), schema.Object{"type": "string", "format": "password"}},
		{"a list with a comment", property("InlineProvider", "users"), schema.Object{
			"type": "array", "items": schema.Object{"$ref": "#/$defs/InlineUser"}, "description": "The people.",
		}},
		{"what only the server sets", property("Certificate", "system"), schema.Object{"type": "boolean", "readOnly": true}},
		{"a time", property("Certificate", "expiresAt"), schema.Object{
			"type": "integer", "format": "int64", "readOnly": true, "description": "Milliseconds since 1970-01-01T00:00:00Z.",
		}},
		{"an enum in lower case", property("Certificate", "status"), schema.Object{
			"type": "string", "enum": []any{"next", "active", "retired"}, "readOnly": true,
		}},
		{"an internal member", property("Certificate", "privateKey"), nil},
		{"a member on which nothing acts yet", property("IdentityProvider", "passwordPolicy"), schema.Object{
			"type": "string", schema.Waiting: true,
		}},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
	types, _ := property("IdentityProvider", "type")["enum"].([]any)
	if !slices.Contains(types, any("ldap-am-idp")) || property("IdentityProvider", "type")[schema.Waiting] == nil {
		t.Errorf("types %v", types)
	}
	if property("FlowStep", "policy") == nil || property("FlowStep", "type") != nil {
		t.Error("the variant of a step is not named by its policy")
	}
	if defs["HTTPProviderUserResourcePaths"] == nil {
		t.Error("a message inside of another has no name")
	}
}

// check is as much of a validator as the schemas of this package need.
func check(defs map[string]schema.Object, s schema.Object, v any) string {
	if ref, ok := s["$ref"].(string); ok {
		return check(defs, defs[strings.TrimPrefix(ref, prefix)], v)
	}
	if all, ok := s["anyOf"].([]any); ok && !slices.ContainsFunc(all, func(one any) bool {
		return check(defs, one.(schema.Object), v) == ""
	}) {
		return fmt.Sprintf("%v is none of %v", v, all)
	}
	if c, ok := s["const"]; ok && c != v {
		return fmt.Sprintf("%v is not %v", v, c)
	}
	if words, ok := s["enum"].([]any); ok && !slices.Contains(words, v) {
		return fmt.Sprintf("%v is not in %v", v, words)
	}
	switch v := v.(type) {
	case map[string]any:
		properties, _ := s["properties"].(schema.Object)
		if want, ok := s["type"]; ok && want != "object" {
			return fmt.Sprintf("an object is no %v", want)
		}
		for name, inner := range v {
			p, known := properties[name].(schema.Object)
			if !known {
				switch more := s["additionalProperties"].(type) {
				case schema.Object:
					p = more
				case bool:
					if !more {
						return "unknown member " + name
					}
				}
			}
			if problem := check(defs, p, inner); problem != "" {
				return name + ": " + problem
			}
		}
		return ""
	case []any:
		items, ok := s["items"].(schema.Object)
		if s["type"] != nil && s["type"] != "array" || !ok && s["type"] != nil {
			return fmt.Sprintf("an array is no %v", s["type"])
		}
		for _, inner := range v {
			if problem := check(defs, items, inner); problem != "" {
				return problem
			}
		}
		return ""
	}
	kinds := map[string][]any{"string": {"string"}, "bool": {"boolean"}, "float64": {"integer", "number"}}
	if want, ok := s["type"]; ok && !slices.Contains(kinds[fmt.Sprintf("%T", v)], want) {
		return fmt.Sprintf("%v is no %v", v, want)
	}
	if content, ok := s["contentSchema"].(schema.Object); ok {
		var inner any
		if err := json.Unmarshal([]byte(v.(string)), &inner); err != nil {
			return err.Error()
		}
		return check(defs, content, inner)
	}
	return ""
}

// turns is how many fillings show every arm of the oneofs of a message.
func turns(md protoreflect.MessageDescriptor) int {
	n := 1
	for i := range md.Oneofs().Len() {
		n = max(n, md.Oneofs().Get(i).Fields().Len())
	}
	return n
}

// filled returns a message in which everything has a value.
func filled(t *testing.T, md protoreflect.MessageDescriptor, turn int) proto.Message {
	t.Helper()
	mt := messageType(t, md)
	m := mt.New()
	fill(m, turn, 6)
	return m.Interface()
}

func fill(m protoreflect.Message, turn, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() && o.Fields().Get(turn%o.Fields().Len()) != fd {
			continue
		}
		if fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Value" || depth == 0 && fd.Message() != nil {
			continue
		}
		switch {
		case fd.IsMap():
			entries := m.Mutable(fd).Map()
			key := protoreflect.ValueOfString("a key").MapKey()
			if fd.MapValue().Message() != nil {
				fill(entries.Mutable(key).Message(), turn, depth-1)
			} else {
				entries.Set(key, some(fd.MapValue()))
			}
		case fd.IsList() && fd.Message() != nil:
			fill(m.Mutable(fd).List().AppendMutable().Message(), turn, depth-1)
		case fd.IsList():
			m.Mutable(fd).List().Append(some(fd))
		case fd.Message() != nil:
			inner := m.Mutable(fd).Message()
			if inner.Descriptor().ParentFile().Package() != "google.protobuf" {
				fill(inner, turn, depth-1)
			}
		default:
			m.Set(fd, some(fd))
		}
	}
}

func some(fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("text")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("bytes"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(fd.Enum().Values().Get(fd.Enum().Values().Len() - 1).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(7)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(0.5)
	}
	return protoreflect.ValueOfInt64(7)
}

func messageType(t *testing.T, md protoreflect.MessageDescriptor) protoreflect.MessageType {
	t.Helper()
	found, err := protoregistry.GlobalTypes.FindMessageByName(md.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return found
}
