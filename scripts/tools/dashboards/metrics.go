package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// metric is one that the services have.
type metric struct {
	Name, Help string
	// Kind is Counter, Gauge or Histogram.
	Kind string
	// Labels are its own, without those that a scrape adds.
	Labels []string
}

// series are the names under which a metric is scraped.
func (m metric) series() []string {
	if m.Kind == "Histogram" {
		return []string{m.Name + "_bucket", m.Name + "_count", m.Name + "_sum"}
	}
	return []string{m.Name}
}

// sources are where metrics are made.
var sources = []string{"pkg", "services/gateway", "services/management"}

// read collects the metrics of the source code: literals of CounterOpts, GaugeOpts and HistogramOpts.
func read(root string) (map[string]metric, error) {
	all := map[string]metric{}
	for _, source := range sources {
		err := filepath.WalkDir(filepath.Join(root, source), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			return readFile(path, all)
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func readFile(path string, all map[string]metric) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	var wrong error
	labels := map[ast.Node][]string{} // of the literals of vectors
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 2 {
			labels[call.Args[0]] = texts(call.Args[1])
		}
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		selector, ok := literal.Type.(*ast.SelectorExpr)
		if !ok || !strings.HasSuffix(selector.Sel.Name, "Opts") {
			return true
		}
		kind := strings.TrimSuffix(selector.Sel.Name, "Opts")
		if kind != "Counter" && kind != "Gauge" && kind != "Histogram" {
			return true
		}
		name, help := member(literal, "Name"), member(literal, "Help")
		switch {
		case name == "" && built(literal):
			for _, m := range family(file) {
				all[m.Name] = m
			}
		case !strings.HasPrefix(name, "gatehouse_"):
			wrong = fmt.Errorf("%s: a metric whose name cannot be read; write it as a literal that begins with gatehouse_", set.Position(literal.Pos()))
		default:
			all[name] = metric{name, help, kind, append(labels[literal], constant(literal)...)}
		}
		return true
	})
	return wrong
}

// member is the text of a member of a literal.
func member(literal *ast.CompositeLit, name string) string {
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if key, ok := pair.Key.(*ast.Ident); !ok || key.Name != name {
			continue
		}
		return text(pair.Value)
	}
	return ""
}

// texts are all literal texts within an expression, in order.
func texts(e ast.Expr) []string {
	var all []string
	ast.Inspect(e, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && text(l) != "" {
			all = append(all, text(l))
		}
		return true
	})
	return all
}

// constant are the labels whose values a literal says.
func constant(literal *ast.CompositeLit) []string {
	var all []string
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, named := pair.Key.(*ast.Ident)
		values, listed := pair.Value.(*ast.CompositeLit)
		if !named || key.Name != "ConstLabels" || !listed {
			continue
		}
		for _, each := range values.Elts {
			if label, ok := each.(*ast.KeyValueExpr); ok {
				all = append(all, text(label.Key))
			}
		}
	}
	return all
}

func text(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		value, err := strconv.Unquote(l.Value)
		if err == nil {
			return value
		}
	}
	return ""
}

// built reports whether a name is put together: "prefix" + name + "suffix".
func built(literal *ast.CompositeLit) bool {
	found := false
	ast.Inspect(literal, func(n ast.Node) bool {
		_, ok := n.(*ast.BinaryExpr)
		found = found || ok
		return true
	})
	return found
}

// family are the counters that a file makes by counter("name", "help"), a function of its own around one literal.
func family(file *ast.File) []metric {
	var prefix, suffix string
	var common []string // labels of every one
	var all []metric
	ast.Inspect(file, func(n ast.Node) bool {
		switch v := n.(type) {
		case *ast.BinaryExpr:
			if outer := text(v.Y); outer != "" {
				suffix = outer
			}
			if inner := text(v.X); strings.HasPrefix(inner, "gatehouse_") {
				prefix = inner
			}
		case *ast.CallExpr:
			if literal, isLiteral := first(v).(*ast.CompositeLit); isLiteral && built(literal) && len(v.Args) == 2 {
				common = texts(v.Args[1])
			}
			name, ok := v.Fun.(*ast.Ident)
			if ok && name.Name == "counter" && len(v.Args) > 1 && text(v.Args[0]) != "" {
				m := metric{Name: text(v.Args[0]), Help: text(v.Args[1]), Kind: "Counter"}
				for _, label := range v.Args[2:] {
					m.Labels = append(m.Labels, text(label))
				}
				all = append(all, m)
			}
		}
		return true
	})
	for i := range all {
		all[i].Name = prefix + all[i].Name + suffix
		all[i].Labels = append(slices.Clone(common), all[i].Labels...)
	}
	return all
}

func first(call *ast.CallExpr) ast.Expr {
	if len(call.Args) == 0 {
		return nil
	}
	return call.Args[0]
}
