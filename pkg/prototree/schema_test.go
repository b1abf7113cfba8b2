package prototree_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// schema has what protobuf allows and no resource uses yet.
const schema = `
name: "prototree_test.proto" package: "test" syntax: "proto3"
dependency: ["gatehouse/options/v1/options.proto", "google/protobuf/struct.proto", "google/protobuf/timestamp.proto"]
message_type {
  name: "Odd"
  field { name: "u32" number: 1 label: LABEL_OPTIONAL type: TYPE_UINT32 json_name: "u32" }
  field { name: "u64" number: 2 label: LABEL_OPTIONAL type: TYPE_FIXED64 json_name: "u64" }
  field { name: "f32" number: 3 label: LABEL_OPTIONAL type: TYPE_FLOAT json_name: "f32" }
  field { name: "f64" number: 4 label: LABEL_REPEATED type: TYPE_DOUBLE json_name: "f64" }
  field { name: "raw" number: 5 label: LABEL_OPTIONAL type: TYPE_BYTES json_name: "raw" }
  field { name: "key" number: 6 label: LABEL_OPTIONAL type: TYPE_BYTES json_name: "key" options { debug_redact: true } }
  field {
    name: "headers" number: 7 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".test.Odd.HeadersEntry"
    json_name: "headers" options { debug_redact: true [gatehouse.options.v1.field] { always: true } }
  }
  field { name: "codes" number: 8 label: LABEL_REPEATED type: TYPE_STRING json_name: "codes" options { debug_redact: true } }
  field { name: "inner" number: 9 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.Odd" json_name: "inner" }
  field { name: "word" number: 10 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "word" oneof_index: 0 }
  field { name: "number" number: 11 label: LABEL_OPTIONAL type: TYPE_SINT64 json_name: "number" oneof_index: 0 }
  field {
    name: "note" number: 12 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "note"
    options { [gatehouse.options.v1.field] { always: true } }
  }
  field { name: "times" number: 13 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" json_name: "times" }
  field { name: "moods" number: 14 label: LABEL_REPEATED type: TYPE_ENUM type_name: ".test.Mood" json_name: "moods" }
  field { name: "flags" number: 15 label: LABEL_REPEATED type: TYPE_BOOL json_name: "flags" }
  field { name: "parts" number: 16 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".test.Odd.PartsEntry" json_name: "parts" }
  oneof_decl { name: "choice" }
  nested_type {
    name: "HeadersEntry" options { map_entry: true }
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "key" }
    field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "value" }
  }
  nested_type {
    name: "PartsEntry" options { map_entry: true }
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "key" }
    field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.Odd" json_name: "value" }
  }
}
message_type {
  name: "SecretNumber"
  field { name: "n" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 json_name: "n" options { debug_redact: true } }
}
message_type {
  name: "NumberedMap"
  field { name: "m" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".test.NumberedMap.MEntry" json_name: "m" }
  nested_type {
    name: "MEntry" options { map_entry: true }
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 json_name: "key" }
    field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "value" }
  }
}
message_type {
  name: "TwoTypes"
  field { name: "type" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "type" }
  field {
    name: "a" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.Odd" json_name: "a" oneof_index: 0
    options { [gatehouse.options.v1.variant] { type: "a" } }
  }
  oneof_decl { name: "config" }
}
message_type {
  name: "NoList" options { [gatehouse.options.v1.message] { list: true } }
  field { name: "a" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "a" }
}
message_type {
  name: "Outer"
  field { name: "bad" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.NoList" json_name: "bad" }
}
enum_type { name: "Mood" value { name: "GOOD" number: 0 } value { name: "BAD" number: 1 } }
`

func dynamic(t *testing.T, name string) proto.Message {
	t.Helper()
	var file descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(schema), &file); err != nil {
		t.Fatal(err)
	}
	fd, err := protodesc.NewFile(&file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return dynamicpb.NewMessage(fd.Messages().ByName(protoreflect.Name(name)))
}

func TestWhatNoResourceUsesYet(t *testing.T) {
	m := dynamic(t, "Odd")
	body := `{
		"u32": 4294967295, "u64": 18446744073709551615, "f32": 1.5, "f64": [1e-7, -0, 1e21, 0.1], "raw": "AAH/",
		"key": "cm9zZWJ1ZA==", "headers": {"a.b": "rosebud"}, "codes": ["rosebud"], "inner": {"inner": {}}, "number": -7,
		"times": [0], "moods": ["good", "BAD"], "flags": [true, false], "parts": {"x": {"note": "y"}}
	}`
	if err := prototree.Management.Decode(parse(t, body), m); err != nil {
		t.Fatal(err)
	}
	tree, err := prototree.Management.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	want := parse(t, `{
		"u32": 4294967295, "u64": 18446744073709551615, "f32": 1.5, "f64": [1e-07, -0, 1e+21, 0.1], "raw": "AAH/",
		"key": "********", "headers": {"a.b": "********"}, "codes": ["********"], "number": -7, "note": "",
		"inner": {"note": "", "headers": {}, "inner": {"note": "", "headers": {}}},
		"times": [0], "moods": ["good", "bad"], "flags": [true, false], "parts": {"x": {"note": "y", "headers": {}}}
	}`)
	if diff := cmp.Diff(want, tree); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}

	d := prototree.Document(wax{})
	if _, err := d.Encode(m); err == nil {
		t.Error("an unsigned number that the database cannot keep is accepted")
	}
	m.ProtoReflect().Set(m.ProtoReflect().Descriptor().Fields().ByName("u64"), protoreflect.ValueOfUint64(math.MaxInt64))
	document, err := d.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, sealed := range []any{
		document["key"], document["codes"].([]any)[0], document["headers"].(prototree.Object)["a%2Eb"],
	} {
		if s, ok := sealed.(string); !ok || strings.Contains(s, "rosebud") {
			t.Errorf("%v is not sealed", sealed)
		}
	}
	if _, ok := document["raw"].([]byte); !ok {
		t.Errorf("bytes are %T in a document", document["raw"])
	}
	back := m.ProtoReflect().New().Interface()
	if err := d.Decode(document, back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, back, protocmp.Transform()); diff != "" {
		t.Errorf("message changed (-before +after):\n%s", diff)
	}

	registered, err := prototree.Registration.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"key", "headers", "codes"} {
		if _, shown := registered[secret]; shown {
			t.Errorf("%s shows in a registration", secret)
		}
	}
}

func TestAMaskForBytesIsRead(t *testing.T) {
	m := dynamic(t, "Odd")
	if err := prototree.Management.Decode(prototree.Object{"key": prototree.Mask}, m); err != nil {
		t.Fatal(err)
	}
	if got := m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByName("key")).Bytes(); string(got) != prototree.Mask {
		t.Errorf("the secret is %q", got)
	}
}

func TestWhatNoResourceUsesYetIsRefused(t *testing.T) {
	tests := []struct{ name, body, path, detail string }{
		{"a negative number for an unsigned one", `{"u32":-1}`, "u32", "must be from 0 to 4294967295"},
		{"a negative number for a large unsigned one", `{"u64":-1}`, "u64", "must be from 0 to 18446744073709551615"},
		{"a larger number than there is", `{"u64":18446744073709551616}`, "u64", "must be from 0 to 18446744073709551615"},
		{"a fraction for an unsigned number", `{"u64":0.5}`, "u64", "must be a whole number"},
		{"text for an unsigned number", `{"u64":"1"}`, "u64", "must be a whole number"},
		{"text for a number", `{"f32":"1"}`, "f32", "must be a number"},
		{"a number that 32 bits cannot hold", `{"f32":1e39}`, "f32", "is too large"},
		{"a number for numbers", `{"f64":1}`, "f64", "must be a list of numbers"},
		{"text that is not base64", `{"raw":"*"}`, "raw", "must be base64 text"},
		{"a mask where there is no secret", `{"raw":"********"}`, "raw", "must be base64 text"},
		{"two arms", `{"word":"x","number":1}`, "number", "cannot be given together with word"},
		{"text for times", `{"times":"x"}`, "times", "must be a list of times"},
		{"text for words", `{"moods":"good"}`, "moods", "must be a list of words"},
		{"text for switches", `{"flags":"x"}`, "flags", "must be a list of booleans"},
		{"a wrong word in a list", `{"moods":["good","fair"]}`, "moods[1]", "must be one of good, bad"},
		{"text for a map of objects", `{"parts":"x"}`, "parts", "must be an object with objects"},
		{"an unknown member in a map", `{"parts":{"a b":{"x":1}}}`, `parts["a b"].x`, "is not recognized as a valid property"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := prototree.Management.Decode(parse(t, tt.body), dynamic(t, "Odd"))
			var e *prototree.Error
			if !errors.As(err, &e) || e.Path != tt.path || e.Detail != tt.detail {
				t.Errorf("error is %v, not %s %s", err, tt.path, tt.detail)
			}
		})
	}
}

func TestMarksThatMakeNoSense(t *testing.T) {
	for _, name := range []string{"SecretNumber", "NumberedMap", "TwoTypes", "NoList", "Outer"} {
		m := dynamic(t, name)
		err := prototree.Management.Decode(prototree.Object{"bad": []any{}}, m)
		if err == nil {
			t.Errorf("%s is read without an error", name)
		}
		if name == "Outer" {
			fd := m.ProtoReflect().Descriptor().Fields().ByName("bad")
			m.ProtoReflect().Set(fd, m.ProtoReflect().NewField(fd))
		}
		if _, err := prototree.Management.Encode(m); err == nil {
			t.Errorf("%s is written without an error", name)
		}
	}
}

func TestGoNumbersAreRead(t *testing.T) {
	for _, n := range []any{7, int32(7), int64(7), 7.0, json.Number("7")} {
		m := dynamic(t, "Odd")
		if err := prototree.Management.Decode(prototree.Object{"u32": n, "f64": []any{n}}, m); err != nil {
			t.Errorf("%T: %v", n, err)
		}
	}
}

// TestFreeForms uses that a Value, read as an ordinary message, has members of all free forms.
func TestFreeForms(t *testing.T) {
	tests := []struct {
		body string
		into proto.Message
		want proto.Message
	}{
		{`{"listValue":[1,null]}`, &structpb.Value{}, structpb.NewListValue(&structpb.ListValue{
			Values: []*structpb.Value{structpb.NewNumberValue(1), structpb.NewNullValue()},
		})},
		{`{"structValue":{"a":{}}}`, &structpb.Value{}, structpb.NewStructValue(object(t, map[string]any{"a": map[string]any{}}))},
		{`{"values":["x",[]]}`, &structpb.ListValue{}, &structpb.ListValue{
			Values: []*structpb.Value{structpb.NewStringValue("x"), structpb.NewListValue(&structpb.ListValue{})},
		}},
	}
	for _, tt := range tests {
		if err := prototree.Audit.Decode(parse(t, tt.body), tt.into); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, tt.into, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.body, diff)
		}
		tree, err := prototree.Audit.Encode(tt.into)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(parse(t, tt.body), tree); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.body, diff)
		}
	}
	refused := []struct{ body, path string }{
		{`{"listValue":{}}`, "listValue"},
		{`{"listValue":[1,[1e999]]}`, "listValue[1][0]"},
		{`{"structValue":[]}`, "structValue"},
		{`{"structValue":{"a":[1e999]}}`, "structValue.a[0]"},
	}
	for _, tt := range refused {
		var e *prototree.Error
		if err := prototree.Audit.Decode(parse(t, tt.body), &structpb.Value{}); !errors.As(err, &e) || e.Path != tt.path {
			t.Errorf("%s: error is %v, not at %s", tt.body, err, tt.path)
		}
	}
	var e *prototree.Error
	if err := prototree.Audit.Decode(parse(t, `{"values":"x"}`), &structpb.ListValue{}); !errors.As(err, &e) || e.Detail != "must be a list of values" {
		t.Errorf("error is %v", err)
	}
}
