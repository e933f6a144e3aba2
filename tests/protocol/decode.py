#!/usr/bin/env python3
"""Reads the vectors of tests/vectors/ as docs/protocol.md says, and nothing else.

It decodes every message, makes every hash and key anew, opens every sealed message, and
verifies every signature and certificate. It was written from the document alone: where it
and the document agree and the program does not, one of the two is wrong. `--show` prints
what it reads."""

import hashlib
import hmac
import sys
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from codec import MAP, U16, U32, U64, Malformed, Option, decode, decode_all
from tables import (
    CHALLENGE,
    CHALLENGE_REPLY,
    CLIENT_RECORD,
    DENIED,
    GRANT,
    IDENTITY,
    REPLY,
    REQUEST,
    SERVER_RECORD,
)

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
SHOW = "--show" in sys.argv[1:]
VERSION = 2
PROJECT, SERVER, SITE = "project", "coordinator", "site-1"
NOW = 1_893_456_000
SUITES = ["plain", "bearer", "sealed"]
# Who may send each kind.
CHALLENGE_KIND, REPLY_KIND, REGISTER, REGISTER_REPLY, REFUSAL, INVALID_SESSION = range(1, 7)
SEALED, CLEAR = 0x10, 0x11
FROM_CLIENT = {CHALLENGE_KIND, REGISTER, SEALED, CLEAR}
FROM_SERVER = {REPLY_KIND, REGISTER_REPLY, REFUSAL, INVALID_SESSION, SEALED, CLEAR}
BLOCK = 8 << 20


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def lp(item: bytes) -> bytes:
    return len(item).to_bytes(4, "big") + item


def bare(item: bytes) -> bytes:
    return hashlib.sha256(item).digest()


def h(label: str, *items: bytes) -> bytes:
    return bare(b"".join(lp(each) for each in (label.encode(), *items)))


def hkdf_extract(salt: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt, ikm, "sha256")


def hkdf_expand(prk: bytes, info: bytes) -> bytes:
    """32 bytes: one round of RFC 5869."""
    return hmac.digest(prk, info + b"\x01", "sha256")


def x25519(secret: bytes, share: bytes) -> bytes:
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(
        X25519PublicKey.from_public_bytes(share)
    )
    assert shared != bytes(32)
    return shared


def take_lp(data: bytes):
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 or len(data) < 4 + length:
        raise Malformed("an item ends too early")
    return data[4 : 4 + length], data[4 + length :]


def take_pair(data: bytes):
    first, rest = take_lp(data)
    second, rest = take_lp(rest)
    if rest:
        raise Malformed("more than two items")
    return first, second


def open_sealed(key: bytes, number: int, message: bytes, clear: int) -> bytes:
    nonce = bytes(4) + u64(number)
    return ChaCha20Poly1305(key).decrypt(nonce, message[clear:], message[:clear])


def signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
        return True
    except InvalidSignature:
        return False


class Counts:
    messages = hashes = opened = signatures = certificates = bodies = records = 0


def show(*words):
    if SHOW:
        print(*words)


# Certificates: section 8.


def key_of_chain(chain: bytes, name: str, role) -> Ed25519PublicKey:
    """The key of a chain of one certificate below the root, once all is checked."""
    assert chain[:1] == b"\x01"
    der, rest = take_lp(chain[1:])
    assert not rest, "these chains have one certificate"
    leaf = x509.load_der_x509_certificate(der)
    root = x509.load_der_x509_certificate((VECTORS / "root.der").read_bytes())
    assert leaf.issuer.public_bytes() == root.subject.public_bytes()
    assert signed(root.public_key(), leaf.signature, leaf.tbs_certificate_bytes)
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [each.value for each in names] == [name]
    constraints = x509.BasicConstraints
    assert not leaf.extensions.get_extension_for_class(constraints).value.ca
    assert root.extensions.get_extension_for_class(constraints).value.ca
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert role in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    for certificate in (leaf, root):
        first = certificate.not_valid_before_utc.timestamp()
        assert first <= NOW <= certificate.not_valid_after_utc.timestamp()
    Counts.certificates += 1
    return leaf.public_key()


# Sessions.


class Values:
    """What is said to be behind a session; each value is to be found again."""

    def __init__(self, session: str):
        lines = (VECTORS / f"{session}.values.txt").read_text().splitlines()
        pairs = (line.split(":") for line in lines)
        self.left = {name: bytes.fromhex(value) for name, value in pairs}

    def given(self, name: str) -> bytes:
        """A secret, which nothing else tells."""
        return self.left.pop(name)

    def check(self, name: str, value: bytes):
        said = self.left.pop(name)
        assert said == value, f"{name} is {value.hex()}, and said to be {said.hex()}"
        Counts.hashes += 1


class Session:
    def __init__(self, name: str, suite: str, binding: bytes | None = None):
        self.name, self.suite = name, suite
        self.binding_kind = "None" if binding is None else "TlsExporter"
        self.binding = lp(b"none") if binding is None else lp(b"tls-exporter") + lp(binding)
        self.values = Values(name)
        self.requests = []
        self.is_sealed = suite == "sealed"

    def check(self):
        show(f"== {self.name}")
        lines = (VECTORS / f"{self.name}.txt").read_text().splitlines()
        messages = [(who, bytes.fromhex(message)) for who, message in map(str.split, lines)]
        for who, message in messages:
            assert message[0] == VERSION
            assert message[1] in (FROM_CLIENT if who == "client" else FROM_SERVER)
            assert len(message) <= 2 << 20
            if message[1] not in (SEALED, CLEAR):
                assert len(message) <= 32 << 10
            Counts.messages += 1
        challenge, reply, register, answer = (message for _, message in messages[:4])
        self.challenge(challenge)
        self.challenge_reply(reply)
        self.register(register)
        if answer[1] == REFUSAL:
            self.refusal(answer)
            assert len(messages) == 4
        else:
            self.register_reply(answer)
            for place, (who, message) in enumerate(messages[4:], 4):
                self.message(place, who, message)
        assert not self.values.left, f"not found again: {list(self.values.left)}"

    def challenge(self, message: bytes):
        assert message[1] == CHALLENGE_KIND
        said = decode_all(CHALLENGE, message[2:])
        show(said)
        assert said["suites"] == [(self.suite, None)]
        assert said["binding"] == (self.binding_kind, None)
        assert (said["client_share"] is not None) == self.is_sealed
        self.client_nonce = said["client_nonce"]
        self.client_share = said["client_share"]
        self.hello_c = message
        project = h("fedlink v2 project", self.client_nonce, PROJECT.encode())
        assert said["project"] == project
        self.values.check("project", project)

    def challenge_reply(self, message: bytes):
        assert message[1] == REPLY_KIND
        said, protected = decode(CHALLENGE_REPLY, message[2:])
        show(said)
        assert said["suite"] == (self.suite, None)
        assert said["client_nonce"] == self.client_nonce
        assert (said["server_share"] is not None) == self.is_sealed
        self.hello_s = message[: len(message) - len(protected)]
        self.th0 = h("fedlink v2 hello", self.hello_c, self.hello_s, self.binding)
        self.values.check("th0", self.th0)
        if self.is_sealed:
            client_secret = self.values.given("client_secret")
            server_secret = self.values.given("server_secret")
            shared = x25519(client_secret, said["server_share"])
            assert shared == x25519(server_secret, self.client_share)
            for secret, share in (
                (client_secret, self.client_share),
                (server_secret, said["server_share"]),
            ):
                public = X25519PrivateKey.from_private_bytes(secret).public_key()
                assert public.public_bytes_raw() == share
            self.values.check("shared", shared)
            self.prk = hkdf_extract(self.th0, shared)
            self.values.check("prk", self.prk)
            key = self.key("key_challenge_reply", "fedlink v2 hs s2c", self.th0)
            protected = self.open(key, 0, message, len(self.hello_s))
        chain, proof = take_pair(protected)
        self.values.check("chain", chain)
        self.th1 = h("fedlink v2 server", self.th0, bare(chain))
        self.values.check("th1", self.th1)
        signs = b"fedlink v2 server proof\x00" + self.th1
        self.values.check("server_signs", signs)
        self.values.check("server_proof", proof)
        if self.suite == "plain":
            assert chain == proof == b""
            return
        self.server_key = key_of_chain(chain, SERVER, ExtendedKeyUsageOID.SERVER_AUTH)
        assert (VECTORS / "server.der").read_bytes() == chain[5:]
        self.verify(self.server_key, proof, signs)

    def register(self, message: bytes):
        assert message[1] == REGISTER
        hello_c, rest = take_lp(message[2:])
        hello_s, protected = take_lp(rest)
        assert (hello_c, hello_s) == (self.hello_c, self.hello_s)
        if self.is_sealed:
            key = self.key("key_register", "fedlink v2 hs c2s", self.th0)
            protected = self.open(key, 0, message, len(message) - len(protected))
        identity, proof = take_pair(protected)
        said = decode_all(IDENTITY, identity)
        show(said)
        assert said["name"] == SITE
        self.values.check("identity", identity)
        self.th2 = h("fedlink v2 client", self.th1, identity)
        self.values.check("th2", self.th2)
        signs = b"fedlink v2 client proof\x00" + self.th2
        self.values.check("client_signs", signs)
        self.values.check("client_proof", proof)
        self.th3 = h("fedlink v2 session", self.th2, proof)
        self.values.check("th3", self.th3)
        if self.suite == "plain":
            assert said["chain"] == proof == b""
            return
        key = key_of_chain(said["chain"], SITE, ExtendedKeyUsageOID.CLIENT_AUTH)
        assert (VECTORS / "site.der").read_bytes() == said["chain"][5:]
        self.verify(key, proof, signs)
        assert said["want_token"]

    def refusal(self, message: bytes):
        assert message[2:18] == self.client_nonce
        assert message[18] == 1, "it is sealed"
        refusal_id = message[19:35]
        key = self.key("key_refusal", "fedlink v2 refuse", self.th3, refusal_id)
        body = self.open(key, 0, message, 35)
        self.values.check("denied", body)
        said = decode_all(DENIED, body)
        show(said)
        assert said["denial"] == ("Rejected", ("disabled", None))

    def register_reply(self, message: bytes):
        assert message[1] == REGISTER_REPLY
        assert message[2:18] == self.client_nonce
        self.id = message[18:34]
        body = message[34:]
        if self.is_sealed:
            self.to_server = self.key("key_to_server", "fedlink v2 c2s", self.th3, self.id)
            self.to_client = self.key("key_to_client", "fedlink v2 s2c", self.th3, self.id)
            body = self.open(self.to_client, 0, message, 34)
        self.values.check("grant", body)
        grant = decode_all(GRANT, body)
        show(grant)
        self.token = grant["token"]
        assert self.token != self.id
        # Of the client and of the server, the numbers of sealed messages that came.
        self.numbers = {"client": [], "server": [0]}
        self.outstanding = set()
        if self.suite == "plain":
            assert self.token is None and grant["token_signature"] == b""
            return
        tk = h(
            "fedlink v2 token",
            u64(SUITES.index(self.suite)),
            PROJECT.encode(),
            SITE.encode(),
            self.token,
            grant["ssid"],
            u64(grant["issued"]),
            u64(grant["expires"]),
            u64(grant["interval"]),
            self.th3,
        )
        signs = b"fedlink v2 token\x00" + tk
        self.values.check("token_signs", signs)
        self.values.check("token_signature", grant["token_signature"])
        self.verify(self.server_key, grant["token_signature"], signs)
        assert grant["issued"] == NOW and grant["expires"] == NOW + 24 * 3600

    def message(self, place: int, who: str, message: bytes):
        assert message[2:18] == self.id
        number = int.from_bytes(message[18:26], "big")
        if self.is_sealed:
            assert message[1] == SEALED and len(message) >= 51
            assert number == len(self.numbers[who]), "they grow by one here"
            self.numbers[who].append(number)
            key = self.to_server if who == "client" else self.to_client
            self.values.check(f"message_{place}_nonce", bytes(4) + u64(number))
            inside = self.open(key, number, message, 26)
            self.values.check(f"message_{place}_plaintext", inside)
            request = int.from_bytes(inside[:8], "big")
            body = inside[8:]
        else:
            assert message[1] == CLEAR
            request = number
            token, body = take_lp(message[26:])
            expected = self.token if self.suite == "bearer" and who == "client" else b""
            assert token == expected
        if who == "client":
            assert request not in self.outstanding
            self.outstanding.add(request)
            said, payload = decode(REQUEST, body)
            self.requests.append(said[0])
        else:
            self.outstanding.remove(request)
            said, payload = decode(REPLY, body)
        show(place, who, request, said, payload)
        may_follow = {
            ("client", "SubmitResult"),
            ("client", "Push"),
            ("server", "PullTask"),
            ("server", "Fetch"),
        }
        assert not payload or (who, said[0]) in may_follow

    def key(self, name: str, label: str, *rest: bytes) -> bytes:
        key = hkdf_expand(self.prk, label.encode() + b"".join(rest))
        self.values.check(name, key)
        return key

    def open(self, key: bytes, number: int, message: bytes, clear: int) -> bytes:
        opened = open_sealed(key, number, message, clear)
        for place in (0, clear - 1, clear, len(message) - 1):
            changed = bytearray(message)
            changed[place] ^= 1
            try:
                open_sealed(key, number, bytes(changed), clear)
            except InvalidTag:
                continue
            raise AssertionError(f"a change of byte {place} passes")
        Counts.opened += 1
        return opened

    def verify(self, key: Ed25519PublicKey, signature: bytes, message: bytes):
        assert signed(key, signature, message)
        assert not signed(key, signature, message[:-1] + bytes([message[-1] ^ 1]))
        Counts.signatures += 1


# Payloads in chunks: section 13. In these vectors they have one block.


def check_apart():
    """Puts task and result of the session `apart` together again."""
    lines = (VECTORS / "apart.txt").read_text().splitlines()
    heads, bytes_of, last_push = {}, {"task": {}, "result": {}}, None
    for who, message in map(str.split, lines[4:]):
        message = bytes.fromhex(message)
        _, body = take_lp(message[26:])
        said, payload = decode(REQUEST if who == "client" else REPLY, body)
        kind, holds = said
        if who == "client" and kind == "SubmitResult":
            heads["result"] = holds["payload"]["place"][1]
            assert not payload
        elif who == "client" and kind == "Push":
            bytes_of["result"][holds["offset"]] = payload
        elif kind == "PullTask" and who == "server" and holds[0] == "Task":
            heads["task"] = holds[1]["payload"]["place"][1]
        elif kind == "Fetch" and who == "server":
            bytes_of["task"][holds[1]["offset"]] = payload
    for what, expected in (("task", b"model"), ("result", b"update")):
        transfer = b"".join(chunk for _, chunk in sorted(bytes_of[what].items()))
        size, digest = heads[what]["size"], heads[what]["digest"]
        count = -(-size // BLOCK)
        hashes, payload = transfer[: 32 * count], transfer[32 * count :]
        assert len(payload) == size and payload == expected
        assert bare(hashes) == digest
        blocks = [payload[at : at + BLOCK] for at in range(0, size, BLOCK)]
        assert hashes == b"".join(map(bare, blocks))
        Counts.hashes += 2
        # No chunk reaches across the border.
        assert all(
            at + len(chunk) <= 32 * count or at >= 32 * count
            for at, chunk in bytes_of[what].items()
        )


# Bodies, and messages outside of sessions.


def path(value) -> list[str]:
    """The variants of an enum and of those that it holds, by name."""
    name, holds = value
    if isinstance(holds, tuple):
        return [name, *path(holds)]
    if isinstance(holds, dict) and name in ("SubmitResult", "Task"):
        place = holds["payload"]["place"][0]
        rest = [holds["outcome"][0]] if name == "SubmitResult" and place == "Inline" else []
        return [name, place, *rest]
    if isinstance(holds, dict) and "code" in holds:
        return [name, holds["code"][0]]
    return [name]


def read_loose(message: bytes) -> list[str]:
    if message[0] == 0:
        assert len(message) == 2 + message[1] and VERSION in message[2:]
        return ["Versions"]
    assert message[0] == VERSION
    if message[1] == INVALID_SESSION:
        assert len(message) == 2 + 16 + 8 + 16
        return ["InvalidSession"]
    assert message[1] == REFUSAL and message[18] == 0
    said = decode_all(DENIED, message[19:])
    show(said)
    return ["Refusal", *path(said["denial"])]


def check_bodies():
    for line in (VECTORS / "bodies.txt").read_text().splitlines():
        kind, name, data = line.split()
        data = bytes.fromhex(data)
        if kind == "message":
            found = read_loose(data)
        else:
            said = decode_all(REQUEST if kind == "Request" else REPLY, data)
            show(kind, said)
            found = path(said)
        assert "/".join(found) == name, f"{name} is read as {found}"
        Counts.bodies += 1


def check_records():
    last = {"server": 0, "client": 0}
    payloads = {}
    for line in (VECTORS / "records.txt").read_text().splitlines():
        whose, data = line.split()
        data = bytes.fromhex(data)
        version, table = (2, SERVER_RECORD) if whose == "server" else (3, CLIENT_RECORD)
        assert data[0] == version
        number, rest = decode(U64, data[1:])
        assert number == last[whose] + 1
        last[whose] = number
        (kind, holds), payload = decode(table, rest)
        show(whose, number, kind, holds, payload)
        if whose == "server" and kind == "Payload":
            labels = holds["labels"]
            digest = bare(bare(payload))
            types = labels["content_type"].encode(), labels["encoding"].encode()
            assert holds["id"] == h("fedlink v2 task payload", *types, digest)
            Counts.hashes += 1
        if payload:
            payloads.setdefault(whose, []).append(payload)
        Counts.records += 1
    assert payloads["server"] == [b"model", b"update"], payloads
    assert payloads["client"] == [b"model", b"update"], payloads


def check_refusals():
    """What a receiver has to drop is no value here either: P-13, P-14."""
    for of, wrong in (
        (U64, "8500"),
        (U64, "ffffffffffffffffff02"),
        (U16, "808004"),
        (U32, "05"),
        (Option(U64), "0205"),
        (MAP, "02016201310161 0132"),
        (MAP, "02016101310161 0132"),
        (MAP, "0101ff00"),
        (REPLY, "07"),
        (REPLY, "0604"),
        (DENIED, "00040000"),
    ):
        data = bytes.fromhex(wrong)
        if of is U32:
            assert decode_all(of, data) == 5
            data += b"\x05"
        try:
            value = decode_all(of, data)
        except Malformed:
            continue
        raise AssertionError(f"{wrong} is read as {value}")


def main():
    sessions = [
        Session("plain", "plain"),
        Session("bearer", "bearer"),
        Session("bound", "bearer", binding=bytes([9] * 32)),
        Session("sealed", "sealed"),
        Session("refused", "sealed"),
        Session("apart", "plain"),
    ]
    for session in sessions:
        session.check()
    usual = [session.requests for session in sessions[:4]]
    assert all(requests == usual[0] for requests in usual), "each suite carries the same"
    check_apart()
    check_bodies()
    check_records()
    check_refusals()
    print(
        f"{Counts.messages} messages of {len(sessions)} sessions, {Counts.opened} seals opened, "
        f"{Counts.hashes} hashes and keys, {Counts.signatures} signatures, "
        f"{Counts.certificates} certificates, {Counts.bodies} bodies, {Counts.records} records: "
        "all as docs/protocol.md says"
    )


if __name__ == "__main__":
    main()
