package rest

import (
	"errors"
	"net/http"
	"sync"

	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi"
	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi/openapitest"
)

// described is the document of the routes of this package.
var described = sync.OnceValues(func() (*openapitest.Checker, error) {
	d, err := openapi.New(New(Options{}).Routes())
	if err != nil {
		return nil, err
	}
	return openapitest.New(d)
})

// conforms holds every answer in the tests of this package to the document.
func (h *house) conforms(method, path string, answer *http.Response, body []byte) {
	h.t.Helper()
	checker, err := described()
	if err != nil {
		h.t.Fatal(err)
	}
	err = checker.Answer(method, path, answer.StatusCode, answer.Header, body)
	if err != nil && !errors.Is(err, openapitest.ErrUnknown) { // some tests have routes of their own, or ask for none
		h.t.Error(err)
	}
}
