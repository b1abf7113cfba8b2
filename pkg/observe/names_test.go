package observe

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// root is that of the repository.
const root = "../.."

// TestNamesOfAttributesAreSeen looks at every name of an attribute that any program logs: one that is hit by [Redact] takes away
// what operators need, as the outcome of each call once was. Switches and times stay under any name.
func TestNamesOfAttributesAreSeen(t *testing.T) {
	names := map[string]int{}
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				for _, name := range logged(call) {
					text, _ := strconv.Unquote(name.Value)
					names[text]++
					if sensitive(text) {
						t.Errorf("%s: %q is logged as %s; give it a name that is no secret's", files.Position(name.Pos()), text, redacted)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"grpc_code", "err", "domain", "client_id", "request_id", "revision", "duration_ms"} {
		if names[known] == 0 {
			t.Errorf("%s was not found among %d names: the way of logging is not known here", known, len(names))
		}
	}
}

// logged are the names of attributes in a call that logs or makes an attribute.
func logged(call *ast.CallExpr) []*ast.BasicLit {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	first, step := 0, 2
	on, _ := f.X.(*ast.Ident)
	if on != nil && on.Name == "http" || f.Sel.Name == "With" && !isLogger(f.X) {
		return nil
	}
	switch f.Sel.Name {
	case "String", "Int", "Int64", "Uint64", "Float64", "Any", "Group":
		if on == nil || on.Name != "slog" {
			return nil
		}
		step = len(call.Args) // the others are values
	case "Debug", "Info", "Warn", "Error":
		first = 1
	case "DebugContext", "InfoContext", "WarnContext", "ErrorContext":
		first = 2
	case "With":
	default:
		return nil
	}
	var names []*ast.BasicLit
	for i := first; i < len(call.Args); {
		literal, ok := call.Args[i].(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			i++ // an attribute, or something that is no logger's
			continue
		}
		names = append(names, literal)
		i += step
	}
	return names
}

// isLogger reports whether an expression looks like a logger: log, c.Logger, slog.
func isLogger(x ast.Expr) bool {
	name := ""
	switch x := x.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	}
	return strings.Contains(strings.ToLower(name), "log")
}
