#!/usr/bin/env bash
# Makes the certificates in profile/ anew: one that is right, and one for each rule of the
# profile that OpenSSL 3 can break. What it cannot is edited and signed again by the tests,
# with root.key.der.
set -euo pipefail
cd "$(dirname "$0")"
rm -rf profile && mkdir profile && cd profile
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/ca.cnf" <<END
[ca]
default_ca = any
[any]
new_certs_dir = $work
database = $work/index.txt
rand_serial = yes
default_md = default
policy = anything
preserve = yes
unique_subject = no
[anything]
commonName = optional
organizationName = optional
[req]
distinguished_name = empty
string_mask = utf8only
[empty]
END
touch "$work/index.txt"

key() { # name, arguments of genpkey
    local name=$1; shift
    openssl genpkey "$@" -out "$work/$name.key"
}
from=20200101000000Z
until=20400101000000Z
issue() { # name, key, issuer, subject, extensions one a line, further arguments of ca
    local name=$1 key=$2 issuer=$3 subject=$4 extensions=$5; shift 5
    openssl req -new -config "$work/ca.cnf" -key "$work/$key.key" -subj "$subject" \
        -utf8 -out "$work/$name.csr"
    printf '%b' "$extensions" > "$work/$name.ext"
    local signer=(-cert "$work/$issuer.pem" -keyfile "$work/$issuer.key")
    if [ "$issuer" = self ]; then signer=(-selfsign -keyfile "$work/$key.key"); fi
    openssl ca -batch -notext -config "$work/ca.cnf" -in "$work/$name.csr" "${signer[@]}" \
        -startdate $from -enddate $until -extfile "$work/$name.ext" "$@" \
        -out "$work/$name.pem" 2>> "$work/log" || { tail -5 "$work/log"; exit 1; }
    openssl x509 -in "$work/$name.pem" -outform DER -out "$name.der"
    if [ ! -e "$work/$name.key" ]; then cp "$work/$key.key" "$work/$name.key"; fi
}
leaf() { # name, extensions, further arguments of ca
    issue "$1" site root /CN=site-1 "${@:2}"
}
# An authority under the root, and a right leaf under it as NAME-leaf.
middle() { # name, extensions, further arguments of ca
    issue "$1" middle root /CN=middle "${@:2}"
    issue "$1-leaf" site "$1" /CN=site-1 "$right"
}
# A root, and a right leaf under it as NAME-leaf.
root() { # name, extensions, further arguments of ca
    issue "$1" other self /CN=other "${@:2}"
    issue "$1-leaf" site "$1" /CN=site-1 "$right"
}

no='basicConstraints=critical,CA:FALSE\n'
usage='keyUsage=critical,digitalSignature\n'
client='extendedKeyUsage=clientAuth\n'
right=$no$usage$client
yes='basicConstraints=critical,CA:TRUE\n'
sign='keyUsage=critical,keyCertSign\n'
authority=$yes$sign

for name in root site middle other; do key $name -algorithm ed25519; done
issue root root self '/CN=OpenSSL root' "$authority"
openssl pkcs8 -topk8 -nocrypt -in "$work/root.key" -outform DER -out root.key.der
leaf leaf "$right"
middle middle "$authority"

# The subject.
issue no-name site root /O=hospital "$right"
issue two-names site root /CN=site-1/CN=site-1 "$right"
issue control-character site root $'/CN=site-1\x07' "$right"
issue other-name site root /CN=site-2 "$right"

# The key and the signature.
key p256 -algorithm ec -pkeyopt ec_paramgen_curve:P-256
key ed448 -algorithm ed448
key rsa -algorithm rsa -pkeyopt rsa_keygen_bits:2048
for name in p256 ed448 rsa; do issue key-$name $name root /CN=site-1 "$right"; done
issue p256-root p256 self /CN=other "$authority"
issue signed-p256 site p256-root /CN=site-1 "$right"

# The dates.
issue expired site root /CN=site-1 "$right" -enddate 20250101000000Z
issue not-yet site root /CN=site-1 "$right" -startdate 20350101000000Z
issue never site root /CN=site-1 "$right" -startdate 20350101000000Z -enddate 20250101000000Z
issue for-ever site root /CN=site-1 "$right" -enddate 99991231235959Z
middle middle-expired "$authority" -enddate 20250101000000Z
root root-not-yet "$authority" -startdate 20350101000000Z

# What it may do.
leaf leaf-authority "$yes$usage$client"
middle no-constraints "$sign"
middle no-authority "$no$sign"
root root-no-authority "$no$sign"
middle path-0 'basicConstraints=critical,CA:TRUE,pathlen:0\n'"$sign"
issue path-0-lower other path-0 /CN=lower "$authority"
issue path-0-lower-leaf site path-0-lower /CN=site-1 "$right"
root root-path-0 'basicConstraints=critical,CA:TRUE,pathlen:0\n'"$sign"
cp "$work/other.key" "$work/root-path-0.key"
issue root-path-0-middle middle root-path-0 /CN=middle "$authority"
issue root-path-0-middle-leaf site root-path-0-middle /CN=site-1 "$right"
leaf other-usage "${no}keyUsage=critical,keyAgreement\n$client"
middle middle-other-usage "${yes}keyUsage=critical,digitalSignature\n"
root root-other-usage "${yes}keyUsage=critical,digitalSignature\n"
leaf other-role "$no${usage}extendedKeyUsage=serverAuth\n"
leaf any-role "$no${usage}extendedKeyUsage=anyExtendedKeyUsage\n"
middle middle-other-role "${authority}extendedKeyUsage=serverAuth\n"
root root-other-role "${authority}extendedKeyUsage=serverAuth\n"
middle constraints "${authority}nameConstraints=critical,permitted;DNS:example.org\n"
middle constraints-not-critical "${authority}nameConstraints=permitted;DNS:example.org\n"
root root-constraints "${authority}nameConstraints=critical,permitted;DNS:example.org\n"
leaf unknown "${right}1.2.3.4=critical,DER:05:00\n"
leaf unknown-not-critical "${right}1.2.3.4=DER:05:00\n"
middle middle-unknown "${authority}1.2.3.4=critical,DER:05:00\n"
root root-unknown "${authority}1.2.3.4=critical,DER:05:00\n"
leaf critical-other-name "${right}subjectAltName=critical,DNS:site-1\n"
leaf other-alternative-name "${right}subjectAltName=DNS:site-2\n"
leaf overfull "2.5.29.19=critical,DER:30:00:05:00\n$usage$client"

# The chain.
issue same-name other self '/CN=OpenSSL root' "$authority"
issue same-name-leaf site same-name /CN=site-1 "$right"
cp "$work/other.key" "$work/stranger.key"
issue stranger other self /CN=stranger "$authority"
issue stranger-leaf site stranger /CN=site-1 "$right"
issue plain site root /CN=site-1 ''
