package rules

import (
	"fmt"
	"net/textproto"
	"reflect"
	"slices"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// Request is the request being served, as it arrived. Expressions do not see the parameters and headers that carry
// secrets, however the maps were filled; see [VisibleParam] and [VisibleHeader].
//
// An expression that reads something larger than this fails: 256 names of parameters or headers, 64 values of one
// name, 16 KiB of one text.
type Request struct {
	// Params are the query and form parameters together; a url.Values can be assigned.
	Params map[string][]string
	// Headers have canonical names or names in lower case; an http.Header can be assigned.
	Headers map[string][]string
	// IP is the caller's address, seen through trusted proxies.
	IP string
	// Path, Method, Scheme and ID are those of the request.
	Path, Method, Scheme, ID string
}

// requestValue is a Request as CEL sees it.
type requestValue Request

// VisibleParam reports whether expressions see the parameter with this name. They do not see passwords, secrets, codes,
// assertions, tokens and request objects.
func VisibleParam(name string) bool {
	if len(name) > maxName {
		return false
	}
	name = strings.ToLower(name)
	if slices.Contains(hiddenParams, name) {
		return false
	}
	for _, word := range hiddenWords {
		if strings.Contains(name, word) {
			return false
		}
	}
	for _, ending := range hiddenEndings {
		if strings.HasSuffix(name, ending) {
			return false
		}
	}
	return true
}

// VisibleHeader reports whether expressions see the header with this name, in any case.
func VisibleHeader(name string) bool {
	return len(name) <= maxName && !slices.Contains(hiddenHeaders, strings.ToLower(name))
}

// Names that carry secrets. client_secret, new_password, subject_token, logout_token, x-xsrf-token, client_assertion and
// their kin fall under the words and endings.
var (
	hiddenParams = []string{
		"code", "code_verifier", "device_code", "user_code", "auth_req_id", "id_token_hint", "request", "otp", "totp",
		"pin", "passcode", "samlresponse", "software_statement", "dpop",
	}
	hiddenWords   = []string{"password", "passwd", "passphrase", "secret", "credential"}
	hiddenEndings = []string{"token", "assertion"}
	hiddenHeaders = []string{"authorization", "proxy-authorization", "cookie", "dpop", "x-xsrf-token", "x-csrf-token"}
)

// What a request may bring. The estimates of cost.go rely on it.
const (
	maxLogin  = 4096
	maxNames  = 256
	maxValues = 64
	maxText   = 16 << 10
	maxName   = 256
)

// params and headers are maps from names to lists of strings that hide what expressions must not see.
type (
	params  map[string][]string
	headers map[string][]string
)

func (p params) find(name string) ([]string, bool) {
	v, ok := p[name]
	return v, ok && VisibleParam(name)
}

func (p params) names() []string {
	names := make([]string, 0, len(p))
	for name := range p {
		if VisibleParam(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// find looks for a name in lower case; other spellings do not exist in expressions.
func (h headers) find(name string) ([]string, bool) {
	if name != strings.ToLower(name) || !VisibleHeader(name) {
		return nil, false
	}
	if v, ok := h[textproto.CanonicalMIMEHeaderKey(name)]; ok {
		return v, true
	}
	v, ok := h[name]
	return v, ok
}

func (h headers) names() []string {
	names := make([]string, 0, len(h))
	for name := range h {
		if VisibleHeader(name) {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// finder is what params and headers have in common.
type finder interface {
	~map[string][]string
	find(name string) ([]string, bool)
	names() []string
	ref.Val
}

// multi refuses maps beyond the limits; it reads only their length.
func multi[M finder](m M, what string) (any, error) {
	if len(m) > maxNames {
		return nil, &limitError{fmt.Sprintf("the request has more than %d %s", maxNames, what)}
	}
	return m, nil
}

// bounded refuses texts beyond the limits.
func bounded(what, s string) (any, error) {
	if len(s) > maxText {
		return nil, &limitError{fmt.Sprintf("%s is longer than %d bytes", what, maxText)}
	}
	return s, nil
}

func findIn[M finder](m M, key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	values, ok := m.find(string(name))
	if !ok {
		return nil, false
	}
	if len(values) > maxValues {
		return types.WrapErr(&limitError{fmt.Sprintf("a parameter or header has more than %d values", maxValues)}), false
	}
	for _, v := range values {
		if len(v) > maxText {
			return types.WrapErr(&limitError{fmt.Sprintf("a parameter or header is longer than %d bytes", maxText)}), false
		}
	}
	return types.NewStringList(types.DefaultTypeAdapter, values), true
}

func containsIn[M finder](m M, key ref.Val) ref.Val {
	name, ok := key.(types.String)
	if !ok {
		return types.False
	}
	_, found := m.find(string(name))
	return types.Bool(found)
}

func getFrom[M finder](m M, key ref.Val) ref.Val {
	v, ok := findIn(m, key)
	switch {
	case ok:
		return v
	case v != nil:
		return v
	}
	return types.NewErr("no such key: %v", key)
}

// whole copies what is visible into a map of CEL's own, for the rare use of the map as a value.
func whole[M finder](m M) traits.Mapper {
	visible := make(map[string]any, len(m))
	for _, name := range m.names() {
		visible[name], _ = m.find(name)
	}
	return types.NewStringInterfaceMap(types.DefaultTypeAdapter, visible)
}

func iterate[M finder](m M) traits.Iterator {
	return types.NewStringList(types.DefaultTypeAdapter, m.names()).Iterator()
}

// The methods of ref.Val and traits.Mapper, for params.

func (p params) ConvertToNative(t reflect.Type) (any, error) { return whole(p).ConvertToNative(t) }
func (p params) ConvertToType(t ref.Type) ref.Val            { return whole(p).ConvertToType(t) }
func (p params) Equal(other ref.Val) ref.Val                 { return whole(p).Equal(other) }
func (p params) Type() ref.Type                              { return types.MapType }
func (p params) Value() any                                  { return whole(p).Value() }
func (p params) Contains(key ref.Val) ref.Val                { return containsIn(p, key) }
func (p params) Get(key ref.Val) ref.Val                     { return getFrom(p, key) }
func (p params) Find(key ref.Val) (ref.Val, bool)            { return findIn(p, key) }
func (p params) Iterator() traits.Iterator                   { return iterate(p) }
func (p params) Size() ref.Val                               { return types.Int(len(p.names())) }

// The same for headers.

func (h headers) ConvertToNative(t reflect.Type) (any, error) { return whole(h).ConvertToNative(t) }
func (h headers) ConvertToType(t ref.Type) ref.Val            { return whole(h).ConvertToType(t) }
func (h headers) Equal(other ref.Val) ref.Val                 { return whole(h).Equal(other) }
func (h headers) Type() ref.Type                              { return types.MapType }
func (h headers) Value() any                                  { return whole(h).Value() }
func (h headers) Contains(key ref.Val) ref.Val                { return containsIn(h, key) }
func (h headers) Get(key ref.Val) ref.Val                     { return getFrom(h, key) }
func (h headers) Find(key ref.Val) (ref.Val, bool)            { return findIn(h, key) }
func (h headers) Iterator() traits.Iterator                   { return iterate(h) }
func (h headers) Size() ref.Val                               { return types.Int(len(h.names())) }
