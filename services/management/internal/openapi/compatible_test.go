package openapi_test

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func TestTheCompatibleDocumentIsOlderOpenAPI(t *testing.T) {
	d := document(t)
	before, err := d.YAML()
	if err != nil {
		t.Fatal(err)
	}
	text, err := d.Compatible().YAML()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if loaded.OpenAPI != "3.0.3" {
		t.Errorf("openapi %q", loaded.OpenAPI)
	}
	after, err := d.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("the document itself was changed")
	}
}
