package openapi

import (
	"embed"
	"strings"
	"sync"
)

//go:embed examples
var files embed.FS

// examples are the bodies that the document shows, by operationId: examples/createApplication.json.
var examples = sync.OnceValue(func() map[string][]byte {
	all := map[string][]byte{}
	entries, _ := files.ReadDir("examples") // it is embedded
	for _, entry := range entries {
		text, _ := files.ReadFile("examples/" + entry.Name())
		all[strings.TrimSuffix(entry.Name(), ".json")] = text
	}
	return all
})

// identifiers are what stands in examples for the things that parameters of paths name.
var identifiers = map[string]string{
	"organization": "DEFAULT",
	"environment":  "DEFAULT",
}

// ExampleOf returns what examples have in the place of a parameter of a path; "" if they have nothing.
func ExampleOf(parameter string) string { return identifiers[parameter] }
