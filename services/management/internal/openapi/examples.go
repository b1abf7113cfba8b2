package openapi

import (
	"embed"
	"strings"
	"sync"

	"github.com/google/uuid"
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

// exampleOf returns the body that the document shows for an operation; nil if there is none. What an application may have
// as its domain may has the same example, and so has the older name of applications.
func exampleOf(id string) []byte {
	for _, name := range []string{id, strings.Replace(id, "Application", "", 1), strings.Replace(id, "Client", "Application", 1)} {
		if text := examples()[name]; text != nil {
			return text
		}
	}
	return nil
}

// identifiers are what stands in examples for the things that parameters of paths name, where it is no identifier of ours.
var identifiers = map[string]string{
	"organization": "DEFAULT",
	"environment":  "DEFAULT",
	"hrid":         "acme",
	"revision":     "1",
}

// ExampleOf returns what examples have in the place of a parameter of a path. The example of an application is the same
// in every path and in every body that names one.
func ExampleOf(parameter string) string {
	if id := identifiers[parameter]; id != "" {
		return id
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(parameter)).String()
}
