{{/* The Secret with the private keys of a purpose: the arguments are the root and the purpose. */}}
{{- define "algo.keySecret" -}}
{{- $root := index . 0 -}}{{- $purpose := index . 1 -}}
{{- (index $root.Values.credentials (printf "%sKey" $purpose)).existingSecret | default (printf "algo-%s-key" $purpose) -}}
{{- end }}
