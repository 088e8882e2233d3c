#!/bin/sh
# write-users.sh RULES PASSWORDS FILE: runs before each start of a Redis server and writes its ACL file: the
# platform's users from RULES and the folder PASSWORDS, tenants' users (strategies, accounts) as the operator
# last saved them. Whatever else is in the file goes.
set -eu
umask 077
rules=$1
passwords=$2
file=$3

touch "$file"
{
  # Off, nobody can log in as it; but a server replays its append-only file as this user, and without
  # rights it would leave out every script and transaction.
  echo "user default off resetpass ~* &* +@all"
  while read -r name rule; do
    if [ -e "$passwords/$name" ]; then
      hash=$(printf %s "$(cat "$passwords/$name")" | sha256sum)
      rule="#${hash%% *} $rule"
    fi
    echo "user $name on $rule"
  done <"$rules"
  sed -n '/^user \(str\|brk\)_/p' "$file"
} >"$file.new"
mv "$file.new" "$file"
