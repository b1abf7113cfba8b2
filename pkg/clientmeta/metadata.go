package clientmeta

import (
	"bytes"
	"errors"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Metadata is the body of a registration request.
type Metadata struct {
	// OAuth holds the registered members that were given a value; nothing else in it is set.
	OAuth *configv1.OAuthSettings
	// Scope is the member scope, in order and without repetition. It is not part of OAuth.
	Scope []string
	// Given tells how each known member stood in the body.
	Given Members
	// ClientID and ClientSecret are what a body says of the client itself (RFC 7592 §2.2); empty if it does not. They are no
	// metadata and change nothing.
	ClientID, ClientSecret string
}

// State is how a member stood in a body.
type State uint8

// The three states of a member.
const (
	Absent State = iota // the default, or what is stored, holds
	Null                // the member is set to nothing
	Value               // the member is set, perhaps to an empty value
)

// Members are the known members of a body by their registered names. Those that are not in it are Absent.
type Members map[string]State

// Has reports whether a member was given, with a value or as null.
func (m Members) Has(name string) bool { return m[name] != Absent }

// scopeMember is the only registered member that no field of the message stands for.
const scopeMember = "scope"

// firstOwn is the first field number of OAuthSettings that is no registered metadata.
const firstOwn = 100

var (
	// registered are the names of the members that the message has and that something acts on, members their fields.
	registered []string
	members    = map[string]protoreflect.FieldDescriptor{}
)

func init() {
	fields := (&configv1.OAuthSettings{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); f.Number() < firstOwn && !prototree.MarksOf(f).Waiting {
			registered = append(registered, f.TextName())
			members[f.TextName()] = f
		}
	}
}

// Decode reads a registration body. Members that are not registered, or that this product does not have, are skipped
// (RFC 7591 §2); so are those of the message that are not metadata. Every error is an *oauth2.Error that names the place:
// invalid_client_metadata. The caller limits the size of body.
func Decode(body []byte) (Metadata, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Metadata{}, oauth2.InvalidClientMetadata.Errorf("no content")
	}
	tree, err := prototree.Parse(body)
	if err != nil {
		return Metadata{}, refused(err)
	}
	m := Metadata{OAuth: &configv1.OAuthSettings{}, Given: Members{}}
	known := make(prototree.Object, len(tree))
	for _, name := range registered {
		if v, given := tree[name]; given {
			known[name] = v
			m.Given.note(name, v)
		}
	}
	if err := prototree.Registration.Decode(known, m.OAuth); err != nil {
		return Metadata{}, refused(err)
	}
	if v, given := tree[scopeMember]; given {
		m.Given.note(scopeMember, v)
		scope, ok := v.(string)
		if !ok && v != nil {
			return Metadata{}, oauth2.InvalidClientMetadata.Errorf("%s must be a string", scopeMember)
		}
		m.Scope = oauth2.SplitScope(scope)
	}
	for name, value := range map[string]*string{"client_id": &m.ClientID, "client_secret": &m.ClientSecret} {
		if v := tree[name]; v != nil {
			text, ok := v.(string)
			if !ok {
				return Metadata{}, oauth2.InvalidClientMetadata.Errorf("%s must be a string", name)
			}
			*value = text
		}
	}
	return m, nil
}

func (m Members) note(name string, v any) {
	m[name] = Value
	if v == nil {
		m[name] = Null
	}
}

func refused(err error) error {
	text := err.Error()
	var e *prototree.Error
	if errors.As(err, &e) && e.Reason == prototree.Malformed {
		text = e.Message() + ": " + e.Detail
	}
	return oauth2.InvalidClientMetadata.Errorf("%s", text).WithCause(err)
}

// Defaults of members that a body leaves out (RFC 7591 §2, OpenID Connect Registration §2).
const (
	DefaultClientName      = "Unknown Client"
	DefaultApplicationType = "web"
	DefaultGrantType       = oauth2.GrantAuthorizationCode
	DefaultResponseType    = oauth2.ResponseCode
)

// Complete gives every member that the body left out its default; method is that of client authentication. A member that
// was null stays without a value.
func (m Metadata) Complete(method oauth2.AuthMethod) {
	absent := func(name string) bool { return !m.Given.Has(name) }
	if absent("client_name") {
		m.OAuth.ClientName = DefaultClientName
	}
	if absent("application_type") {
		m.OAuth.ApplicationType = DefaultApplicationType
	}
	if absent("grant_types") {
		m.OAuth.GrantTypes = []string{string(DefaultGrantType)}
	}
	if absent("response_types") {
		m.OAuth.ResponseTypes = []string{string(DefaultResponseType)}
	}
	if absent("token_endpoint_auth_method") {
		m.OAuth.TokenEndpointAuthMethod = string(method)
	}
}
