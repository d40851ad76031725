#!/bin/sh
# Makes a database for each of the services, and a role that owns nothing else, with the password that stands in the
# service's URL. PostgreSQL runs it on an empty volume; run it again when a password has changed.
set -eu

sql() { psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname postgres "$@"; }

for name in airflow results catalog mlflow; do
  file=/run/secrets/${name}_database_url
  [ -e "$file" ] || file=/run/secrets/mer_database_url # the catalog's, by the name that mer reads
  PASSWORD=$(sed 's|^[^:]*://[^:]*:||; s|@.*||' "$file") sql --set name="$name" <<'SQL'
\getenv password PASSWORD
SELECT format('CREATE ROLE %I LOGIN', :'name')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER ROLE :"name" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8'' LOCALE ''C''', :'name', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
PASSWORD=$(cat /run/secrets/postgres_password) sql <<'SQL'
\getenv password PASSWORD
ALTER ROLE postgres PASSWORD :'password';
SQL
