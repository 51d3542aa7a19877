{{- define "streamproc.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that select the pods of a process: (dict "root" $ "component" "worker") */}}
{{- define "streamproc.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "streamproc.labels" -}}
{{ include "streamproc.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "streamproc.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "streamproc.secretName" -}}
{{ .Values.secretKey.existingSecret | default (printf "%s-secret-key" (include "streamproc.name" .)) }}
{{- end }}

{{/* Every process's settings. .user names the entry of kafka.credentials. */}}
{{- define "streamproc.env" -}}
{{- $v := .root.Values -}}
- {name: STREAMPROC_KAFKA, value: {{ required "kafka.bootstrapServers is required" $v.kafka.bootstrapServers | quote }}}
- {name: STREAMPROC_KAFKA_SECURITY_PROTOCOL, value: {{ $v.kafka.securityProtocol }}}
{{- if hasPrefix "SASL" $v.kafka.securityProtocol }}
{{- $secret := required (printf "kafka.credentials.%s is required with %s" .user $v.kafka.securityProtocol) (get $v.kafka.credentials .user) }}
- {name: STREAMPROC_KAFKA_SECURITY_MECHANISM, value: {{ $v.kafka.saslMechanism }}}
- name: STREAMPROC_KAFKA_SECURITY_USERNAME
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: username}}
- name: STREAMPROC_KAFKA_SECURITY_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: password}}
{{- end }}
{{- if $v.kafka.caSecret }}
- {name: STREAMPROC_KAFKA_SECURITY_CAFILE, value: /etc/streamproc/kafka/ca.crt}
{{- end }}
- name: STREAMPROC_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ include "streamproc.secretName" .root }}, key: secret-key}}
- {name: STREAMPROC_ENVIRONMENT, value: {{ $v.environment | quote }}}
- {name: STREAMPROC_TOPIC_PREFIX, value: {{ $v.topicPrefix | quote }}}
{{- if $v.topicsFile }}
- {name: STREAMPROC_TOPICS_FILE, value: /etc/streamproc/topics/topics.yaml}
{{- end }}
- {name: STREAMPROC_LOG_LEVEL, value: {{ $v.logLevel }}}
- {name: STREAMPROC_PUBLIC_URL, value: {{ $v.publicUrl | quote }}}
- {name: STREAMPROC_ALLOWED_NETWORKS, value: {{ join "," $v.allowedNetworks | quote }}}
{{- with $v.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "streamproc.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.kafka.caSecret }}
- {name: kafka-ca, mountPath: /etc/streamproc/kafka, readOnly: true}
{{- end }}
{{- if .Values.topicsFile }}
- {name: topics, mountPath: /etc/streamproc/topics, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "streamproc.volumes" -}}
- {name: tmp, emptyDir: {}}
{{- if .Values.kafka.caSecret }}
- {name: kafka-ca, secret: {secretName: {{ .Values.kafka.caSecret }}}}
{{- end }}
{{- if .Values.topicsFile }}
- {name: topics, configMap: {name: {{ include "streamproc.name" . }}-topics}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "streamproc.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "streamproc.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* It answers /healthz while it recovers; before that it reads the configuration, which may take two minutes. */}}
{{- define "streamproc.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 5
  failureThreshold: 36
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{- define "streamproc.scheduling" -}}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "streamproc.selector" . | nindent 8 }}
{{- end }}
