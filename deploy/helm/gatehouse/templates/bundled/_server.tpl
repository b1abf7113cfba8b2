{{/* A database for trials: one pod, no copies, no backups. Takes root, component, port, data (where it keeps its data), user. */}}
{{- define "gatehouse.bundledService" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "gatehouse.metadata" . | nindent 2 }}
spec:
  type: ClusterIP
  selector:
    {{- include "gatehouse.selectorLabels" . | nindent 4 }}
  ports:
    - name: {{ .component }}
      port: {{ .port }}
      targetPort: {{ .component }}
{{- end -}}

{{- define "gatehouse.bundledStatefulSet" -}}
{{- $bundled := (get .root.Values .component).bundled -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "gatehouse.metadata" . | nindent 2 }}
spec:
  replicas: 1
  serviceName: {{ include "gatehouse.component" . }}
  selector:
    matchLabels:
      {{- include "gatehouse.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      # Nothing of the chart's version: a new one must not restart what may keep its data in the pod.
      labels:
        {{- toYaml (merge (include "gatehouse.selectorLabels" . | fromYaml) .root.Values.commonLabels) | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      securityContext:
        {{- include "gatehouse.podSecurity" . | nindent 8 }}
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "gatehouse.bundledImage" $bundled.image | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          {{- .container | nindent 10 }}
          securityContext:
            {{- include "gatehouse.containerSecurity" . | nindent 12 }}
          ports:
            - name: {{ .component }}
              containerPort: {{ .port }}
          startupProbe:
            tcpSocket:
              port: {{ .component }}
            periodSeconds: 2
            failureThreshold: 60
          readinessProbe:
            tcpSocket:
              port: {{ .component }}
          {{- with $bundled.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          volumeMounts:
            - name: data
              mountPath: {{ .data }}
            - name: tmp
              mountPath: /tmp
            - name: secrets
              mountPath: /etc/gatehouse/secrets
              readOnly: true
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {}
        - name: secrets
          projected:
            defaultMode: 0440
            sources:
              {{- include "gatehouse.secretFile" (dict "secret" (dict "name" (get .root.Values .component).existingSecret.name "key" $bundled.passwordKey) "path" "password") | nindent 14 }}
        {{- if not $bundled.storage.size }}
        - name: data
          emptyDir: {}
        {{- end }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
  {{- if $bundled.storage.size }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $bundled.storage.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ $bundled.storage.size }}
  {{- end }}
{{- end -}}
