{{/* Parts of pods that management and gateways share. All take a dict: root, component. */}}

{{/* What everything here runs as: PodSecurity "restricted", and a root that nobody writes to. */}}
{{- define "gatehouse.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "gatehouse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "gatehouse.podMetadata" -}}
{{- $part := get .root.Values .component -}}
labels:
  {{- $own := include "gatehouse.selectorLabels" . | fromYaml }}
  {{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion }}
  {{- toYaml (merge $own $part.podLabels .root.Values.commonLabels) | nindent 2 }}
{{- with merge (dict) $part.podAnnotations .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "gatehouse.podPlacement" -}}
{{- $part := get .root.Values .component -}}
serviceAccountName: {{ include "gatehouse.serviceAccount" . }}
automountServiceAccountToken: false
# Variables that Kubernetes makes for services named gatehouse-… would be taken for settings.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $part.terminationGracePeriodSeconds }}
securityContext:
  {{- include "gatehouse.podSecurity" (dict "user" 65532) | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $component := . -}}
{{- with $part.topologySpread }}
{{- if or .zone .node }}
topologySpreadConstraints:
  {{- range $key, $when := dict "topology.kubernetes.io/zone" .zone "kubernetes.io/hostname" .node }}
  {{- if $when }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: {{ $when }}
    labelSelector:
      matchLabels:
        {{- include "gatehouse.selectorLabels" $component | nindent 8 }}
    # Each version is spread by itself, or a rollout would count the pods that it is about to replace.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
Liveness looks at the process alone: a restart does not mend what others lack. Readiness says whether the service can do
its work and is the first thing to go when it stops. A service that waits for its database at the start is alive.
*/}}
{{- define "gatehouse.probes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: technical
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /livez
    port: technical
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /readyz
    port: technical
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{/* Variables of both services, then those of extraEnv. */}}
{{- define "gatehouse.commonEnv" -}}
{{- $part := get .root.Values .component -}}
- name: GATEHOUSE_LOG_LEVEL
  value: {{ .root.Values.logs.level | quote }}
- name: GATEHOUSE_LOG_FORMAT
  value: {{ .root.Values.logs.format | quote }}
{{- with .root.Values.traces }}
{{- if .url }}
- name: GATEHOUSE_TRACE_URL
  value: {{ .url | quote }}
- name: GATEHOUSE_TRACE_SAMPLE
  value: {{ .sample | quote }}
{{- if .existingSecret.name }}
- name: GATEHOUSE_TRACE_AUTHORIZATION_FILE
  value: /etc/gatehouse/secrets/trace-authorization
{{- end }}
{{- end }}
{{- end }}
{{- with .root.Values.trustedProxies }}
- name: GATEHOUSE_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
- name: GATEHOUSE_DRAIN_DELAY
  value: {{ $part.drainDelay | quote }}
- name: GATEHOUSE_TLS_CERT_FILE
  value: /etc/gatehouse/plane/tls.crt
- name: GATEHOUSE_TLS_KEY_FILE
  value: /etc/gatehouse/plane/tls.key
- name: GATEHOUSE_TLS_CA_FILE
  value: /etc/gatehouse/plane/ca.crt
- name: GATEHOUSE_TLS_TRUST_DOMAIN
  value: {{ .root.Values.plane.trustDomain | quote }}
{{- if or .root.Values.trustedAuthorities.existingConfigMap .root.Values.trustedAuthorities.existingSecret }}
# Read beside the image's own authorities.
- name: SSL_CERT_DIR
  value: /etc/gatehouse/authorities
{{- end }}
{{- with (($part.resources).limits).memory }}
# The collector works harder before the limit is reached. Go counts no kernel memory, hence a tenth less.
- name: GOMEMLIMIT
  value: {{ include "gatehouse.memoryLimit" . | quote }}
{{- end }}
{{- with $part.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Nine tenths of a quantity of memory, in bytes. */}}
{{- define "gatehouse.memoryLimit" -}}
{{- $text := ternary (toString .) (toString (int64 .)) (kindIs "string" .) -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "T" 1000000000000 "Ti" 1099511627776 -}}
{{- if not (hasKey $factors $unit) -}}
{{- fail (printf "\n\n  resources.limits.memory %q is not a number of bytes, Ki, Mi, Gi, Ti, k, M, G or T\n" $text) -}}
{{- end -}}
{{- printf "%d" (mulf (float64 $number) (get $factors $unit) 0.9 | floor | int64) -}}
{{- end -}}

{{- define "gatehouse.commonMounts" -}}
{{- $part := get .root.Values .component -}}
- name: plane
  mountPath: /etc/gatehouse/plane
  readOnly: true
- name: secrets
  mountPath: /etc/gatehouse/secrets
  readOnly: true
{{- if or .root.Values.trustedAuthorities.existingConfigMap .root.Values.trustedAuthorities.existingSecret }}
- name: authorities
  mountPath: /etc/gatehouse/authorities
  readOnly: true
{{- end }}
{{- with $part.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Whole folders and no subPath, so that renewed certificates arrive while the services run. */}}
{{- define "gatehouse.commonVolumes" -}}
{{- $part := get .root.Values .component -}}
- name: plane
  secret:
    secretName: {{ include "gatehouse.planeSecret" . }}
    defaultMode: 0440
{{- with .root.Values.trustedAuthorities }}
{{- if or .existingConfigMap .existingSecret }}
- name: authorities
  {{- include "gatehouse.authorities" . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $part.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A volume of certificates that everybody may know. */}}
{{- define "gatehouse.authorities" -}}
{{- if .existingConfigMap -}}
configMap:
  name: {{ .existingConfigMap }}
{{- else -}}
secret:
  secretName: {{ .existingSecret }}
  defaultMode: 0440
{{- end -}}
{{- end -}}

{{/* One file of a secret in the folder of secrets; takes secret (name, key) and path. */}}
{{- define "gatehouse.secretFile" -}}
- secret:
    name: {{ .secret.name }}
    items:
      - key: {{ .secret.key }}
        path: {{ .path }}
{{- end -}}
