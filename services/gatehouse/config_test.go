package gatehouse

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/serve/config"
)

func parse(args []string, env map[string]string) (Config, error) {
	var variables []string
	for name, value := range env {
		variables = append(variables, name+"="+value)
	}
	return config.Parse(args, variables, Defaults())
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want string // part of the error; empty: accepted
	}{
		{name: "the defaults are complete"},
		{name: "every address may be another one on this machine", args: []string{
			"--management-address", "127.0.0.1:1", "--gateway-address", "[::1]:2", "--technical-address", "localhost:3",
			"--management-technical-address", "127.0.0.2:4", "--management-grpc-address", "localhost:5", "--demo-address", "localhost:6",
		}},
		{name: "an address without a port is refused by name", args: []string{"--demo-address", "localhost"},
			want: `--demo-address is "localhost", which is not host:port`},
		{name: "a public URL needs a host", args: []string{"--public-url", "/auth"}, want: "--public-url"},
		{name: "the data directory needs a name", args: []string{"--data-dir="}, want: "--data-dir is needed"},
		{name: "other machines do not reach management with the known password", args: []string{"--management-address", ":8093"},
			want: "--management-address :8093 can be reached from other machines, and --operator-password-file"},
		{name: "nor the gateway", args: []string{"--gateway-address", "0.0.0.0:8092"}, want: "--gateway-address"},
		{name: "nor the plane", args: []string{"--management-grpc-address", "192.0.2.1:0"}, want: "--management-grpc-address"},
		{name: "writing the known password down does not help", args: []string{"--gateway-address", ":8092"},
			env:  map[string]string{"GATEHOUSE_OPERATOR_PASSWORD": "adminadmin", "GATEHOUSE_TECHNICAL_PASSWORD": "a chosen one"},
			want: "--operator-password-file"},
		{name: "the technical user needs a chosen password too", args: []string{"--gateway-address", ":8092"},
			env: map[string]string{"GATEHOUSE_OPERATOR_PASSWORD": "a chosen one"}, want: "--technical-password-file"},
		{name: "chosen passwords open the door", args: []string{"--gateway-address", ":8092"},
			env: map[string]string{"GATEHOUSE_OPERATOR_PASSWORD": "a chosen one", "GATEHOUSE_TECHNICAL_PASSWORD": "another"}},
		{name: "a variable says the same as a flag", env: map[string]string{"GATEHOUSE_MANAGEMENT_ADDRESS": ":8093"},
			want: "GATEHOUSE_MANAGEMENT_ADDRESS :8093"},
		{name: "an address that nobody listens on does not matter", args: []string{"--demo=false", "--demo-address", ":8094"}},
		{name: "what the services themselves refuse is refused before anything starts", args: []string{"--keep-audits=1h"}, want: "--keep-audits must be 0 or at least 24h"},
		{name: "and everything of it at once", args: []string{"--keep-audits=1h", "--mtls-url=http://x", "--demo-address=x"},
			want: "--demo-address is \"x\", which is not host:port\n--keep-audits must be 0 or at least 24h\n--mtls-url \"http://x\" is not an https URL"},
		{name: "what belongs to the wiring is no flag", args: []string{"--sealing-key-file", "x"}, want: "unknown flag"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.args, tt.env)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestHelpShowsEveryDefault(t *testing.T) {
	var help bytes.Buffer
	if err := config.Help(&help, "gatehouse", "About.", Defaults()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"--data-dir TEXT   (GATEHOUSE_DATA_DIR)", "(default gatehouse-data)",
		"--management-address TEXT   (GATEHOUSE_MANAGEMENT_ADDRESS)", "(default localhost:8093)",
		"--gateway-address", "(default localhost:8092)",
		"--technical-address", "(default localhost:18092)",
		"--management-technical-address", "(default localhost:18093)",
		"--management-grpc-address", "(default localhost:0)",
		"--demo-address", "(default localhost:8094)",
		"--public-url", "--mongodb-uri", "--redis-url", "--operator-name", "(default admin)",
		"--operator-password-file FILE", "--technical-user", "--technical-password-file FILE", "--demo ", "(default true)",
		"--log-level", "(default INFO)", "--log-format", "(default text)", "--mongodb-database", "--operator-token-lifetime",
		"--trusted-proxies",
	} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("help does not say %q:\n%s", want, help.String())
		}
	}
}

func TestThePublicURLFollowsFromTheAddress(t *testing.T) {
	addresses := []string{
		"--management-address", "127.0.0.1:0", "--gateway-address", "127.0.0.1:0", "--technical-address", "127.0.0.1:0",
		"--management-technical-address", "127.0.0.1:0", "--demo=false",
	}
	tests := []struct {
		name string
		args []string
		want string // what it begins with
	}{
		{"http, for nobody has a certificate", nil, "http://127.0.0.1:"},
		{"https where the gateway has one", []string{"--gateway-tls-cert-file", "x", "--gateway-tls-key-file", "y"}, "https://127.0.0.1:"},
		{"what is configured wins", []string{"--public-url", "http://gateway.example/", "--gateway-tls-cert-file", "x", "--gateway-tls-key-file", "y"}, "http://gateway.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parse(append(tt.args, addresses...), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.complete(); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(c.PublicURL, tt.want) {
				t.Errorf("%s, want one that begins with %s", c.PublicURL, tt.want)
			}
		})
	}
}
