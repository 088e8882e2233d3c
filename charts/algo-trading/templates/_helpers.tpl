{{/* Labels of an object: the argument is its component. */}}
{{- define "algo.labels" -}}
{{ include "algo.selector" . }}
app.kubernetes.io/managed-by: Helm
{{- end }}

{{/* What selects a component's pods. */}}
{{- define "algo.selector" -}}
app.kubernetes.io/part-of: algo-trading
app.kubernetes.io/component: {{ . }}
{{- end }}

{{/* Pod Security "restricted", for a pod and for a container. 65532 is the images' own user. */}}
{{- define "algo.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "algo.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "algo.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Redis roles whose servers this chart runs, as a JSON list. */}}
{{- define "algo.redis.servers" -}}
{{- $redis := .Values.redis -}}
{{- $servers := list -}}
{{- if not $redis.state.url }}{{ $servers = append $servers "state" }}{{ end -}}
{{- if not (or $redis.ticks.url $redis.singleServer) }}{{ $servers = append $servers "ticks" }}{{ end -}}
{{- toJson $servers -}}
{{- end }}

{{- define "algo.redis.stateUrl" -}}
{{- .Values.redis.state.url | default (printf "redis://redis-state.%s.svc:6379" .Release.Namespace) -}}
{{- end }}

{{- define "algo.redis.ticksUrl" -}}
{{- if .Values.redis.ticks.url -}}
{{ .Values.redis.ticks.url }}
{{- else if .Values.redis.singleServer -}}
{{ include "algo.redis.stateUrl" . }}
{{- else -}}
redis://redis-ticks.{{ .Release.Namespace }}.svc:6379
{{- end -}}
{{- end }}

{{/* The Redis users with a password, as a JSON list. `demo` reads every tenant's keys: with the demo tenant only. */}}
{{- define "algo.redis.users" -}}
{{- ternary (list "operator" "feed" "demo") (list "operator" "feed") .Values.demoTenant.enabled | toJson -}}
{{- end }}

{{/* The Secret with a Redis user's password: the arguments are the root and the user. */}}
{{- define "algo.redis.secret" -}}
{{- $root := index . 0 -}}{{- $user := index . 1 -}}
{{- (index $root.Values.redis.users $user).existingSecret | default (printf "redis-%s" $user) -}}
{{- end }}
