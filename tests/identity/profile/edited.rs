//! What no tool writes: a right leaf, changed byte by byte and signed again by its root.

use fedlink::identity::ChainError::{self, *};
use fedlink::identity::{LocalSigner, Signer};

use super::parts::{
    ALGORITHM, DATES, EXTENSIONS, ISSUER, KEY, Parts, SERIAL, SUBJECT, VERSION, content, element,
    elements,
};

/// One change. Without a fault it is a right neighbour.
pub(super) struct Edit {
    pub(super) what: &'static str,
    pub(super) make: fn(&[u8], &LocalSigner) -> Vec<u8>,
    pub(super) fault: Option<ChainError>,
}

const MALFORMED: ChainError = Malformed { position: 0 };

/// Ed448, and Ed25519 with parameters.
const OTHER_ALGORITHM: [u8; 7] = [0x30, 5, 6, 3, 0x2b, 0x65, 0x71];
const WITH_PARAMETERS: [u8; 9] = [0x30, 7, 6, 3, 0x2b, 0x65, 0x70, 5, 0];

fn wrong(what: &'static str, fault: ChainError, make: fn(&[u8], &LocalSigner) -> Vec<u8>) -> Edit {
    Edit {
        what,
        make,
        fault: Some(fault),
    }
}

fn right(what: &'static str, make: fn(&[u8], &LocalSigner) -> Vec<u8>) -> Edit {
    Edit {
        what,
        make,
        fault: None,
    }
}

/// Changes one field of what is signed.
fn with(der: &[u8], key: &LocalSigner, place: usize, field: &[u8]) -> Vec<u8> {
    let mut parts = Parts::of(der);
    parts.signed[place] = field.to_vec();
    parts.sign(key)
}

/// Changes the content of one field of what is signed.
fn map(
    der: &[u8],
    key: &LocalSigner,
    place: usize,
    change: impl FnOnce(&mut Vec<Vec<u8>>),
) -> Vec<u8> {
    let field = Parts::of(der).signed[place].clone();
    let mut inside = elements(content(&field));
    change(&mut inside);
    with(der, key, place, &element(field[0], &inside.concat()))
}

/// The certificate without extensions; of the first version, if it says none.
fn without_extensions(der: &[u8], key: &LocalSigner, version: &[u8]) -> Vec<u8> {
    let mut parts = Parts::of(der);
    parts.signed[VERSION] = version.to_vec();
    parts.signed[EXTENSIONS].clear();
    parts.sign(key)
}

/// The certificate with only this extension, critical, in DER.
fn only_extension(der: &[u8], key: &LocalSigner, oid: u8, value: &[u8]) -> Vec<u8> {
    let extension = [&[6, 3, 0x55, 0x1d, oid, 1, 1, 0xff], &element(4, value)[..]].concat();
    let list = element(0x30, &element(0x30, &extension));
    with(der, key, EXTENSIONS, &element(0xa3, &list))
}

pub(super) fn edits() -> Vec<Edit> {
    [
        frame(),
        numbers(),
        algorithms(),
        names(),
        dates(),
        keys(),
        extensions(),
        signatures(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn frame() -> Vec<Edit> {
    vec![
        wrong("a byte behind the certificate", MALFORMED, |der, _| {
            [der, &[0]].concat()
        }),
        wrong("an element behind the signature", MALFORMED, |der, _| {
            element(0x30, &[content(der), &[5, 0]].concat())
        }),
        wrong("a longer length than needed", MALFORMED, |der, _| {
            [&[0x30, 0x83, 0, der[2], der[3]], content(der)].concat()
        }),
        wrong("a length that is not said", MALFORMED, |der, _| {
            [&[0x30, 0x80], content(der), &[0, 0]].concat()
        }),
        wrong("the same of what is signed", MALFORMED, |der, key| {
            let parts = Parts::of(der);
            let inside = parts.signed.concat();
            let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
            let body = [&[0x30, 0x83, 0], &length[..], &inside].concat();
            parts.with_signature(&body, &key.sign(&body), 0)
        }),
        wrong("a field behind the extensions", MALFORMED, |der, key| {
            let mut parts = Parts::of(der);
            parts.signed.push(vec![5, 0]);
            parts.sign(key)
        }),
        wrong("a field that is missing", MALFORMED, |der, key| {
            with(der, key, SERIAL, &[])
        }),
    ]
}

fn numbers() -> Vec<Edit> {
    vec![
        right("no extensions", |der, key| {
            without_extensions(der, key, &[0xa0, 3, 2, 1, 2])
        }),
        right("the first version, without extensions", |der, key| {
            without_extensions(der, key, &[])
        }),
        wrong(
            "the first version, with extensions",
            MALFORMED,
            |der, key| with(der, key, VERSION, &[]),
        ),
        wrong("the first version, said aloud", MALFORMED, |der, key| {
            without_extensions(der, key, &[0xa0, 3, 2, 1, 0])
        }),
        wrong("the second version", MALFORMED, |der, key| {
            without_extensions(der, key, &[0xa0, 3, 2, 1, 1])
        }),
        wrong("a version to come", MALFORMED, |der, key| {
            with(der, key, VERSION, &[0xa0, 3, 2, 1, 3])
        }),
        wrong("a version in two bytes", MALFORMED, |der, key| {
            with(der, key, VERSION, &[0xa0, 4, 2, 2, 0, 2])
        }),
        right("the serial number zero", |der, key| {
            with(der, key, SERIAL, &[2, 1, 0])
        }),
        right("a negative serial number", |der, key| {
            with(der, key, SERIAL, &[2, 1, 0x80])
        }),
        right("a long serial number", |der, key| {
            with(der, key, SERIAL, &element(2, &[1; 40]))
        }),
        wrong("a serial number without digits", MALFORMED, |der, key| {
            with(der, key, SERIAL, &[2, 0])
        }),
        wrong(
            "a serial number with a needless zero",
            MALFORMED,
            |der, key| with(der, key, SERIAL, &[2, 2, 0, 1]),
        ),
        wrong(
            "a serial number that is no number",
            MALFORMED,
            |der, key| with(der, key, SERIAL, &[4, 1, 1]),
        ),
    ]
}

fn algorithms() -> Vec<Edit> {
    let of_type = |oid: &str| WrongSignatureType {
        position: 0,
        oid: oid.into(),
    };
    vec![
        wrong(
            "another type of signature inside",
            of_type("1.3.101.113"),
            |der, key| with(der, key, ALGORITHM, &OTHER_ALGORITHM),
        ),
        wrong(
            "another type of signature outside",
            of_type("1.3.101.113"),
            |der, key| {
                let mut parts = Parts::of(der);
                parts.algorithm = OTHER_ALGORITHM.into();
                parts.sign(key)
            },
        ),
        wrong("parameters inside", of_type("1.3.101.112"), |der, key| {
            with(der, key, ALGORITHM, &WITH_PARAMETERS)
        }),
        wrong(
            "parameters inside and outside",
            of_type("1.3.101.112"),
            |der, key| {
                let mut parts = Parts::of(der);
                parts.algorithm = WITH_PARAMETERS.into();
                parts.signed[ALGORITHM] = WITH_PARAMETERS.into();
                parts.sign(key)
            },
        ),
    ]
}

fn names() -> Vec<Edit> {
    /// Changes the type of the common name's text.
    fn retype(der: &[u8], key: &LocalSigner, place: usize, tag: u8) -> Vec<u8> {
        map(der, key, place, |names| {
            let name = names.last_mut().unwrap();
            // A set with a sequence of type and text in it: each header has two bytes.
            let at = 2 + 2 + 5;
            assert_eq!(name[at], 0x0c);
            name[at] = tag;
        })
    }
    let unknown = UnknownRoot { position: 0 };
    vec![
        wrong(
            "an issuer in another type of text",
            unknown.clone(),
            |der, key| retype(der, key, ISSUER, 0x13),
        ),
        wrong("an issuer without a name", unknown, |der, key| {
            with(der, key, ISSUER, &[0x30, 0])
        }),
        wrong("an issuer that is no name", MALFORMED, |der, key| {
            with(der, key, ISSUER, &[5, 0])
        }),
        wrong("a subject without a name", NoCommonName, |der, key| {
            with(der, key, SUBJECT, &[0x30, 0])
        }),
        right("a common name of another type", |der, key| {
            retype(der, key, SUBJECT, 0x13)
        }),
        wrong(
            "a common name of two-byte letters",
            CommonNameEncoding,
            |der, key| retype(der, key, SUBJECT, 0x1e),
        ),
        wrong(
            "a common name of an unclear type",
            CommonNameEncoding,
            |der, key| retype(der, key, SUBJECT, 0x14),
        ),
    ]
}

fn dates() -> Vec<Edit> {
    fn end(der: &[u8], key: &LocalSigner, tag: u8, text: &[u8]) -> Vec<u8> {
        map(der, key, DATES, |dates| dates[1] = element(tag, text))
    }
    vec![
        right("a year of four digits", |der, key| {
            end(der, key, 0x18, b"20500101000000Z")
        }),
        right("a year of two digits", |der, key| {
            end(der, key, 0x17, b"491231235959Z")
        }),
        wrong("a thirteenth month", MALFORMED, |der, key| {
            end(der, key, 0x17, b"491331235959Z")
        }),
        wrong("a date without a zone", MALFORMED, |der, key| {
            end(der, key, 0x18, b"20500101000000")
        }),
        wrong("a date of text", MALFORMED, |der, key| {
            end(der, key, 0x0c, b"20500101000000Z")
        }),
        wrong("no end", MALFORMED, |der, key| {
            map(der, key, DATES, |dates| dates.truncate(1))
        }),
        wrong("a third date", MALFORMED, |der, key| {
            map(der, key, DATES, |dates| dates.push(dates[1].clone()))
        }),
    ]
}

fn keys() -> Vec<Edit> {
    fn bits(der: &[u8], key: &LocalSigner, bits: &[u8]) -> Vec<u8> {
        map(der, key, KEY, |fields| fields[1] = element(3, bits))
    }
    vec![
        wrong(
            "a key of small order",
            WeakKey { position: 0 },
            |der, key| bits(der, key, &[0; 33]),
        ),
        wrong("a key of 31 bytes", MALFORMED, |der, key| {
            bits(der, key, &[0; 32])
        }),
        wrong("a key of 33 bytes", MALFORMED, |der, key| {
            bits(der, key, &[0; 34])
        }),
        wrong("a key with unused bits", MALFORMED, |der, key| {
            bits(der, key, &[&[1], &[2; 32][..]].concat())
        }),
        wrong("a key with parameters", MALFORMED, |der, key| {
            map(der, key, KEY, |fields| fields[0] = WITH_PARAMETERS.into())
        }),
        wrong(
            "a key of another type",
            WrongKeyType {
                position: 0,
                oid: "1.3.101.113".into(),
            },
            |der, key| map(der, key, KEY, |fields| fields[0] = OTHER_ALGORITHM.into()),
        ),
        wrong("a field behind the key", MALFORMED, |der, key| {
            map(der, key, KEY, |fields| fields.push(vec![5, 0]))
        }),
    ]
}

fn extensions() -> Vec<Edit> {
    let usage = KeyUsage {
        position: 0,
        needed: "digitalSignature",
    };
    let purpose = ExtendedKeyUsage {
        position: 0,
        needed: "clientAuth",
    };
    vec![
        // rcgen would write that; OpenSSL keeps the last of two.
        wrong("an extension twice", MALFORMED, |der, key| {
            map(der, key, EXTENSIONS, |list| {
                let mut extensions = elements(content(&list[0]));
                extensions.push(extensions[0].clone());
                list[0] = element(0x30, &extensions.concat());
            })
        }),
        right("one extension", |der, key| {
            only_extension(der, key, 19, &[0x30, 0])
        }),
        wrong(
            "an authority's path without an authority",
            LeafIsCa,
            |der, key| only_extension(der, key, 19, &[0x30, 6, 1, 1, 0xff, 2, 1, 0]),
        ),
        wrong(
            "basicConstraints that are no sequence",
            MALFORMED,
            |der, key| only_extension(der, key, 19, &[5, 0]),
        ),
        wrong("a negative path length", MALFORMED, |der, key| {
            only_extension(der, key, 19, &[0x30, 6, 1, 1, 0xff, 2, 1, 0x80])
        }),
        wrong("no use at all", usage, |der, key| {
            only_extension(der, key, 15, &[3, 1, 0])
        }),
        wrong("a use that is no bit string", MALFORMED, |der, key| {
            only_extension(der, key, 15, &[4, 1, 0])
        }),
        wrong("no purpose at all", purpose, |der, key| {
            only_extension(der, key, 37, &[0x30, 0])
        }),
        wrong("a purpose that is no identifier", MALFORMED, |der, key| {
            only_extension(der, key, 37, &[0x30, 2, 5, 0])
        }),
    ]
}

fn signatures() -> Vec<Edit> {
    fn signature(der: &[u8], key: &LocalSigner, change: fn(&mut Vec<u8>)) -> Vec<u8> {
        let parts = Parts::of(der);
        let mut signature = key.sign(&parts.body()).to_vec();
        change(&mut signature);
        parts.with_signature(&parts.body(), &signature, 0)
    }
    let bad = BadSignature { position: 0 };
    vec![
        wrong("a wrong bit in the signature", bad.clone(), |der, key| {
            signature(der, key, |bytes| bytes[0] ^= 1)
        }),
        wrong(
            "a signature that anybody can make of another",
            bad,
            |der, key| signature(der, key, |bytes| add_order(bytes)),
        ),
        wrong("a signature of 63 bytes", MALFORMED, |der, key| {
            signature(der, key, |bytes| bytes.truncate(63))
        }),
        wrong("a signature of 65 bytes", MALFORMED, |der, key| {
            signature(der, key, |bytes| bytes.push(0))
        }),
        wrong("a signature with unused bits", MALFORMED, |der, key| {
            let parts = Parts::of(der);
            parts.with_signature(&parts.body(), &key.sign(&parts.body()), 1)
        }),
    ]
}

/// Adds the order of the group to the second half of a signature: the same in a lax
/// verifier's eyes.
fn add_order(signature: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
}
