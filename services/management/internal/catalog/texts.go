package catalog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

const (
	notBlank  = "must not be blank"
	givenOnce = "must be given once"
)

// broken says that a field breaks its constraint, in the documented form: [<value, or the name of the field if there is
// none>: <constraint>].
func broken(path, value, constraint string) *fault.Error {
	subject := value
	if strings.TrimSpace(subject) == "" {
		subject = leaf(path)
	}
	return fault.Invalidf("[%s: %s]", subject, constraint).At(path, constraint)
}

// leaf returns the name of the last member on a path.
func leaf(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		path = path[i+1:]
	}
	if i := strings.IndexByte(path, '['); i > 0 {
		path = path[:i]
	}
	return path
}

// required refuses blank members, all of them together: pairs of path and value.
func required(pairs ...string) error {
	var texts []string
	var details []fault.Detail
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.TrimSpace(pairs[i+1]) == "" {
			texts = append(texts, leaf(pairs[i])+": "+notBlank)
			details = append(details, fault.Detail{Path: pairs[i], Detail: notBlank})
		}
	}
	if texts == nil {
		return nil
	}
	return fault.Invalidf("[%s]", strings.Join(texts, ", ")).With(details...)
}

// between refuses a number that is out of its bounds.
func between(path string, n, least, most int64) error {
	if n < least || n > most {
		return broken(path, strconv.FormatInt(n, 10), fmt.Sprintf("must be from %d to %d", least, most))
	}
	return nil
}

// exists is the documented refusal of a taken value.
func exists(what, value string) *fault.Error {
	return fault.Invalidf("A %s [%s] already exists.", what, value)
}

// existsIn is the same where the text names the domain.
func existsIn(what, value, domain string) *fault.Error {
	return fault.Invalidf("A %s [%s] already exists for domain [%s]", what, value, domain)
}

// dangling refuses a body that names something that is not there.
func dangling(path, title, id string) *fault.Error {
	text := title + " [" + id + "] can not be found."
	return fault.Invalidf("%s", text).At(path, text)
}

// TreeError returns what a caller is told about a body that cannot be read: a fault of kind Invalid with the documented
// text. Any other error is returned as it is.
func TreeError(err error) error {
	var e *prototree.Error
	if !errors.As(err, &e) || e.Reason == prototree.Sealed {
		return err
	}
	f := fault.Invalidf("%s", e.Message())
	if e.Path == "" {
		return f
	}
	f = f.At(e.Path, e.Detail)
	for _, more := range e.More {
		f = f.At(more.Path, more.Detail)
	}
	return f
}

// without returns a copy of a body without some of its members.
func without(body prototree.Object, names ...string) prototree.Object {
	copied := make(prototree.Object, len(body))
	for name, value := range body {
		copied[name] = value
	}
	for _, name := range names {
		delete(copied, name)
	}
	return copied
}

// DomainKey returns the value under which something that is unique in a domain is found.
func DomainKey(domain, value string) string { return domain + "/" + value }
