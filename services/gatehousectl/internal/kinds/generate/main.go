// Command generate writes the operations of every kind, as the generated client has them: generate <management.yaml> <out.go>
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds/openapi"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run() error {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var d openapi.Document
	if err := yaml.Unmarshal(text, &d); err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprint(&b, "// Code generated from proto/openapi/management.yaml by generate. DO NOT EDIT.\n\npackage kinds\n\n",
		"import (\n\t\"context\"\n\t\"io\"\n\t\"net/http\"\n\n\t\"github.com/gatehouse-am/gatehouse/services/gatehousectl/client\"\n)\n\n",
		"var operations = map[string]Operations{\n")
	for _, k := range kinds.All {
		if err := write(&b, &d, k); err != nil {
			return fmt.Errorf("%s: %w", k.Path, err)
		}
	}
	b.WriteString("}\n")
	out, err := format.Source(b.Bytes())
	if err != nil {
		return err
	}
	return os.WriteFile(os.Args[2], out, 0o644) //nolint:gosec // source code
}

func write(b *bytes.Buffer, d *openapi.Document, k *kinds.Kind) error {
	all, ok := d.Paths[k.Path]
	if !ok {
		return fmt.Errorf("the document has no such path")
	}
	item := d.Item(k.Path)
	fmt.Fprintf(b, "%q: {\n", k.Path)
	calls := map[string]*openapi.Operation{
		"List": all.Get, "Create": all.Post, "ReplaceAll": all.Put, "Add": item.Post,
		"Read": item.Get, "Replace": item.Put, "Patch": item.Patch, "Delete": item.Delete,
	}
	if k.Singleton {
		calls = map[string]*openapi.Operation{"Read": all.Get, "Replace": all.Put, "Patch": all.Patch}
	}
	if all.Get != nil && all.Get.Has("template") {
		calls["Templates"] = d.Paths[k.Path+"/_templates"].Get
	}
	if all.Get == nil || !k.Singleton && len(k.Keys) == 0 {
		return fmt.Errorf("nothing can be read, or named")
	}
	dry := true
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		o := calls[name]
		if o == nil {
			continue
		}
		call(b, name, o, strings.Count(path(k, name), "{"))
		if name != "List" && name != "Read" && name != "Templates" && name != "ReplaceAll" {
			dry = dry && o.Has("dryRun")
		}
	}
	fmt.Fprintf(b, "Paged: %t, Search: %t, DryRun: %t,\n", all.Get.Has("page"), all.Get.Has("q"), dry)
	var made []string
	if all.Post != nil {
		made = d.Members(all.Post.Body(), nil)
	}
	kept := calls["Patch"]
	if kept == nil {
		kept = calls["Replace"]
	}
	resource := calls["Read"]
	if resource == nil {
		resource = all.Get
	}
	body := d.Entry(resource.Answer())
	list(b, "Made", made)
	if kept != nil {
		list(b, "Kept", d.Members(kept.Body(), nil))
	}
	list(b, "ReadOnly", d.ReadOnly(body, "", map[string]bool{}))
	secret := map[string]bool{}
	for _, o := range []*openapi.Operation{all.Post, kept, resource} {
		if o != nil {
			d.Secrets(o.Body(), secret, map[string]bool{})
			d.Secrets(o.Answer(), secret, map[string]bool{})
		}
	}
	list(b, "Secret", slices.Sorted(maps.Keys(secret)))
	b.WriteString("},\n")
	return nil
}

// path is the one of an operation: that of the collection, or of one in it.
func path(k *kinds.Kind, call string) string {
	switch call {
	case "List", "Create", "ReplaceAll", "Templates":
		return k.Path
	}
	if k.Singleton {
		return k.Path
	}
	return k.Path + "/{}"
}

func call(b *bytes.Buffer, name string, o *openapi.Operation, parameters int) {
	method := strings.ToUpper(o.ID[:1]) + o.ID[1:]
	args := "ctx"
	for i := range parameters {
		args += fmt.Sprintf(", at[%d]", i)
	}
	if o.HasParameters() {
		args += ", &client." + method + "Params{}"
	}
	body := "_"
	if o.RequestBody != nil {
		body, method = "body", method+"WithBody"
		args += `, "application/json", body`
	}
	at := "at"
	if parameters == 0 {
		at = "_"
	}
	fmt.Fprintf(b, "%s: func(ctx context.Context, c *client.Client, %s []string, %s io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {\n"+
		"return c.%s(%s, edit...)\n},\n", name, at, body, method, args)
}

func list(b *bytes.Buffer, name string, all []string) {
	if len(all) > 0 {
		fmt.Fprintf(b, "%s: %#v,\n", name, all)
	}
}
