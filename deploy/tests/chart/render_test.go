package chart

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	loader3 "helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	engine3 "helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	loader4 "helm.sh/helm/v4/pkg/chart/v2/loader"
	engine4 "helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "../../helm/gatehouse"
	release   = "gatehouse"
	namespace = "access"
)

// base is the least that is accepted.
const base = `
publicUrl: https://login.example.com
plane: {existingSecrets: {management: plane-management, gateway: plane-gateway}}
mongodb: {existingSecret: {name: database}}
redis: {existingSecret: {name: store}}
management: {sealingKey: {existingSecret: {name: sealing}}}
`

// object is one rendered object as plain values.
type object map[string]any

func (o object) id() string {
	kind, _ := o["kind"].(string)
	metadata, _ := o["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	return kind + "/" + name
}

// rendered is what one set of values becomes.
type rendered struct {
	objects map[string]object
	notes   string
}

var chart3 = sync.OnceValues(func() (func(map[string]any) (map[string]string, error), error) {
	loaded, err := loader3.LoadDir(chartDir)
	if err != nil {
		return nil, err
	}
	return func(values map[string]any) (map[string]string, error) {
		all, err := chartutil.ToRenderValues(loaded, values, chartutil.ReleaseOptions{
			Name: release, Namespace: namespace, Revision: 1, IsInstall: true,
		}, chartutil.DefaultCapabilities)
		if err != nil {
			return nil, err
		}
		return engine3.Render(loaded, all)
	}, nil
})

var chart4 = sync.OnceValues(func() (func(map[string]any) (map[string]string, error), error) {
	loaded, err := loader4.LoadDir(chartDir)
	if err != nil {
		return nil, err
	}
	return func(values map[string]any) (map[string]string, error) {
		all, err := util.ToRenderValues(loaded, values, common.ReleaseOptions{
			Name: release, Namespace: namespace, Revision: 1, IsInstall: true,
		}, common.DefaultCapabilities)
		if err != nil {
			return nil, err
		}
		return engine4.Render(loaded, all)
	}, nil
})

// render renders with both Helms, which must agree, in what they make and in what they refuse.
func render(t *testing.T, values ...string) (rendered, error) {
	t.Helper()
	key := strings.Join(values, "\x00")
	if made, done := known[key]; done {
		return made, nil
	}
	by3, err := chart3()
	if err != nil {
		t.Fatal(err)
	}
	by4, err := chart4()
	if err != nil {
		t.Fatal(err)
	}
	files, err3 := by3(merged(t, values...))
	files4, err4 := by4(merged(t, values...))
	if (err3 == nil) != (err4 == nil) {
		t.Fatalf("Helm 3 says %v\nHelm 4 says %v", err3, err4)
	}
	if err3 != nil {
		return rendered{}, err3
	}
	made, made4 := collect(t, files), collect(t, files4)
	if diff := cmp.Diff(made, made4, cmp.AllowUnexported(rendered{})); diff != "" {
		t.Fatalf("Helm 3 and Helm 4 disagree (-3 +4):\n%s", diff)
	}
	known[key] = made
	keep(t, made)
	return made, nil
}

var objectsFor = flag.String("objects", "", "a folder into which all that is rendered is written as JSON, for a real API server")

// keep writes what was rendered for `make deploy-check`, a file for each set of values.
func keep(t *testing.T, made rendered) {
	t.Helper()
	if *objectsFor == "" {
		return
	}
	text, err := json.Marshal(made.objects)
	if err == nil {
		err = os.WriteFile(path.Join(*objectsFor, fmt.Sprintf("%03d %s.json", len(known), strings.ReplaceAll(t.Name(), "/", " "))), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// known is what was rendered before; tests only read it.
var known = map[string]rendered{}

// merged lays YAML documents over one another.
func merged(t *testing.T, documents ...string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, text := range documents {
		var values map[string]any
		if err := yaml.UnmarshalStrict([]byte(text), &values); err != nil {
			t.Fatalf("values of the test: %v\n%s", err, text)
		}
		overlay(all, values)
	}
	return all
}

func overlay(under, over map[string]any) {
	for key, value := range over {
		below, isMap := under[key].(map[string]any)
		if above, both := value.(map[string]any); isMap && both {
			overlay(below, above)
			continue
		}
		under[key] = value
	}
}

func collect(t *testing.T, files map[string]string) rendered {
	t.Helper()
	made := rendered{objects: map[string]object{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Base(name) == "NOTES.txt" {
			made.notes = files[name]
			continue
		}
		for document := range strings.SplitSeq("\n"+files[name], "\n---") {
			var o object
			if err := yaml.UnmarshalStrict([]byte(document), &o); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
			if len(o) == 0 {
				continue
			}
			if _, twice := made.objects[o.id()]; twice {
				t.Fatalf("%s is rendered twice", o.id())
			}
			made.objects[o.id()] = o
		}
	}
	return made
}

// at finds a value: members are separated by dots, [0] is an element, [name=x] the element with that member.
func at(value any, where string) (any, bool) {
	for where != "" {
		if strings.HasPrefix(where, "[") {
			inside, rest, _ := strings.Cut(where[1:], "]")
			list, isList := value.([]any)
			if !isList {
				return nil, false
			}
			index := slices.IndexFunc(list, func(element any) bool {
				key, want, named := strings.Cut(inside, "=")
				member, _ := element.(map[string]any)
				return named && fmt.Sprint(member[key]) == want
			})
			if !strings.Contains(inside, "=") {
				if _, err := fmt.Sscan(inside, &index); err != nil {
					return nil, false
				}
			}
			if index < 0 || index >= len(list) {
				return nil, false
			}
			value, where = list[index], strings.TrimPrefix(rest, ".")
			continue
		}
		end := strings.IndexAny(where, ".[")
		if end < 0 {
			end = len(where)
		}
		members, isMap := value.(map[string]any)
		if !isMap {
			return nil, false
		}
		next, found := members[strings.ReplaceAll(where[:end], "\\", ".")]
		if !found {
			return nil, false
		}
		value, where = next, strings.TrimPrefix(where[end:], ".")
	}
	return value, true
}

// find looks a place up: the object's kind and name, a space, the place in it.
func (r rendered) find(place string) (any, bool) {
	id, where, _ := strings.Cut(place, " ")
	o, found := r.objects[id]
	if !found {
		return nil, false
	}
	return at(map[string]any(o), where)
}

func defaults(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return merged(t, string(text))
}
