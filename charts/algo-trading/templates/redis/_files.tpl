{{/* What a server reads at its start: the arguments are the root and the role. */}}
{{- define "algo.redis.files" -}}
{{- $root := index . 0 -}}{{- $role := index . 1 -}}
redis.conf: |
  # redis-{{ $role }}
  bind * -::*
  port 6379
  protected-mode yes
  databases 1
  dir /data
  aclfile /data/users.acl
  io-threads {{ $root.Values.redis.ioThreads }}
  maxmemory {{ (index $root.Values.redis $role).maxMemory }}
  # Full must be seen, as a refused write: an order or a tick evicted in silence is not.
  maxmemory-policy noeviction
  # Until a script has run this long it cannot be ended by the operator, and others get no answer.
  busy-reply-threshold 1000
  tcp-keepalive 60
  # No snapshots: the append-only file is the durable copy of orders, and ticks need none.
  save ""
  {{- if eq $role "state" }}
  appendonly yes
  appendfsync always
  no-appendfsync-on-rewrite no
  {{- else }}
  appendonly no
  {{- end }}
# A user and its rules a line. A user with a file in /run/redis-passwords has that password.
users: |
  operator ~* &* +@all
  {{- if or (eq $role "ticks") $root.Values.redis.singleServer }}
  feed resetchannels
  {{- " ~ticks:* ~feed:*:clock ~feed:*:heartbeat ~feed:*:unknown %R~feed:*:instruments %R~feed:names:* %R~strategy:*:live" }}
  {{- " -@all +ping +scan +get +set +del +hmget +hgetall +smembers +sadd +multi +exec +discard +xadd +xlen +evalsha +script|load" }}
  {{- end }}
  {{- if has "demo" (include "algo.redis.users" $root | fromJsonArray) }}
  demo resetchannels %R~* -@all +@read -@dangerous +ping
  {{- end }}
  probe nopass resetchannels -@all +ping
write-users.sh: |
  {{- $root.Files.Get "files/write-users.sh" | trimSuffix "\n" | nindent 2 }}
{{- end }}
