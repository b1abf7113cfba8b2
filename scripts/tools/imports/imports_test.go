package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const table = `
@testing: testing
          github.com/google/go-cmp
[modules]
proto:
pkg: proto
services/management: proto pkg
services/gateway: proto pkg
services/gatehouse: =services/management =services/gateway
[layers pkg]
fault secret: # innermost
jose: fault
[layers services/gateway/internal]
domain:
token authorize: domain
router: *
[libraries]
example.com/redis: services/gateway/internal/domain
github.com/gatehouse-am/gatehouse/pkg/testkit:
[binaries]
services/gateway/cmd/gateway: @testing example.com/mongo
`

// sound is a repository in which every rule of the table is kept. The libraries are modules beside it.
var sound = map[string]string{
	"go.work":                                          "go 1.26.0\n\nuse (\n\t./proto\n\t./pkg\n\t./services/management\n\t./services/gateway\n\t./services/gatehouse\n)\n",
	"rules":                                            table,
	"libraries/redis/go.mod":                           "module example.com/redis\n\ngo 1.26.0\n",
	"libraries/redis/redis.go":                         "package redis\n",
	"libraries/mongo/go.mod":                           "module example.com/mongo\n\ngo 1.26.0\n",
	"libraries/mongo/mongo.go":                         "package mongo\n",
	"proto/go.mod":                                     module("proto"),
	"proto/config/config.go":                           goFile("config"),
	"pkg/go.mod":                                       module("pkg", "proto"),
	"pkg/fault/fault.go":                               goFile("fault", prefix+"proto/config"),
	"pkg/secret/secret.go":                             goFile("secret"),
	"pkg/jose/jose.go":                                 goFile("jose", prefix+"pkg/fault", prefix+"pkg/jose/inner"),
	"pkg/jose/inner/inner.go":                          goFile("inner"),
	"services/management/go.mod":                       module("services/management", "pkg", "proto"),
	"services/management/m.go":                         goFile("management", prefix+"pkg/jose"),
	"services/gateway/go.mod":                          module("services/gateway", "pkg", "proto", "libraries/redis", "libraries/mongo"),
	"services/gateway/g.go":                            goFile("gateway", prefix+"services/gateway/internal/router"),
	"services/gateway/internal/router/router.go":       goFile("router", prefix+"services/gateway/internal/token"),
	"services/gateway/internal/token/token.go":         goFile("token", prefix+"services/gateway/internal/domain"),
	"services/gateway/internal/authorize/authorize.go": goFile("authorize"),
	"services/gateway/internal/domain/domain.go":       goFile("domain", "example.com/redis"),
	"services/gateway/internal/domain/domain_test.go":  goFile("domain", prefix+"services/gateway/internal/token", "testing"),
	"services/gateway/cmd/gateway/main.go":             goFile("main", prefix+"services/gateway") + "func main() {}\n",
	"services/gatehouse/go.mod":                        module("services/gatehouse", "services/gateway", "services/management", "pkg", "proto", "libraries/redis", "libraries/mongo"),
	"services/gatehouse/main.go":                       goFile("gatehouse", prefix+"services/gateway", prefix+"services/management"),
}

// module is a go.mod whose requirements lie in the same tree.
func module(name string, requires ...string) string {
	up := strings.Repeat("../", strings.Count(name, "/")+1)
	text := "module " + prefix + name + "\n\ngo 1.26.0\n"
	for _, r := range requires {
		full := prefix + r
		if library, ok := strings.CutPrefix(r, "libraries/"); ok {
			full = "example.com/" + library
		}
		text += "\nrequire " + full + " v0.0.0\n\nreplace " + full + " => " + up + r + "\n"
	}
	return text
}

func goFile(name string, imports ...string) string {
	text := "package " + name + "\n\n"
	for _, i := range imports {
		text += "import _ \"" + i + "\"\n"
	}
	return text
}

func TestRun(t *testing.T) {
	const gateway = "services/gateway/internal/"
	tests := []struct {
		name  string
		write map[string]string
		want  []string
	}{
		{
			name: "a sound repository has nothing to complain about",
		},
		{
			name:  "a library may be imported by its one importer only",
			write: map[string]string{gateway + "token/token.go": goFile("token", "example.com/redis")},
			want:  []string{"services/gateway/internal/token imports example.com/redis: only services/gateway/internal/domain may"},
		},
		{
			name:  "an endpoint does not import another endpoint",
			write: map[string]string{gateway + "authorize/authorize.go": goFile("authorize", prefix+gateway+"token")},
			want:  []string{"services/gateway/internal/authorize imports services/gateway/internal/token: of its neighbours authorize may import domain"},
		},
		{
			name:  "an innermost package imports no neighbour, from its own folders neither",
			write: map[string]string{"pkg/secret/deep/deep.go": goFile("deep", prefix+"pkg/fault")},
			want:  []string{"pkg/secret/deep imports pkg/fault: of its neighbours secret may import nothing"},
		},
		{
			name:  "a package without a row is found",
			write: map[string]string{"pkg/util/util.go": goFile("util")},
			want:  []string{"pkg/util has no row in [layers pkg]"},
		},
		{
			name:  "a module without a row is found",
			write: map[string]string{"go.work": "go 1.26.0\n\nuse ./proto\n\nuse ./services/extra\n", "services/extra/go.mod": module("services/extra"), "rules": "[modules]\nproto:\n"},
			want:  []string{"module services/extra has no row in [modules]"},
		},
		{
			name:  "a service does not import another service, in tests neither",
			write: map[string]string{"services/management/m_test.go": goFile("management", prefix+"services/gateway")},
			want:  []string{"services/management (test) imports services/gateway: module services/management may import proto, pkg"},
		},
		{
			name:  "the development module sees only the root packages",
			write: map[string]string{"services/gatehouse/main.go": goFile("gatehouse", prefix+"services/gateway/cmd/gateway")},
			want:  []string{"services/gatehouse imports services/gateway/cmd/gateway: module services/gatehouse may import =services/management, =services/gateway"},
		},
		{
			name: "fixtures stay out of production code",
			write: map[string]string{
				"pkg/testkit/testkit.go":   goFile("testkit", prefix+"pkg/fault"),
				"rules":                    strings.Replace(table, "jose: fault", "jose: fault\ntestkit: *", 1),
				"services/management/m.go": goFile("management", prefix+"pkg/testkit"),
			},
			want: []string{"services/management imports pkg/testkit: only tests may"},
		},
		{
			name:  "a program does not link what its row forbids, by whatever way",
			write: map[string]string{gateway + "domain/domain.go": goFile("domain", "example.com/mongo", "testing")},
			want: []string{
				"services/gateway/cmd/gateway links example.com/mongo: it must never link example.com/mongo",
				"services/gateway/cmd/gateway links testing: it must never link testing",
			},
		},
		{
			name:  "a program that is not there is a complaint, because nothing was proven",
			write: map[string]string{"rules": strings.Replace(table, "cmd/gateway:", "cmd/renamed:", 1)},
			want:  []string{"services/gateway/cmd/renamed cannot be listed"},
		},
	}
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-mod=mod")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			files := maps.Clone(sound)
			maps.Copy(files, tt.write)
			for name, text := range files {
				write(t, filepath.Join(root, name), text)
			}
			got, _, err := run(root, filepath.Join(root, "rules"))
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				// What the go command said after the colon differs between its releases.
				if what, _, ok := strings.Cut(got[i], " cannot be listed:"); ok {
					got[i] = what + " cannot be listed"
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("complaints:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a line without a colon", "[modules]\nproto pkg\n", "no colon"},
		{"a row outside a section", "proto: pkg\n", "unknown section"},
		{"a misspelled section", "[module]\nproto: pkg\n", "unknown section"},
		{"a set nobody defined", "[modules]\nproto: @inner\n", "before it is defined"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parse(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parse = %v, want an error with %q", err, tt.want)
			}
		})
	}
}
