package scim

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads a filter. Every error is an *Error.
func Parse(text string) (Filter, error) {
	if len(text) > MaxLength {
		return nil, &Error{Column: 1, Detail: fmt.Sprintf("a filter has at most %d bytes", MaxLength)}
	}
	if !utf8.ValidString(text) {
		return nil, &Error{Column: 1, Detail: "must be UTF-8"}
	}
	p := parser{text: text}
	p.next()
	f, err := p.either(0)
	if err == nil && p.token.text != "" {
		err = p.refuse("%q is not expected here: and, or, or the end is", clip(p.token.text))
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// token is a parenthesis, a JSON string with its quotes, or a word. Empty is the end.
type token struct {
	text string
	at   int // bytes before it
}

type parser struct {
	text        string
	end         int // bytes read
	token       token
	comparisons int
}

// next reads the next token.
func (p *parser) next() {
	for p.end < len(p.text) && space(p.text[p.end]) {
		p.end++
	}
	start := p.end
	switch {
	case start == len(p.text):
	case strings.IndexByte("()[]", p.text[start]) >= 0:
		p.end++
	case p.text[start] == '"':
		p.end++
		for p.end < len(p.text) && p.text[p.end] != '"' {
			if p.text[p.end] == '\\' {
				p.end++
			}
			p.end++
		}
		p.end = min(p.end+1, len(p.text))
	default:
		for p.end < len(p.text) && !space(p.text[p.end]) && strings.IndexByte(`()[]"`, p.text[p.end]) < 0 {
			p.end++
		}
	}
	p.token = token{p.text[start:p.end], start}
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func (p *parser) refuse(format string, args ...any) error {
	return &Error{Column: utf8.RuneCountInString(p.text[:p.token.at]) + 1, Detail: fmt.Sprintf(format, args...)}
}

func (p *parser) is(word string) bool { return strings.EqualFold(p.token.text, word) }

// either reads filters joined by or, which binds least.
func (p *parser) either(depth int) (Filter, error) {
	var all Or
	for {
		f, err := p.both(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		if !p.is("or") {
			break
		}
		p.next()
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

// both reads filters joined by and.
func (p *parser) both(depth int) (Filter, error) {
	var all And
	for {
		f, err := p.one(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		if !p.is("and") {
			break
		}
		p.next()
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

// one reads a comparison, or a filter in parentheses with or without not.
func (p *parser) one(depth int) (Filter, error) {
	if depth >= maxDepth {
		return nil, p.refuse("a filter has at most %d levels", maxDepth)
	}
	switch {
	case p.token.text == "":
		return nil, p.refuse("a comparison is missing, such as userName eq \"ann\"")
	case p.is("not"):
		p.next()
		if p.token.text != "(" {
			return nil, p.refuse("an opening parenthesis must follow not")
		}
		inner, err := p.one(depth + 1)
		if err != nil {
			return nil, err
		}
		return Not{inner}, nil
	case p.token.text == "(":
		p.next()
		inner, err := p.either(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.token.text != ")" {
			return nil, p.refuse("a closing parenthesis is missing")
		}
		p.next()
		return inner, nil
	}
	return p.comparison()
}

func (p *parser) comparison() (Filter, error) {
	if p.comparisons++; p.comparisons > maxComparisons {
		return nil, p.refuse("a filter has at most %d comparisons", maxComparisons)
	}
	name := strings.TrimPrefix(strings.ToLower(p.token.text), schema)
	attribute, known := attributes[name]
	if !known {
		return nil, p.refuse("%q can not be searched for: one of %s is needed", clip(p.token.text), strings.Join(Attributes(), ", "))
	}
	p.next()
	op, err := operator(p.token.text, attribute.Type)
	if err != nil {
		return nil, p.refuse("%s", err)
	}
	c := Comparison{Attribute: attribute, Op: op}
	if p.next(); op == Present {
		return c, nil
	}
	v, err := literal(p.token.text)
	if err != nil {
		return nil, p.refuse("%s", err)
	}
	if v == nil && (op == Equal || op == NotEqual) {
		p.next()
		c.Op = Present
		if op == Equal {
			return Not{c}, nil
		}
		return c, nil
	}
	if c.Value, err = valueOf(attribute, v); err != nil {
		return nil, p.refuse("%s", err)
	}
	p.next()
	return c, nil
}

// literal reads a value: a text in quotes, a whole number, true, false or null.
func literal(text string) (any, error) {
	switch strings.ToLower(text) {
	case "":
		return nil, fmt.Errorf("a value is missing")
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	}
	if text[0] == '"' {
		var s string
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return nil, fmt.Errorf("the text in quotes does not end or is not as JSON writes it")
		}
		if strings.ContainsRune(s, 0) {
			return nil, fmt.Errorf("a text has no sign U+0000")
		}
		return s, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	return nil, fmt.Errorf("%q is no value: texts stand in quotes", clip(text))
}
