use std::fs;
use std::time::SystemTime;

use rcgen::{ExtendedKeyUsagePurpose, IsCa, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;

use super::*;
use crate::testing::{DAY, Root, SERVER, SITE, folder, write};

/// A kit of a site that is right in every respect.
fn site() -> TempDir {
    let root = Root::new();
    folder(SITE, &root.site(|_| {}), &root.pem)
}

/// What loading the kit says, after the name of the folder was taken out of it.
#[track_caller]
fn told(folder: &TempDir) -> String {
    let error = SiteKit::load(folder.path()).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

/// What loading a kit with another configuration says.
#[track_caller]
fn told_of(config: &str) -> String {
    let folder = site();
    write(folder.path(), FILE_NAME, config);
    told(&folder)
}

#[test]
fn a_site_kit_loads() {
    let folder = site();
    let kit = SiteKit::load(folder.path()).unwrap();
    assert_eq!(
        kit.config.server.addresses,
        ["127.0.0.1:8443", "fl.example.org:443"]
    );
    assert_eq!(kit.config.suite, Suite::Sealed);
    assert_eq!(kit.config.timeouts, SiteTimeouts::default());
    assert_eq!(kit.state, folder.path().join("state"));
    assert_eq!(kit.warnings, []);
    assert_eq!(kit.credentials.certificates().len(), 1);
    let shown = format!("{kit:?}");
    assert!(
        shown.contains("PublicKey") && !shown.contains("PRIVATE"),
        "{shown}"
    );
}

#[test]
fn a_server_kit_loads() {
    let root = Root::new();
    let folder = folder(SERVER, &root.server(), &root.pem);
    let kit = ServerKit::load(folder.path()).unwrap();
    assert_eq!(kit.config.listen, ["127.0.0.1:8443"]);
}

#[test]
fn everything_optional_can_be_set() {
    let folder = site();
    for (from, to) in [
        ("certificate.pem", "c"),
        ("key.pem", "k"),
        ("roots.pem", "r"),
    ] {
        fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    let optional = "trusted_path = true\n[files]\ncertificate = 'c'\nkey = 'k'\nroots = 'r'\nstate = '/var/lib/s'\n\
                    [timeouts]\nconnect_seconds = 1\nretry_max_seconds = 60\n[server]";
    write(folder.path(), FILE_NAME, SITE.replace("[server]", optional));
    let kit = SiteKit::load(folder.path()).unwrap();
    assert!(kit.config.trusted_path);
    assert_eq!(kit.state, Path::new("/var/lib/s"));
    assert_eq!(kit.config.timeouts.connect_seconds, Some(1));
    assert_eq!(kit.config.timeouts.task_seconds, None);
}

#[test]
fn a_configuration_survives_being_written() {
    let config: SiteConfig = toml::from_str(SITE).unwrap();
    assert_eq!(
        toml::from_str::<SiteConfig>(&toml::to_string(&config).unwrap()).unwrap(),
        config
    );
    let config: ServerConfig = toml::from_str(SERVER).unwrap();
    assert_eq!(
        toml::from_str::<ServerConfig>(&toml::to_string(&config).unwrap()).unwrap(),
        config
    );
}

#[test]
fn a_folder_that_is_no_kit() {
    let folder = TempDir::new().unwrap();
    let error = SiteKit::load(folder.path()).unwrap_err();
    assert!(matches!(error, KitError::NoKit(_)), "{error}");
    assert!(error.to_string().contains("fedlink provision"), "{error}");
}

#[test]
fn the_kit_of_the_other_role() {
    let told = told_of(SERVER);
    assert_eq!(
        told,
        "fedlink.toml: this is the kit of a server, not of a site: start it with `fedlink serve`"
    );
}

#[test]
fn a_kit_of_another_version() {
    let version = |line: &str| told_of(&SITE.replace("version = 2\n", line));
    let older = "this kit is of version 1 and this program reads version 2: ";
    for line in ["", "version = 1\n"] {
        let told = version(line);
        assert!(told.contains(older), "{told}");
        assert!(told.contains("`fedlink provision`"), "{told}");
    }
    // Whatever a newer one may say, and whosever it is.
    let newer = told_of("version = 3\nrole = \"proxy\"");
    assert!(newer.ends_with("update this program"), "{newer}");
}

#[test]
fn a_file_that_is_missing() {
    for file in ["certificate.pem", "key.pem", "roots.pem"] {
        let folder = site();
        fs::remove_file(folder.path().join(file)).unwrap();
        let told = told(&folder);
        assert!(
            told.starts_with(&format!("{file}: cannot be read")),
            "{told}"
        );
    }
}

#[test]
fn a_file_that_is_far_too_large() {
    let folder = site();
    write(
        folder.path(),
        "roots.pem",
        vec![b'x'; MAX_FILE_BYTES as usize + 1],
    );
    assert!(told(&folder).starts_with("roots.pem: has more than"));
}

#[test]
fn a_field_that_is_unknown_missing_or_of_another_type() {
    let unknown = told_of(&SITE.replace("project", "projekt = 1\nproject"));
    assert!(
        unknown.contains("unknown field `projekt`") && unknown.contains("line 3"),
        "{unknown}"
    );
    let unknown = told_of(&SITE.replace("[server]", "[server]\nport = 1"));
    assert!(unknown.contains("unknown field `port`"), "{unknown}");
    let missing = told_of(&SITE.replace("name = \"site-1\"", ""));
    assert!(missing.contains("missing field `name`"), "{missing}");
    let missing = told_of(&SITE.replace("role = \"site\"", ""));
    assert!(missing.contains("missing field `role`"), "{missing}");
    let typed = told_of(&SITE.replace("\"wine\"", "7"));
    assert!(
        typed.contains("invalid type: integer `7`, expected a string"),
        "{typed}"
    );
    let value = told_of(&SITE.replace("\"sealed\"", "\"signed\""));
    assert!(
        value.contains("unknown variant `signed`") && value.contains("`bearer`"),
        "{value}"
    );
    let no_toml = told_of("version = 2\nproject");
    assert!(
        no_toml.starts_with("fedlink.toml: TOML parse error at line 2"),
        "{no_toml}"
    );
    let folder = site();
    write(folder.path(), FILE_NAME, b"role = \"\xff\"");
    assert!(told(&folder).starts_with("fedlink.toml: not UTF-8"));
}

#[test]
fn a_field_with_a_value_that_it_cannot_have() {
    let change = |from: &str, to: &str| told_of(&SITE.replace(from, to));
    let cases = [
        (change("\"wine\"", "\"\""), "project: "),
        (change("\"site-1\"", "\"a\\nb\""), "name: "),
        (
            change("\"site-1\"", "\"site\\u200b-1\""),
            "name: the name holds U+200B",
        ),
        (change("\"coordinator\"", "\"\""), "server.name: "),
        (
            change("[\"127.0.0.1:8443\", \"fl.example.org:443\"]", "[]"),
            "server.addresses: give 1 to 16",
        ),
        (
            change("127.0.0.1:8443", "127.0.0.1"),
            "server.addresses: \"127.0.0.1\" is no address",
        ),
        (
            change("127.0.0.1:8443", "127.0.0.1:65536"),
            "server.addresses: ",
        ),
        (change("127.0.0.1:8443", "::1:8443"), "server.addresses: "),
        (change("127.0.0.1:8443", ":8443"), "server.addresses: "),
        (
            change("127.0.0.1:8443", "0.0.0.0:8443"),
            "server.addresses: \"0.0.0.0:8443\" is no address: it stands for all",
        ),
        (
            change("127.0.0.1:8443", "127.0.0.1:0"),
            "server.addresses: \"127.0.0.1:0\" is no address: the port",
        ),
        (
            change("127.0.0.1:8443", " fl.example.org:1"),
            "server.addresses: \" fl.example.org:1\" is no address: leave out the space",
        ),
        (
            change("\"coordinator\"", "\"coord.7\""),
            "server.name: \"coord.7\" cannot be the name of a server in TLS",
        ),
        (
            change("[server]", "[files]\nstate = '~/state'\n[server]"),
            "files.state: \"~/state\": only a shell knows what ~ is",
        ),
        (
            change("[server]", "[files]\nkey = ''\n[server]"),
            "files.key: \"\": the path is empty",
        ),
        (
            change("[server]", "[timeouts]\nconnect_seconds = 0\n[server]"),
            "timeouts.connect_seconds: 0 is out",
        ),
        (
            change("[server]", "[timeouts]\ntask_seconds = 604801\n[server]"),
            "timeouts.task_seconds: 604801 is",
        ),
    ];
    for (told, expected) in cases {
        assert!(
            told.starts_with(&format!("fedlink.toml: {expected}")),
            "{told}"
        );
    }
}

#[test]
fn a_bearer_token_does_not_go_over_tcp_unasked() {
    let bearer = SITE.replace("sealed", "bearer").replace("tls", "tcp");
    let told = told_of(&bearer);
    assert!(
        told.starts_with("fedlink.toml: suite: over tcp anyone"),
        "{told}"
    );
    let trusted = bearer.replace("[server]", "trusted_path = true\n[server]");
    for config in [
        trusted,
        SITE.replace("tls", "tcp"),
        SITE.replace("sealed", "bearer"),
    ] {
        let folder = site();
        write(folder.path(), FILE_NAME, config);
        SiteKit::load(folder.path()).unwrap();
    }
}

#[test]
fn pem_that_is_truncated_at_any_byte() {
    for (file, field) in [
        ("certificate.pem", "certificate"),
        ("key.pem", "key"),
        ("roots.pem", "roots"),
    ] {
        let folder = site();
        let whole = fs::read(folder.path().join(file)).unwrap();
        // The last two bytes are a dash and an end of line.
        for end in 0..whole.len() - 2 {
            write(folder.path(), file, &whole[..end]);
            let told = told(&folder);
            assert!(
                told.starts_with(&format!("{file} (files.{field}): ")),
                "{end}: {told}"
            );
        }
        write(folder.path(), file, &whole[..whole.len() / 2]);
        assert!(told(&folder).contains("ends in the middle of a PEM block"));
    }
}

#[test]
fn pem_of_something_else() {
    let folder = site();
    let key = fs::read(folder.path().join("key.pem")).unwrap();
    let certificate = fs::read(folder.path().join("certificate.pem")).unwrap();
    write(folder.path(), "certificate.pem", &key);
    assert!(
        told(&folder).starts_with("certificate.pem (files.certificate): has no such PEM block")
    );
    write(folder.path(), "certificate.pem", &certificate);
    write(folder.path(), "key.pem", &certificate);
    assert!(told(&folder).starts_with("key.pem (files.key): has no such PEM block"));
    write(
        folder.path(),
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----\n",
    );
    assert!(told(&folder).starts_with("key.pem (files.key): holds a damaged PEM block"));
}

#[test]
fn a_key_of_another_kind() {
    let root = Root::new();
    let usage = ExtendedKeyUsagePurpose::ClientAuth;
    let [_, elliptic] = root.issue("site-1", usage, &PKCS_ECDSA_P256_SHA256, |_| {});
    let cases = [
        (elliptic, "the private key is of type 1.2.840.10045.2.1"),
        (block("RSA PRIVATE KEY"), "this key is of the kind RSA"),
        (
            block("EC PRIVATE KEY"),
            "this key is of the kind elliptic curve",
        ),
        (
            block("ENCRYPTED PRIVATE KEY"),
            "the private key is encrypted",
        ),
        (block("PRIVATE KEY"), "this is not a private key in PKCS#8"),
    ];
    let [certificate, _] = root.site(|_| {});
    for (key, expected) in cases {
        let told = told(&folder(SITE, &[certificate.clone(), key], &root.pem));
        assert!(
            told.starts_with(&format!("key.pem (files.key): {expected}")),
            "{told}"
        );
    }
}

#[test]
fn a_name_that_tls_cannot_have_is_one_for_tcp() {
    let root = Root::new();
    let named = |config: &str| config.replace("coordinator", "2025");
    let leaf = root.issue(
        "2025",
        ExtendedKeyUsagePurpose::ServerAuth,
        &rcgen::PKCS_ED25519,
        |_| {},
    );
    let server = folder(&named(SERVER), &leaf, &root.pem);
    let told = ServerKit::load(server.path()).unwrap_err().to_string();
    assert!(told.contains("name: \"2025\" cannot be"), "{told}");
    write(
        server.path(),
        FILE_NAME,
        named(SERVER).replace("tls", "tcp"),
    );
    ServerKit::load(server.path()).unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_no_missing_kit() {
    let folder = site();
    let file = folder.path().join(FILE_NAME);
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("elsewhere", &file).unwrap();
    assert!(told(&folder).starts_with("fedlink.toml: cannot be read"));
}

/// A PEM block of this name with something in it.
fn block(name: &str) -> String {
    format!("-----BEGIN {name}-----\nMAMCAQA=\n-----END {name}-----\n")
}

#[test]
fn a_key_of_another_certificate() {
    let root = Root::new();
    let [[certificate, _], [_, key]] = [root.site(|_| {}), root.site(|_| {})];
    let told = told(&folder(SITE, &[certificate, key], &root.pem));
    assert_eq!(
        told,
        "key.pem (files.key): this is not the key of certificate.pem: take both files from the same kit"
    );
}

#[test]
fn a_certificate_that_its_peers_would_refuse() {
    let root = Root::new();
    let issue = |name: &str, usage| root.issue(name, usage, &rcgen::PKCS_ED25519, |_| {});
    let cases = [
        (
            issue("site-2", ExtendedKeyUsagePurpose::ClientAuth),
            "the certificate is site-2's, not site-1's",
        ),
        (
            issue("site-1", ExtendedKeyUsagePurpose::ServerAuth),
            "certificate 0 has an extendedKeyUsage without clientAuth",
        ),
        (
            root.site(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
            "the peer's own certificate is an authority's",
        ),
        (
            Root::new().site(|_| {}),
            "the signature of certificate 0 is not its issuer's",
        ),
    ];
    for (leaf, expected) in cases {
        let told = told(&folder(SITE, &leaf, &root.pem));
        assert!(
            told.starts_with(&format!("certificate.pem (files.certificate): {expected}")),
            "{told}"
        );
    }
}

#[test]
fn roots_that_cannot_be_trusted() {
    let root = Root::new();
    let [elliptic, _] = root.issue(
        "x",
        ExtendedKeyUsagePurpose::Any,
        &PKCS_ECDSA_P256_SHA256,
        |_| {},
    );
    let told = told(&folder(SITE, &root.site(|_| {}), &elliptic));
    assert!(
        told.starts_with("roots.pem (files.roots): certificate 0 has a key of type"),
        "{told}"
    );
}

#[test]
fn dates_are_warned_of() {
    let root = Root::new();
    let dates = |from, to| {
        let leaf = root.site(|params| (params.not_before, params.not_after) = (from, to));
        SiteKit::load(folder(SITE, &leaf, &root.pem).path())
            .unwrap()
            .warnings
    };
    let now = SystemTime::now();
    let past = dates((now - 10 * DAY).into(), (now - DAY).into());
    assert!(
        matches!(&past[..], [KitWarning::Dates { .. }]) && past[0].to_string().contains("expired"),
        "{past:?}"
    );
    let future = dates((now + DAY).into(), (now + 10 * DAY).into());
    assert!(
        future[0].to_string().contains("not valid before"),
        "{future:?}"
    );
    let soon = dates((now - DAY).into(), (now + 10 * DAY + DAY / 2).into());
    assert!(
        matches!(&soon[..], [KitWarning::ExpiresSoon { days: 10, .. }]),
        "{soon:?}"
    );
    assert_eq!(dates((now - DAY).into(), (now + 20 * DAY).into()), []);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let folder = site();
    let path = folder.path().join("key.pem");
    for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = SiteKit::load(folder.path()).unwrap().warnings;
        let expected = warned.then(|| KitWarning::KeyExposed {
            path: path.clone(),
            mode,
        });
        assert_eq!(warnings, Vec::from_iter(expected));
    }
}
