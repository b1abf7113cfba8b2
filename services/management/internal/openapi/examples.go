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
	if strings.HasPrefix(id, "restore") {
		id = "restore" // whatever it is
	}
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

// ExampleOf returns what examples have in the place of the last parameter of a path, such as /domains/{domain}. The example
// of an application is the same in every path and in every body that names one; the users and roles of an organization are
// not those of a domain.
func ExampleOf(path string) string {
	name := parameter(path[strings.LastIndexByte(path, '/')+1:])
	if id := identifiers[name]; id != "" {
		return id
	}
	if strings.HasPrefix(path, "/organizations/") {
		name = "organization" + pascal(name)
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String()
}
