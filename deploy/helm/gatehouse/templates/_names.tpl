{{- define "gatehouse.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Every object's name begins with this: the release's name, with the chart's where that does not hold it. */}}
{{- define "gatehouse.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "gatehouse.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The following take a dict: root, component. */}}
{{- define "gatehouse.component" -}}
{{- printf "%s-%s" (include "gatehouse.fullname" .root) .component -}}
{{- end -}}

{{- define "gatehouse.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gatehouse.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "gatehouse.labels" -}}
{{- $own := include "gatehouse.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "gatehouse" -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $own (default dict .more) .root.Values.commonLabels) -}}
{{- end -}}

{{/* metadata of an object; takes also: name (default: the component's), annotations, labels. */}}
{{- define "gatehouse.metadata" -}}
name: {{ default (include "gatehouse.component" .) .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "gatehouse.labels" (dict "root" .root "component" .component "more" .labels) | nindent 2 }}
{{- with merge (dict) (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "gatehouse.serviceAccount" -}}
{{- $account := (get .root.Values .component).serviceAccount -}}
{{- if $account.create -}}
{{- default (include "gatehouse.component" .) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{- define "gatehouse.image" -}}
{{- $image := (get .root.Values .component).image -}}
{{- $repository := $image.repository -}}
{{- with .root.Values.image.registry -}}{{- $repository = printf "%s/%s" . $repository -}}{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (coalesce $image.tag .root.Values.image.tag .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "gatehouse.bundledImage" -}}
{{- if .digest -}}{{- printf "%s@%s" .repository .digest -}}{{- else -}}{{- printf "%s:%s" .repository .tag -}}{{- end -}}
{{- end -}}

{{- define "gatehouse.publicHost" -}}
{{- (urlParse .Values.publicUrl).host | regexFind "^(\\[[^]]*\\]|[^:]*)" | lower -}}
{{- end -}}

{{- define "gatehouse.publicPath" -}}
{{- default "/" ((urlParse .Values.publicUrl).path | trimSuffix "/") -}}
{{- end -}}

{{/* The secret with tls.crt, tls.key and ca.crt of one end of the plane. */}}
{{- define "gatehouse.planeSecret" -}}
{{- $end := ternary "management" .component (eq .component "directory") -}}
{{- if .root.Values.plane.certManager.enabled -}}
{{- include "gatehouse.component" (dict "root" .root "component" $end) }}-plane
{{- else -}}
{{- get .root.Values.plane.existingSecrets $end -}}
{{- end -}}
{{- end -}}

{{/* The secret with tls.crt and tls.key of a component towards people; empty where it speaks http. */}}
{{- define "gatehouse.tlsSecret" -}}
{{- $tls := (get .root.Values .component).tls -}}
{{- if $tls.certManager.enabled -}}
{{- include "gatehouse.component" . }}-tls
{{- else -}}
{{- $tls.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* What management's own certificate is for: where people find it, or what it is called within the cluster. */}}
{{- define "gatehouse.managementNames" -}}
{{- $m := .Values.management -}}
{{- $names := $m.tls.certManager.dnsNames -}}
{{- if and (not $names) $m.ingress.enabled -}}{{- $names = $m.ingress.hosts -}}{{- end -}}
{{- if and (not $m.tls.certManager.dnsNames) $m.httpRoute.enabled -}}{{- $names = concat $names $m.httpRoute.hostnames | uniq -}}{{- end -}}
{{- if not $names -}}
{{- $service := include "gatehouse.component" (dict "root" . "component" "management") -}}
{{- $names = list $service (printf "%s.%s" $service .Release.Namespace) (printf "%s.%s.svc" $service .Release.Namespace) -}}
{{- end -}}
{{- toYaml $names -}}
{{- end -}}

{{/* The name by which a Gateway knows a component's own certificate. */}}
{{- define "gatehouse.backendHostname" -}}
{{- $name := (get .root.Values .component).httpRoute.backendTLS.hostname -}}
{{- if $name -}}
{{- $name -}}
{{- else if eq .component "management" -}}
{{- include "gatehouse.managementNames" .root | fromYamlArray | first | lower -}}
{{- else -}}
{{- include "gatehouse.publicHost" .root -}}
{{- end -}}
{{- end -}}

{{/* Where gateways find management. With all addresses in the DNS answer, a gateway goes on with the next one. */}}
{{- define "gatehouse.managementAddress" -}}
{{- if .Values.management.enabled -}}
{{ include "gatehouse.component" (dict "root" . "component" "management") }}-plane.{{ .Release.Namespace }}.svc:18094
{{- else -}}
{{- .Values.gateway.managementAddress -}}
{{- end -}}
{{- end -}}

{{/* Where gateways find the directory, if it is by itself. */}}
{{- define "gatehouse.directoryAddress" -}}
{{- if and .Values.management.enabled .Values.management.directory.enabled -}}
{{ include "gatehouse.component" (dict "root" . "component" "directory") }}-plane.{{ .Release.Namespace }}.svc:18094
{{- else if not .Values.management.enabled -}}
{{- .Values.gateway.directoryAddress -}}
{{- end -}}
{{- end -}}

{{/*
The pods of the directory are those of management but for what management.directory says. They are made known under their
component's name, which everything here looks values up by.
*/}}
{{- define "gatehouse.directory" -}}
{{- $m := .Values.management -}}
{{- $own := deepCopy $m -}}
{{- $_ := set $own "enabled" (and $m.enabled $m.directory.enabled) -}}
{{- $_ := set $own "replicas" $m.directory.replicas -}}
{{- /* As they are, and not laid over management's: null is none. */ -}}
{{- $_ := set $own "resources" $m.directory.resources -}}
{{- $_ := set $own "planeService" (dict "type" $m.planeService.type "annotations" $m.directory.planeService.annotations) -}}
{{- $_ := set $own "serviceAccount" (dict "create" false "name" (include "gatehouse.serviceAccount" (dict "root" . "component" "management"))) -}}
{{- $_ := set .Values "directory" $own -}}
{{- end -}}
