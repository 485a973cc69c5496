# Runs once, when the first server makes the database. The image sources it: no exit.
psql --username postgres --dbname broker --set ON_ERROR_STOP=1 \
  --set broker="$(sed -E 's#^[^:]+://[^:]+:([^@]+)@.*#\1#' /run/secrets/database_url)" \
  --set replicator="$(cat /run/secrets/replication_password)" <<'SQL'
CREATE ROLE broker LOGIN PASSWORD :'broker';
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replicator';
ALTER SYSTEM SET max_slot_wal_keep_size = '8GB';
-- From the next start on: while this one makes the database there is no standby yet.
ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 ("postgres-a", "postgres-b")';
SQL
echo 'host replication replicator all scram-sha-256' >> "$PGDATA/pg_hba.conf"
