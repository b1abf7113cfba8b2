package oauth2

import (
	"net/url"
	"slices"
	"strings"
)

// maxParams limits the parameters of one request, and maxQuery the length of its query or form in bytes.
const (
	maxParams = 256
	maxQuery  = 1 << 20
)

// Params are the parameters of one request: those of the query and those of the form body, merged. A parameter
// stands once (RFC 6749 §3.1), except resource (RFC 8707 §2).
// An empty value counts as absent (RFC 6749 §3.1). A Params is not changed after it was made.
type Params struct {
	values  map[string][]string
	inQuery map[string]struct{}
}

// repeatable names the parameters that may stand more than once in any request.
var repeatable = []string{"resource"}

// ParseParams reads the raw query and the raw form-encoded body of a request. A repeated parameter, whether within
// one of them or in both, is invalid_request "Parameter [<x>] is included more than once"; which of several repeated
// ones is named is decided by their order. A malformed encoding is invalid_request too.
func ParseParams(query, body string) (Params, error) {
	p := Params{values: make(map[string][]string, 8)}
	if err := p.add(query, true); err != nil {
		return Params{}, err
	}
	if err := p.add(body, false); err != nil {
		return Params{}, err
	}
	return p, nil
}

// ParamsOf returns Params of decoded values, as a form reader other than form-encoding gives them. They count as
// parts of the body. Repeated parameters are refused as by ParseParams.
func ParamsOf(values url.Values) (Params, error) {
	p := Params{values: make(map[string][]string, len(values))}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range values[name] {
			if err := p.put(name, v, false); err != nil {
				return Params{}, err
			}
		}
	}
	return p, nil
}

func (p *Params) add(raw string, query bool) error {
	if len(raw) > maxQuery {
		return InvalidRequest.Errorf("The request is too large")
	}
	count := 0
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		if count++; count > maxParams {
			return InvalidRequest.Errorf("The request has too many parameters")
		}
		k, v, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(k)
		if err != nil {
			return InvalidRequest.Errorf("The parameters are not form-encoded").WithCause(err)
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return InvalidRequest.Errorf("The parameters are not form-encoded").WithCause(err)
		}
		if err := p.put(name, value, query); err != nil {
			return err
		}
	}
	return nil
}

func (p *Params) put(name, value string, query bool) error {
	have := p.values[name]
	if len(have) > 0 && !slices.Contains(repeatable, name) {
		return InvalidRequest.Errorf("Parameter [%s] is included more than once", name)
	}
	p.values[name] = append(have, value)
	if query {
		if p.inQuery == nil {
			p.inQuery = make(map[string]struct{}, 8)
		}
		p.inQuery[name] = struct{}{}
	}
	return nil
}

// Get returns the value of a parameter, and "" if it is absent.
func (p Params) Get(name string) string {
	if v := p.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// All returns the values of a parameter that may be repeated, without empty ones.
func (p Params) All(name string) []string {
	var all []string
	for _, v := range p.values[name] {
		if v != "" {
			all = append(all, v)
		}
	}
	return all
}

// Has reports whether the parameter was sent with a value.
func (p Params) Has(name string) bool { return p.Get(name) != "" }

// Sent reports whether the parameter was sent at all, with or without a value.
func (p Params) Sent(name string) bool { return len(p.values[name]) > 0 }

// InQuery reports whether the parameter stood in the query of the request's URL.
func (p Params) InQuery(name string) bool {
	_, ok := p.inQuery[name]
	return ok
}

// AnyInQuery reports whether any parameter stood in the query of the request's URL.
func (p Params) AnyInQuery() bool { return len(p.inQuery) > 0 }

// Names returns the names of all parameters, sorted.
func (p Params) Names() []string {
	names := make([]string, 0, len(p.values))
	for name := range p.values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Values returns a copy of all parameters.
func (p Params) Values() url.Values {
	all := make(url.Values, len(p.values))
	for name, v := range p.values {
		all[name] = slices.Clone(v)
	}
	return all
}

// With returns a copy in which the parameter has the given single value, as a request object or a pushed request
// sets it.
func (p Params) With(name, value string) Params {
	q := Params{values: p.Values(), inQuery: p.inQuery}
	q.values[name] = []string{value}
	return q
}
