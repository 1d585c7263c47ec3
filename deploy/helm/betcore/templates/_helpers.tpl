{{- /* Each of these takes a dict: `root`, the chart's scope; `component`, such as api; `process`, the values of it. */ -}}

{{- define "betcore.labels" -}}
app.kubernetes.io/name: betcore
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .release }}
app.kubernetes.io/version: {{ . | replace "+" "_" | trunc 63 | quote }}
{{- end }}
{{- end }}

{{- /* Variables of a process: a feed that is told where Temporal is would need its certificate. */ -}}
{{- define "betcore.settings" -}}
{{- $callsDatabase := ne .component "codec" }}
{{- $callsTemporal := has .component (list "api" "worker" "ops") }}
{{- range $name, $value := merge (dict) (.process.settings | default dict) .root.Values.settings }}
{{- $ofDatabase := hasPrefix "BETCORE_DATABASE_" $name }}
{{- $ofTemporal := and (hasPrefix "BETCORE_TEMPORAL_" $name) (ne $name "BETCORE_TEMPORAL_NAMESPACE") }}
{{- if and (or $callsDatabase (not $ofDatabase)) (or $callsTemporal (not $ofTemporal)) }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- if has .component (list "api" "feed" "codec") }}
BETCORE_INNER_HOST: 0.0.0.0
{{- end }}
{{- if eq .component "worker" }}
BETCORE_WORKER_METRICS_ADDRESS: 0.0.0.0
BETCORE_WORKER_METRICS_PORT: "9081"
BETCORE_WORKER_VERSIONING: {{ not (empty .release) | quote }}
{{- with .release }}
BETCORE_WORKER_BUILD_ID: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Secret settings of a process, each with the Secret that has it. */ -}}
{{- define "betcore.secrets" -}}
{{- $secrets := .root.Values.secrets }}
{{- $calls := has .component (list "api" "worker" "ops") }}
{{- if eq .component "codec" }}
BETCORE_CODEC_TOKENS: {{ $secrets.codecTokens | quote }}
{{- else }}
BETCORE_DATABASE_URL: {{ index $secrets.databaseOf .component | quote }}
BETCORE_SECRET_KEY: {{ $secrets.secretKey | quote }}
{{- end }}
{{- if or $calls (eq .component "codec") }}
BETCORE_TEMPORAL_PAYLOAD_KEY: {{ $secrets.payloadKey | quote }}
{{- end }}
{{- if $calls }}
BETCORE_TEMPORAL_API_KEY: {{ $secrets.temporalApiKey | quote }}
{{- end }}
{{- if has .component (list "api" "worker") }}
BETCORE_TRACES_HEADERS: {{ $secrets.tracesHeaders | quote }}
{{- end }}
{{- if has .component (list "api" "feed") }}
BETCORE_RATE_LIMIT_STORE: {{ $secrets.rateLimitStore | quote }}
{{- end }}
{{- end }}

{{- define "betcore.hardened" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- /* What all containers of the image have in common. */ -}}
{{- define "betcore.container" -}}
{{- $settings := include "betcore.settings" . | fromYaml }}
image: {{ .process.image | default .root.Values.image | quote }}
imagePullPolicy: {{ .root.Values.imagePullPolicy }}
{{ include "betcore.hardened" . }}
env:
  {{- range $name, $value := $settings }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  - {name: BETCORE_SECRETS_DIR, value: /run/secrets/betcore}
  {{- if has .component (list "api" "feed" "codec") }}
  # Only the ingress controller reaches these ports, and it overwrites what callers say of their address.
  - {name: FORWARDED_ALLOW_IPS, value: "*"}
  {{- end }}
volumeMounts:
  - {name: secrets, mountPath: /run/secrets/betcore, readOnly: true}
  {{- if include "betcore.tls" (dict "settings" $settings) }}
  - {name: tls, mountPath: /run/tls, readOnly: true}
  {{- end }}
  - {name: tmp, mountPath: /tmp}
resources: {{ toYaml .process.resources | nindent 2 }}
{{- end }}

{{- /* The files of TLS that the settings of a process name, and no others. */ -}}
{{- define "betcore.tls" -}}
{{- $files := list }}
{{- range $value := values .settings }}
{{- if hasPrefix "/run/tls/" $value }}
{{- $files = append $files (base $value) }}
{{- end }}
{{- end }}
{{- range $file := $files | uniq | sortAlpha }}
- {key: {{ $file }}, path: {{ $file }}}
{{- end }}
{{- end }}

{{- define "betcore.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "betcore.tlsVolume" -}}
{{- with include "betcore.tls" . }}
- name: tls
  secret:
    secretName: {{ $.root.Values.secrets.tls }}
    defaultMode: 0440
    items: {{- . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "betcore.pod" -}}
{{ include "betcore.podSecurity" . }}
volumes:
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- range $key, $secret := include "betcore.secrets" . | fromYaml }}
        {{- if $secret }}
        - secret: {name: {{ $secret }}, items: [{key: {{ $key }}, path: {{ $key }}}]}
        {{- end }}
        {{- end }}
  {{- include "betcore.tlsVolume" (dict "root" .root "settings" (include "betcore.settings" . | fromYaml)) | nindent 2 }}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}
