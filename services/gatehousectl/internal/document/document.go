// Package document reads and writes the files that people keep their configuration in: YAML or JSON, several to a file.
//
//	kind: application
//	metadata:
//	  domain: acme          # what it lies in: domain, application, entitlement, group, user
//	  name: Payroll         # or id
//	  revision: 7           # optional: only if it is still at this revision
//	spec:                   # what the management API takes
//	  name: Payroll
//	  type: web
package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a file, in bytes.
const maxFile = 16 << 20

// Document is one thing that is to be so.
type Document struct {
	// Source is the file and the line in it.
	Source string
	Kind   string
	// In names what it lies in: domain, application, entitlement, group, user.
	In map[string]string
	// Name and ID say which one it is; both may be empty.
	Name, ID string
	// Revision is the one it has to be at still; 0 means any.
	Revision int64
	// Spec is what the management API takes.
	Spec map[string]any
}

// places are the members of metadata that say what something lies in.
var places = []string{"domain", "application", "entitlement", "group", "user"}

// Read reads files, all files of folders, and what comes in where the path is "-".
func Read(paths []string, in io.Reader) ([]Document, error) {
	var all []Document
	for _, path := range paths {
		if path == "-" {
			text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
			if err != nil {
				return nil, err
			}
			found, err := parse("standard input", text)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
			continue
		}
		files, err := within(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file) //nolint:gosec // the user names it
			if err != nil {
				return nil, err
			}
			found, err := parse(file, text)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	if all == nil {
		return nil, errors.New("there is no document in what was named; one has kind, metadata and spec")
	}
	return all, nil
}

// within lists the files of a folder, deep ones too, in order; a file is itself.
func within(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && file != path
		switch {
		case entry.IsDir() && hidden:
			return fs.SkipDir
		case !entry.IsDir() && !hidden && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)):
			files = append(files, file)
		}
		return nil
	})
	return files, err
}

func parse(source string, text []byte) ([]Document, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", source, maxFile>>20)
	}
	var all []Document
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		if len(node.Content) != 1 || node.Content[0].Tag == "!!null" {
			continue // nothing between two separators
		}
		d, err := read(source, node.Content[0])
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
}

func read(source string, node *yaml.Node) (Document, error) {
	d := Document{Source: fmt.Sprintf("%s:%d", source, node.Line), In: map[string]string{}}
	refused := func(format string, args ...any) (Document, error) {
		return d, fmt.Errorf("%s: %s", d.Source, fmt.Sprintf(format, args...))
	}
	tree, err := plain(node)
	if err != nil {
		return d, fmt.Errorf("%s:%w", source, err)
	}
	whole, ok := tree.(map[string]any)
	if !ok {
		return refused("a document has the members kind, metadata and spec")
	}
	for name, value := range whole {
		ok := true
		switch name {
		case "kind":
			d.Kind, ok = value.(string)
		case "spec":
			d.Spec, ok = value.(map[string]any)
		case "metadata":
			meta, isObject := value.(map[string]any)
			if !isObject {
				return refused("metadata is an object, such as {domain: acme, name: Payroll}")
			}
			if err := d.address(meta); err != nil {
				return refused("%v", err)
			}
		default:
			return refused("%s is not a member of a document: those are kind, metadata and spec", name)
		}
		if !ok {
			return refused("%s is not what it should be: kind is a text, spec an object", name)
		}
	}
	if d.Kind == "" {
		return refused("kind is missing; `gatehousectl kinds` lists what there is")
	}
	return d, nil
}

func (d *Document) address(meta map[string]any) error {
	for name, value := range meta {
		if name == "revision" {
			number, ok := value.(json.Number)
			if !ok {
				return errors.New("metadata.revision is a number")
			}
			revision, err := number.Int64()
			if err != nil || revision < 1 {
				return errors.New("metadata.revision is a number from 1")
			}
			d.Revision = revision
			continue
		}
		text, ok := value.(string)
		switch number, isNumber := value.(json.Number); {
		case isNumber:
			text = number.String()
		case !ok:
			return fmt.Errorf("metadata.%s is a text", name)
		}
		switch {
		case name == "name":
			d.Name = text
		case name == "id":
			d.ID = text
		case slices.Contains(places, name):
			d.In[name] = text
		default:
			return fmt.Errorf("metadata.%s is nothing that is known: there are name, id, revision, %s", name, strings.Join(places, ", "))
		}
	}
	return nil
}

// plain makes values of JSON out of YAML. What JSON does not have is refused: other keys than texts, aliases, special numbers.
func plain(node *yaml.Node) (any, error) {
	at := func(format string, args ...any) error {
		return fmt.Errorf("%d: %s", node.Line, fmt.Sprintf(format, args...))
	}
	switch node.Kind {
	case yaml.MappingNode:
		o := make(map[string]any, len(node.Content)/2)
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				return nil, at("a member's name is a text")
			}
			if _, twice := o[key.Value]; twice {
				return nil, fmt.Errorf("%d: %s is there twice", key.Line, key.Value)
			}
			value, err := plain(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			o[key.Value] = value
		}
		return o, nil
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, entry := range node.Content {
			var err error
			if list[i], err = plain(entry); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.ScalarNode:
		return scalar(node)
	}
	return nil, at("aliases (*name) are not understood here; write it out")
}

func scalar(node *yaml.Node) (any, error) {
	switch node.Tag {
	case "!!null":
		return nil, nil
	case "!!bool":
		var b bool
		err := node.Decode(&b)
		return b, err
	case "!!int":
		var n int64
		if err := node.Decode(&n); err != nil {
			return nil, fmt.Errorf("%d: %s is no number that fits; put it into quotes if it is a text", node.Line, node.Value)
		}
		return json.Number(strconv.FormatInt(n, 10)), nil
	case "!!float":
		var f float64
		if err := node.Decode(&f); err != nil || math.IsNaN(f) || math.IsInf(f, 0) || !strings.ContainsAny(node.Value, ".eE") {
			return nil, fmt.Errorf("%d: %s is no number of JSON; put it into quotes if it is a text", node.Line, node.Value)
		}
		return json.Number(strconv.FormatFloat(f, 'g', -1, 64)), nil
	case "!!binary":
		return nil, fmt.Errorf("%d: write binary data as a text in base64", node.Line)
	}
	return node.Value, nil // times are texts to the API
}

// Tree is the document as a tree, for writing it.
func (d Document) Tree() map[string]any {
	meta := map[string]any{}
	for name, value := range d.In {
		meta[name] = value
	}
	if d.Name != "" {
		meta["name"] = d.Name
	}
	if d.ID != "" {
		meta["id"] = d.ID
	}
	if d.Revision != 0 {
		meta["revision"] = json.Number(strconv.FormatInt(d.Revision, 10))
	}
	tree := map[string]any{"kind": d.Kind, "metadata": meta}
	if d.Spec != nil {
		tree["spec"] = d.Spec
	}
	return tree
}

// YAML writes a tree. Members are in the order of their names, but kind, metadata and spec of a document in theirs.
func YAML(tree any) string {
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	// A tree of plain values always has a YAML form, and a builder takes everything.
	_ = encoder.Encode(node(tree))
	_ = encoder.Close()
	return b.String()
}

func node(tree any) *yaml.Node {
	switch v := tree.(type) {
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, name := range slices.Sorted(maps.Keys(v)) { // kind, metadata and spec are in order by themselves
			n.Content = append(n.Content, node(name), node(v[name]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, entry := range v {
			n.Content = append(n.Content, node(entry))
		}
		return n
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(v.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: v.String()}
	}
	n := new(yaml.Node)
	_ = n.Encode(tree) // texts, booleans and null always have a form
	return n
}
