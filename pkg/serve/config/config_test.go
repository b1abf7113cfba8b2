package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
)

type plane struct {
	CertFile string `flag:"tls-cert-file" help:"certificate between the planes"`
}

type gateway struct {
	Address   string         `flag:"gateway-address" help:"where clients reach the gateway"`
	Technical string         `flag:"technical-address" help:"health and metrics"`
	Redis     URL            `flag:"redis-url" help:"codes and sessions"`
	Password  Secret         `flag:"technical-password" help:"for /_node"`
	Timeout   time.Duration  `flag:"timeout" help:"patience"`
	Strict    bool           `flag:"strict" help:"less tolerance"`
	Workers   int            `flag:"workers" help:"how many"`
	Bytes     uint16         `flag:"bytes" help:"how large"`
	Ratio     float64        `flag:"ratio" help:"how much"`
	Proxies   []string       `flag:"trusted-proxies" help:"believed peers"`
	Level     slog.Level     `flag:"log-level" help:"from which level on"`
	Bind      netip.AddrPort `flag:"bind" help:"an address"`
	TLS       plane
	internal  int `flag:"-"` //nolint:unused // a field that is no flag
}

func (g *gateway) Validate() error {
	if g.Workers < 0 {
		return Invalid("workers", "is below 0")
	}
	return nil
}

func defaults() gateway {
	return gateway{
		Address: "127.0.0.1:8092", Technical: "127.0.0.1:18092", Redis: "redis://127.0.0.1:6379/0", Timeout: 5 * time.Second, Workers: 2,
	}
}

func environment(pairs ...string) Environment { return pairs }

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParse(t *testing.T) {
	secret := file(t, "hush hush\n")
	tests := []struct {
		name string
		args []string
		env  []string
		want func(*gateway)
	}{
		{name: "nothing given leaves the defaults", want: func(*gateway) {}},
		{name: "a variable beats the default", env: []string{"GATEHOUSE_GATEWAY_ADDRESS=:1"}, want: func(g *gateway) { g.Address = ":1" }},
		{
			name: "a flag beats the variable", args: []string{"--gateway-address", ":2"}, env: []string{"GATEHOUSE_GATEWAY_ADDRESS=:1"},
			want: func(g *gateway) { g.Address = ":2" },
		},
		{name: "an empty variable counts as absent", env: []string{"GATEHOUSE_GATEWAY_ADDRESS="}, want: func(*gateway) {}},
		{name: "an empty flag is empty", args: []string{"--gateway-address="}, want: func(g *gateway) { g.Address = "" }},
		{name: "a value may contain =", args: []string{"--gateway-address=a=b"}, want: func(g *gateway) { g.Address = "a=b" }},
		{name: "a value may begin with -", args: []string{"--gateway-address", "-x"}, want: func(g *gateway) { g.Address = "-x" }},
		{name: "a nested struct's field is a flag", args: []string{"--tls-cert-file", "c"}, want: func(g *gateway) { g.TLS.CertFile = "c" }},
		{name: "a switch needs no value", args: []string{"--strict", "--workers", "3"}, want: func(g *gateway) { g.Strict, g.Workers = true, 3 }},
		{name: "a switch may have one", args: []string{"--strict=false"}, env: []string{"GATEHOUSE_STRICT=true"}, want: func(*gateway) {}},
		{
			name: "every type is read",
			args: []string{
				"--timeout=1m30s", "--bytes=65535", "--ratio=0.5", "--trusted-proxies=10.0.0.0/8, ::1,", "--log-level=debug", "--bind=[::1]:80",
			},
			want: func(g *gateway) {
				g.Timeout, g.Bytes, g.Ratio, g.Level = 90*time.Second, 65535, .5, slog.LevelDebug
				g.Proxies, g.Bind = []string{"10.0.0.0/8", "::1"}, netip.MustParseAddrPort("[::1]:80")
			},
		},
		{name: "a secret comes from a file", args: []string{"--technical-password-file", secret}, want: func(g *gateway) { g.Password = "hush hush" }},
		{name: "or from a file named by a variable", env: []string{"GATEHOUSE_TECHNICAL_PASSWORD_FILE=" + secret}, want: func(g *gateway) { g.Password = "hush hush" }},
		{name: "or from a variable", env: []string{"GATEHOUSE_TECHNICAL_PASSWORD=hush"}, want: func(g *gateway) { g.Password = "hush" }},
		{
			name: "the file of a flag beats the variable", args: []string{"--technical-password-file", secret},
			env: []string{"GATEHOUSE_TECHNICAL_PASSWORD=other"}, want: func(g *gateway) { g.Password = "hush hush" },
		},
		{name: "a URL without password may be a flag", args: []string{"--redis-url=redis://r:1"}, want: func(g *gateway) { g.Redis = "redis://r:1" }},
		{
			name: "a URL with password may be a variable", env: []string{"GATEHOUSE_REDIS_URL=redis://u:hush@r:1"},
			want: func(g *gateway) { g.Redis = "redis://u:hush@r:1" },
		},
		{name: "or come from a file", args: []string{"--redis-url-file", secret}, want: func(g *gateway) { g.Redis = "hush hush" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.args, environment(tt.env...), defaults())
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			tt.want(&want)
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	secret, empty, huge := file(t, "hush"), file(t, "\n"), file(t, strings.Repeat("hush", maxSecretFile))
	tests := []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{"an unknown flag", []string{"--redis-ulr=hush"}, nil, "unknown flag --redis-ulr; did you mean --redis-url?"},
		{"a secret as a plain flag", []string{"--technical-password=hush"}, nil, "--technical-password: a secret is not given on the command line; use --technical-password-file or GATEHOUSE_TECHNICAL_PASSWORD"},
		{"a URL with password as a plain flag", []string{"--redis-url=redis://:hush@r"}, nil, "--redis-url: a password is not given on the command line; use --redis-url-file or GATEHOUSE_REDIS_URL"},
		{"an argument that is no flag", []string{"serve"}, nil, `unexpected argument "serve", see --help`},
		{"a flag with one dash", []string{"-strict"}, nil, `unexpected argument "-strict", see --help`},
		{"a flag without its value", []string{"--workers"}, nil, "--workers: a value is missing"},
		{"a flag given twice", []string{"--workers=1", "--workers=2"}, nil, "--workers: given twice"},
		{"a number that is none", []string{"--workers=two"}, nil, `--workers: "two" is not a whole number of 64 bits`},
		{"a number that is too large", nil, []string{"GATEHOUSE_BYTES=65536"}, `GATEHOUSE_BYTES: "65536" is not a whole number from 0, of 16 bits`},
		{"a duration without unit", []string{"--timeout=10"}, nil, `--timeout: "10" is not a duration such as 10s or 1h30m`},
		{"a switch that is neither on nor off", []string{"--strict=maybe"}, nil, `--strict: "maybe" is neither true nor false`},
		{"everything at once", []string{"--strict=maybe"}, []string{"GATEHOUSE_RATIO=x"}, "--strict: \"maybe\" is neither true nor false\nGATEHOUSE_RATIO: \"x\" is not a number"},
		{"a file that is not there", []string{"--technical-password-file=/nowhere"}, nil, "--technical-password-file: open /nowhere: no such file or directory"},
		{"an empty file", []string{"--technical-password-file=" + empty}, nil, "--technical-password-file: " + empty + " is empty"},
		{"a file beyond measure", nil, []string{"GATEHOUSE_TECHNICAL_PASSWORD_FILE=" + huge}, "GATEHOUSE_TECHNICAL_PASSWORD_FILE: " + huge + " is larger than 65536 bytes"},
		{"a secret by file and variable", nil, []string{"GATEHOUSE_TECHNICAL_PASSWORD=hush", "GATEHOUSE_TECHNICAL_PASSWORD_FILE=" + secret}, "GATEHOUSE_TECHNICAL_PASSWORD and GATEHOUSE_TECHNICAL_PASSWORD_FILE: only one of them"},
		{"a URL by flag and file", []string{"--redis-url=r", "--redis-url-file=" + secret}, nil, "--redis-url and --redis-url-file: only one of them"},
		{"what the struct itself refuses", []string{"--workers=-1"}, nil, "--workers is below 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.args, environment(tt.env...), defaults())
			if err == nil || err.Error() != tt.want {
				t.Errorf("err = %v\nwant  %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows a secret: %v", err)
			}
			if got.Workers != 2 {
				t.Errorf("the result is not the defaults: %+v", got)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, arg := range []string{"--help", "-h"} {
		if _, err := Parse([]string{arg}, environment(), defaults()); !errors.Is(err, ErrHelp) {
			t.Errorf("%s: %v", arg, err)
		}
	}
	d := defaults()
	d.Password, d.Redis = "hush", "redis://u:hush@r"
	var out bytes.Buffer
	if err := Help(&out, "gateway", "Serves the protocols.", d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Usage: gateway [flags]\n\nServes the protocols.\n",
		"  --gateway-address TEXT   (GATEHOUSE_GATEWAY_ADDRESS)\n        where clients reach the gateway (default 127.0.0.1:8092)\n",
		"  --technical-password-file FILE   (GATEHOUSE_TECHNICAL_PASSWORD_FILE, or the secret itself in GATEHOUSE_TECHNICAL_PASSWORD)\n        for /_node (default [redacted])\n",
		"  --redis-url URL   (GATEHOUSE_REDIS_URL)\n  --redis-url-file FILE   (GATEHOUSE_REDIS_URL_FILE)\n        codes and sessions; with a password only by file or variable (default redis://u:[redacted]@r)\n",
		"  --timeout DURATION   (GATEHOUSE_TIMEOUT)\n        patience (default 5s)\n",
		"  --strict   (GATEHOUSE_STRICT)\n        less tolerance (default false)\n",
		"  --workers NUMBER   (GATEHOUSE_WORKERS)\n        how many (default 2)\n",
		"  --log-level TEXT   (GATEHOUSE_LOG_LEVEL)\n        from which level on (default INFO)\n",
		"  --tls-cert-file TEXT   (GATEHOUSE_TLS_CERT_FILE)\n        certificate between the planes\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help lacks %s", want)
		}
	}
	if strings.Contains(out.String(), "hush") {
		t.Error("help shows a secret")
	}
}

func TestEffective(t *testing.T) {
	c := defaults()
	c.Password, c.Redis, c.Proxies = "hush", "redis://u:hush@r/0", []string{"10.0.0.1", "::1"}
	got := map[string]string{}
	for _, a := range Effective(c) {
		got[a.Key] = a.Value.String()
	}
	want := map[string]string{
		"gateway-address": "127.0.0.1:8092", "technical-address": "127.0.0.1:18092", "redis-url": "redis://u:[redacted]@r/0",
		"technical-password": "[redacted]", "timeout": "5s", "strict": "false", "workers": "2", "bytes": "0", "ratio": "0",
		"trusted-proxies": "10.0.0.1,::1", "log-level": "INFO", "bind": "invalid AddrPort", "tls-cert-file": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("effective configuration (-want +got):\n%s", diff)
	}
}

// TestEffectiveIsLogged: the loggers of the services hide values by their names; here types decide.
func TestEffectiveIsLogged(t *testing.T) {
	c := struct {
		Most     int           `flag:"max-client-secrets"`
		Keep     time.Duration `flag:"keep-client-secrets"`
		Header   string        `flag:"client-secret-header"`
		Password Secret        `flag:"technical-password"`
		None     Secret        `flag:"operator-password"`
		Redis    URL           `flag:"redis-url"`
	}{10, time.Hour, "X-Secret", "hush", "", "redis://u:hush@r/0"}
	var out bytes.Buffer
	observe.NewLogger(&out, slog.LevelInfo, observe.JSON).LogAttrs(t.Context(), slog.LevelInfo, "m", slog.Attr{Key: "config", Value: slog.GroupValue(Effective(c)...)})
	var got struct{ Config map[string]string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	want := map[string]string{
		"max-client-secrets": "10", "keep-client-secrets": "1h0m0s", "client-secret-header": "X-Secret",
		"technical-password": "[redacted]", "operator-password": "", "redis-url": "redis://u:[redacted]@r/0",
	}
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Errorf("effective configuration, logged (-want +got):\n%s", diff)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	values := struct {
		Secret Secret
		URL    URL
	}{"hush", "mongodb://u:hu/sh@a:1,b:2/x?authSource=admin&tlsCertificateKeyFilePassword=hush"}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+"\n", values)
		fmt.Fprintf(&out, verb+"\n", values.Secret)
		fmt.Fprintf(&out, verb+"\n", values.URL)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "secret", values.Secret, "url", values.URL, "both", values)
	if err := json.NewEncoder(&out).Encode(values); err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{"hush", "hu/sh", "68757368"} {
		if strings.Contains(out.String(), piece) {
			t.Errorf("%s is in:\n%s", piece, out.String())
		}
	}
	if values.Secret.Reveal() != "hush" || !strings.Contains(values.URL.Reveal(), "hu/sh") {
		t.Error("what is revealed is not the value")
	}
	want := "mongodb://u:[redacted]@a:1,b:2/x?authSource=admin&tlsCertificateKeyFilePassword=[redacted]"
	if got := values.URL.String(); got != want {
		t.Errorf("URL = %s\nwant  %s", got, want)
	}
	if got := Secret("").String(); got != "" {
		t.Errorf("no secret is printed as %q", got)
	}
}

type management struct {
	Address   string     `flag:"management-address" help:"REST"`
	Technical string     `flag:"technical-address" help:"health and metrics"`
	Mongo     URL        `flag:"mongodb-uri" help:"configuration"`
	Level     slog.Level `flag:"log-level" help:"from which level on"`
}

// development is how one program embeds two services.
type development struct {
	DataDir    string     `flag:"data-dir" help:"everything is here"`
	Management management `rename:"technical-address=management-technical-address" omit:"mongodb-uri"`
	Gateway    gateway    `omit:"redis-url bind tls-cert-file"`
}

func TestEmbedding(t *testing.T) {
	d := development{Management: management{Technical: ":18093", Mongo: "kept"}, Gateway: gateway{Technical: ":18092", Redis: "kept"}}
	got, err := Parse([]string{
		"--data-dir=d", "--management-technical-address=:1", "--technical-address=:2", "--log-level=warn",
	}, environment(), d)
	if err != nil {
		t.Fatal(err)
	}
	if got.DataDir != "d" || got.Management.Technical != ":1" || got.Gateway.Technical != ":2" {
		t.Errorf("renamed flags: %+v", got)
	}
	if got.Management.Level != slog.LevelWarn || got.Gateway.Level != slog.LevelWarn {
		t.Error("a flag of both does not set both")
	}
	if got.Management.Mongo != "kept" || got.Gateway.Redis != "kept" {
		t.Errorf("omitted fields are set: %s, %s", got.Management.Mongo, got.Gateway.Redis)
	}
	if _, err := Parse([]string{"--redis-url=r"}, environment(), d); err == nil {
		t.Error("an omitted flag is accepted")
	}
	if _, err := Parse(nil, environment("GATEHOUSE_REDIS_URL=other"), d); err == nil {
		t.Error("an omitted variable is accepted")
	}
}

func TestStructMistakes(t *testing.T) {
	check := func(name, want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v, want %q", name, err, want)
		}
	}
	_, err := Parse(nil, environment(), struct{ A string }{})
	check("a field without tag", "no flag tag", err)
	_, err = Parse(nil, environment(), struct {
		a string `flag:"a"`
	}{})
	check("a field that is not exported", "not exported", err)
	_, err = Parse(nil, environment(), struct {
		A chan int `flag:"a"`
	}{})
	check("a type that cannot be read", "cannot be read", err)
	_, err = Parse(nil, environment(), struct {
		A string `flag:"Big_Name"`
	}{})
	check("a name of another form", "lower-case words", err)
	_, err = Parse(nil, environment(), struct {
		A string `flag:"a"`
		B int    `flag:"a"`
	}{})
	check("one name for two types", "is a string and a int", err)
	_, err = Parse(nil, environment(), struct {
		A string `flag:"a"`
		B string `flag:"a"`
	}{A: "x", B: "y"})
	check("one name with two defaults", `two defaults, "x" and "y"`, err)
	_, err = Parse(nil, environment(), struct {
		A Secret `flag:"a"`
		B string `flag:"a-file"`
	}{})
	check("a name that a secret's file has", "--a-file means two things", err)
}
