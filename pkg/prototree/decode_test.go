package prototree_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
)

func TestDecodeRefuses(t *testing.T) {
	const types = "inline-am-idp, mongo-am-idp, http-am-idp, ldap-am-idp, oauth2-generic-am-idp, google-am-idp, github-am-idp, " +
		"azure-ad-am-idp, facebook-am-idp, linkedin-am-idp, franceconnect-am-idp, jdbc-am-idp, saml2-generic-am-idp"
	domain, app, idp, user := &configv1.Domain{}, &configv1.Application{}, &configv1.IdentityProvider{}, &directoryv1.User{}
	tests := []struct {
		name    string
		into    proto.Message
		body    string
		path    string
		reason  prototree.Reason
		message string
	}{
		{
			"an unknown member of the resource", app, `{"nmae":"x"}`,
			"nmae", prototree.Unknown, "Property [nmae] is not recognized as a valid property",
		},
		{
			"the form of a switch without is", domain, `{"oidc":{"clientRegistrationSettings":{"dynamicClientRegistrationEnabled":true}}}`,
			"oidc.clientRegistrationSettings.dynamicClientRegistrationEnabled", prototree.Unknown,
			"Property [dynamicClientRegistrationEnabled] is not recognized as a valid property",
		},
		{
			"a misspelt switch", domain, `{"oidc":{"clientRegistrationSettings":{"isDynamicClientRegistrationEnable":true}}}`,
			"oidc.clientRegistrationSettings.isDynamicClientRegistrationEnable", prototree.Unknown,
			"Property [isDynamicClientRegistrationEnable] is not recognized as a valid property",
		},
		{
			"an unknown member without a value", app, `{"nmae":null}`,
			"nmae", prototree.Unknown, "Property [nmae] is not recognized as a valid property",
		},
		{
			"of two unknown members the first in the alphabet", app, `{"zz":1,"yy":1,"name":1}`,
			"yy", prototree.Unknown, "Property [yy] is not recognized as a valid property",
		},
		{
			"an unknown member with an odd name", app, `{"settings":{"a b":1}}`,
			`settings["a b"]`, prototree.Unknown, "Property [a b] is not recognized as a valid property",
		},
		{
			"the name of the field", app, `{"identity_providers":[]}`,
			"identity_providers", prototree.Unknown, "Property [identity_providers] is not recognized as a valid property",
		},
		{
			"an internal member", domain, `{"domain":"x"}`,
			"domain", prototree.Unknown, "Property [domain] is not recognized as a valid property",
		},
		{
			"an internal secret", app, `{"settings":{"oauth":{"registrationAccessTokenHash":"x"}}}`,
			"settings.oauth.registrationAccessTokenHash", prototree.Unknown,
			"Property [registrationAccessTokenHash] is not recognized as a valid property",
		},
		{
			"the arm of a variant", idp, `{"inline":{}}`,
			"inline", prototree.Unknown, "Property [inline] is not recognized as a valid property",
		},
		{
			"an unknown member of a list element", app, `{"identityProviders":[{},{"rule":""}]}`,
			"identityProviders[1].rule", prototree.Unknown, "Property [rule] is not recognized as a valid property",
		},
		{
			"text for a boolean", app, `{"enabled":"true"}`,
			"enabled", prototree.Kind, "[enabled: must be a boolean]",
		},
		{
			"a number for text", app, `{"name":1}`,
			"name", prototree.Kind, "[name: must be a string]",
		},
		{
			"text for an object", app, `{"settings":"x"}`,
			"settings", prototree.Kind, "[settings: must be an object]",
		},
		{
			"an object for a list", app, `{"identityProviders":{}}`,
			"identityProviders", prototree.Kind, "[identityProviders: must be a list of objects]",
		},
		{
			"text for a list of text", app, `{"settings":{"oauth":{"redirectUris":"https://a.example"}}}`,
			"settings.oauth.redirectUris", prototree.Kind, "[redirectUris: must be a list of strings]",
		},
		{
			"a number in a list of text", app, `{"settings":{"oauth":{"redirectUris":["https://a.example",7]}}}`,
			"settings.oauth.redirectUris[1]", prototree.Kind, "[redirectUris: must be a string]",
		},
		{
			"null in a list", app, `{"settings":{"oauth":{"redirectUris":[null]}}}`,
			"settings.oauth.redirectUris[0]", prototree.Kind, "[redirectUris: must be a string]",
		},
		{
			"null in a list of objects", app, `{"identityProviders":[null]}`,
			"identityProviders[0]", prototree.Kind, "[identityProviders: must be an object]",
		},
		{
			"an object for a list that can be absent", domain, `{"oidc":{"clientRegistrationSettings":{"allowedScopes":{"values":[]}}}}`,
			"oidc.clientRegistrationSettings.allowedScopes", prototree.Kind, "[allowedScopes: must be a list of strings]",
		},
		{
			"a number in a map of text", app, `{"metadata":{"region":7}}`,
			"metadata.region", prototree.Kind, "[region: must be a string]",
		},
		{
			"a number under an odd key", app, `{"metadata":{"odd.key":7}}`,
			`metadata["odd.key"]`, prototree.Kind, "[odd.key: must be a string]",
		},
		{
			"a list for a map", app, `{"metadata":[]}`,
			"metadata", prototree.Kind, "[metadata: must be an object with strings]",
		},
		{
			"a list for a free-form object", user, `{"additionalInformation":[]}`,
			"additionalInformation", prototree.Kind, "[additionalInformation: must be an object]",
		},
		{
			"a number beyond all bounds in a free-form object", user, `{"additionalInformation":{"a":[{"b":1e999}]}}`,
			"additionalInformation.a[0].b", prototree.Range, "[1e999: is too large]",
		},
		{
			"an unknown word", app, `{"type":"desktop"}`,
			"type", prototree.Enum, "[desktop: must be one of web, native, browser, service, resource_server, bookmark]",
		},
		{
			"the word for nothing", app, `{"type":"TYPE_UNSPECIFIED"}`,
			"type", prototree.Enum, "[TYPE_UNSPECIFIED: must be one of web, native, browser, service, resource_server, bookmark]",
		},
		{
			"the number of a word", app, `{"type":1}`,
			"type", prototree.Enum, "[type: must be one of web, native, browser, service, resource_server, bookmark]",
		},
		{
			"a fraction for a whole number", app, `{"settings":{"oauth":{"accessTokenValiditySeconds":1.5}}}`,
			"settings.oauth.accessTokenValiditySeconds", prototree.Kind, "[accessTokenValiditySeconds: must be a whole number]",
		},
		{
			"an exponent for a whole number", app, `{"settings":{"oauth":{"accessTokenValiditySeconds":1e3}}}`,
			"settings.oauth.accessTokenValiditySeconds", prototree.Kind, "[accessTokenValiditySeconds: must be a whole number]",
		},
		{
			"text for a whole number", app, `{"settings":{"oauth":{"accessTokenValiditySeconds":"7200"}}}`,
			"settings.oauth.accessTokenValiditySeconds", prototree.Kind, "[accessTokenValiditySeconds: must be a whole number]",
		},
		{
			"a number of more than 32 bits", app, `{"settings":{"oauth":{"accessTokenValiditySeconds":2147483648}}}`,
			"settings.oauth.accessTokenValiditySeconds", prototree.Range, "[2147483648: must be from -2147483648 to 2147483647]",
		},
		{
			"a number of more than 64 bits", app, `{"settings":{"oauth":{"defaultMaxAge":9223372036854775808}}}`,
			"settings.oauth.defaultMaxAge", prototree.Range,
			"[9223372036854775808: must be from -9223372036854775808 to 9223372036854775807]",
		},
		{
			"a number too long to be repeated", app, `{"settings":{"oauth":{"defaultMaxAge":` + strings.Repeat("9", 41) + `}}}`,
			"settings.oauth.defaultMaxAge", prototree.Range,
			"[defaultMaxAge: must be from -9223372036854775808 to 9223372036854775807]",
		},
		{
			"a word too long to be repeated", app, `{"type":"` + strings.Repeat("x", 65) + `"}`,
			"type", prototree.Enum, "[type: must be one of web, native, browser, service, resource_server, bookmark]",
		},
		{
			"an unknown provider type", idp, `{"type":"nis-am-idp","configuration":{}}`,
			"type", prototree.Enum, "[nis-am-idp: must be one of " + types + "]",
		},
		{
			"a configuration without a type", idp, `{"configuration":{}}`,
			"type", prototree.Enum, "[type: must be one of " + types + "]",
		},
		{
			"a type that is no text", idp, `{"type":7}`,
			"type", prototree.Enum, "[type: must be one of " + types + "]",
		},
		{
			"a configuration that is no object", idp, `{"type":"inline-am-idp","configuration":[]}`,
			"configuration", prototree.Kind, "[configuration: must be a JSON object, or the text of one]",
		},
		{
			"a configuration in text that is no JSON", idp, `{"type":"inline-am-idp","configuration":"{"}`,
			"configuration", prototree.Kind, "[configuration: must be a JSON object, or the text of one]",
		},
		{
			"an unknown member of a configuration", idp, `{"type":"inline-am-idp","configuration":{"user":[]}}`,
			"configuration.user", prototree.Unknown, "Property [user] is not recognized as a valid property",
		},
		{
			"a wrong kind in a configuration in text", idp,
			`{"type":"inline-am-idp","configuration":"{\"users\":[{},{\"password\":1}]}"}`,
			"configuration.users[1].password", prototree.Kind, "[password: must be a string]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := prototree.Management.Decode(parse(t, tt.body), tt.into)
			var e *prototree.Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %v", err)
			}
			if e.Path != tt.path || e.Reason != tt.reason || e.Message() != tt.message {
				t.Errorf("refused %s (reason %d) with %q, not %s (reason %d) with %q",
					e.Path, e.Reason, e.Message(), tt.path, tt.reason, tt.message)
			}
			if !strings.HasPrefix(e.Error(), tt.path+" ") {
				t.Errorf("the error %q does not begin with the path", e)
			}
		})
	}
}

func TestDecodeReads(t *testing.T) {
	at := timestamppb.New(time.UnixMilli(1700000000123))
	tests := []struct {
		name string
		body string
		want proto.Message
	}{
		{"nothing", `{}`, &configv1.Application{}},
		{"null as absence", `{"name":null,"settings":null,"identityProviders":null,"metadata":null,"enabled":null,"type":null}`, &configv1.Application{}},
		{"null in a map as absence", `{"metadata":{"a":null,"b":"c"}}`, &configv1.Application{Metadata: map[string]string{"b": "c"}}},
		{"words in any case", `{"type":"sErViCe"}`, &configv1.Application{Type: configv1.Application_SERVICE}},
		{"false where it differs from absence", `{"enabled":false}`, &configv1.Application{Enabled: proto.Bool(false)}},
		{
			"times in milliseconds", `{"createdAt":1700000000123}`,
			&configv1.Application{CreatedAt: at},
		},
		{
			"a time before 1970", `{"createdAt":-1}`,
			&configv1.Application{CreatedAt: timestamppb.New(time.UnixMilli(-1))},
		},
		{
			"output-only members as if they were absent, where they cannot be read",
			`{"id":7,"createdAt":"yesterday","secrets":[{"hash":"x"}],"name":"shop"}`,
			&configv1.Application{Name: "shop"},
		},
		{
			"an empty list that differs from absence", `{"oidc":{"clientRegistrationSettings":{"allowedScopes":[]}}}`,
			&configv1.Domain{Oidc: &configv1.OpenIDSettings{ClientRegistrationSettings: &configv1.ClientRegistrationSettings{
				AllowedScopes: &configv1.Strings{},
			}}},
		},
		{
			"spellings that are not camel case", `{"settings":{"oauth":{"forcePKCE":true,"forceS256CodeChallengeMethod":true}}}`,
			&configv1.Application{Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
				ForcePkce: true, ForceS256CodeChallengeMethod: true,
			}}},
		},
		{
			"64-bit numbers to the last digit", `{"settings":{"oauth":{"defaultMaxAge":9007199254740993}}}`,
			&configv1.Application{Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
				DefaultMaxAge: proto.Int64(9007199254740993),
			}}},
		},
		{
			"a configuration as text", `{"type":"inline-am-idp","configuration":"{\"users\":[{\"username\":\"ann\"}]}"}`,
			inline(&configv1.InlineUser{Username: "ann"}),
		},
		{
			"a configuration as an object", `{"type":"inline-am-idp","configuration":{"users":[{"username":"ann"}]}}`,
			inline(&configv1.InlineUser{Username: "ann"}),
		},
		{"a type without configuration", `{"type":"inline-am-idp"}`, inline()},
		{"neither type nor configuration", `{"type":null,"configuration":null}`, &configv1.IdentityProvider{}},
		{
			"free-form objects", `{"additionalInformation":{"a.b":[1,[true,null]],"$":{}}}`,
			&directoryv1.User{AdditionalInformation: object(t, map[string]any{
				"a.b": []any{1, []any{true, nil}}, "$": map[string]any{},
			})},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.want.ProtoReflect().New().Interface()
			if err := prototree.Management.Decode(parse(t, tt.body), got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeReplacesWhatWasThere(t *testing.T) {
	app := &configv1.Application{Name: "old", Description: "old"}
	if err := prototree.Management.Decode(prototree.Object{"name": "new"}, app); err != nil {
		t.Fatal(err)
	}
	if want := (&configv1.Application{Name: "new"}); !proto.Equal(want, app) {
		t.Errorf("message is %v", app)
	}
}

func TestDecodeRefusesTextThatIsNotUTF8(t *testing.T) {
	for _, tree := range []prototree.Object{
		{"username": "\xff"},
		{"additionalInformation": prototree.Object{"a": "\xff"}},
		{"additionalInformation": prototree.Object{"\xff": "a"}},
	} {
		if err := prototree.Management.Decode(tree, &directoryv1.User{}); err == nil {
			t.Errorf("%q is accepted", tree)
		}
	}
	if err := prototree.Management.Decode(prototree.Object{"metadata": prototree.Object{"\xff": "a"}}, &configv1.Application{}); err == nil {
		t.Error("a key that is not UTF-8 is accepted")
	}
}

func TestAuditReadsTimes(t *testing.T) {
	var app configv1.Application
	if err := prototree.Audit.Decode(prototree.Object{"createdAt": "2023-11-14T23:13:20.5+01:00"}, &app); err != nil {
		t.Fatal(err)
	}
	if want := time.Unix(1700000000, 5e8).UTC(); !app.CreatedAt.AsTime().Equal(want) {
		t.Errorf("time is %s, not %s", app.CreatedAt.AsTime(), want)
	}
	for _, odd := range []any{"yesterday", json.Number("1"), "0000-01-01T00:00:00Z"} {
		if err := prototree.Audit.Decode(prototree.Object{"createdAt": odd}, &app); err == nil {
			t.Errorf("%v is accepted as a time", odd)
		}
	}
}

func TestRegistrationSkips(t *testing.T) {
	var got configv1.OAuthSettings
	err := prototree.Registration.Decode(parse(t, `{
		"redirect_uris": ["https://a.example"], "tags_uri": 7, "require_auth_time": true, "default_max_age": 0,
		"registration_access_token_hash": "x", "standard_scopes": true, "registration_client_uri": 7,
		"client_id_issued_at": "x", "redirectUris": 7
	}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := &configv1.OAuthSettings{
		RedirectUris: []string{"https://a.example"}, RequireAuthTime: true, DefaultMaxAge: proto.Int64(0),
	}
	if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	err = prototree.Registration.Decode(parse(t, `{"redirect_uris":"https://a.example"}`), &got)
	var e *prototree.Error
	if !errors.As(err, &e) || e.Path != "redirect_uris" || e.Detail != "must be a list of strings" {
		t.Errorf("a wrong kind: %v", err)
	}
}

func TestDocumentReads(t *testing.T) {
	d := prototree.Document(wax{})
	at := time.Date(2024, 5, 6, 7, 8, 9, 1e6, time.UTC)
	var app configv1.Application
	tree := prototree.Object{
		"_id": "a1", "revision": int64(7), "createdAt": at,
		// A database shell writes doubles, and 32 bits where they are enough.
		"settings": prototree.Object{"oauth": prototree.Object{"defaultMaxAge": int32(5), "accessTokenValiditySeconds": 60.0}},
	}
	if err := d.Decode(tree, &app); err != nil {
		t.Fatal(err)
	}
	want := &configv1.Application{
		Id: "a1", Revision: 7, CreatedAt: timestamppb.New(at),
		Settings: &configv1.ApplicationSettings{Oauth: &configv1.OAuthSettings{
			DefaultMaxAge: proto.Int64(5), AccessTokenValiditySeconds: 60,
		}},
	}
	if diff := cmp.Diff(want, &app, protocmp.Transform()); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestDocumentRefuses(t *testing.T) {
	d := prototree.Document(wax{})
	sealed, err := d.Encode(&configv1.Domain{Id: "d1", Secret: []byte("rosebud")})
	if err != nil {
		t.Fatal(err)
	}
	moved := prototree.Object{"_id": "d2", "secret": sealed["secret"]}
	err = d.Decode(moved, &configv1.Domain{})
	var e *prototree.Error
	if !errors.As(err, &e) || e.Path != "secret" || e.Reason != prototree.Sealed || !errors.Is(err, errWax) {
		t.Errorf("a secret that was moved to another resource: %v", err)
	}
	tests := []struct {
		name string
		into proto.Message
		tree prototree.Object
		path string
	}{
		{"an identifier that is no text", &configv1.Domain{}, prototree.Object{"_id": 7}, "_id"},
		{"the identifier under its name in messages", &configv1.Domain{}, prototree.Object{"id": "x"}, "id"},
		{"a secret that is not sealed", &configv1.Domain{}, prototree.Object{"secret": []byte("x")}, "secret"},
		{"a time as a number", &configv1.Domain{}, prototree.Object{"createdAt": int64(7)}, "createdAt"},
		{"a time beyond the year 9999", &configv1.Domain{}, prototree.Object{"createdAt": time.Unix(1<<40, 0)}, "createdAt"},
		{"a double with a fraction", &configv1.Domain{}, prototree.Object{"revision": 1.5}, "revision"},
		{"a double that lost digits", &configv1.Domain{}, prototree.Object{"revision": 1e18}, "revision"},
		{"two arms", &configv1.IdentityProvider{}, prototree.Object{"inline": prototree.Object{}, "directory": prototree.Object{}}, "directory"},
		{"infinity", &directoryv1.User{}, prototree.Object{"additionalInformation": prototree.Object{"x": math.Inf(1)}}, "additionalInformation.x"},
		{"a kind of value that no document has", &directoryv1.User{}, prototree.Object{"additionalInformation": prototree.Object{"x": time.Time{}}}, "additionalInformation.x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := d.Decode(tt.tree, tt.into)
			var e *prototree.Error
			if !errors.As(err, &e) || e.Path != tt.path {
				t.Errorf("error is %v, not at %s", err, tt.path)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	tests := []struct {
		name string
		m    proto.Message
		path string
	}{
		{"a word that the contract does not know", &configv1.Application{Type: 99}, "type"},
		{"a time outside the calendar", &configv1.Application{CreatedAt: &timestamppb.Timestamp{Seconds: 1 << 60}}, "createdAt"},
		{
			"infinity", &directoryv1.User{AdditionalInformation: &structpb.Struct{Fields: map[string]*structpb.Value{
				"a": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewNumberValue(math.Inf(1))}}),
			}}}, "additionalInformation.a[0]",
		},
		{
			"a fault inside another message",
			&configv1.Resource{Kind: &configv1.Resource_Application{Application: &configv1.Application{Type: 99}}},
			"application.type",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := prototree.Management.Encode(tt.m)
			var e *prototree.Error
			if !errors.As(err, &e) || e.Path != tt.path {
				t.Errorf("error is %v, not at %s", err, tt.path)
			}
		})
	}
	if _, err := prototree.Management.Encode(nil); err == nil {
		t.Error("no message is encoded without an error")
	}
}

func TestConfigurationIsCompactAndSorted(t *testing.T) {
	idp := inline(&configv1.InlineUser{Username: "a<&>b", Password: "hunter2", Email: "a@example.com"})
	tree, err := prototree.Management.Encode(idp)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"users":[{"email":"a@example.com","password":"********","username":"a<&>b"}]}`
	if tree["configuration"] != want || tree["type"] != "inline-am-idp" {
		t.Errorf("variant is %v %v, not %s", tree["type"], tree["configuration"], want)
	}
}

func parse(t testing.TB, body string) prototree.Object {
	t.Helper()
	tree, err := prototree.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func inline(users ...*configv1.InlineUser) *configv1.IdentityProvider {
	return &configv1.IdentityProvider{
		Config: &configv1.IdentityProvider_Inline{Inline: &configv1.InlineProvider{Users: users}},
	}
}

func object(t testing.TB, m map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDecodeTellsEveryFault(t *testing.T) {
	paths := func(into proto.Message, body string) []string {
		t.Helper()
		tree, err := prototree.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		var e *prototree.Error
		if err := prototree.Management.Decode(tree, into); !errors.As(err, &e) {
			t.Fatalf("%v", err)
		}
		all := []string{e.Path + " " + e.Detail}
		for _, more := range e.More {
			all = append(all, more.Path+" "+more.Detail)
			if more.More != nil {
				t.Errorf("%s holds faults of its own", more.Path)
			}
		}
		return all
	}
	const unknown = " is not recognized as a valid property"
	got := paths(&configv1.Application{}, `{"zz":1,"nmae":1,"name":1,"settings":{"oauth":{"redirectUris":["https://a",2,3],"xx":1}},"enabled":"yes"}`)
	want := []string{
		"nmae" + unknown, "enabled must be a boolean", "name must be a string", "settings.oauth.redirectUris[1] must be a string",
		"settings.oauth.redirectUris[2] must be a string", "settings.oauth.xx" + unknown, "zz" + unknown,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = paths(&configv1.IdentityProvider{}, `{"nmae":1,"type":"inline-am-idp","configuration":{"xx":1,"users":[{"yy":1},{"username":1}]}}`)
	want = []string{"nmae" + unknown, "configuration.users[0].yy" + unknown, "configuration.users[1].username must be a string", "configuration.xx" + unknown}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("of a configuration (-want +got):\n%s", diff)
	}
	if got := paths(&configv1.Application{}, `{"settings":{"oauth":{"redirectUris":[`+strings.Repeat("1,", 10_000)+`1]}}}`); len(got) != 50 {
		t.Errorf("%d faults are told of very many", len(got))
	}
}
