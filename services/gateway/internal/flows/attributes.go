package flows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The limits of what flows set for one login. It travels with the login, and with what comes of it.
const (
	MaxAttributes = 64
	MaxBytes      = 4 << 10 // as JSON
)

// own are the attributes that say what the login itself knows; a flow that set them could make them untrue.
var own = []string{"user", "client", "domain", "authFlow", "ip_address", "user_agent", "deviceId"}

// Own reports whether an attribute is the login's own, so that no flow can set it.
func Own(name string) bool { return slices.Contains(own, name) }

var (
	errMany  = fmt.Errorf("a login has at most %d attributes", MaxAttributes)
	errLarge = fmt.Errorf("the attributes of a login are at most %d bytes as JSON", MaxBytes)
	errJSON  = errors.New("the value has no form in JSON")
)

// with returns attributes with one more, or without it where the value is null. What it is given does not change.
func with(attributes map[string]any, name string, value any) (map[string]any, error) {
	if value == nil {
		if _, ok := attributes[name]; !ok {
			return attributes, nil
		}
		out := maps.Clone(attributes)
		delete(out, name)
		return out, nil
	}
	out := make(map[string]any, len(attributes)+1)
	maps.Copy(out, attributes)
	out[name] = value
	if len(out) > MaxAttributes {
		return nil, errMany
	}
	encoded, err := json.Marshal(out)
	switch {
	case err != nil:
		return nil, errJSON
	case len(encoded) > MaxBytes:
		return nil, errLarge
	}
	return out, nil
}

// Encode returns attributes as a JSON object, nil if there are none.
func Encode(attributes map[string]any) (json.RawMessage, error) {
	if len(attributes) == 0 {
		return nil, nil
	}
	encoded, err := json.Marshal(attributes)
	if err != nil {
		return nil, fmt.Errorf("encode attributes: %w", err)
	}
	return encoded, nil
}

// Decode reads what Encode wrote. Numbers without a fraction are integers, as they were for the flow that set them.
func Decode(encoded json.RawMessage) (map[string]any, error) {
	if len(encoded) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(encoded))
	d.UseNumber()
	var attributes map[string]any
	if err := d.Decode(&attributes); err != nil {
		return nil, fmt.Errorf("decode attributes: %w", err)
	}
	for name, v := range attributes {
		attributes[name] = numbers(v)
	}
	return attributes, nil
}

// numbers puts numbers in the place of their texts.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		f, _ := v.Float64() // what is too large is infinite, and no worse than that
		return f
	case map[string]any:
		for name, one := range v {
			v[name] = numbers(one)
		}
	case []any:
		for i, one := range v {
			v[i] = numbers(one)
		}
	}
	return v
}

// shorten cuts a text to a number of bytes, between characters.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
