package openapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/services/management"
	"github.com/gatehouse-am/gatehouse/services/management/internal/openapi"
)

// document is the one of the routes that management serves.
func document(t *testing.T) *openapi.Document {
	t.Helper()
	d, err := management.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDocumentIsOpenAPI(t *testing.T) {
	text, err := document(t).YAML()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Error(err)
	}
	if loaded.OpenAPI != "3.1.0" {
		t.Errorf("openapi %q", loaded.OpenAPI)
	}
}

// Every operation of the document is a route, and every route is an operation.
func TestTheDocumentDescribesExactlyTheRoutes(t *testing.T) {
	d := document(t)
	var routes, operations []string
	for _, o := range d.Operations() {
		routes = append(routes, o.Method+" "+o.Path+" "+o.ID)
	}
	for path, item := range d.Tree()["paths"].(map[string]any) {
		for method, o := range item.(map[string]any) {
			if o, ok := o.(map[string]any); ok {
				operations = append(operations, strings.ToUpper(method)+" "+path+" "+o["operationId"].(string))
			}
		}
	}
	slices.Sort(routes)
	slices.Sort(operations)
	if diff := cmp.Diff(routes, operations); diff != "" {
		t.Errorf("(-routes +operations):\n%s", diff)
	}
	if len(routes) < 50 {
		t.Errorf("only %d routes", len(routes))
	}
}

func TestEveryMemberOfTheDocumentHasWords(t *testing.T) {
	for _, o := range document(t).Operations() {
		if strings.Contains(o.Path, "_}") || strings.ContainsAny(o.ID, "_-{}") {
			t.Errorf("%s %s is called %s", o.Method, o.Path, o.ID)
		}
	}
}
