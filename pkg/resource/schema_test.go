package resource_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
)

// schema has marks on kinds of field where no resource has them yet.
const schema = `
name: "resource_test.proto" package: "test" syntax: "proto3" dependency: "gatehouse/options/v1/options.proto"
message_type {
  name: "Odd"
  field {
    name: "headers" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".test.Odd.HeadersEntry"
    json_name: "headers" options { debug_redact: true }
  }
  field {
    name: "parts" number: 2 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".test.Odd.PartsEntry" json_name: "parts"
  }
  field { name: "codes" number: 3 label: LABEL_REPEATED type: TYPE_STRING json_name: "codes" options { debug_redact: true } }
  field { name: "key" number: 4 label: LABEL_OPTIONAL type: TYPE_BYTES json_name: "key" options { debug_redact: true } }
  field { name: "unkeyed" number: 5 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".test.Odd" json_name: "unkeyed" }
  field {
    name: "made" number: 6 label: LABEL_OPTIONAL type: TYPE_STRING json_name: "made"
    options { [gatehouse.options.v1.field] { output_only: true } }
  }
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
`

func TestEnforceWhatNoResourceUsesYet(t *testing.T) {
	var file descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(schema), &file); err != nil {
		t.Fatal(err)
	}
	fd, err := protodesc.NewFile(&file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	odd := func(text string) proto.Message {
		m := dynamicpb.NewMessage(fd.Messages().ByName("Odd"))
		if err := prototext.Unmarshal([]byte(text), m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	tests := []struct{ name, old, fresh, want, path string }{
		{
			name:  "a masked entry of a map is that of the same key",
			old:   `headers { key: "a" value: "1" } headers { key: "b" value: "2" }`,
			fresh: `headers { key: "b" value: "********" } headers { key: "c" value: "3" }`,
			want:  `headers { key: "b" value: "2" } headers { key: "c" value: "3" }`,
		},
		{
			name:  "a masked entry of a map that is new is refused",
			old:   `headers { key: "a" value: "1" }`,
			fresh: `headers { key: "a.b" value: "********" }`,
			path:  `headers["a.b"]`,
		},
		{
			name:  "a message in a map keeps what the server set",
			old:   `parts { key: "a" value { made: "x" key: "k" } }`,
			fresh: `parts { key: "a" value { made: "y" key: "********" } } parts { key: "b" value { made: "z" } }`,
			want:  `parts { key: "a" value { made: "x" key: "k" } } parts { key: "b" value {} }`,
		},
		{
			name:  "a masked secret in a message of a map that is new is refused",
			fresh: `parts { key: "b" value { key: "********" } }`,
			path:  "parts.b.key",
		},
		{
			name:  "masked bytes keep their value",
			old:   `key: "k"`,
			fresh: `key: "********"`,
			want:  `key: "k"`,
		},
		{
			name:  "a masked element of a list of secrets is refused, because nothing says which it was",
			old:   `codes: "1"`,
			fresh: `codes: "2" codes: "********"`,
			path:  "codes[1]",
		},
		{
			name:  "elements of a list without a key are all new",
			old:   `unkeyed { made: "x" }`,
			fresh: `unkeyed { made: "y" }`,
			want:  `unkeyed {}`,
		},
		{
			name:  "a masked secret in a list without a key is refused",
			old:   `unkeyed { key: "k" }`,
			fresh: `unkeyed { key: "********" }`,
			path:  "unkeyed[0].key",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fresh := odd(tt.fresh)
			err := resource.Enforce(odd(tt.old), fresh)
			if tt.path != "" {
				var e *fault.Error
				if !errors.As(err, &e) || len(e.Details) != 1 || e.Details[0].Path != tt.path {
					t.Errorf("error is %v, not at %s", err, tt.path)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(odd(tt.want), fresh, protocmp.Transform()); diff != "" {
				t.Errorf("enforced (-want +got):\n%s", diff)
			}
		})
	}
}
