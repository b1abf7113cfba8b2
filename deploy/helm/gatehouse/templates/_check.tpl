{{/* Says "yes" for an address with something secret in it: what the services would not print either. In doubt it says yes. */}}
{{- define "gatehouse.tellsASecret" -}}
{{- if or (regexMatch "://[^?]*:[^?]*@" .) (regexMatch "(?i)[?&;][^=&;]*(password|secret|token|authmechanismproperties)[^=&;]*=" .) -}}yes{{- end -}}
{{- end -}}

{{/* A duration of Go, such as 1m30s, in whole seconds, rounded up. */}}
{{- define "gatehouse.seconds" -}}
{{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|s|m|h)" . -1 -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{- $sum = addf $sum (mulf (float64 $number) (get $units (trimPrefix $number .))) -}}
{{- end -}}
{{- $sum | ceil | int64 -}}
{{- end -}}

{{/* Everything that the schema cannot say, all at once. */}}
{{- define "gatehouse.check" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- if not $v.publicUrl -}}
{{- $wrong = append $wrong "publicUrl is needed: the gateways' URL as people and clients see it, such as https://login.example.com" -}}
{{- end -}}
{{- if not (or $v.management.enabled $v.gateway.enabled) -}}
{{- $wrong = append $wrong "management.enabled and gateway.enabled are both false: nothing would run" -}}
{{- end -}}
{{- if $v.management.enabled -}}
{{- if and (not $v.mongodb.existingSecret.name) (not $v.mongodb.uri) -}}
{{- $wrong = append $wrong "mongodb.existingSecret.name is needed: a secret with the URI of MongoDB (or mongodb.uri, if it has no password)" -}}
{{- end -}}
{{- if and $v.mongodb.existingSecret.name $v.mongodb.uri -}}
{{- $wrong = append $wrong "mongodb.existingSecret.name and mongodb.uri: only one of them" -}}
{{- end -}}
{{- if include "gatehouse.tellsASecret" $v.mongodb.uri -}}
{{- $wrong = append $wrong "mongodb.uri has a password or a token in it, and values are readable to whoever reads the release: put the URI into a secret and name it in mongodb.existingSecret.name" -}}
{{- end -}}
{{- if not $v.management.sealingKey.existingSecret.name -}}
{{- $wrong = append $wrong "management.sealingKey.existingSecret.name is needed: a secret with the keys that seal secrets in the database (openssl rand -base64 32)" -}}
{{- end -}}
{{- if and $v.management.mail.url (not $v.management.mail.from) -}}
{{- $wrong = append $wrong "management.mail.from is needed with management.mail.url: who e-mails come from" -}}
{{- end -}}
{{- if include "gatehouse.tellsASecret" $v.management.mail.url -}}
{{- $wrong = append $wrong "management.mail.url has a password: put it into a secret and name it in management.mail.existingSecret.name" -}}
{{- end -}}
{{- if and $v.management.mail.existingSecret.name (not $v.management.mail.url) -}}
{{- $wrong = append $wrong "management.mail.existingSecret.name is of no use without management.mail.url" -}}
{{- end -}}
{{- end -}}
{{- if $v.gateway.enabled -}}
{{- if and (not $v.management.enabled) (not $v.gateway.managementAddress) -}}
{{- $wrong = append $wrong "gateway.managementAddress is needed where management.enabled is false" -}}
{{- end -}}
{{- if and $v.management.enabled $v.gateway.managementAddress -}}
{{- $wrong = append $wrong "gateway.managementAddress is for gateways whose management runs elsewhere: set management.enabled to false, or leave it out" -}}
{{- end -}}
{{- if and $v.management.enabled $v.gateway.directoryAddress -}}
{{- $wrong = append $wrong "gateway.directoryAddress is for gateways whose management runs elsewhere: set management.enabled to false, or leave it out" -}}
{{- end -}}
{{- if and (not $v.redis.existingSecret.name) (not $v.redis.url) -}}
{{- $wrong = append $wrong "redis.existingSecret.name is needed: a secret with the URL of Redis (or redis.url, if it has no password)" -}}
{{- end -}}
{{- if and $v.redis.existingSecret.name $v.redis.url -}}
{{- $wrong = append $wrong "redis.existingSecret.name and redis.url: only one of them" -}}
{{- end -}}
{{- if include "gatehouse.tellsASecret" $v.redis.url -}}
{{- $wrong = append $wrong "redis.url has a password, and values are readable to whoever reads the release: put the URL into a secret and name it in redis.existingSecret.name" -}}
{{- end -}}
{{- $tls := or $v.gateway.tls.existingSecret $v.gateway.tls.certManager.enabled -}}
{{- $c := $v.gateway.clientCertificates -}}
{{- if and $c.url (not $tls) (not $c.header) -}}
{{- $wrong = append $wrong "gateway.clientCertificates.url needs gateway.tls, or gateway.clientCertificates.header where a proxy asks for certificates" -}}
{{- end -}}
{{- if and $c.header (or (not $v.networkPolicy.enabled) (not $v.networkPolicy.gatewayFrom)) -}}
{{- $wrong = append $wrong "gateway.clientCertificates.header needs networkPolicy.gatewayFrom to let nobody but the proxies in: whoever reaches a gateway from an address of trustedProxies could name any certificate" -}}
{{- end -}}
{{- if and $c.header (not $v.trustedProxies) -}}
{{- $wrong = append $wrong "gateway.clientCertificates.header counts only from trustedProxies, and there are none" -}}
{{- end -}}
{{- if and (or $c.authorities.existingConfigMap $c.authorities.existingSecret) (not $c.header) (not (and $tls $c.url)) -}}
{{- $wrong = append $wrong "gateway.clientCertificates.authorities is of no use: clients show certificates only with gateway.clientCertificates.url or .header" -}}
{{- end -}}
{{- if and $v.gateway.autoscaling.enabled (gt ($v.gateway.autoscaling.minReplicas | int) ($v.gateway.autoscaling.maxReplicas | int)) -}}
{{- $wrong = append $wrong "gateway.autoscaling.minReplicas is larger than gateway.autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and $v.gateway.autoscaling.enabled (not $v.gateway.autoscaling.targetCPUUtilizationPercentage) (not $v.gateway.autoscaling.targetMemoryUtilizationPercentage) -}}
{{- $wrong = append $wrong "gateway.autoscaling needs a target: targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage" -}}
{{- end -}}
{{- end -}}
{{- if and $v.management.tls.certManager.dnsNames (not $v.management.tls.certManager.enabled) -}}
{{- $wrong = append $wrong "management.tls.certManager.dnsNames is of no use without management.tls.certManager.enabled" -}}
{{- end -}}
{{- $pairs := list (list "trustedAuthorities" $v.trustedAuthorities) (list "gateway.outbound.authorities" $v.gateway.outbound.authorities) (list "gateway.clientCertificates.authorities" $v.gateway.clientCertificates.authorities) -}}
{{- range $pairs -}}
{{- $where := index . 0 -}}{{- $from := index . 1 -}}
{{- if and $from.existingConfigMap $from.existingSecret -}}
{{- $wrong = append $wrong (printf "%s.existingConfigMap and %s.existingSecret: only one of them" $where $where) -}}
{{- end -}}
{{- end -}}
{{- if and $v.plane.certManager.enabled $v.plane.certManager.issuerRef.name (eq $v.plane.trustDomain "gatehouse") -}}
{{- $wrong = append $wrong "plane.trustDomain must be a name of this installation alone where plane.certManager.issuerRef names an issuer: whoever gets a certificate of that issuer for another installation would be let in here" -}}
{{- end -}}
{{- $apart := or (not $v.management.enabled) (not $v.gateway.enabled) -}}
{{- if and $v.plane.certManager.enabled (not $v.plane.certManager.issuerRef.name) $apart -}}
{{- $wrong = append $wrong "plane.certManager.issuerRef.name is needed where management and gateways are in releases of their own: without an issuer each of them would make an authority that the other one does not know" -}}
{{- end -}}
{{- if and $v.management.enabled (not $v.gateway.enabled) $v.networkPolicy.enabled (not $v.networkPolicy.planeFrom) -}}
{{- $wrong = append $wrong "networkPolicy.planeFrom is needed where gateway.enabled is false: nobody would reach the plane. Everybody who shows a certificate is [{namespaceSelector: {}}, {ipBlock: {cidr: 0.0.0.0/0}}]" -}}
{{- end -}}
{{- range $component := list "management" "gateway" -}}
{{- $part := get $v $component -}}
{{- if $part.enabled -}}
{{- $drained := include "gatehouse.seconds" $part.drainDelay | int -}}
{{- if lt (int $part.terminationGracePeriodSeconds) (add $drained 30 | int) -}}
{{- $wrong = append $wrong (printf "%s.terminationGracePeriodSeconds must be at least 30 s more than %s.drainDelay (%d s), or what is under way is killed" $component $component $drained) -}}
{{- end -}}
{{- if and $v.plane.certManager.enabled (get $v.plane.existingSecrets $component) -}}
{{- $wrong = append $wrong (printf "plane.certManager.enabled and plane.existingSecrets.%s: only one of them" $component) -}}
{{- end -}}
{{- if and (not $v.plane.certManager.enabled) (not (get $v.plane.existingSecrets $component)) -}}
{{- $wrong = append $wrong (printf "plane.existingSecrets.%s is needed, with tls.crt, tls.key and ca.crt (or plane.certManager.enabled): management and gateways authenticate each other" $component) -}}
{{- end -}}
{{- if and $part.tls.existingSecret $part.tls.certManager.enabled -}}
{{- $wrong = append $wrong (printf "%s.tls.existingSecret and %s.tls.certManager.enabled: only one of them" $component $component) -}}
{{- end -}}
{{- if and $part.tls.certManager.enabled (not $part.tls.certManager.issuerRef.name) -}}
{{- $wrong = append $wrong (printf "%s.tls.certManager.issuerRef.name is needed: who signs what people's browsers accept" $component) -}}
{{- end -}}
{{- if and $part.httpRoute.enabled (not $part.httpRoute.parentRefs) -}}
{{- $wrong = append $wrong (printf "%s.httpRoute.parentRefs is needed: the Gateway that serves the route" $component) -}}
{{- end -}}
{{- $backend := $part.httpRoute.backendTLS -}}
{{- $ways := compact (list $backend.existingConfigMap $backend.wellKnownCACertificates (ternary "elsewhere" "" $backend.elsewhere)) | len -}}
{{- $encrypted := or $part.tls.existingSecret $part.tls.certManager.enabled -}}
{{- $policy := and $encrypted $part.httpRoute.enabled (not $backend.elsewhere) -}}
{{- if gt $ways 1 -}}
{{- $wrong = append $wrong (printf "%s.httpRoute.backendTLS.existingConfigMap, .wellKnownCACertificates and .elsewhere: only one of them" $component) -}}
{{- else if and (gt $ways 0) (not (and $encrypted $part.httpRoute.enabled)) -}}
{{- $wrong = append $wrong (printf "%s.httpRoute.backendTLS is of no use without %s.tls and %s.httpRoute.enabled" $component $component $component) -}}
{{- else if and $policy (eq $ways 0) -}}
{{- $wrong = append $wrong (printf "%s.httpRoute.backendTLS is needed with %s.tls: the Gateway would speak http to a service that speaks https. Name the authority of the certificate (existingConfigMap, or wellKnownCACertificates: System), or say that the Gateway is told elsewhere (elsewhere: true)" $component $component) -}}
{{- else if and $policy (not (regexMatch "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" (include "gatehouse.backendHostname" (dict "root" $ "component" $component)))) -}}
{{- $wrong = append $wrong (printf "%s.httpRoute.backendTLS.hostname is needed: the name in the service's certificate" $component) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.management.enabled $v.management.ingress.enabled (not $v.management.ingress.hosts) -}}
{{- $wrong = append $wrong "management.ingress.hosts is needed: management has no public URL of its own" -}}
{{- end -}}
{{- if and $v.management.enabled $v.management.httpRoute.enabled (not $v.management.httpRoute.hostnames) -}}
{{- $wrong = append $wrong "management.httpRoute.hostnames is needed: management has no public URL of its own" -}}
{{- end -}}
{{- if and $v.mongodb.bundled.enabled (not $v.mongodb.existingSecret.name) -}}
{{- $wrong = append $wrong "mongodb.bundled needs mongodb.existingSecret.name, with the password beside the URI" -}}
{{- end -}}
{{- if and $v.redis.bundled.enabled (not $v.redis.existingSecret.name) -}}
{{- $wrong = append $wrong "redis.bundled needs redis.existingSecret.name, with the password beside the URL" -}}
{{- end -}}
{{- if and (not $v.management.enabled) $v.mongodb.bundled.enabled -}}
{{- $wrong = append $wrong "mongodb.bundled is of no use without management" -}}
{{- end -}}
{{- if and (not $v.gateway.enabled) $v.redis.bundled.enabled -}}
{{- $wrong = append $wrong "redis.bundled is of no use without gateways" -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\n  %s\n" (join "\n  " $wrong)) -}}
{{- end -}}
{{- end -}}
