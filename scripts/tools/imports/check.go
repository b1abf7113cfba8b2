package main

import (
	"fmt"
	"slices"
	"strings"
)

// check compares packages with the module, layer and library rules. Tests may import what they like, except across
// modules.
func (t *rules) check(modules []string, packages []pkg) []string {
	var broken []string
	for _, m := range modules {
		if !slices.ContainsFunc(t.modules, func(r row) bool { return r.name == m }) {
			broken = append(broken, fmt.Sprintf("module %s has no row in [modules]", m))
		}
	}
	for _, p := range packages {
		from := local(p.ImportPath)
		for _, to := range unique(p.Imports) {
			broken = append(broken, t.acrossModules(from, to)...)
			broken = append(broken, t.insideLayers(from, to)...)
			broken = append(broken, t.ofLibraries(from, to)...)
		}
		for _, to := range unique(p.TestImports, p.XTestImports) {
			broken = append(broken, t.acrossModules(from+" (test)", to)...)
		}
		broken = append(broken, t.unlisted(from)...)
	}
	return unique(broken)
}

func (t *rules) acrossModules(from, to string) []string {
	to, ours := strings.CutPrefix(to, prefix)
	if !ours {
		return nil
	}
	importer, _, _ := strings.Cut(from, " ")
	for _, r := range t.modules {
		if !within(importer, r.name) || within(to, r.name) || slices.ContainsFunc(r.with, func(w string) bool { return matches(to, w) }) {
			continue
		}
		return []string{fmt.Sprintf("%s imports %s: module %s may import %s", from, to, r.name, orNothing(r.with))}
	}
	return nil
}

func (t *rules) insideLayers(from, to string) []string {
	to, ours := strings.CutPrefix(to, prefix)
	if !ours {
		return nil
	}
	for _, l := range t.layers {
		importer, imported := below(from, l.root), below(to, l.root)
		if importer == "" || imported == "" || importer == imported {
			continue
		}
		for _, r := range l.rows {
			if r.name == importer && !slices.Contains(r.with, imported) && !slices.Contains(r.with, "*") {
				return []string{fmt.Sprintf("%s imports %s: of its neighbours %s may import %s", from, to, importer, orNothing(r.with))}
			}
		}
	}
	return nil
}

// unlisted keeps the table complete: a package nobody thought about is not free to import everything.
func (t *rules) unlisted(from string) []string {
	for _, l := range t.layers {
		name := below(from, l.root)
		if name != "" && !slices.ContainsFunc(l.rows, func(r row) bool { return r.name == name }) {
			return []string{fmt.Sprintf("%s/%s has no row in [layers %s]", l.root, name, l.root)}
		}
	}
	return nil
}

func (t *rules) ofLibraries(from, to string) []string {
	for _, r := range t.libraries {
		library := strings.TrimPrefix(r.name, prefix)
		if !within(local(to), library) || within(from, library) {
			continue
		}
		if !slices.ContainsFunc(r.with, func(w string) bool { return matches(from, w) }) {
			if len(r.with) == 0 {
				return []string{fmt.Sprintf("%s imports %s: only tests may", from, local(to))}
			}
			return []string{fmt.Sprintf("%s imports %s: only %s may", from, local(to), strings.Join(r.with, ", "))}
		}
	}
	return nil
}

// check looks for what must not be linked into the program.
func (r row) check(linked []string) []string {
	var broken []string
	for _, dependency := range linked {
		for _, never := range r.with {
			if within(local(dependency), strings.TrimPrefix(never, prefix)) {
				broken = append(broken, fmt.Sprintf("%s links %s: it must never link %s", r.name, local(dependency), never))
			}
		}
	}
	return broken
}

// local is the path inside the repository, or the whole import path of what is not ours.
func local(importPath string) string { return strings.TrimPrefix(importPath, prefix) }

// within reports whether p is parent or lies below it.
func within(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }

// matches is within, but a pattern that begins with "=" names one package without those below it.
func matches(p, pattern string) bool {
	if exact, ok := strings.CutPrefix(pattern, "="); ok {
		return p == exact
	}
	return within(p, pattern)
}

// below is the first path element of p below root, or empty.
func below(p, root string) string {
	rest, ok := strings.CutPrefix(p, root+"/")
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return first
}

func orNothing(words []string) string {
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

// unique is the sorted union of lists.
func unique(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}
