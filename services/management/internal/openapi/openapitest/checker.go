// Package openapitest holds what an API answers to its OpenAPI document. It is for tests.
package openapitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi"
)

// ErrUnknown means that the document has no such operation.
var ErrUnknown = errors.New("the document has no such operation")

// Checker compares requests and answers with a document. It is safe for concurrent use.
type Checker struct {
	document *openapi.Document

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

// New returns a checker.
func New(d *openapi.Document) (*Checker, error) {
	text, err := json.Marshal(d.Tree())
	if err != nil {
		return nil, err
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := &Checker{document: d, compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertContent()
	return c, c.compiler.AddResource(location, tree)
}

// location is where the document lies for the compiler.
const location = "https://gatehouse.example/management.json"

// Document returns the document.
func (c *Checker) Document() *openapi.Document { return c.document }

// Find returns the operation of a request by method and escaped path, in the short or the long form. It fails with
// ErrUnknown.
func (c *Checker) Find(method, path string) (openapi.Operation, error) {
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/management/"), "/"), "/")
	var found *openapi.Operation
	best := -1
	for _, o := range c.document.Operations() {
		if o.Method != method {
			continue
		}
		score := match(o.Path, segments)
		if score < 0 && !o.Whole && len(segments) > 4 && segments[0] == "organizations" && segments[2] == "environments" {
			score = match(o.Path, segments[4:])
		}
		if score > best {
			found, best = &o, score
		}
	}
	if found == nil {
		return openapi.Operation{}, fmt.Errorf("%s %s: %w", method, path, ErrUnknown)
	}
	return *found, nil
}

// match returns how many literal segments agree, or -1. Literals count more the earlier they stand.
func match(path string, segments []string) int {
	pattern := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(pattern) != len(segments) {
		return -1
	}
	score := 0
	for i, p := range pattern {
		score *= 2
		switch {
		case p == segments[i]:
			score++
		case p[0] != '{':
			return -1
		}
	}
	return score
}

// Answer returns what is wrong with the answer to a request, or nil.
func (c *Checker) Answer(method, path string, status int, header http.Header, body []byte) error {
	path, _, _ = strings.Cut(path, "?")
	o, err := c.Find(method, path)
	if err != nil {
		return err
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%s answers %d: %s", o.ID, status, fmt.Sprintf(format, args...))
	}
	base := "/paths/" + escape(o.Path) + "/" + strings.ToLower(o.Method) + "/responses/" + strconv.Itoa(status)
	described, ok := c.at(base).(map[string]any)
	if !ok {
		return wrong("a status that is not in the document\n%s", body)
	}
	if status < 300 {
		headers, _ := described["headers"].(map[string]any)
		for _, name := range []string{"Location", "ETag"} {
			_, has := headers[name]
			if name == "ETag" && has && header.Get(name) == "" && !bytes.Contains(body, []byte(`"revision"`)) {
				continue // a default that nobody has written has no revision
			}
			if has != (header.Get(name) != "") {
				return wrong("header %s is %q, and in the document: %t", name, header.Get(name), has)
			}
		}
	}
	if ref, ok := described["$ref"].(string); ok {
		base = strings.TrimPrefix(ref, "#")
		described, _ = c.at(base).(map[string]any)
	}
	content, ok := described["content"].(map[string]any)
	if !ok {
		if len(body) > 0 {
			return wrong("a body that is not in the document\n%s", body)
		}
		return nil
	}
	media, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	if content[media] == nil {
		return wrong("content type %q", header.Get("Content-Type"))
	}
	if media != "application/json" {
		return nil
	}
	if err := c.check(base+"/content/"+escape(media)+"/schema", body); err != nil {
		return wrong("%v\n%s", err, body)
	}
	return nil
}

// Body returns what is wrong with a JSON body for an operation, or nil.
func (c *Checker) Body(o openapi.Operation, body []byte) error {
	place := "/paths/" + escape(o.Path) + "/" + strings.ToLower(o.Method) + "/requestBody/content/" + escape("application/json") + "/schema"
	if c.at(place) == nil {
		return fmt.Errorf("%s has no such body", o.ID)
	}
	return c.check(place, body)
}

func (c *Checker) check(place string, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.schemas[place]
	if s == nil {
		if s, err = c.compiler.Compile(location + "#" + braces.Replace(place)); err != nil {
			return err
		}
		c.schemas[place] = s
	}
	return s.Validate(value)
}

// braces escapes what may not stand in a URL.
var braces = strings.NewReplacer("{", "%7B", "}", "%7D")

// at returns what lies at a JSON pointer of the document, or nil.
func (c *Checker) at(pointer string) any {
	var v any = c.document.Tree()
	for _, segment := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[strings.NewReplacer("~1", "/", "~0", "~").Replace(segment)]
	}
	return v
}

func escape(segment string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(segment)
}
