package rest

import (
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/serve"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

const (
	defaultSize = 50
	// maxPageSize is how many entries one page has at most, where nothing else is documented.
	maxPageSize = 1000
	maxPage     = 1 << 30
	// maxSearch bounds the text of a search, in bytes.
	maxSearch = 256
)

// Body reads the body of a request as one JSON object. It is refused with 415 unless its type is application/json, with
// 413 beyond 1 MiB, and with 400 `Malformed json`.
func (m *Mux) Body(r *http.Request) (prototree.Object, error) { return readBody(r) }

// Array is Body for a body that is one JSON array.
func (m *Mux) Array(r *http.Request) ([]any, error) { return readArray(r) }

func readArray(r *http.Request) ([]any, error) {
	body, err := readBytes(r)
	if err != nil {
		return nil, err
	}
	list, err := prototree.ParseList(body)
	if err != nil {
		return nil, catalog.TreeError(err)
	}
	return list, nil
}

func readBody(r *http.Request) (prototree.Object, error) {
	body, err := readBytes(r)
	if err != nil {
		return nil, err
	}
	tree, err := prototree.Parse(body)
	if err != nil {
		return nil, catalog.TreeError(err)
	}
	delete(tree, memberNotices) // a body that was read can be sent back
	return tree, nil
}

// readBodies reads the body of a request as an array of objects, like readBody.
func readBodies(r *http.Request) ([]prototree.Object, error) {
	list, err := readArray(r)
	if err != nil {
		return nil, err
	}
	objects := make([]prototree.Object, len(list))
	for i, entry := range list {
		object, ok := entry.(prototree.Object)
		if !ok {
			return nil, constraint(prototree.Index("", i), "", "must be an object")
		}
		delete(object, memberNotices)
		objects[i] = object
	}
	return objects, nil
}

func readBytes(r *http.Request) ([]byte, error) {
	if err := checkType(r.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, err := io.ReadAll(r.Body)
	switch {
	case serve.TooLarge(err):
		return nil, errTooLarge
	case err != nil:
		return nil, fault.Invalidf("The body ended early").Because(err)
	}
	return prototree.JoinLines(body), nil
}

// checkType accepts application/json in UTF-8.
func checkType(field string) error {
	media, params, err := mime.ParseMediaType(field)
	if err != nil || media != "application/json" {
		return errMediaType
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return errMediaType
	}
	return nil
}

// Page reads `page` (from 0), `size` (50 where it is absent, cut to maxSize, which 0 means 1000) and `q` of a request
// for a list. Bad numbers are refused.
func (m *Mux) Page(r *http.Request, maxSize int) (page, size int, q string, err error) {
	if maxSize <= 0 {
		maxSize = maxPageSize
	}
	values, err := query(r)
	if err != nil {
		return 0, 0, "", err
	}
	if page, err = number(values, "page", 0, 0); err != nil {
		return 0, 0, "", err
	}
	if size, err = number(values, "size", defaultSize, 1); err != nil {
		return 0, 0, "", err
	}
	if page > maxPage {
		return 0, 0, "", constraint("page", values.Get("page"), "must be less than or equal to "+strconv.Itoa(maxPage))
	}
	q = values.Get("q")
	if len(q) > maxSearch {
		return 0, 0, "", constraint("q", "", "size must be at most "+strconv.Itoa(maxSearch))
	}
	return page, min(size, maxSize), q, nil
}

// query reads the parameters of a request; text that is not UTF-8 is refused.
func query(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.Invalidf("The query is malformed").Because(err)
	}
	for name, all := range values {
		for _, value := range all {
			if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
				return nil, constraint(name, "", "must be text in UTF-8")
			}
		}
	}
	return values, nil
}

func number(values url.Values, name string, otherwise, least int) (int, error) {
	text := values.Get(name)
	if !values.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, constraint(name, text, "must be a whole number")
	}
	if int(n) < least {
		return 0, constraint(name, text, "must be greater than or equal to "+strconv.Itoa(least))
	}
	return int(n), nil
}

// constraint says that a value breaks a rule, in the documented form.
func constraint(name, value, text string) error {
	subject := value
	if subject == "" || len(subject) > 64 {
		subject = name
	}
	return fault.Invalidf("[%s: %s]", subject, text).At(name, text)
}

// never is a revision that no resource has.
const never = -1

// Precondition returns the revision that the If-Match of a request asks for (RFC 9110 §13.1.1): 0 for none, and one that
// nothing has for what cannot match. Where several are named, current decides which of them counts.
func (m *Mux) Precondition(r *http.Request, current func(context.Context) (int64, error)) (int64, error) {
	return precondition(r, current)
}

// precondition returns the revision that If-Match asks for (RFC 9110 §13.1.1), 0 for none, and never for what cannot
// match: weak and foreign tags. Where several are named, current decides which of them counts.
func precondition(r *http.Request, current func(context.Context) (int64, error)) (int64, error) {
	field := strings.TrimSpace(strings.Join(r.Header.Values("If-Match"), ","))
	if field == "" || field == "*" {
		return 0, nil
	}
	tags := strings.Split(field, ",")
	if len(tags) == 1 {
		return revisionOf(tags[0]), nil
	}
	now, err := current(r.Context())
	if err != nil {
		return 0, err
	}
	for _, tag := range tags {
		if revisionOf(tag) == now {
			return now, nil
		}
	}
	return never, nil
}

func revisionOf(tag string) int64 {
	tag = strings.TrimSpace(tag)
	if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return never
	}
	n, err := strconv.ParseInt(tag[1:len(tag)-1], 10, 64)
	if err != nil || n <= 0 {
		return never
	}
	return n
}

func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// location puts the segments behind a path and in front of it what a trusted proxy has taken off.
func (a *API) location(r *http.Request, path string, segments ...string) string {
	var b strings.Builder
	b.WriteString(a.Proxies.Prefix(r))
	b.WriteString(strings.TrimSuffix(path, "/"))
	for _, segment := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(segment))
	}
	return b.String()
}
