package main

import (
	"fmt"
	"strings"
)

// prefix begins the import path of everything in this repository.
const prefix = "github.com/gatehouse-am/gatehouse/"

// rules is the table, read.
type rules struct {
	modules   []row   // module: packages of other modules that it may import
	layers    []layer // who may import whom inside one module
	libraries []row   // library: its only importers
	binaries  []row   // program: what must never be linked into it
}

// row is one line of the table: a name and what it may or must not have to do with.
type row struct {
	name string
	with []string
}

type layer struct {
	root string // the folder that holds the packages
	rows []row
}

// parse reads a table:
//
//	# a comment
//	@set: words that stand for the set wherever @set is written below
//	[modules], [libraries], [binaries] or [layers <folder>]
//	name name: word word
//
// Several names before the colon share what follows. A line that begins with a space continues the one before.
func parse(text string) (*rules, error) {
	t := &rules{}
	sets := map[string][]string{}
	section := ""
	for _, line := range join(text) {
		if inner, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(inner, "]")
			if folder, ok := strings.CutPrefix(section, "layers "); ok {
				t.layers = append(t.layers, layer{root: folder})
			}
			continue
		}
		names, with, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("no colon in %q", line)
		}
		words, err := expand(strings.Fields(with), sets)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(names, "@") {
			sets[names] = words
			continue
		}
		for _, name := range strings.Fields(names) {
			if err := t.add(section, row{name, words}); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

func (t *rules) add(section string, r row) error {
	switch {
	case section == "modules":
		t.modules = append(t.modules, r)
	case section == "libraries":
		t.libraries = append(t.libraries, r)
	case section == "binaries":
		t.binaries = append(t.binaries, r)
	case strings.HasPrefix(section, "layers "):
		l := &t.layers[len(t.layers)-1]
		l.rows = append(l.rows, r)
	default:
		return fmt.Errorf("%q stands in the unknown section %q", r.name, section)
	}
	return nil
}

// join returns the lines that say something, each with its continuations.
func join(text string) []string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, " ") && len(lines) > 0:
			lines[len(lines)-1] += line
		default:
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func expand(words []string, sets map[string][]string) ([]string, error) {
	var all []string
	for _, w := range words {
		if !strings.HasPrefix(w, "@") {
			all = append(all, w)
			continue
		}
		set, ok := sets[w]
		if !ok {
			return nil, fmt.Errorf("%s is used before it is defined", w)
		}
		all = append(all, set...)
	}
	return all, nil
}
