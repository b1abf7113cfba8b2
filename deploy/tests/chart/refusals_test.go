package chart

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestRefusals: what cannot work is refused before anything reaches the cluster, with the value's name.
func TestRefusals(t *testing.T) {
	tests := []struct{ name, values, want string }{
		{"no public URL", "publicUrl: ''", "publicUrl is needed"},
		{"a public URL that is none", "publicUrl: login.example.com", "at '/publicUrl'"},
		{"a public URL with a query", "publicUrl: https://login.example.com/?a=b", "at '/publicUrl'"},
		{"nothing runs", "management: {enabled: false}\ngateway: {enabled: false}", "nothing would run"},
		{"no database", "mongodb: {existingSecret: {name: ''}}", "mongodb.existingSecret.name is needed"},
		{"a database twice", "mongodb: {uri: 'mongodb://a'}", "mongodb.existingSecret.name and mongodb.uri: only one"},
		{"a database's password among the values", "mongodb: {existingSecret: {name: ''}, uri: 'mongodb://u:p@a'}", "mongodb.uri has a password"},
		{"a client key's password among the values", "mongodb: {existingSecret: {name: ''}, uri: 'mongodb://a/?tls=true&tlsCertificateKeyFilePassword=p'}", "mongodb.uri has a password or a token"},
		{"a cloud's session token among the values", "mongodb: {existingSecret: {name: ''}, uri: 'mongodb+srv://a/?authMechanism=MONGODB-AWS&AuthMechanismProperties=AWS_SESSION_TOKEN:t'}", "mongodb.uri has a password or a token"},
		{"a database's password with a slash", "mongodb: {existingSecret: {name: ''}, uri: 'mongodb://u:p/w@a'}", "mongodb.uri has a password or a token"},
		{"a database of another make", "mongodb: {uri: 'postgres://a'}", "at '/mongodb/uri'"},
		{"no Redis", "redis: {existingSecret: {name: ''}}", "redis.existingSecret.name is needed"},
		{"Redis twice", "redis: {url: 'redis://a'}", "redis.existingSecret.name and redis.url: only one"},
		{"Redis' password among the values", "redis: {existingSecret: {name: ''}, url: 'redis://:p@a'}", "redis.url has a password"},
		{"the Sentinels' password among the values", "redis: {existingSecret: {name: ''}, url: 'redis+sentinel://a:1/m?Sentinel-Password=p'}", "redis.url has a password"},
		{"no sealing key", "management: {sealingKey: {existingSecret: {name: ''}}}", "management.sealingKey.existingSecret.name is needed"},
		{"e-mail from nobody", "management: {mail: {url: 'smtp://a'}}", "management.mail.from is needed"},
		{"a mail password among the values", "management: {mail: {url: 'smtp://u:p@a', from: a@b}}", "management.mail.url has a password"},
		{"a mail password for nothing", "management: {mail: {existingSecret: {name: a}}}", "management.mail.existingSecret.name is of no use"},
		{"no certificate of the plane", "plane: {existingSecrets: {gateway: ''}}", "plane.existingSecrets.gateway is needed"},
		{"certificates of the plane twice", "plane: {certManager: {enabled: true}}", "plane.certManager.enabled and plane.existingSecrets.management: only one"},
		{"an issuer of others who may come in", "plane: {existingSecrets: {management: '', gateway: ''}, certManager: {enabled: true, issuerRef: {name: company}}}", "plane.trustDomain must be a name of this installation alone"},
		{"gateways with an authority that their management does not know", "plane: {existingSecrets: {management: '', gateway: ''}, certManager: {enabled: true}}\nmanagement: {enabled: false}\ngateway: {managementAddress: 'a:1'}", "plane.certManager.issuerRef.name is needed where management and gateways are in releases of their own"},
		{"management with an authority that its gateways do not know", "plane: {existingSecrets: {management: '', gateway: ''}, certManager: {enabled: true}}\ngateway: {enabled: false}\nnetworkPolicy: {planeFrom: [{namespaceSelector: {}}]}", "plane.certManager.issuerRef.name is needed where management and gateways are in releases of their own"},
		{"management that no gateway reaches", "gateway: {enabled: false}", "networkPolicy.planeFrom is needed where gateway.enabled is false"},
		{"a trust domain that is none", "plane: {trustDomain: 'a/b'}", "at '/plane/trustDomain'"},
		{"gateways without management", "management: {enabled: false}", "gateway.managementAddress is needed"},
		{"gateways with two managements", "gateway: {managementAddress: 'a:1'}", "gateway.managementAddress is for gateways whose management runs elsewhere"},
		{"an address without a port", "gateway: {managementAddress: a}", "at '/gateway/managementAddress'"},
		{"https twice", "gateway: {tls: {existingSecret: a, certManager: {enabled: true, issuerRef: {name: a}}}}", "gateway.tls.existingSecret and gateway.tls.certManager.enabled: only one"},
		{"https signed by nobody", "gateway: {tls: {certManager: {enabled: true}}}", "gateway.tls.certManager.issuerRef.name is needed"},
		{"https at management twice", "management: {tls: {existingSecret: a, certManager: {enabled: true, issuerRef: {name: a}}}}", "management.tls.existingSecret and management.tls.certManager.enabled: only one"},
		{"https at management signed by nobody", "management: {tls: {certManager: {enabled: true}}}", "management.tls.certManager.issuerRef.name is needed"},
		{"names for a certificate that nobody makes", "management: {tls: {existingSecret: a, certManager: {dnsNames: [a]}}}", "management.tls.certManager.dnsNames is of no use"},
		{"client certificates that nobody asks for", "gateway: {clientCertificates: {url: 'https://a'}}", "gateway.clientCertificates.url needs gateway.tls"},
		{"client certificates from everybody", "gateway: {clientCertificates: {header: Client-Cert}}", "counts only from trustedProxies"},
		{"client certificates from whoever is in the cluster", "trustedProxies: [10.0.0.0/8]\ngateway: {clientCertificates: {header: Client-Cert}}", "needs networkPolicy.gatewayFrom"},
		{"a drain that is killed", "gateway: {drainDelay: 60s}", "gateway.terminationGracePeriodSeconds must be at least 30 s more"},
		{"a drain of minutes that is killed", "management: {drainDelay: 2m}", "management.terminationGracePeriodSeconds must be at least 30 s more"},
		{"a drain of minutes and seconds that is killed", "management: {drainDelay: 1m30s}", "must be at least 30 s more than management.drainDelay (90 s)"},
		{"a drain of half minutes that is killed", "management: {drainDelay: 0.8m}", "must be at least 30 s more than management.drainDelay (48 s)"},
		{"a drain of an hour that is killed", "gateway: {drainDelay: 1h0m0.5s}", "must be at least 30 s more than gateway.drainDelay (3601 s)"},
		{"a drain of management alone that is killed", "gateway: {enabled: false}\nmanagement: {drainDelay: 46s}", "management.terminationGracePeriodSeconds must be at least 30 s more"},
		{"authorities of certificates that nobody shows", "gateway: {clientCertificates: {authorities: {existingSecret: a}}}", "gateway.clientCertificates.authorities is of no use"},
		{"authorities twice", "trustedAuthorities: {existingSecret: a, existingConfigMap: b}", "trustedAuthorities.existingConfigMap and trustedAuthorities.existingSecret: only one"},
		{"fewer at most than at least", "gateway: {autoscaling: {enabled: true, minReplicas: 11}}", "minReplicas is larger than gateway.autoscaling.maxReplicas"},
		{"scaling by nothing", "gateway: {autoscaling: {enabled: true, targetCPUUtilizationPercentage: 0}}", "gateway.autoscaling needs a target"},
		{"a route that nobody serves", "gateway: {httpRoute: {enabled: true}}", "gateway.httpRoute.parentRefs is needed"},
		{"https behind a Gateway that would speak http", "gateway: {tls: {existingSecret: a}, httpRoute: {enabled: true, parentRefs: [{name: a}]}}", "gateway.httpRoute.backendTLS is needed with gateway.tls"},
		{"https at management behind a Gateway that would speak http", "management: {tls: {certManager: {enabled: true, issuerRef: {name: a}}}, httpRoute: {enabled: true, parentRefs: [{name: a}], hostnames: [a.example.com], backendTLS: {hostname: a.example.com}}}", "management.httpRoute.backendTLS is needed with management.tls"},
		{"a Gateway that is told twice", "gateway: {tls: {existingSecret: a}, httpRoute: {enabled: true, parentRefs: [{name: a}], backendTLS: {existingConfigMap: a, wellKnownCACertificates: System}}}", "gateway.httpRoute.backendTLS.existingConfigMap, .wellKnownCACertificates and .elsewhere: only one"},
		{"a Gateway that would speak https to a service without", "gateway: {httpRoute: {enabled: true, parentRefs: [{name: a}], backendTLS: {existingConfigMap: a}}}", "gateway.httpRoute.backendTLS is of no use without gateway.tls"},
		{"https behind a Gateway, under no certain name", "management: {tls: {existingSecret: a}, httpRoute: {enabled: true, parentRefs: [{name: a}], hostnames: ['*.example.com'], backendTLS: {existingConfigMap: a}}}", "management.httpRoute.backendTLS.hostname is needed"},
		{"a name of a certificate that is a pattern", "gateway: {httpRoute: {backendTLS: {hostname: '*.example.com'}}}", "at '/gateway/httpRoute/backendTLS/hostname'"},
		{"management under no name", "management: {ingress: {enabled: true}}", "management.ingress.hosts is needed"},
		{"management's route under no name", "management: {httpRoute: {enabled: true, parentRefs: [{name: a}]}}", "management.httpRoute.hostnames is needed"},
		{"a trial's database without a password", "mongodb: {existingSecret: {name: ''}, uri: 'mongodb://a', bundled: {enabled: true}}", "mongodb.bundled needs mongodb.existingSecret.name"},
		{"a trial's Redis without a password", "redis: {existingSecret: {name: ''}, url: 'redis://a', bundled: {enabled: true}}", "redis.bundled needs redis.existingSecret.name"},
		{"a trial's database for nobody", "management: {enabled: false}\ngateway: {managementAddress: 'a:1'}\nmongodb: {bundled: {enabled: true}}", "mongodb.bundled is of no use"},
		{"a trial's Redis for nobody", "gateway: {enabled: false}\nredis: {bundled: {enabled: true}}", "redis.bundled is of no use"},
		{"a number that is a text", "gateway: {replicas: many}", "at '/gateway/replicas'"},
		{"a duration without a unit", "gateway: {drainDelay: '10'}", "at '/gateway/drainDelay'"},
		{"a level that is none", "logs: {level: LOUD}", "at '/logs/level'"},
		{"a digest that is none", "gateway: {image: {digest: sha256:12}}", "at '/gateway/image/digest'"},
		{"memory in an unknown unit", "gateway: {resources: {limits: {memory: 1Gb}}}", "at '/gateway/resources/limits/memory'"},
		{"a network policy's peer that is none", "networkPolicy: {gatewayFrom: [{namespaceSelectors: {}}]}", "at '/networkPolicy/gatewayFrom/0'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render(t, base, tt.values)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v\nwant  %s", err, tt.want)
			}
		})
	}
}

// TestEverythingWrongIsSaidAtOnce: nobody installs six times to learn of six faults.
func TestEverythingWrongIsSaidAtOnce(t *testing.T) {
	_, err := render(t)
	if err == nil {
		t.Fatal("no values are accepted")
	}
	for _, want := range []string{"publicUrl", "mongodb.existingSecret.name", "redis.existingSecret.name", "management.sealingKey", "plane.existingSecrets.management", "plane.existingSecrets.gateway"} {
		if !strings.Contains(err.Error(), want+" is needed") && !strings.Contains(err.Error(), want+".existingSecret.name is needed") {
			t.Errorf("%s is not named:\n%v", want, err)
		}
	}
}

// TestTypos puts an unknown name beside the known ones, everywhere.
func TestTypos(t *testing.T) {
	var maps []string
	var walk func(prefix string, value any)
	walk = func(prefix string, value any) {
		members, isMap := value.(map[string]any)
		if !isMap || len(members) == 0 {
			return // an empty one is of free names, or of a shape of Kubernetes
		}
		maps = append(maps, prefix)
		for key, member := range members {
			if prefix == "" && key == "global" || key == "requests" || key == "limits" {
				continue
			}
			walk(prefix+"/"+key, member)
		}
	}
	walk("", defaults(t))
	slices.Sort(maps)
	if len(maps) < 60 {
		t.Fatalf("only %d groups of values", len(maps))
	}
	// One set of values with every typo: all of them are named in one answer.
	typos := map[string]any{}
	for _, where := range maps {
		at := typos
		for part := range strings.SplitSeq(strings.TrimPrefix(where, "/"), "/") {
			if part == "" {
				continue
			}
			next, there := at[part].(map[string]any)
			if !there {
				next = map[string]any{}
				at[part] = next
			}
			at = next
		}
		at["tpyo"] = "x"
	}
	text, err := json.Marshal(typos)
	if err != nil {
		t.Fatal(err)
	}
	_, err = render(t, base, string(text))
	if err == nil {
		t.Fatal("typos are accepted")
	}
	for _, where := range maps {
		if want := fmt.Sprintf("at '%s': additional properties 'tpyo' not allowed", where); !strings.Contains(err.Error(), want) {
			t.Errorf("not said: %s", want)
		}
	}
}

// free are the members of the schema that take any names: what a surrounding chart hands on, and parts of pods that the
// API server checks.
var free = []string{
	"/properties/global", "/$defs/volume", "/$defs/env/properties/valueFrom/properties/configMapKeyRef", "/$defs/env/properties/valueFrom/properties/secretKeyRef",
	"/$defs/env/properties/valueFrom/properties/fieldRef", "/$defs/env/properties/valueFrom/properties/resourceFieldRef",
}

// TestSchemaIsComplete: every value has its place and its words in the schema, and every object there says what else it takes.
func TestSchemaIsComplete(t *testing.T) {
	schema := readSchema(t)
	var walk func(where string, node any)
	walk = func(where string, node any) {
		members, isMap := node.(map[string]any)
		if !isMap {
			return
		}
		if _, closed := members["additionalProperties"]; members["type"] == "object" && !closed && !slices.Contains(free, where) {
			t.Errorf("%s takes any names", where)
		}
		for _, key := range slices.Sorted(maps.Keys(members)) {
			walk(where+"/"+key, members[key])
		}
	}
	walk("", schema)

	described := map[string]bool{}
	for _, v := range documented(t) {
		described[v.name] = true
		if v.description == "" {
			t.Errorf("%s has no description", v.name)
		}
	}
	for _, leaf := range leaves("", defaults(t)) {
		for !described[leaf] {
			cut := strings.LastIndex(leaf, ".")
			if cut < 0 {
				t.Errorf("%s is not in the schema", leaf)
				break
			}
			leaf = leaf[:cut] // a default within a member that has a shape of its own, such as resources
		}
	}
}

func readSchema(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path.Join(chartDir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}
