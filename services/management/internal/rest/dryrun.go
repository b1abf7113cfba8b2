package rest

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// dryRunName is the parameter that asks for all checks and no change.
const dryRunName = "dryRun"

var dryRunParameter = operation.Parameter{
	Name: dryRunName, Type: "boolean",
	Description: "Run every check and write nothing. What would be created is answered with 200, without the identifiers and secrets it would get.",
}

// errNoDryRun refuses a dry run of what cannot be tried out, so that nothing is written by a request that asks for one.
var errNoDryRun = fault.Invalidf("dryRun is not available here").At(dryRunName, "is not available here")

// tried lets the requests of a route that writes be tried out, or refuses to: it is the only place that reads dryRun.
func tried(method string, h handler, o *operation.Operation) handler {
	if method == http.MethodGet {
		return h
	}
	able := o.DryRun
	if able {
		o.Query = append(o.Query[:len(o.Query):len(o.Query)], dryRunParameter)
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		dry, err := dryRunOf(r)
		if err != nil {
			return err
		}
		if !dry {
			return h(w, r)
		}
		if !able {
			return errNoDryRun
		}
		answer := &dryAnswer{ResponseWriter: w}
		// Path values belong to the request: a shallow copy of it has them.
		err = h(answer, r.WithContext(editor.WithDryRun(r.Context())))
		if errors.Is(err, editor.ErrDryRun) {
			return errNoDryRun
		}
		if err != nil {
			return err
		}
		return answer.end()
	}
}

// dryRunOf reads `dryRun`.
func dryRunOf(r *http.Request) (bool, error) {
	if r.URL.RawQuery == "" {
		return false, nil
	}
	values, err := query(r)
	if err != nil {
		return false, err
	}
	dry := false
	for _, text := range values[dryRunName] {
		switch text {
		case "true":
			dry = true
		case "false":
		default:
			return false, constraint(dryRunName, text, "must be true or false")
		}
	}
	return dry, nil
}

// dryAnswer takes out of an answer what nothing has got yet.
type dryAnswer struct {
	http.ResponseWriter
	created bool
	body    bytes.Buffer
}

// Unwrap lets a stream have its deadlines; it creates nothing that could be answered with 201.
func (d *dryAnswer) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (d *dryAnswer) WriteHeader(status int) {
	d.Header().Del("Location")
	d.created = status == http.StatusCreated
	if d.created || d.Header().Get("ETag") == etag(0) { // something new; anything else is still what it was
		d.Header().Del("ETag")
	}
	if !d.created {
		d.ResponseWriter.WriteHeader(status)
	}
}

// Write implements io.Writer.
func (d *dryAnswer) Write(p []byte) (int, error) {
	if d.created {
		return d.body.Write(p)
	}
	return d.ResponseWriter.Write(p)
}

// end answers with what would have been created.
func (d *dryAnswer) end() error {
	if !d.created {
		return nil
	}
	tree, err := prototree.Parse(d.body.Bytes())
	if err != nil {
		return err
	}
	withoutMade(tree)
	return writeJSON(d.ResponseWriter, http.StatusOK, tree)
}

// withoutMade takes out what the server makes up for something new.
func withoutMade(tree prototree.Object) {
	for _, name := range []string{"id", "revision", "createdAt", "updatedAt", "secrets", "secretSettings"} {
		delete(tree, name)
	}
	for _, client := range []any{tree["configuration"], any(oauthOf(tree))} {
		if o, ok := client.(prototree.Object); ok && o != nil {
			delete(o, "clientId")
			delete(o, "clientSecret")
		}
	}
}
