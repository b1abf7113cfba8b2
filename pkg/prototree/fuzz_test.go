package prototree_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// FuzzDecodeManagement checks that no body makes the reader panic, and that what it accepts can be written and read
// again without a change.
func FuzzDecodeManagement(f *testing.F) {
	for _, m := range []proto.Message{application(), domain(), provider(), certificate(), user(f)} {
		tree, err := prototree.Management.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		body, err := json.Marshal(tree)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, seed := range []string{
		`{}`, `[]`, `{"a":1,"a":2}`, `{"name":null}`, `{"type":"WEB","enabled":true}`, "{\"name\":\"\xff\"}",
		`{"type":"inline-am-idp","configuration":{"users":[{"username":"ann","password":"********"}]}}`,
		`{"type":"inline-am-idp","configuration":"{\"users\":null}"}`, `{"configuration":""}`,
		`{"additionalInformation":{"a":[[1e300,-0,null],{"":"\u0000"}]}}`, `{"createdAt":-62135596800000}`,
		`{"metadata":{"a.b":"c","$":null}}`, `{"oidc":{"clientRegistrationSettings":{"allowedScopes":[]}}}`,
		`{"revision":9223372036854775807,"secrets":[{"expiresAt":1e3}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		tree, err := prototree.Parse(body)
		if err != nil {
			return
		}
		for _, md := range resources() {
			m := newMessage(t, md)
			if err := prototree.Management.Decode(tree, m); err != nil {
				continue
			}
			first, err := prototree.Management.Encode(m)
			if err != nil {
				t.Fatalf("%s was accepted and cannot be written: %v", md.Name(), err)
			}
			again := newMessage(t, md)
			if err := prototree.Management.Decode(first, again); err != nil {
				t.Fatalf("%s was written and cannot be read: %v", md.Name(), err)
			}
			second, err := prototree.Management.Encode(again)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first, second); diff != "" {
				t.Fatalf("%s changed (-first +second):\n%s", md.Name(), diff)
			}
		}
	})
}

// FuzzParse compares the parser with encoding/json, which accepts more but never less.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e3,"x",null,{"b":true}]}`))
	f.Add([]byte(`{"a":"\ud800"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		tree, err := prototree.Parse(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is no JSON and was accepted", body)
		}
		back, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		again, err := prototree.Parse(back)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tree, again); diff != "" {
			t.Fatalf("tree changed:\n%s", diff)
		}
	})
}
