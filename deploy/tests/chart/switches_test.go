package chart

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// places in the two deployments.
const (
	management = "Deployment/gatehouse-management spec.template.spec"
	directory  = "Deployment/gatehouse-directory spec.template.spec"
	gateway    = "Deployment/gatehouse-gateway spec.template.spec"
	inM        = management + ".containers[0]"
	inG        = gateway + ".containers[0]"
	envM       = inM + ".env[name=GATEHOUSE_"
	envG       = inG + ".env[name=GATEHOUSE_"
	secretsM   = management + ".volumes[name=secrets].projected.sources"
	secretsG   = gateway + ".volumes[name=secrets].projected.sources"
	policyM    = "NetworkPolicy/gatehouse-management spec"
	policyG    = "NetworkPolicy/gatehouse-gateway spec"
)

// row is one sentence about the chart.
type row struct {
	name   string
	values string
	want   map[string]string // place → YAML; "" where nothing may be
	notes  string            // a part of what helm install says
}

// mail and others are values that several rows need.
const (
	mail    = "management: {mail: {url: 'smtp://mailer@mail.example.com:587', from: 'Gatehouse <no-reply@example.com>'}}"
	ownTLS  = "gateway: {tls: {existingSecret: public-certificate}}"
	bundled = "mongodb: {bundled: {enabled: true}}\nredis: {bundled: {enabled: true}}"
	peer    = "[{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}}]"
)

var rows = slices.Concat(commonRows, planeRows, databaseRows, managementRows, gatewayRows, podRows("management", management), podRows("gateway", gateway), policyRows)

var commonRows = []row{
	{"everything begins with the release's name", "", map[string]string{"Deployment/gatehouse-gateway": "x", "Service/gatehouse-management": "x"}, "Gatehouse"},
	{"the chart's name can be another", "nameOverride: front", map[string]string{"Deployment/gatehouse-front-gateway metadata.labels.app\\kubernetes\\io/name": "front"}, ""},
	{"names can begin with anything", "fullnameOverride: door", map[string]string{
		"Deployment/door-gateway": "x",
		"Deployment/door-gateway spec.template.spec.containers[0].env[name=GATEHOUSE_MANAGEMENT_GRPC_ADDRESS].value": "door-management-plane.access.svc:18094",
	}, ""},
	{"labels of every object", "commonLabels: {team: access}", map[string]string{
		"Service/gatehouse-gateway metadata.labels.team": "access", "Deployment/gatehouse-gateway spec.template.metadata.labels.team": "access",
		"Deployment/gatehouse-gateway spec.selector.matchLabels.team": "",
	}, ""},
	{"annotations of every object", "commonAnnotations: {owner: access}", map[string]string{"ServiceAccount/gatehouse-gateway metadata.annotations.owner": "access"}, ""},
	{"secrets for the registry", "imagePullSecrets: [{name: registry}]", map[string]string{
		management + ".imagePullSecrets[0].name": "registry", gateway + ".imagePullSecrets[0].name": "registry", "Pod/gatehouse-gateway-ready spec.imagePullSecrets[0].name": "registry",
	}, ""},
	{"the public URL reaches both services", "publicUrl: https://sso.example.com/auth", map[string]string{
		envM + "GATEWAY_URL].value": "https://sso.example.com/auth", envG + "PUBLIC_URL].value": "https://sso.example.com/auth",
	}, "https://sso.example.com/auth"},
	{"trusted proxies reach both services", "trustedProxies: [10.0.0.0/8, '::1']", map[string]string{
		envM + "TRUSTED_PROXIES].value": "10.0.0.0/8,::1", envG + "TRUSTED_PROXIES].value": "10.0.0.0/8,::1",
	}, ""},
	{"logs", "logs: {level: WARN, format: text}", map[string]string{envM + "LOG_LEVEL].value": "WARN", envG + "LOG_FORMAT].value": "text"}, ""},
	{"no traces", "", map[string]string{envM + "TRACE_URL]": "", envG + "TRACE_URL]": "", envG + "TRACE_SAMPLE]": ""}, ""},
	{
		"traces", "traces: {url: 'http://collector.observe:4318', sample: 0.25, existingSecret: {name: collector, key: header}}\nnetworkPolicy: {traces: {ports: [4318], to: [{ipBlock: {cidr: 10.2.0.0/16}}]}}", map[string]string{
			envM + "TRACE_URL].value": "http://collector.observe:4318", envG + "TRACE_SAMPLE].value": "0.25",
			envG + "TRACE_AUTHORIZATION_FILE].value": "/etc/gatehouse/secrets/trace-authorization", envM + "TRACE_AUTHORIZATION_FILE].value": "/etc/gatehouse/secrets/trace-authorization",
			secretsM + "[2].secret": "{name: collector, items: [{key: header, path: trace-authorization}]}",
			policyM + ".egress[2]":  "{ports: [{port: 4318, protocol: TCP}], to: [{ipBlock: {cidr: 10.2.0.0/16}}]}",
		}, "",
	},
	{"a collector at a port of its own", "traces: {url: 'http://[fd00::1]:14318/otlp'}", map[string]string{policyM + ".egress[2].ports[0].port": "14318", policyG + ".egress[4].ports[0].port": "14318"}, ""},
	{"a collector by https, for all pods", "traces: {url: 'https://collector.example.com/otlp'}\nmanagement: {directory: {enabled: true}}\nnetworkPolicy: {outbound: {enabled: false}}", map[string]string{
		policyM + ".egress[2].ports": "[{port: 443, protocol: TCP}]", policyG + ".egress[3].ports": "[{port: 443, protocol: TCP}]", "NetworkPolicy/gatehouse-directory spec.egress[2].ports": "[{port: 443, protocol: TCP}]",
	}, ""},
	{"a collector by http, without a port", "traces: {url: 'http://collector.observe'}", map[string]string{policyM + ".egress[2].ports": "[{port: 80, protocol: TCP}]"}, ""},
	{"a collector whose service leads to another port", "traces: {url: 'https://collector.observe'}\nnetworkPolicy: {traces: {ports: [4318, 4319]}}", map[string]string{
		policyG + ".egress[4].ports": "[{port: 4318, protocol: TCP}, {port: 4319, protocol: TCP}]",
	}, ""},
	{"images come from one place", "image: {registry: images.example.com/access, tag: v2, pullPolicy: Always}", map[string]string{
		inM + ".image": "images.example.com/access/gatehouse-management:v2", inG + ".image": "images.example.com/access/gatehouse-gateway:v2", inG + ".imagePullPolicy": "Always",
		"Pod/gatehouse-management-ready spec.containers[0].image": "images.example.com/access/gatehouse-management:v2",
	}, ""},
	{"gateways stay at their version while management goes on", "image: {tag: v2}\ngateway: {image: {tag: v1}}", map[string]string{
		inM + ".image": "gatehouse-management:v2", inG + ".image": "gatehouse-gateway:v1", "Pod/gatehouse-gateway-ready spec.containers[0].image": "gatehouse-gateway:v1",
	}, ""},
	{"management has a version of its own, and so has the directory", "management: {image: {tag: v3}, directory: {enabled: true}}", map[string]string{
		inM + ".image": "gatehouse-management:v3", directory + ".containers[0].image": "gatehouse-management:v3",
	}, ""},
	{
		"images by name and digest",
		"management: {image: {repository: m, digest: sha256:" + digest + "}}\ngateway: {image: {repository: g, digest: sha256:" + digest + "}}",
		map[string]string{inM + ".image": "m@sha256:" + digest, inG + ".image": "g@sha256:" + digest}, "",
	},
	{"more authorities, from a config map", "trustedAuthorities: {existingConfigMap: company}", map[string]string{
		management + ".volumes[name=authorities].configMap.name": "company", inM + ".volumeMounts[name=authorities].mountPath": "/etc/gatehouse/authorities",
		inG + ".env[name=SSL_CERT_DIR].value": "/etc/gatehouse/authorities",
	}, ""},
	{"more authorities, from a secret", "trustedAuthorities: {existingSecret: company}", map[string]string{gateway + ".volumes[name=authorities].secret.secretName": "company"}, ""},
	{"metrics for the Prometheus operator", "metrics: {serviceMonitor: {enabled: true, interval: 10s, scrapeTimeout: 5s, labels: {prometheus: main}}}", map[string]string{
		"ServiceMonitor/gatehouse-management spec.endpoints[0].interval": "10s", "ServiceMonitor/gatehouse-gateway spec.endpoints[0].scrapeTimeout": "5s",
		"ServiceMonitor/gatehouse-gateway metadata.labels.prometheus": "main", "ServiceMonitor/gatehouse-gateway spec.selector.matchLabels.gatehouse/port": "technical",
		"ServiceMonitor/gatehouse-gateway spec.namespaceSelector.matchNames": "[access]", "ServiceMonitor/gatehouse-management spec.endpoints[0].relabelings": "[{action: labeldrop, regex: endpoint|service}]",
	}, ""},
	{"no metrics unless wanted", "", map[string]string{
		"ServiceMonitor/gatehouse-gateway": "", "PrometheusRule/gatehouse": "", "ConfigMap/gatehouse-requests": "", "ConfigMap/gatehouse-configuration": "",
	}, ""},
	{"alerts, with pages of one's own", "metrics: {prometheusRule: {enabled: true, labels: {prometheus: main}, runbooks: 'https://wiki.example.com/gatehouse'}}", map[string]string{
		"PrometheusRule/gatehouse metadata.labels.prometheus": "main", "PrometheusRule/gatehouse spec.groups[0].name": "gatehouse",
		"PrometheusRule/gatehouse spec.groups[0].rules[0].alert":                   "GatehouseGone",
		"PrometheusRule/gatehouse spec.groups[0].rules[6].expr":                    "sum by (namespace) (gatehouse_gateways_connected) == 0",
		"PrometheusRule/gatehouse spec.groups[0].rules[0].annotations.runbook_url": "https://wiki.example.com/gatehouse#gatehousegone",
	}, ""},
	{"dashboards, which Grafana finds by a label", "metrics: {dashboards: {enabled: true, labels: {team: access}, annotations: {grafana_folder: Access}}}", map[string]string{
		"ConfigMap/gatehouse-requests metadata.labels.grafana_dashboard": "", "ConfigMap/gatehouse-configuration metadata.labels.team": "access",
		"ConfigMap/gatehouse-requests metadata.annotations.grafana_folder": "Access",
	}, ""},
	{"dashboards with Grafana's usual label", "metrics: {dashboards: {enabled: true}}", map[string]string{
		"ConfigMap/gatehouse-requests metadata.labels.grafana_dashboard": "1",
	}, ""},
	{"helm test asks both", "", map[string]string{
		"Pod/gatehouse-management-ready spec.containers[0].args": "[ready, 'gatehouse-management-technical:18093']",
		"Pod/gatehouse-gateway-ready spec.containers[0].args":    "[ready, 'gatehouse-gateway-technical:18092']",
	}, "helm test gatehouse -n access"},
	{"no helm test", "tests: {enabled: false}", map[string]string{"Pod/gatehouse-gateway-ready": ""}, ""},
}

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var planeRows = []row{
	{"given certificates of the plane", "plane: {existingSecrets: {management: m, gateway: g}}", map[string]string{
		management + ".volumes[name=plane].secret.secretName": "m", gateway + ".volumes[name=plane].secret.secretName": "g", "Certificate/gatehouse-gateway-plane": "",
		envG + "TLS_CERT_FILE].value": "/etc/gatehouse/plane/tls.crt", envM + "TLS_CA_FILE].value": "/etc/gatehouse/plane/ca.crt",
	}, ""},
	{"cert-manager with an issuer that is there", "plane: {trustDomain: prod.example, existingSecrets: {management: '', gateway: ''}, certManager: {enabled: true, issuerRef: {name: company, kind: ClusterIssuer, group: issuers.example.com}, duration: 48h, renewBefore: 12h}}", map[string]string{
		"Certificate/gatehouse-management-plane spec.uris": "['spiffe://prod.example/management']", "Certificate/gatehouse-gateway-plane spec.uris": "['spiffe://prod.example/gateway']",
		envG + "TLS_TRUST_DOMAIN].value": "prod.example", envM + "TLS_TRUST_DOMAIN].value": "prod.example",
		"Certificate/gatehouse-management-plane spec.usages": "[digital signature, server auth]", "Certificate/gatehouse-gateway-plane spec.usages": "[digital signature, client auth]",
		"Certificate/gatehouse-gateway-plane spec.issuerRef": "{name: company, kind: ClusterIssuer, group: issuers.example.com}",
		"Certificate/gatehouse-gateway-plane spec.duration":  "48h", "Certificate/gatehouse-gateway-plane spec.renewBefore": "12h",
		gateway + ".volumes[name=plane].secret.secretName": "gatehouse-gateway-plane", management + ".volumes[name=plane].secret.secretName": "gatehouse-management-plane",
		"Issuer/gatehouse-plane": "",
	}, ""},
	{"cert-manager without an issuer makes an authority for the plane alone", "plane: {existingSecrets: {management: '', gateway: ''}, certManager: {enabled: true}}", map[string]string{
		"Issuer/gatehouse-plane-root spec": "{selfSigned: {}}", "Certificate/gatehouse-plane spec.isCA": "true", "Certificate/gatehouse-plane spec.privateKey.rotationPolicy": "Never",
		"Certificate/gatehouse-gateway-plane spec.privateKey.rotationPolicy": "Always", "Issuer/gatehouse-plane spec.ca.secretName": "gatehouse-plane-authority",
		"Certificate/gatehouse-plane spec.secretName": "gatehouse-plane-authority", "Certificate/gatehouse-management-plane spec.issuerRef.name": "gatehouse-plane",
	}, ""},
}

var databaseRows = []row{
	{"the database's URI is a file", "mongodb: {existingSecret: {name: mongo, key: address}, database: access}", map[string]string{
		envM + "MONGODB_URI_FILE].value": "/etc/gatehouse/secrets/mongodb-uri", envM + "MONGODB_URI]": "", envM + "MONGODB_DATABASE].value": "access",
		secretsM + "[1].secret": "{name: mongo, items: [{key: address, path: mongodb-uri}]}",
	}, ""},
	{"the database's URI without a password", "mongodb: {existingSecret: {name: ''}, uri: 'mongodb://a:27017,b:27017/?replicaSet=rs0'}", map[string]string{
		envM + "MONGODB_URI].value": "mongodb://a:27017,b:27017/?replicaSet=rs0", envM + "MONGODB_URI_FILE]": "", secretsM + "[1]": "",
	}, ""},
	{"Redis' URL is a file", "redis: {existingSecret: {name: cache, key: address}}", map[string]string{
		envG + "REDIS_URL_FILE].value": "/etc/gatehouse/secrets/redis-url", secretsG + "[0].secret": "{name: cache, items: [{key: address, path: redis-url}]}",
	}, ""},
	{"Redis' URL without a password", "redis: {existingSecret: {name: ''}, url: 'rediss://cache.example.com:6379/0'}", map[string]string{
		envG + "REDIS_URL].value": "rediss://cache.example.com:6379/0", secretsG: "[]",
	}, ""},
	{"databases for a trial", bundled, map[string]string{
		"StatefulSet/gatehouse-mongodb spec.template.spec.containers[0].image": "mongo:7.0.14", "StatefulSet/gatehouse-redis spec.template.spec.containers[0].image": "redis:7.2.5",
		"StatefulSet/gatehouse-mongodb spec.template.spec.volumes[name=data]": "{name: data, emptyDir: {}}", "StatefulSet/gatehouse-mongodb spec.volumeClaimTemplates": "",
		"Service/gatehouse-mongodb spec.ports[0].port": "27017", "Service/gatehouse-redis spec.ports[0].port": "6379",
		"NetworkPolicy/gatehouse-mongodb spec.ingress[0].from[0].podSelector.matchLabels.app\\kubernetes\\io/component": "management",
		"NetworkPolicy/gatehouse-redis spec.ingress[0].from[0].podSelector.matchLabels.app\\kubernetes\\io/component":   "gateway",
		policyM + ".egress[1].to[0].podSelector.matchLabels.app\\kubernetes\\io/component":                              "mongodb",
		policyG + ".egress[2].to[0].podSelector.matchLabels.app\\kubernetes\\io/component":                              "redis",
	}, "a bundled database is for trials"},
	{
		"databases for a longer trial",
		`mongodb: {existingSecret: {name: m}, bundled: {enabled: true, image: {repository: r/mongo, tag: "8", digest: ""}, username: root, passwordKey: pass, storage: {size: 8Gi, storageClassName: fast}, resources: {limits: {cpu: 1}}}}
redis: {existingSecret: {name: r}, bundled: {enabled: true, image: {repository: r/redis, tag: "8", digest: sha256:` + digest + `}, passwordKey: pass, storage: {size: 1Gi, storageClassName: fast}, resources: {limits: {cpu: 2}}}}`,
		map[string]string{
			"StatefulSet/gatehouse-mongodb spec.template.spec.containers[0].image": "r/mongo:8", "StatefulSet/gatehouse-redis spec.template.spec.containers[0].image": "r/redis@sha256:" + digest,
			"StatefulSet/gatehouse-mongodb spec.template.spec.containers[0].env[name=MONGO_INITDB_ROOT_USERNAME].value": "root",
			"StatefulSet/gatehouse-mongodb spec.template.spec.volumes[name=secrets].projected.sources[0].secret":        "{name: m, items: [{key: pass, path: password}]}",
			"StatefulSet/gatehouse-redis spec.template.spec.volumes[name=secrets].projected.sources[0].secret":          "{name: r, items: [{key: pass, path: password}]}",
			"StatefulSet/gatehouse-mongodb spec.volumeClaimTemplates[0].spec":                                           "{accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 8Gi}}}",
			"StatefulSet/gatehouse-redis spec.volumeClaimTemplates[0].spec.resources.requests.storage":                  "1Gi",
			"StatefulSet/gatehouse-redis spec.volumeClaimTemplates[0].spec.storageClassName":                            "fast",
			"StatefulSet/gatehouse-mongodb spec.template.spec.containers[0].resources.limits.cpu":                       "1",
			"StatefulSet/gatehouse-redis spec.template.spec.containers[0].resources.limits.cpu":                         "2",
		}, "",
	},
	{"the image of a trial's database by digest", "mongodb: {bundled: {enabled: true, image: {digest: sha256:" + digest + "}}}", map[string]string{
		"StatefulSet/gatehouse-mongodb spec.template.spec.containers[0].image": "mongo@sha256:" + digest,
	}, ""},
}

// TestSwitches renders every row with Helm 3 and Helm 4.
func TestSwitches(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			made, err := render(t, base, r.values)
			if err != nil {
				t.Fatal(err)
			}
			valid(t, made)
			for _, place := range slices.Sorted(maps.Keys(r.want)) {
				got, found := made.find(place)
				switch want := r.want[place]; {
				case want == "":
					if found {
						t.Errorf("%s is there: %v", place, got)
					}
				case !found:
					t.Errorf("%s is not there", place)
				case want != "x":
					same(t, place, want, got)
				}
			}
			if !strings.Contains(made.notes, r.notes) {
				t.Errorf("the notes lack %q:\n%s", r.notes, made.notes)
			}
		})
	}
}

// same compares by meaning; numbers in texts are texts.
func same(t *testing.T, place, want string, got any) {
	t.Helper()
	if text, isText := got.(string); isText {
		if text != want {
			t.Errorf("%s = %q, want %q", place, text, want)
		}
		return
	}
	var wanted any
	if err := yaml.UnmarshalStrict([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", place, diff)
	}
}

// TestEveryValueHasARow fails for a value that no row sets.
func TestEveryValueHasARow(t *testing.T) {
	set := map[string]bool{}
	for _, r := range append(rows, row{values: base}) {
		for _, leaf := range leaves("", merged(t, r.values)) {
			for leaf != "" {
				set[leaf] = true
				leaf = leaf[:max(0, strings.LastIndex(leaf, "."))]
			}
		}
	}
	for _, leaf := range leaves("", defaults(t)) {
		if whole, _, _ := strings.Cut(leaf, ".resources."); !set[leaf] && !set[whole+".resources"] {
			t.Errorf("no row of the tests sets %s", leaf)
		}
	}
}

// leaves lists the places of values that are no maps, or empty ones.
func leaves(prefix string, value any) []string {
	members, isMap := value.(map[string]any)
	if !isMap || len(members) == 0 {
		return []string{prefix}
	}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(members)) {
		where := key
		if prefix != "" {
			where = prefix + "." + key
		}
		all = append(all, leaves(where, members[key])...)
	}
	return all
}

// TestSettingsExist fails for a variable that a service does not read, and for a setting that the chart cannot make.
func TestSettingsExist(t *testing.T) {
	// Read only by people at a terminal, or fixed by the chart in another way.
	elsewhere := map[string]string{
		"GATEHOUSE_OPERATOR_PASSWORD":       "only as a file",
		"GATEHOUSE_SMTP_PASSWORD":           "only as a file",
		"GATEHOUSE_TECHNICAL_PASSWORD":      "only as a file",
		"GATEHOUSE_SNAPSHOT_KEY":            "only as a file",
		"GATEHOUSE_SMTP_URL_FILE":           "the URL has no password, which is a file of its own",
		"GATEHOUSE_SMTP_CA_FILE":            "trustedAuthorities",
		"GATEHOUSE_REDIS_CA_FILE":           "trustedAuthorities",
		"GATEHOUSE_REDIS_PASSWORD":          "only as a file",
		"GATEHOUSE_REDIS_SENTINEL_PASSWORD": "only as a file",
		"GATEHOUSE_TRACE_CA_FILE":           "trustedAuthorities",
		"GATEHOUSE_TRACE_AUTHORIZATION":     "only as a file",
		"GATEHOUSE_TRACE_URL_FILE":          "the URL has no password, which is a file of its own",
	}
	given := map[string]map[string]bool{"management": {}, "gateway": {}}
	for _, r := range rows {
		made, err := render(t, base, r.values)
		if err != nil {
			t.Fatal(err)
		}
		for component := range given {
			list, _ := made.find("Deployment/gatehouse-" + component + " spec.template.spec.containers[0].env")
			entries, _ := list.([]any)
			for _, e := range entries {
				given[component][e.(map[string]any)["name"].(string)] = true
			}
		}
	}
	for component, names := range given {
		known := flags(t, component)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if strings.HasPrefix(name, "GATEHOUSE_") && !known[name] {
				t.Errorf("%s does not read %s", component, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(known)) {
			if !names[name] && elsewhere[name] == "" {
				t.Errorf("%s reads %s, and no value of the chart sets it", component, name)
			}
		}
	}
}
