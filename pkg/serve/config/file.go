package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds the configuration file.
const maxFile = 1 << 20

// fromFile is what a configuration file says of one setting.
type fromFile struct {
	source string // FILE:LINE: NAME
	text   string
	bad    bool // its form is wrong
	used   bool // there is such a setting
}

// readFile reads a YAML or JSON file: one mapping of names, as the flags have them without dashes before, to texts, numbers,
// switches and lists of them.
func readFile(path string) (map[string]*fromFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &Fault{Key: configFlag, Source: "--" + configFlag, Problem: ": " + err.Error()}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, &Fault{Key: configFlag, Source: "--" + configFlag, Problem: ": " + err.Error()}
	case len(text) > maxFile:
		return nil, &Fault{Key: configFlag, Source: path, Problem: fmt.Sprintf(" is larger than %d bytes", maxFile)}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil // an empty file says nothing
	} else if err != nil {
		return nil, &Fault{Key: configFlag, Source: path, Problem: ": not YAML or JSON: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, &Fault{Key: configFlag, Source: path, Problem: ": there is something after the first document"}
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, &Fault{Key: configFlag, Source: fmt.Sprintf("%s:%d", path, root.Line), Problem: ": settings and their values are expected, such as log-level: INFO"}
	}
	return members(path, root)
}

func members(path string, root *yaml.Node) (map[string]*fromFile, error) {
	found := map[string]*fromFile{}
	var faults []error
	for i := 0; i+1 < len(root.Content); i += 2 {
		name, value := root.Content[i], root.Content[i+1]
		source := fmt.Sprintf("%s:%d: %s", path, name.Line, name.Value)
		if _, twice := found[name.Value]; twice {
			faults = append(faults, &Fault{Key: name.Value, Source: source, Problem: ": given twice"})
			continue
		}
		text, problem := scalar(value)
		if problem != "" {
			faults = append(faults, &Fault{Key: name.Value, Source: source, Problem: ": " + problem})
		}
		found[name.Value] = &fromFile{source: source, text: text, bad: problem != ""}
	}
	return found, errors.Join(faults...)
}

// scalar is the text of a value as a flag would have it, or what is wrong with it.
func scalar(value *yaml.Node) (text, problem string) {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	switch {
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		return "", `there is no value; leave the line out for the default, write "" for an empty text`
	case value.Kind == yaml.ScalarNode:
		return value.Value, ""
	case value.Kind != yaml.SequenceNode:
		return "", "a text, a number, a switch or a list of texts is expected, and not settings below it"
	}
	items := make([]string, len(value.Content))
	for i, item := range value.Content {
		switch {
		case item.Kind != yaml.ScalarNode || item.Tag == "!!null":
			return "", fmt.Sprintf("element %d is no text", i+1)
		case strings.Contains(item.Value, ","):
			return "", fmt.Sprintf("element %d has a comma, which separates elements", i+1)
		}
		items[i] = item.Value
	}
	return strings.Join(items, ","), ""
}

// fromConfig sets a setting from the file, where it says it.
func (s *setting) fromConfig(file map[string]*fromFile) error {
	plain, byValue := take(file, s.name)
	named, byFile := (*fromFile)(nil), false
	if s.filed() {
		named, byFile = take(file, s.name+"-file")
	}
	switch {
	case byValue && s.isSecret():
		return s.fault(plain.source, ": a secret is not written into a configuration; use %s-file or %s", s.name, s.variable())
	case byValue && byFile:
		return s.fault(plain.source, " and %s-file: only one of them", s.name)
	case byFile:
		return s.setFromFile(named.source, named.text)
	case byValue && s.isURL() && redactURL(plain.text) != plain.text:
		return s.fault(plain.source, ": a password is not written into a configuration; use %s-file or %s", s.name, s.variable())
	case byValue:
		return s.setFrom(plain.source, plain.text)
	}
	return nil
}

// take notes that somebody asked for a member. One whose form is wrong was complained about and is not there.
func take(file map[string]*fromFile, name string) (*fromFile, bool) {
	f, found := file[name]
	if !found {
		return nil, false
	}
	f.used = true
	return f, !f.bad
}

// strangers are the faults of a file that no setting asked for.
func strangers(file map[string]*fromFile, names []string) []error {
	var faults []error
	for name, f := range file {
		if !f.used {
			faults = append(faults, &Fault{Source: f.source, Problem: ": there is no such setting" + didYouMean(name, names, "see --help")})
		}
	}
	return faults
}
