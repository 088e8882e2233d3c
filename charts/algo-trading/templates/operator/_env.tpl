{{/* The operator's settings, from the values; operator/README.md says what each means. */}}
{{- define "algo.operator.env" -}}
{{- range $part, $limit := dict "runner" .Values.runner.memoryLimit "feed" .Values.feed.memoryLimit }}
{{- if gt ($limit | trimSuffix "Mi" | int) 256 }}
{{- fail (printf "%s.memoryLimit is %s: a container of a tenant namespace may have 256Mi at most (the operator's LimitRange)" $part $limit) }}
{{- end }}
{{- end -}}
- name: ALGO_OPERATOR_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- range $name, $value := dict
  "RUNNER_IMAGE" .Values.images.runner
  "RUNNER_PULL_SECRET" .Values.images.runnerPullSecret
  "RUNNER_PRIORITY_CLASS" "algo-runner"
  "RUNNER_CPU_REQUEST" .Values.runner.cpuRequest
  "RUNNER_MEMORY_REQUEST" .Values.runner.memoryRequest
  "RUNNER_MEMORY_LIMIT" .Values.runner.memoryLimit
  "FEED_CPU_REQUEST" .Values.feed.cpuRequest
  "FEED_MEMORY_REQUEST" .Values.feed.memoryRequest
  "FEED_MEMORY_LIMIT" .Values.feed.memoryLimit
  "FEED_LEAD_SECONDS" .Values.feed.leadSeconds
  "STATE_REDIS_URL" (include "algo.redis.stateUrl" .)
  "TICKS_REDIS_URL" (include "algo.redis.ticksUrl" .)
  "REDIS_USERNAME" "operator"
  "REDIS_PASSWORD_FILE" "/run/redis/password"
  "SESSION_KEYS" "/etc/algo-keys/session"
  "STRATEGY_LIMIT" .Values.operator.strategyLimit
  "POD_LEAD_SECONDS" .Values.operator.podLeadSeconds
  "BROKER_URL_ALLOWLIST" (join "," .Values.operator.brokerUrlAllowlist)
  "LOG_LEVEL" .Values.operator.logLevel
  "HTTP_PORT" 8080
  "CONCURRENCY" .Values.operator.concurrency
  "RESYNC_SECONDS" .Values.operator.resyncSeconds
  "POLL_MILLISECONDS" .Values.operator.pollMilliseconds }}
- name: ALGO_OPERATOR_{{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
