#!/usr/bin/env bash
# Starts one of the two Postgres servers of compose.yaml: as the standby of the other one where that is the primary, else as the primary.
# A former primary so becomes a standby, and no commit is lost. Arguments: this server, the other one, and `first` for the one that makes the database.
set -eu
self=$1 other=$2 first=${3:-}
kept=$(dirname "$PGDATA")
PGPASSWORD=$(cat /run/secrets/replication_password)
export PGPASSWORD PGCONNECT_TIMEOUT=3

say() { [ "$*" = "${said:-}" ] || echo "$self: $*" >&2; said=$*; }

# What the other server says of itself. Fails while it does not answer.
ask() {
  local answer
  answer=$(psql "host=$other user=replicator dbname=postgres replication=database" -XAt -F ' ' -c IDENTIFY_SYSTEM -c 'SELECT pg_is_in_recovery()' 2>/dev/null) || return 1
  read -r their_system their_timeline _ _ recovers <<<"${answer//$'\n'/ }"
}

has_data() { [ -s "$PGDATA/PG_VERSION" ]; }
was_standby() { [ -e "$PGDATA/standby.signal" ]; }
# While the other one has never followed this server, it cannot have taken its place.
was_followed() { [ -d "$PGDATA/pg_replslot/${other//-/_}" ]; }
system() { pg_controldata | sed -n 's/^Database system identifier: *//p'; }
# A promotion writes the history of its timeline first.
timeline() {
  { pg_controldata | sed -n "s/^Latest checkpoint's TimeLineID: *//p"
    find "$PGDATA/pg_wal" -name '*.history' -printf '%f\n' | while IFS=. read -r number _; do echo $((16#$number)); done; } | sort -n | tail -1
}

# Copies the primary. What an interrupted copy left is removed, and so is what the one before last set aside.
copy() {
  rm -rf "$kept/copy"
  psql "host=$other user=replicator dbname=postgres" -XAtqc "SELECT pg_create_physical_replication_slot(name, true) FROM (VALUES ('${self//-/_}')) AS wanted (name)
    WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = name)"
  pg_basebackup --host "$other" --username replicator --pgdata "$kept/copy" --slot "${self//-/_}" --wal-method stream --checkpoint fast --write-recovery-conf
  if has_data; then rm -rf "$kept/former" && mv "$PGDATA" "$kept/former"; fi
  rm -rf "$PGDATA" && mv "$kept/copy" "$PGDATA"
}

while true; do
  if ask; then
    if ! has_data; then
      if [ "$recovers" = f ]; then say "copies $other" && copy && break; fi
      say "waits until $other is the primary"
    elif [ "$their_system" != "$(system)" ]; then
      say "$other has another database. Remove the volume of the server whose database is wrong."
    elif was_standby; then
      break
    elif [ "$their_timeline" -gt "$(timeline)" ]; then
      if [ "$recovers" = f ]; then say "$other took its place: copies it, and keeps its own former data in $kept/former" && copy && break; fi
      say "waits until $other is the primary: it is ahead"
    elif [ "$recovers" = t ] || [ "$their_timeline" -lt "$(timeline)" ]; then
      break
    else
      say "$other is the primary of the same timeline. Remove the volume of one of the two."
    fi
  elif ! has_data; then
    if [ -n "$first" ]; then break; fi
    say "waits for $other"
  elif was_standby || ! was_followed || [ -e /tmp/alone ]; then
    break
  else
    say "waits for $other, which may have taken its place, and without which no commit is confirmed. If its data is lost, make the file /tmp/alone in this container."
  fi
  sleep 1
done
unset PGPASSWORD
exec docker-entrypoint.sh postgres -c "cluster_name=$self" -c hot_standby=on
