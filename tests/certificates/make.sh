#!/usr/bin/env bash
# Makes the certificates and keys beside this file anew. Needs OpenSSL 3.
set -euo pipefail
cd "$(dirname "$0")"
days=36500
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { # name, arguments of genpkey
    local name=$1; shift
    openssl genpkey "$@" -out "$work/$name.key"
}
root() { # name, common name
    openssl req -x509 -new -key "$work/$1.key" -subj "/O=fedlink/CN=$2" -days $days \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
        -outform DER -out "$1.der"
}
issue() { # name, common name, issuer, extensions, one a line
    openssl req -new -key "$work/$1.key" -subj "/O=fedlink/CN=$2" -out "$work/$1.csr"
    openssl x509 -req -in "$work/$1.csr" -CA "$3.der" -CAform DER -CAkey "$work/$3.key" \
        -set_serial "0x$(printf '%s' "$1" | sha256sum | cut -c 1-30)" -days $days \
        -extfile <(printf '%b' "$4") -outform DER -out "$1.der"
}
ca='basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n'
leaf='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'

key root -algorithm ed25519
root root 'OpenSSL root'
key intermediate -algorithm ed25519
issue intermediate 'OpenSSL intermediate' root "$ca"
key site -algorithm ed25519
issue site site-1 intermediate "$leaf"'extendedKeyUsage=clientAuth\nsubjectAltName=DNS:site-1\n'
key coordinator -algorithm ed25519
issue coordinator coordinator root "$leaf"'extendedKeyUsage=serverAuth,clientAuth\n'
key rsa -algorithm rsa -pkeyopt rsa_keygen_bits:2048
issue rsa site-1 root "$leaf"
key p256 -algorithm ec -pkeyopt ec_paramgen_curve:P-256
root p256 'P-256 root'
key under-p256 -algorithm ed25519
issue under-p256 site-1 p256 "$leaf"

for name in site rsa p256; do
    openssl pkcs8 -topk8 -nocrypt -in "$work/$name.key" -outform DER -out "$name.key.der"
done
openssl rsa -in "$work/rsa.key" -traditional -outform DER -out rsa.pkcs1.der
openssl pkcs8 -topk8 -in "$work/site.key" -passout pass:secret -outform DER -out site.encrypted.der
