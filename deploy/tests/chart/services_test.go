package chart

import "strings"

var managementRows = []row{
	{
		"people have a deployment of their own", "management: {directory: {enabled: true, replicas: 3, resources: {limits: {memory: 2Gi}}}}",
		map[string]string{
			"Deployment/gatehouse-directory spec.replicas": "3", directory + ".containers[0].env[name=GATEHOUSE_ROLES].value": "directory", envM + "ROLES].value": "api,distribution,sync",
			directory + ".containers[0].resources": "{limits: {memory: 2Gi}, requests: {cpu: 250m, memory: 256Mi}}", directory + ".containers[0].env[name=GATEHOUSE_OPERATOR_NAME]": "",
			directory + ".volumes[name=plane].secret.secretName": "plane-management", directory + ".serviceAccountName": "gatehouse-management",
			directory + ".containers[0].env[name=GATEHOUSE_MANAGEMENT_ADDRESS]": "", directory + ".containers[0].ports[name=http]": "",
			envG + "DIRECTORY_GRPC_ADDRESS].value": "gatehouse-directory-plane.access.svc:18094", "Service/gatehouse-directory-plane spec.clusterIP": "None",
			"PodDisruptionBudget/gatehouse-directory spec.maxUnavailable": "1", "NetworkPolicy/gatehouse-directory spec.ingress[0].ports": "[{port: plane, protocol: TCP}]",
			policyG + ".egress[1].to[1].podSelector.matchLabels.app\\kubernetes\\io/component": "directory",
		}, "",
	},
	{"people are where management is", "", map[string]string{
		"Deployment/gatehouse-directory": "", "Service/gatehouse-directory-plane": "", "NetworkPolicy/gatehouse-directory": "", envM + "ROLES]": "", envG + "DIRECTORY_GRPC_ADDRESS]": "",
	}, ""},
	{"https at management", "management: {tls: {existingSecret: console}}", map[string]string{
		management + ".volumes[name=public].secret.secretName": "console", envM + "MANAGEMENT_TLS_CERT_FILE].value": "/etc/gatehouse/public/tls.crt",
		envM + "MANAGEMENT_TLS_KEY_FILE].value": "/etc/gatehouse/public/tls.key", "Service/gatehouse-management spec.ports[0].appProtocol": "https",
	}, ""},
	{
		"https at management, with a certificate of cert-manager for where people find it",
		"management: {tls: {certManager: {enabled: true, issuerRef: {name: company, kind: ClusterIssuer, group: issuers.example.com}}}, ingress: {enabled: true, hosts: [admin.example.com]}, httpRoute: {enabled: true, parentRefs: [{name: edge}], hostnames: [admin.example.com, console.example.com], backendTLS: {existingConfigMap: company}}}",
		map[string]string{
			"Certificate/gatehouse-management-tls spec.dnsNames": "[admin.example.com, console.example.com]", "Certificate/gatehouse-management-tls spec.usages": "[digital signature, server auth]",
			"Certificate/gatehouse-management-tls spec.issuerRef": "{name: company, kind: ClusterIssuer, group: issuers.example.com}", "Certificate/gatehouse-management-tls spec.secretName": "gatehouse-management-tls",
			management + ".volumes[name=public].secret.secretName": "gatehouse-management-tls", envM + "MANAGEMENT_TLS_CERT_FILE].value": "/etc/gatehouse/public/tls.crt",
			"Service/gatehouse-management spec.ports[0].appProtocol": "https", "Certificate/gatehouse-gateway-tls": "",
			"BackendTLSPolicy/gatehouse-management spec": "{targetRefs: [{group: '', kind: Service, name: gatehouse-management}], validation: {hostname: admin.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: company}]}}",
		}, "",
	},
	{"https at management within the cluster alone", "management: {tls: {certManager: {enabled: true, issuerRef: {name: company}}}}", map[string]string{
		"Certificate/gatehouse-management-tls spec.dnsNames": "[gatehouse-management, gatehouse-management.access, gatehouse-management.access.svc]",
	}, ""},
	{"https at management, and the names are given", "management: {tls: {certManager: {enabled: true, dnsNames: [a.example.com, gatehouse-management.access.svc], issuerRef: {name: company}}}, ingress: {enabled: true, hosts: [a.example.com]}}", map[string]string{
		"Certificate/gatehouse-management-tls spec.dnsNames": "[a.example.com, gatehouse-management.access.svc]",
	}, ""},
	{"the directory speaks no https, whatever management does", "management: {directory: {enabled: true}, tls: {certManager: {enabled: true, issuerRef: {name: company}}}}", map[string]string{
		directory + ".volumes[name=public]": "", directory + ".containers[0].env[name=GATEHOUSE_MANAGEMENT_TLS_CERT_FILE]": "", "Certificate/gatehouse-directory-tls": "",
	}, ""},
	{"http at management", "", map[string]string{envM + "MANAGEMENT_TLS_CERT_FILE]": "", "Service/gatehouse-management spec.ports[0].appProtocol": "http"}, ""},
	{"management alone, for gateways that are named", "gateway: {enabled: false}\nnetworkPolicy: {planeFrom: " + peer + "}", map[string]string{
		"Deployment/gatehouse-gateway": "", "Service/gatehouse-gateway": "", "NetworkPolicy/gatehouse-gateway": "",
		policyM + ".ingress[1]": "{ports: [{port: plane, protocol: TCP}], from: " + peer + "}", policyM + ".ingress[3]": "",
	}, ""},
	{"management alone, without network policies", "gateway: {enabled: false}\nnetworkPolicy: {enabled: false}", map[string]string{"Deployment/gatehouse-management": "x", "Deployment/gatehouse-gateway": ""}, ""},
	{"a drain that a gateway would not survive does not matter where there is none", "gateway: {enabled: false, drainDelay: 1h}\nnetworkPolicy: {enabled: false}", map[string]string{"Deployment/gatehouse-gateway": ""}, ""},
	{"a long drain in several units, and the time for it", "management: {drainDelay: 1m30s, terminationGracePeriodSeconds: 120}\ngateway: {drainDelay: 0.5m, terminationGracePeriodSeconds: 60}", map[string]string{
		envM + "DRAIN_DELAY].value": "1m30s", envG + "DRAIN_DELAY].value": "0.5m",
	}, ""},
	{"management and gateways apart, with an issuer that both know", "plane: {trustDomain: prod.example, existingSecrets: {management: '', gateway: ''}, certManager: {enabled: true, issuerRef: {name: company}}}\ngateway: {enabled: false}\nnetworkPolicy: {planeFrom: " + peer + "}", map[string]string{
		"Certificate/gatehouse-management-plane spec.issuerRef.name": "company", "Certificate/gatehouse-gateway-plane": "",
	}, ""},
	{"the directory has resources of its own", "management: {resources: {limits: {cpu: 2, memory: 4Gi}}, directory: {enabled: true}}", map[string]string{
		directory + ".containers[0].resources": "{requests: {cpu: 250m, memory: 256Mi}, limits: {memory: 1Gi}}",
	}, ""},
	{"the directory has no resources, whatever management has", "management: {resources: {limits: {cpu: 2, memory: 4Gi}}, directory: {enabled: true, resources: null}}", map[string]string{
		directory + ".containers[0].resources": "", directory + ".containers[0].env[name=GOMEMLIMIT]": "", inM + ".resources.limits.memory": "4Gi",
	}, ""},
	{"more replicas of management", "management: {replicas: 3}", map[string]string{"Deployment/gatehouse-management spec.replicas": "3"}, ""},
	{"the sealing key is a file", "management: {sealingKey: {existingSecret: {name: keys, key: current}}}", map[string]string{
		envM + "SEALING_KEY_FILE].value": "/etc/gatehouse/secrets/sealing.key", secretsM + "[0].secret": "{name: keys, items: [{key: current, path: sealing.key}]}",
	}, ""},
	{"the first operator", "management: {operator: {name: ada, existingSecret: {name: first, key: password}}}", map[string]string{
		envM + "OPERATOR_NAME].value": "ada", envM + "OPERATOR_PASSWORD_FILE].value": "/etc/gatehouse/secrets/operator-password",
		secretsM + "[2].secret": "{name: first, items: [{key: password, path: operator-password}]}",
	}, "The first operator is ada; the password is in the secret first"},
	{"no first operator", "", map[string]string{envM + "OPERATOR_NAME]": "", envM + "OPERATOR_PASSWORD_FILE]": ""}, "management ends with \"there is no operator yet\""},
	{
		"settings of management", "management: {operatorTokenLifetime: 1h, maxClientSecrets: 3, keepClientSecrets: 0s, keepAudits: 8760h}",
		map[string]string{
			envM + "OPERATOR_TOKEN_LIFETIME].value": "1h", envM + "MAX_CLIENT_SECRETS].value": "3", envM + "KEEP_CLIENT_SECRETS].value": "0s", envM + "KEEP_AUDITS].value": "8760h",
		}, "",
	},
	{"audit records are kept for ever", "", map[string]string{envM + "KEEP_AUDITS]": ""}, ""},
	{"e-mail", mail, map[string]string{
		envM + "SMTP_URL].value": "smtp://mailer@mail.example.com:587", envM + "MAIL_FROM].value": "Gatehouse <no-reply@example.com>", envM + "SMTP_AUTH].value": "auto",
		envM + "SMTP_INSECURE]": "", envM + "SMTP_PASSWORD_FILE]": "", policyM + ".egress[2].ports": "[{port: 25, protocol: TCP}, {port: 465, protocol: TCP}, {port: 587, protocol: TCP}]",
	}, ""},
	{"no e-mail", "networkPolicy: {outbound: {enabled: false}}", map[string]string{envM + "SMTP_URL]": "", policyM + ".egress[2]": ""}, ""},
	{
		"e-mail in detail",
		"management: {mail: {url: 'smtp://m@mail:25', from: a@example.com, auth: plain, timeout: 5s, insecure: true, existingSecret: {name: mail, key: pw}}}\nnetworkPolicy: {mail: {ports: [25], to: [{ipBlock: {cidr: 10.1.0.0/16}}]}}",
		map[string]string{
			envM + "SMTP_AUTH].value": "plain", envM + "SMTP_TIMEOUT].value": "5s", envM + "SMTP_INSECURE].value": "true",
			envM + "SMTP_PASSWORD_FILE].value": "/etc/gatehouse/secrets/smtp-password", secretsM + "[2].secret": "{name: mail, items: [{key: pw, path: smtp-password}]}",
			policyM + ".egress[2]": "{ports: [{port: 25, protocol: TCP}], to: [{ipBlock: {cidr: 10.1.0.0/16}}]}",
		}, "",
	},
	{"management's service", "management: {service: {type: NodePort, port: 8080, annotations: {a: b}}}", map[string]string{
		"Service/gatehouse-management spec.type": "NodePort", "Service/gatehouse-management spec.ports[0].port": "8080", "Service/gatehouse-management metadata.annotations.a": "b",
	}, "port-forward service/gatehouse-management 8093:8080"},
	{"gateways find every replica of management", "", map[string]string{
		"Service/gatehouse-management-plane spec.clusterIP": "None", envG + "MANAGEMENT_GRPC_ADDRESS].value": "gatehouse-management-plane.access.svc:18094",
	}, ""},
	{"gateways from elsewhere find management", "management: {planeService: {type: LoadBalancer, annotations: {a: b}}}", map[string]string{
		"Service/gatehouse-management-plane spec.type": "LoadBalancer", "Service/gatehouse-management-plane spec.clusterIP": "", "Service/gatehouse-management-plane metadata.annotations.a": "b",
	}, ""},
	{"gateways from elsewhere find the directory as well, under a name of its own", "management: {planeService: {type: LoadBalancer, annotations: {a: b}}, directory: {enabled: true, planeService: {annotations: {c: d}}}}", map[string]string{
		"Service/gatehouse-directory-plane spec.type": "LoadBalancer", "Service/gatehouse-directory-plane spec.clusterIP": "", "Service/gatehouse-directory-plane metadata.annotations": "{c: d}",
	}, ""},
	{
		"management behind an ingress controller",
		"management: {ingress: {enabled: true, className: nginx, annotations: {a: b}, hosts: [admin.example.com], tls: [{hosts: [admin.example.com], secretName: admin}]}}",
		map[string]string{
			"Ingress/gatehouse-management spec.ingressClassName": "nginx", "Ingress/gatehouse-management metadata.annotations.a": "b",
			"Ingress/gatehouse-management spec.rules[0].host": "admin.example.com", "Ingress/gatehouse-management spec.tls": "[{hosts: [admin.example.com], secretName: admin}]",
			"Ingress/gatehouse-management spec.rules[0].http.paths[0].backend.service": "{name: gatehouse-management, port: {number: 80}}",
		}, "https://admin.example.com/",
	},
	{
		"management behind a Gateway", "management: {httpRoute: {enabled: true, annotations: {a: b}, parentRefs: [{name: edge, namespace: edge, sectionName: https}], hostnames: [admin.example.com]}}",
		map[string]string{
			"HTTPRoute/gatehouse-management spec.parentRefs": "[{name: edge, namespace: edge, sectionName: https}]", "HTTPRoute/gatehouse-management spec.hostnames": "[admin.example.com]",
			"HTTPRoute/gatehouse-management spec.rules[0].backendRefs": "[{name: gatehouse-management, port: 80}]", "HTTPRoute/gatehouse-management metadata.annotations.a": "b",
			"BackendTLSPolicy/gatehouse-management": "",
		}, "https://admin.example.com/",
	},
	{
		"https at management behind a Gateway that knows the authority, under a name within the cluster",
		"management: {tls: {existingSecret: console}, httpRoute: {enabled: true, parentRefs: [{name: edge}], hostnames: ['*.example.com'], backendTLS: {wellKnownCACertificates: System, hostname: gatehouse-management.access.svc}}}",
		map[string]string{"BackendTLSPolicy/gatehouse-management spec.validation": "{hostname: gatehouse-management.access.svc, wellKnownCACertificates: System}"}, "",
	},
	{
		"https at management behind a Gateway that is told elsewhere",
		"management: {tls: {existingSecret: console}, httpRoute: {enabled: true, parentRefs: [{name: edge}], hostnames: ['*.example.com'], backendTLS: {elsewhere: true}}}",
		map[string]string{"HTTPRoute/gatehouse-management": "x", "BackendTLSPolicy/gatehouse-management": ""}, "",
	},
}

var gatewayRows = []row{
	{"gateways alone, management elsewhere", "management: {enabled: false}\ngateway: {managementAddress: 'plane.example.com:18094'}", map[string]string{
		"Deployment/gatehouse-management": "", "NetworkPolicy/gatehouse-management": "", envG + "MANAGEMENT_GRPC_ADDRESS].value": "plane.example.com:18094",
		policyG + ".egress[1]": "{ports: [{port: 18094, protocol: TCP}]}",
	}, ""},
	{"gateways alone, management and its directory elsewhere", "management: {enabled: false}\ngateway: {managementAddress: 'plane.example.com:18094', directoryAddress: 'people.example.com:18095'}", map[string]string{
		envG + "DIRECTORY_GRPC_ADDRESS].value": "people.example.com:18095", policyG + ".egress[1]": "{ports: [{port: 18095, protocol: TCP}]}",
	}, ""},
	{"Redis behind Sentinels, with passwords of their own", "redis: {existingSecret: {name: ''}, url: 'rediss+sentinel://gatehouse@a:26379,b:26379/main', password: {existingSecret: {name: p, key: k}}, sentinelPassword: {existingSecret: {name: s, key: k}}}", map[string]string{
		envG + "REDIS_URL].value": "rediss+sentinel://gatehouse@a:26379,b:26379/main", envG + "REDIS_PASSWORD_FILE].value": "/etc/gatehouse/secrets/redis-password",
		envG + "REDIS_SENTINEL_PASSWORD_FILE].value": "/etc/gatehouse/secrets/redis-sentinel-password", secretsG + "[0].secret": "{name: p, items: [{key: k, path: redis-password}]}",
		secretsG + "[1].secret": "{name: s, items: [{key: k, path: redis-sentinel-password}]}",
	}, ""},
	{"a Redis Cluster that wants a certificate", "redis: {existingSecret: {name: ''}, url: 'rediss+cluster://a:6379,b:6379', clientCertificate: {existingSecret: c}}", map[string]string{
		envG + "REDIS_CERT_FILE].value": "/etc/gatehouse/redis/tls.crt", envG + "REDIS_KEY_FILE].value": "/etc/gatehouse/redis/tls.key", gateway + ".volumes[name=redis].secret.secretName": "c",
	}, ""},
	{"both services", "management: {enabled: true}\ngateway: {enabled: true}", map[string]string{"Deployment/gatehouse-management": "x", "Deployment/gatehouse-gateway": "x"}, ""},
	{"more gateways", "gateway: {replicas: 5}", map[string]string{"Deployment/gatehouse-gateway spec.replicas": "5", "HorizontalPodAutoscaler/gatehouse-gateway": ""}, ""},
	{"a gateway knows its name", "", map[string]string{envG + "NODE_NAME].valueFrom.fieldRef.fieldPath": "metadata.name"}, ""},
	{"gateways for some domains", "gateway: {domains: [one, two]}", map[string]string{envG + "DOMAINS].value": "one,two"}, ""},
	{"more registered clients in memory", "gateway: {registeredClients: 2000000}", map[string]string{envG + "REGISTERED_CLIENTS].value": "2000000"}, ""},
	{"tokens of clients that register themselves", "gateway: {registeredTokens: {accessToken: 5m, refreshToken: 24h, idToken: 90s}}", map[string]string{
		envG + "REGISTERED_ACCESS_TOKEN_VALIDITY].value": "5m", envG + "REGISTERED_REFRESH_TOKEN_VALIDITY].value": "24h", envG + "REGISTERED_ID_TOKEN_VALIDITY].value": "90s",
	}, ""},
	{"a gateway that keeps its configuration", "gateway: {snapshot: {existingSecret: {name: kept, key: k}, maxAge: 2h, wait: 3s, sizeLimit: 500Mi}}", map[string]string{
		envG + "SNAPSHOT_FOLDER].value": "/var/lib/gatehouse/snapshot", envG + "SNAPSHOT_KEY_FILE].value": "/etc/gatehouse/secrets/snapshot-key",
		envG + "SNAPSHOT_MAX_AGE].value": "2h", envG + "SNAPSHOT_WAIT].value": "3s", gateway + ".volumes[name=snapshot].emptyDir.sizeLimit": "500Mi",
		gateway + ".containers[0].volumeMounts[name=snapshot].mountPath": "/var/lib/gatehouse/snapshot", secretsG + "[1].secret": "{name: kept, items: [{key: k, path: snapshot-key}]}",
	}, ""},
	{"a gateway that keeps nothing", "", map[string]string{envG + "SNAPSHOT_FOLDER]": "", gateway + ".volumes[name=snapshot]": ""}, ""},
	{"where people are", "gateway: {geoDatabases: [/geo/country.mmdb, /geo/asn.mmdb]}", map[string]string{envG + "GEO_DATABASE].value": "/geo/country.mmdb,/geo/asn.mmdb"}, ""},
	{"what outgoing requests may reach", "gateway: {outbound: {allow: [idp.internal, 10.2.0.0/16], authorities: {existingConfigMap: company, key: bundle.pem}}}", map[string]string{
		envG + "OUTBOUND_ALLOW].value": "idp.internal,10.2.0.0/16", envG + "OUTBOUND_CA_FILE].value": "/etc/gatehouse/outbound/bundle.pem", gateway + ".volumes[name=outbound].configMap.name": "company",
	}, ""},
	{"authorities of outgoing requests from a secret", "gateway: {outbound: {authorities: {existingSecret: company}}}", map[string]string{gateway + ".volumes[name=outbound].secret.secretName": "company"}, ""},
	{"the technical user", "gateway: {technical: {user: duty, existingSecret: {name: duty, key: pw}}}", map[string]string{
		envG + "TECHNICAL_USER].value": "duty", envG + "TECHNICAL_PASSWORD_FILE].value": "/etc/gatehouse/secrets/technical-password",
		secretsG + "[1].secret": "{name: duty, items: [{key: pw, path: technical-password}]}",
	}, ""},
	{"no technical user", "", map[string]string{envG + "TECHNICAL_USER]": ""}, ""},
	{"https at the gateway, with a given certificate", ownTLS, map[string]string{
		gateway + ".volumes[name=public].secret.secretName": "public-certificate", envG + "GATEWAY_TLS_CERT_FILE].value": "/etc/gatehouse/public/tls.crt",
		"Service/gatehouse-gateway spec.ports[0].name": "https", "Service/gatehouse-gateway spec.ports[0].appProtocol": "https",
	}, ""},
	{
		"https at the gateway, with a certificate of cert-manager",
		"gateway: {tls: {certManager: {enabled: true, issuerRef: {name: public, kind: ClusterIssuer, group: issuers.example.com}}}, clientCertificates: {url: 'https://mtls.example.com:8443'}}",
		map[string]string{
			"Certificate/gatehouse-gateway-tls spec.dnsNames": "[login.example.com, mtls.example.com]", "Certificate/gatehouse-gateway-tls spec.issuerRef": "{name: public, kind: ClusterIssuer, group: issuers.example.com}",
			gateway + ".volumes[name=public].secret.secretName": "gatehouse-gateway-tls", envG + "MTLS_URL].value": "https://mtls.example.com:8443",
		}, "",
	},
	{"http at the gateway", "", map[string]string{envG + "GATEWAY_TLS_CERT_FILE]": "", "Service/gatehouse-gateway spec.ports[0].name": "http"}, ""},
	{
		"client certificates by a proxy", "trustedProxies: [10.0.0.0/8]\nnetworkPolicy: {gatewayFrom: [{podSelector: {matchLabels: {app: proxy}}}]}\ngateway: {clientCertificates: {header: Client-Cert, authorities: {existingSecret: clients, key: all.pem}}}",
		map[string]string{
			envG + "CLIENT_CERTIFICATE_HEADER].value": "Client-Cert", envG + "CLIENT_CA_FILE].value": "/etc/gatehouse/clients/all.pem", gateway + ".volumes[name=clients].secret.secretName": "clients",
		}, "",
	},
	{"client certificates at the gateway", "gateway: {tls: {existingSecret: c}, clientCertificates: {url: 'https://login.example.com', authorities: {existingConfigMap: clients}}}", map[string]string{
		gateway + ".volumes[name=clients].configMap.name": "clients", envG + "CLIENT_CA_FILE].value": "/etc/gatehouse/clients/ca.crt",
	}, ""},
	{"the gateways' service", "gateway: {service: {type: LoadBalancer, port: 443, annotations: {a: b}, externalTrafficPolicy: Local}}", map[string]string{
		"Service/gatehouse-gateway spec.type": "LoadBalancer", "Service/gatehouse-gateway spec.ports[0].port": "443", "Service/gatehouse-gateway spec.externalTrafficPolicy": "Local",
		"Service/gatehouse-gateway metadata.annotations.a": "b",
	}, ""},
	{"nothing leads to the gateways yet", "", nil, "Nothing leads there yet"},
	{"gateways behind an ingress controller", "gateway: {ingress: {enabled: true}}", map[string]string{
		"Ingress/gatehouse-gateway spec.rules[0].host": "login.example.com", "Ingress/gatehouse-gateway spec.rules[0].http.paths[0].path": "/", "Ingress/gatehouse-gateway spec.ingressClassName": "",
	}, ""},
	{
		"gateways behind an ingress controller, in detail",
		"publicUrl: 'https://login.example.com:8443/auth/'\ngateway: {ingress: {enabled: true, className: nginx, annotations: {a: b}, hosts: [one.example.com, two.example.com], tls: [{hosts: [one.example.com]}]}}",
		map[string]string{
			"Ingress/gatehouse-gateway spec.rules[1].host": "two.example.com", "Ingress/gatehouse-gateway spec.rules[0].http.paths[0].path": "/auth", "Ingress/gatehouse-gateway spec.ingressClassName": "nginx",
			"Ingress/gatehouse-gateway metadata.annotations.a": "b", "Ingress/gatehouse-gateway spec.tls": "[{hosts: [one.example.com]}]",
		}, "",
	},
	{"gateways behind a Gateway", "publicUrl: 'https://login.example.com:8443/auth'\ngateway: {httpRoute: {enabled: true, annotations: {a: b}, parentRefs: [{name: edge}]}}", map[string]string{
		"HTTPRoute/gatehouse-gateway spec.hostnames": "[login.example.com]", "HTTPRoute/gatehouse-gateway spec.rules[0].matches[0].path": "{type: PathPrefix, value: /auth}",
		"HTTPRoute/gatehouse-gateway metadata.annotations.a": "b",
	}, ""},
	{"https at gateways behind a Gateway", "publicUrl: 'https://Login.example.com:8443/auth'\ngateway: {tls: {existingSecret: public-certificate}, httpRoute: {enabled: true, parentRefs: [{name: edge}], backendTLS: {existingConfigMap: company}}}", map[string]string{
		"HTTPRoute/gatehouse-gateway spec.hostnames": "[login.example.com]",
		"BackendTLSPolicy/gatehouse-gateway spec":    "{targetRefs: [{group: '', kind: Service, name: gatehouse-gateway}], validation: {hostname: login.example.com, caCertificateRefs: [{group: '', kind: ConfigMap, name: company}]}}",
	}, ""},
	{"https at gateways behind a Gateway that knows the authority of another name", "gateway: {tls: {existingSecret: public-certificate}, httpRoute: {enabled: true, parentRefs: [{name: edge}], backendTLS: {wellKnownCACertificates: System, hostname: inside.example.com}}}", map[string]string{
		"BackendTLSPolicy/gatehouse-gateway spec.validation": "{hostname: inside.example.com, wellKnownCACertificates: System}",
	}, ""},
	{"https at gateways behind a Gateway that is told elsewhere", "gateway: {tls: {existingSecret: public-certificate}, httpRoute: {enabled: true, parentRefs: [{name: edge}], backendTLS: {elsewhere: true}}}", map[string]string{
		"HTTPRoute/gatehouse-gateway": "x", "BackendTLSPolicy/gatehouse-gateway": "",
	}, ""},
	{"gateways behind a Gateway, under other names", "gateway: {httpRoute: {enabled: true, parentRefs: [{name: edge}], hostnames: [one.example.com]}}", map[string]string{"HTTPRoute/gatehouse-gateway spec.hostnames": "[one.example.com]"}, ""},
	{
		"as many gateways as needed",
		"gateway: {autoscaling: {enabled: true, minReplicas: 3, maxReplicas: 30, targetCPUUtilizationPercentage: 50, targetMemoryUtilizationPercentage: 80, behavior: {scaleDown: {stabilizationWindowSeconds: 600}}}}",
		map[string]string{
			"Deployment/gatehouse-gateway spec.replicas": "", "HorizontalPodAutoscaler/gatehouse-gateway spec.minReplicas": "3", "HorizontalPodAutoscaler/gatehouse-gateway spec.maxReplicas": "30",
			"HorizontalPodAutoscaler/gatehouse-gateway spec.metrics[0].resource.target.averageUtilization": "50", "HorizontalPodAutoscaler/gatehouse-gateway spec.metrics[1].resource": "{name: memory, target: {type: Utilization, averageUtilization: 80}}",
			"HorizontalPodAutoscaler/gatehouse-gateway spec.behavior.scaleDown.stabilizationWindowSeconds": "600", "HorizontalPodAutoscaler/gatehouse-gateway spec.scaleTargetRef.name": "gatehouse-gateway",
		}, "",
	},
	{"a new gateway is ready before an old one goes", "", map[string]string{"Deployment/gatehouse-gateway spec.strategy.rollingUpdate": "{maxUnavailable: 0, maxSurge: 25%}"}, ""},
}

// podRows are about what both services have.
func podRows(component, spec string) []row {
	under := func(name, values string, want map[string]string) row {
		return row{component + ": " + name, component + ": " + values, want, ""}
	}
	container := spec + ".containers[0]"
	here := func(kind string) string { return kind + "/gatehouse-" + component }
	technical := map[string]string{"management": "18093", "gateway": "18092"}[component]
	return []row{
		under("a graceful stop", "{drainDelay: 20s, terminationGracePeriodSeconds: 120}", map[string]string{
			container + ".env[name=GATEHOUSE_DRAIN_DELAY].value": "20s", spec + ".terminationGracePeriodSeconds": "120",
		}),
		under("probes", "{}", map[string]string{
			container + ".livenessProbe.httpGet": "{path: /livez, port: technical}", container + ".readinessProbe.httpGet": "{path: /readyz, port: technical}",
			container + ".startupProbe.httpGet.path": "/livez", container + ".ports[name=technical].containerPort": technical,
			container + ".env[name=GATEHOUSE_TECHNICAL_ADDRESS].value": ":" + technical,
		}),
		under("disruptions", "{podDisruptionBudget: {maxUnavailable: 25%}}", map[string]string{here("PodDisruptionBudget") + " spec.maxUnavailable": "25%"}),
		under("no limit to disruptions", "{podDisruptionBudget: {enabled: false}}", map[string]string{here("PodDisruptionBudget"): ""}),
		under("kept apart", "{topologySpread: {zone: DoNotSchedule, node: ''}}", map[string]string{
			spec + ".topologySpreadConstraints[topologyKey=topology.kubernetes.io/zone].whenUnsatisfiable": "DoNotSchedule", spec + ".topologySpreadConstraints[1]": "",
		}),
		under("anywhere", "{topologySpread: {zone: '', node: ''}}", map[string]string{spec + ".topologySpreadConstraints": ""}),
		under("resources", "{resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi}}}", map[string]string{
			container + ".resources": "{requests: {cpu: 1, memory: 1Gi}, limits: {memory: 2Gi}}", container + ".env[name=GOMEMLIMIT].value": "1932735283",
		}),
		under("a memory limit in bytes", "{resources: {limits: {memory: 1000000000}}}", map[string]string{container + ".env[name=GOMEMLIMIT].value": "900000000"}),
		under("no resources", "{resources: null}", map[string]string{container + ".resources": "", container + ".env[name=GOMEMLIMIT]": ""}),
		under("an account", "{serviceAccount: {name: someone, annotations: {a: b}}}", map[string]string{spec + ".serviceAccountName": "someone", "ServiceAccount/someone metadata.annotations.a": "b"}),
		under("an account that is there", "{serviceAccount: {create: false, name: someone}}", map[string]string{spec + ".serviceAccountName": "someone", "ServiceAccount/someone": ""}),
		under("the account of all", "{serviceAccount: {create: false}}", map[string]string{spec + ".serviceAccountName": "default"}),
		under("labels and annotations", "{podLabels: {a: b}, podAnnotations: {c: d}}", map[string]string{
			strings.TrimSuffix(spec, "spec") + "metadata.labels.a": "b", strings.TrimSuffix(spec, "spec") + "metadata.annotations.c": "d",
		}),
		under("labels do not change who is selected", "{podLabels: {app.kubernetes.io/component: other}}", map[string]string{strings.TrimSuffix(spec, "spec") + "metadata.labels.app\\kubernetes\\io/component": component}),
		under("placement", "{nodeSelector: {pool: access}, tolerations: [{key: dedicated, operator: Exists}], affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}, priorityClassName: high}", map[string]string{
			spec + ".nodeSelector": "{pool: access}", spec + ".tolerations": "[{key: dedicated, operator: Exists}]", spec + ".priorityClassName": "high",
			spec + ".affinity": "{podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}",
		}),
		under("more of everything", "{extraEnv: [{name: HTTPS_PROXY, value: x}], extraVolumes: [{name: more, emptyDir: {}}], extraVolumeMounts: [{name: more, mountPath: /more}]}", map[string]string{
			container + ".env[name=HTTPS_PROXY].value": "x", spec + ".volumes[name=more].emptyDir": "{}", container + ".volumeMounts[name=more].mountPath": "/more",
		}),
	}
}

var policyRows = []row{
	{"who talks to whom", "", map[string]string{
		policyM + ".ingress[0]": "{ports: [{port: http, protocol: TCP}]}", policyM + ".ingress[1].ports": "[{port: plane, protocol: TCP}]",
		policyM + ".ingress[1].from[0].podSelector.matchLabels.app\\kubernetes\\io/component": "gateway", policyM + ".ingress[1].from[1]": "",
		policyM + ".egress[1]": "{ports: [{port: 27017, protocol: TCP}]}", policyG + ".egress[1].to[0].podSelector.matchLabels.app\\kubernetes\\io/component": "management",
		policyG + ".egress[2]":   "{ports: [{port: 6379, protocol: TCP}, {port: 26379, protocol: TCP}]}",
		policyG + ".egress[3]":   "{ports: [{port: 80, protocol: TCP}, {port: 443, protocol: TCP}, {port: 389, protocol: TCP}, {port: 636, protocol: TCP}]}",
		policyM + ".egress[2]":   "{ports: [{port: 80, protocol: TCP}, {port: 443, protocol: TCP}]}",
		policyG + ".policyTypes": "[Ingress, Egress]",
	}, ""},
	{"no network policies", "networkPolicy: {enabled: false}\n" + bundled, map[string]string{"NetworkPolicy/gatehouse-gateway": "", "NetworkPolicy/gatehouse-redis": ""}, "networkPolicy.enabled is false"},
	{"only some reach the services", "networkPolicy: {gatewayFrom: " + peer + ", managementFrom: " + peer + ", planeFrom: " + peer + ", metricsFrom: " + peer + "}", map[string]string{
		policyG + ".ingress[0].from": peer, policyM + ".ingress[0].from": peer, policyM + ".ingress[1].from[1].namespaceSelector.matchLabels": "{kubernetes.io/metadata.name: edge}",
		policyG + ".ingress[1].from[0].namespaceSelector.matchLabels":                         "{kubernetes.io/metadata.name: edge}",
		policyG + ".ingress[1].from[1].podSelector.matchLabels.app\\kubernetes\\io/component": "gateway-test",
		policyM + ".ingress[2].from[1].podSelector.matchLabels.app\\kubernetes\\io/component": "management-test",
	}, ""},
	{
		"databases are at known places",
		"networkPolicy: {mongodb: {ports: [27018], to: [{ipBlock: {cidr: 10.1.0.0/16}}]}, redis: {ports: [6380, 26379], to: [{ipBlock: {cidr: 10.2.0.0/16, except: [10.2.1.0/24]}}]}}",
		map[string]string{
			policyM + ".egress[1]": "{ports: [{port: 27018, protocol: TCP}], to: [{ipBlock: {cidr: 10.1.0.0/16}}]}",
			policyG + ".egress[2]": "{ports: [{port: 6380, protocol: TCP}, {port: 26379, protocol: TCP}], to: [{ipBlock: {cidr: 10.2.0.0/16, except: [10.2.1.0/24]}}]}",
		}, "",
	},
	{"gateways reach some sites", "networkPolicy: {outbound: {ports: [443], to: [{ipBlock: {cidr: 192.0.2.0/24}}]}}", map[string]string{
		policyG + ".egress[3]": "{ports: [{port: 443, protocol: TCP}], to: [{ipBlock: {cidr: 192.0.2.0/24}}]}",
		policyM + ".egress[2]": "{ports: [{port: 80, protocol: TCP}, {port: 443, protocol: TCP}], to: [{ipBlock: {cidr: 192.0.2.0/24}}]}",
	}, ""},
	{"gateways reach no sites", "networkPolicy: {outbound: {enabled: false}}", map[string]string{policyG + ".egress[3]": "", policyM + ".egress[2]": ""}, ""},
	{"name servers on another port", "networkPolicy: {dns: {ports: [5353]}}", map[string]string{
		policyG + ".egress[0]": "{ports: [{port: 5353, protocol: UDP}, {port: 5353, protocol: TCP}]}", policyM + ".egress[0]": "{ports: [{port: 5353, protocol: UDP}, {port: 5353, protocol: TCP}]}",
	}, ""},
	{"more rules", "networkPolicy: {management: {extraEgress: [{ports: [{port: 1}]}]}, gateway: {extraEgress: [{ports: [{port: 2}]}]}}", map[string]string{
		policyM + ".egress[3]": "{ports: [{port: 1}]}", policyG + ".egress[4]": "{ports: [{port: 2}]}",
	}, ""},
}
