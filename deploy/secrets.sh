#!/bin/sh
# Make the folder secrets/ (or the one that is named) with what docker-compose.yml reads: a password for each role of
# PostgreSQL, keys, an authority of your own, and the certificates of PostgreSQL, Temporal and its clients. What exists
# is kept. HOST names the certificate of the proxy, which is for trials: replace proxy.pem by one that partners trust.
set -eu
umask 077
folder=${1:-secrets}
host=${HOST:-localhost}
mkdir -p "$folder"
cd "$folder"

made() { [ -s "$1" ] || { cat > "$1.new" && mv "$1.new" "$1"; }; }
password() { openssl rand -hex 24 | tr -d '\n'; }
fernet() { openssl rand -base64 32 | tr '+/' '-_' | tr -d '\n'; }

for name in superuser owner api worker feed ops read archive temporal; do password | made "password_$name"; done
for name in owner api worker feed ops archive; do
    printf 'postgresql://betcore_%s:%s@postgres:5432/betcore' "$name" "$(cat "password_$name")" | made "database_url_$name"
done
fernet | made secret_key
fernet | made payload_key
# Who may read bets in the Temporal UI: nobody yet.
[ -e codec_tokens ] || : > codec_tokens

# With RSA a handshake would cost a server many times as much.
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
if [ ! -s ca.pem ]; then
    openssl req -x509 $key -days 3650 -subj "/CN=betcore inner authority" \
        -keyout ca.key -out ca.pem 2>/dev/null
fi
certificate() {
    name=$1 names=$2
    [ ! -s "$name.pem" ] || return 0
    openssl req $key -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" 2>/dev/null
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$names" > "$name.ext"
    openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -extfile "$name.ext" \
        -out "$name.pem" 2>/dev/null
    rm "$name.csr" "$name.ext"
}
certificate postgres DNS:postgres
certificate temporal DNS:temporal
certificate temporal_client DNS:temporal-client
if [ ! -s proxy.pem ]; then
    certificate proxy_trial "DNS:$host,DNS:localhost,IP:127.0.0.1"
    cat proxy_trial.pem proxy_trial.key > proxy.pem
fi

# Containers read these files as users of their own; the folder keeps everybody else on this machine out.
find . -type f ! -name ca.key ! -name codec_tokens -exec chmod 0444 {} +
chmod 0644 codec_tokens
chmod 0700 .
echo "secrets are in $PWD; keep a copy of secret_key and payload_key apart from the backups of the database"
