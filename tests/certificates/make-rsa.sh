#!/usr/bin/env bash
# Makes the RSA certificates, keys and signatures in rsa/ anew. Needs OpenSSL 3.
set -euo pipefail
cd "$(dirname "$0")/rsa"
days=36500

key() { # name, bits
    openssl genpkey -algorithm rsa -pkeyopt "rsa_keygen_bits:$2" -out "$1.key"
}
issue() { # name, common name, issuer, hash, extensions, further arguments
    local name=$1 subject=$2 issuer=$3 hash=$4 extensions=$5; shift 5
    openssl req -new -key "$name.key" -subj "/CN=$subject/O=fedlink" |
        openssl x509 -req -CA "$issuer.crt" -CAkey "$issuer.key" "-$hash" "$@" -days $days \
            -set_serial "0x$(printf '%s' "$name" | sha256sum | cut -c 1-30)" \
            -extfile <(printf '%b' "$extensions")
}
sign() { # key, length of the salt, file
    printf 'message' | openssl dgst -sha256 -sigopt rsa_padding_mode:pss \
        -sigopt "rsa_pss_saltlen:$2" -sign "$1.key" -out "$3"
}
ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
leaf='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n'

for name in root upper lower site; do key "$name" 2048; done
key small 1024
key odd 2050
key large 8200

openssl req -x509 -new -key root.key -subj '/CN=RSA root' -days $days \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -out root.crt
issue upper upper root sha384 "$ca" >upper.crt
issue lower lower upper sha512 "$ca" >lower.crt
issue site site-1 lower sha256 "$leaf" >site.crt
issue odd odd root sha256 "$leaf" >odd.crt
issue small site-1 root sha256 "$leaf" >small.crt
issue large site-1 root sha256 "$leaf" >large.crt
issue site site-1 root md5 "$leaf" >md5.crt
issue site site-1 root sha1 "$leaf" >sha1.crt
issue site site-1 root sha256 "$leaf" -sigopt rsa_padding_mode:pss >pss.crt

openssl rsa -in site.key -traditional -out site.pkcs1.key
openssl rsa -in site.key -traditional -aes128 -passout pass:secret -out site.password.key
openssl pkcs8 -topk8 -in site.key -passout pass:secret -out site.encrypted.key
openssl genpkey -algorithm ed25519 -out ed25519.key
openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out p256.key
openssl ec -in p256.key -out p256.sec1.key
openssl genpkey -algorithm rsa-pss -pkeyopt rsa_keygen_bits:2048 -out pss.key

for salt in 0 20 32 222; do sign site "$salt" "salt-$salt.signature"; done
sign odd max odd.signature
openssl pkey -in site.key -pubout -outform DER | sha256sum | cut -d ' ' -f 1 >site.fingerprint
