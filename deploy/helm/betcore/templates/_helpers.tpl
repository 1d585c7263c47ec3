{{- define "betcore.labels" -}}
app.kubernetes.io/name: betcore
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* What all containers of the image have in common. */ -}}
{{- define "betcore.container" -}}
image: {{ .root.Values.image | quote }}
imagePullPolicy: {{ .root.Values.imagePullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  {{- range $name, $value := .root.Values.settings }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  - {name: BETCORE_INNER_HOST, value: 0.0.0.0}
  - {name: FORWARDED_ALLOW_IPS, value: "*"}
  {{- if eq .component "worker" }}
  - {name: BETCORE_WORKER_METRICS_PORT, value: "9081"}
  - {name: BETCORE_WORKER_METRICS_ADDRESS, value: 0.0.0.0}
  {{- end }}
  - name: BETCORE_DATABASE_URL
    valueFrom: {secretKeyRef: {name: {{ index .root.Values.secrets.databaseOf .component }}, key: BETCORE_DATABASE_URL}}
  - name: BETCORE_SECRET_KEY
    valueFrom: {secretKeyRef: {name: {{ .root.Values.secrets.secretKey }}, key: BETCORE_SECRET_KEY}}
  {{- if has .component (list "api" "worker") }}
  - name: BETCORE_TEMPORAL_PAYLOAD_KEY
    valueFrom: {secretKeyRef: {name: {{ .root.Values.secrets.payloadKey }}, key: BETCORE_TEMPORAL_PAYLOAD_KEY}}
  {{- end }}
volumeMounts:
  - {name: tls, mountPath: /run/tls, readOnly: true}
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "betcore.pod" -}}
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
volumes:
  - name: tls
    secret: {secretName: {{ .root.Values.secrets.tls }}, defaultMode: 0440}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}
