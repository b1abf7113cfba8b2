package clientmeta_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gatehouse-am/gatehouse/pkg/clientmeta"
	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func TestDecode(t *testing.T) {
	age := int64(60)
	tests := []struct {
		name, body string
		want       clientmeta.Metadata
	}{
		{"nothing given", `{}`, clientmeta.Metadata{OAuth: &configv1.OAuthSettings{}, Given: clientmeta.Members{}}},
		{
			"values, empty values and null are told apart",
			`{"redirect_uris":["https://a.example/cb"],"response_types":[],"grant_types":null,"default_max_age":60,"scope":"b a b"}`,
			clientmeta.Metadata{
				OAuth: &configv1.OAuthSettings{RedirectUris: []string{"https://a.example/cb"}, DefaultMaxAge: &age},
				Scope: []string{"b", "a"},
				Given: clientmeta.Members{
					"redirect_uris": clientmeta.Value, "response_types": clientmeta.Value, "grant_types": clientmeta.Null,
					"default_max_age": clientmeta.Value, "scope": clientmeta.Value,
				},
			},
		},
		{
			"a scope that is null is no scope", `{"scope":null}`,
			clientmeta.Metadata{OAuth: &configv1.OAuthSettings{}, Given: clientmeta.Members{"scope": clientmeta.Null}},
		},
		{
			"unknown members are skipped, whatever they are (RFC 7591 §2)",
			`{"client_name#ja":"\u30af","scope_of":7,"id":null,"Client_name":[],"clientName":"x","contacts":["ann"]}`,
			clientmeta.Metadata{
				OAuth: &configv1.OAuthSettings{Contacts: []string{"ann"}}, Given: clientmeta.Members{"contacts": clientmeta.Value},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := clientmeta.Decode([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
		})
	}
}

// What the product keeps beside metadata is not for clients to choose, nor to see.
func TestOnlyRegisteredMembersAreRead(t *testing.T) {
	fields := (&configv1.OAuthSettings{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := f.TextName()
		value := map[protoreflect.Kind]string{
			protoreflect.BoolKind: `true`, protoreflect.EnumKind: `"none"`, protoreflect.Int32Kind: `7`, protoreflect.Int64Kind: `7`, protoreflect.StringKind: `"x"`,
		}[f.Kind()]
		switch {
		case f.Kind() == protoreflect.MessageKind:
			value = `{}`
		case value == "":
			t.Fatalf("%s: no value for kind %s", name, f.Kind())
		}
		if f.IsList() {
			value = "[" + value + "]"
		}
		got, err := clientmeta.Decode([]byte(`{"` + name + `":` + value + `}`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		registered := f.Number() < 100 && !prototree.MarksOf(f).Waiting
		if got.Given.Has(name) != registered || got.OAuth.ProtoReflect().Has(f) != registered {
			t.Errorf("%s is read: %v, want %v", name, got.Given.Has(name), registered)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"an empty body", "", "no content"},
		{"white space", "\r\n", "no content"},
		{"JSON that breaks off", `{"a":`, "Malformed json: ends too early"},
		{"something else than JSON", `{a}`, "Malformed json: invalid character 'a'"},
		{"something else than an object", `"x"`, "Malformed json: must be a JSON object"},
		{"a member given twice", `{"x":1,"x":1}`, `Malformed json: member "x" is given twice`},
		{"text that is not UTF-8", "{\"client_name\":\"\xff\"}", "Malformed json: must be UTF-8"},
		{"a value of a wrong kind", `{"client_name":{}}`, "client_name must be a string"},
		{"a value of a wrong kind in a list", `{"contacts":["a",1]}`, "contacts[1] must be a string"},
		{"a number that does not fit", `{"default_max_age":9223372036854775808}`,
			"default_max_age must be from -9223372036854775808 to 9223372036854775807"},
		{"a scope that is a list", `{"scope":["a"]}`, "scope must be a string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := clientmeta.Decode([]byte(tt.body))
			var e *oauth2.Error
			if !errors.As(err, &e) || e.Code != oauth2.InvalidClientMetadata {
				t.Fatalf("error %v", err)
			}
			if tt.name == "something else than JSON" { // the rest of the text is the parser's
				e.Description = e.Description[:len(tt.want)]
			}
			if e.Description != tt.want {
				t.Errorf("description %q, want %q", e.Description, tt.want)
			}
		})
	}
}

func TestComplete(t *testing.T) {
	tests := []struct {
		name, body string
		want       *configv1.OAuthSettings
	}{
		{"what is absent gets its default", `{"redirect_uris":["https://a.example"]}`, &configv1.OAuthSettings{
			RedirectUris: []string{"https://a.example"}, GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"},
			ApplicationType: "web", ClientName: "Unknown Client", TokenEndpointAuthMethod: "client_secret_basic",
		}},
		{"what was given stays, empty or not",
			`{"grant_types":["implicit"],"response_types":[],"application_type":"","client_name":"x","token_endpoint_auth_method":"none"}`,
			&configv1.OAuthSettings{GrantTypes: []string{"implicit"}, ClientName: "x", TokenEndpointAuthMethod: "none"}},
		{"null is no value and gets no default",
			`{"grant_types":null,"response_types":null,"application_type":null,"client_name":null,"token_endpoint_auth_method":null}`,
			&configv1.OAuthSettings{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := clientmeta.Decode([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			m.Complete(oauth2.AuthBasic)
			if diff := cmp.Diff(tt.want, m.OAuth, protocmp.Transform()); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKnownGrantType(t *testing.T) {
	for name, want := range map[string]bool{
		"authorization_code": true, "implicit": true, "refresh_token": true, "client_credentials": true, "password": true,
		"urn:ietf:params:oauth:grant-type:jwt-bearer": true, "urn:ietf:params:oauth:grant-type:device_code": true,
		"urn:ietf:params:oauth:grant-type:token-exchange": true, "urn:ietf:params:oauth:grant-type:uma-ticket": true,
		"urn:openid:params:grant-type:ciba": true, "password~mine": true,
		"": false, "~x": false, "Password": false, "magic": false, "urn:ietf:params:oauth:grant-type:saml2-bearer": false,
	} {
		if clientmeta.KnownGrantType(name) != want {
			t.Errorf("%q known: %v", name, !want)
		}
	}
}

// FuzzDecode checks that no body makes the reader panic, that every refusal is one for the client, and that what was read
// can be written.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `[]`, `{"redirect_uris":["a",null]}`, `{"scope":"a \u0000"}`, `{"default_max_age":1e3}`, "{\"tos_uri\":\"\xff\"}",
		`{"redirect_uris":[],"grant_types":null,"contacts":["\ud800"],"require_auth_time":true,"scope":null}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := clientmeta.Decode(body)
		if err != nil {
			if e := new(oauth2.Error); !errors.As(err, &e) || e.Status() != 400 || e.Description == "" {
				t.Fatalf("error %v", err)
			}
			return
		}
		m.Complete(oauth2.AuthBasic)
		tree, err := clientmeta.Encode(&configv1.Application{Settings: &configv1.ApplicationSettings{Oauth: m.OAuth}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		again, err := clientmeta.Decode(text)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", text, err)
		}
		if diff := cmp.Diff(m.OAuth, again.OAuth, protocmp.Transform()); diff != "" {
			t.Fatalf("metadata changed (-first +second):\n%s", diff)
		}
	})
}
