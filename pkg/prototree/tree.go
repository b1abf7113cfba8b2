package prototree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Object is a JSON object. The values of its members, and of lists in them, are nil, bool, string, json.Number,
// []any and Object. A tree of the document dialect also holds int32, int64, float64, time.Time and []byte in place of
// json.Number and spelled-out text.
type Object = map[string]any

// Mask stands in a tree where a secret has a value that is not shown. Sent back, it means "unchanged".
const Mask = "********"

// MaxDepth is how many levels of objects and lists Parse accepts.
const MaxDepth = 32

// Parse reads body as one JSON object with nothing but white space around it. Numbers keep their digits. Text that
// is not UTF-8, a member given twice and more than MaxDepth levels are refused. Every error is an *Error with the
// reason Malformed. The caller limits the size of body.
func Parse(body []byte) (Object, error) {
	tree, err := parse(body)
	if err != nil {
		return nil, err
	}
	return tree, nil
}

func parse(body []byte) (Object, *Error) {
	return document(body, '{', "object", parser.object)
}

// ParseList is Parse for a body that is a JSON array.
func ParseList(body []byte) ([]any, error) {
	list, err := document(body, '[', "array", parser.list)
	if err != nil {
		return nil, err
	}
	return list, nil
}

// document reads a body that is one value of a kind, which begins with open and which read reads on from there.
func document[T any](body []byte, open json.Delim, kind string, read func(parser, int) (T, error)) (T, *Error) {
	var none T
	if !utf8.Valid(body) {
		return none, &Error{Reason: Malformed, Detail: "must be UTF-8"}
	}
	p := parser{json.NewDecoder(bytes.NewReader(body))}
	p.UseNumber()
	first, err := p.Token()
	if err != nil {
		return none, malformed(err)
	}
	if first != open {
		return none, &Error{Reason: Malformed, Detail: "must be a JSON " + kind}
	}
	value, err := read(p, 1)
	if err != nil {
		return none, malformed(err)
	}
	if _, err := p.Token(); !errors.Is(err, io.EOF) {
		return none, &Error{Reason: Malformed, Detail: "must be one JSON " + kind + " and nothing after it"}
	}
	return value, nil
}

func malformed(err error) *Error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{Reason: Malformed, Detail: "ends too early"}
	}
	return &Error{Reason: Malformed, Detail: err.Error()}
}

// parser builds a tree from tokens, because json.Unmarshal neither notices members given twice nor limits the depth.
type parser struct{ *json.Decoder }

func (p parser) object(depth int) (Object, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("is nested more than %d levels deep", MaxDepth)
	}
	tree := Object{}
	for p.More() {
		name, err := p.Token()
		if err != nil {
			return nil, err
		}
		key, ok := name.(string)
		if !ok {
			return nil, errors.New("a member has no name")
		}
		if _, twice := tree[key]; twice {
			return nil, fmt.Errorf("member %q is given twice", key)
		}
		if tree[key], err = p.value(depth); err != nil {
			return nil, err
		}
	}
	_, err := p.Token()
	return tree, err
}

func (p parser) list(depth int) ([]any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("is nested more than %d levels deep", MaxDepth)
	}
	list := []any{}
	for p.More() {
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := p.Token()
	return list, err
}

func (p parser) value(depth int) (any, error) {
	t, err := p.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		return p.object(depth + 1)
	case json.Delim('['):
		return p.list(depth + 1)
	}
	return t, nil
}

// text returns the compact JSON form of a tree, members sorted by name.
func text(tree Object) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}
