use std::fs;
use std::time::SystemTime;

use fedlink::identity::ChainError;

use super::*;
use crate::kit::pem::tests::{ARRIVALS, openssl};
use crate::nvflare::testing::{Folder, Root, SERVER_KEY, SITE_PKCS8};
use crate::testing::DAY;

#[test]
fn a_genuine_kit() {
    let root = Root::new();
    let folder = Folder::new(&root);
    let kit = folder.read().unwrap();
    assert_eq!(kit.name.as_str(), "site-1");
    assert_eq!(kit.project.as_str(), "wine");
    assert_eq!(kit.server.as_str(), "fl-server");
    assert_eq!(kit.address, "localhost:8002");
    assert_eq!(kit.scheme, Scheme::Tcp);
    assert_eq!(kit.security, Security::Mtls);
    assert!(kit.secure);
    assert_eq!(kit.warnings, []);
    assert_eq!(kit.identity().name(), &kit.name);
    assert_eq!(kit.client_config().server, Some(kit.server));
    let credentials = kit.credentials.unwrap();
    assert!(
        credentials
            .chain_pem()
            .starts_with(b"-----BEGIN CERTIFICATE")
    );
    assert!(
        credentials
            .key_pem()
            .starts_with(b"-----BEGIN RSA PRIVATE KEY")
    );
    assert_eq!(credentials.roots_pem(), root.pem.as_bytes());

    let from_inside = Kit::read(&folder.startup).unwrap();
    assert_eq!(from_inside.name, kit.name);
}

#[test]
fn a_key_in_pkcs8() {
    let folder = Folder::new(&Root::new());
    folder.write("client.key", SITE_PKCS8);
    folder.read().unwrap();
}

#[test]
fn what_the_python_client_does_where_nothing_is_said() {
    let root = Root::new();
    let folder = Folder::new(&root);
    let text = fs::read_to_string(folder.startup.join("fed_client.json")).unwrap();
    let kit = |without: &[&str], secure| {
        let text = without.iter().fold(text.clone(), |text, field| {
            assert_eq!(text.matches(field).count(), 1, "{field}");
            text.replace(field, "")
        });
        folder.write("fed_client.json", text);
        folder.write(
            "sub_start.sh",
            format!("exec python3 --set {secure} uid='site-1'"),
        );
        folder.read().unwrap()
    };
    let scheme = ",\n        \"scheme\": \"tcp\"";
    let security = ",\n    \"connection_security\": \"mtls\"";
    assert_eq!(kit(&[scheme], "secure_train=true").scheme, Scheme::Grpc);
    let secure = kit(&[security], "secure_train=true");
    assert_eq!((secure.security, secure.secure), (Security::Mtls, true));
    let plain = kit(&[security], "");
    assert_eq!((plain.security, plain.secure), (Security::Clear, false));
}

#[test]
fn settings_that_provisioning_can_make() {
    let root = Root::new();
    let with = |from, to| {
        let folder = Folder::new(&root);
        folder.replace("fed_client.json", from, to);
        folder.read().unwrap()
    };
    assert_eq!(with("\"tcp\"", "\"grpc\"").scheme, Scheme::Grpc);
    assert_eq!(with("\"tcp\"", "\"http\"").scheme, Scheme::Http);
    assert_eq!(with("mtls", "tls").security, Security::Tls);
    assert_eq!(with("mtls", "clear").security, Security::Clear);
    let named = with("\"identity\"", "\"auth_identity\": \"cn\", \"identity\"");
    assert_eq!(named.server.as_str(), "cn");
}

#[test]
fn the_sites_own_privacy_policy_is_read() {
    let folder = Folder::new(&Root::new());
    assert!(folder.read().unwrap().privacy_filters.is_empty());
    let local = folder.startup.join("../local");
    fs::create_dir_all(&local).unwrap();
    let policy = local.join("privacy.json");
    fs::write(
        &policy,
        r#"{"scopes": [{"name": "all", "task_result_filters": [{"name": "PercentilePrivacy"}]}]}"#,
    )
    .unwrap();
    let kit = folder.read().unwrap();
    assert!(kit.privacy_filters.contains("PercentilePrivacy"));
    fs::write(&policy, "[").unwrap();
    folder.read().unwrap_err();
}

/// Kits of NVFlare 2.7 have no target.
#[test]
fn the_address_of_older_kits_is_that_of_the_overseer() {
    let with = |point: &str| {
        let folder = Folder::new(&Root::new());
        folder.replace("fed_client.json", "\"target\": \"localhost:8002\",", "");
        folder.replace(
            "fed_client.json",
            "\"servers\"",
            &format!("{point} \"servers\""),
        );
        folder.read()
    };
    let agent = |point: &str| {
        format!(
            "\"overseer_agent\": {{\"path\": \"nvflare.ha.DummyOverseerAgent\", \"args\": {{\"sp_end_point\": \"{point}\"}}}},"
        )
    };
    let kit = with(&agent("fl.example.org:8002:8003")).unwrap();
    assert_eq!(kit.address, "fl.example.org:8002");
    assert_eq!(kit.server.as_str(), "fl-server");
    for (point, told) in [
        ("", "servers[0].service.target: it is missing"),
        (&agent("fl.example.org")[..], "is not HOST:PORT:PORT"),
        (
            &agent("fl.example.org:8003")[..],
            "overseer_agent.args.sp_end_point: \"fl.example.org\"",
        ),
    ] {
        let error = with(point).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn the_server_of_a_kit_of_2_5_is_called_like_its_host() {
    let folder = Folder::new(&Root::new());
    folder.replace("fed_client.json", "\"target\": \"localhost:8002\",", "");
    folder.replace("fed_client.json", "\"identity\"", "\"nobody\"");
    let point = "\"overseer_agent\": {\"args\": {\"sp_end_point\": \"fl.example.org:1:2\"}},";
    folder.replace(
        "fed_client.json",
        "\"servers\"",
        &format!("{point} \"servers\""),
    );
    assert_eq!(folder.read().unwrap().server.as_str(), "fl.example.org");
}

#[test]
fn a_plain_kit_needs_no_certificates() {
    let folder = Folder::new(&Root::new());
    folder.replace("fed_client.json", "mtls", "clear");
    folder.replace("sub_start.sh", "secure_train=true", "secure_train=false");
    for file in ["client.crt", "client.key", "rootCA.pem"] {
        folder.remove(file);
    }
    let kit = folder.read().unwrap();
    assert!(!kit.secure);
    assert!(kit.credentials.is_none());
}

#[test]
fn a_folder_that_is_no_kit_of_a_site() {
    let empty = tempfile::tempdir().unwrap();
    let told = Kit::read(empty.path()).unwrap_err().to_string();
    assert!(
        told.contains("it has no startup/fed_client.json: give the folder"),
        "{told}"
    );

    let folder = Folder::new(&Root::new());
    for (file, owner) in [("fed_server.json", "server"), ("fed_admin.json", "admin")] {
        folder.write(file, "{}");
        let told = folder.told();
        assert!(
            told.contains(&format!("is the start-up kit of a {owner}: give")),
            "{told}"
        );
        folder.remove(file);
    }
    let local = folder.startup.join("../local");
    fs::create_dir(&local).unwrap();
    fs::write(local.join("relay__resources.json"), "{}").unwrap();
    let told = folder.told();
    assert!(
        told.contains("this site connects to a relay, which fedlink cannot"),
        "{told}"
    );
}

#[test]
fn a_file_that_is_missing_or_too_large() {
    for file in ["sub_start.sh", "client.crt", "client.key", "rootCA.pem"] {
        let folder = Folder::new(&Root::new());
        folder.remove(file);
        let told = folder.told();
        assert!(
            told.starts_with(&format!("{file}: cannot be read (")),
            "{told}"
        );
        folder.write(file, vec![b' '; 256 * 1024 + 1]);
        assert!(
            folder
                .told()
                .starts_with(&format!("{file}: has more than 262144 bytes"))
        );
    }
}

#[test]
fn settings_that_are_damaged() {
    let cases = [
        ("\"servers\": [", "\"servers\": ", "invalid type"),
        ("\"client\": {", "\"clients\": {", "missing field `client`"),
        ("\"servers\"", "\"server\"", "missing field `servers`"),
        (
            "\"target\"",
            "\"targets\"",
            "servers[0].service.target: it is missing",
        ),
        (
            "\"identity\"",
            "\"id\"",
            "servers[0].identity: it is missing",
        ),
        ("\"name\"", "\"names\"", "missing field `name`"),
        ("\"mtls\"", "\"mutual\"", "unknown variant `mutual`"),
        (
            "\"fl-server\"",
            "\"\"",
            "servers[0].identity: the name is empty",
        ),
        ("\"wine\"", "\"\"", "servers[0].name: the name is empty"),
        (
            "localhost:8002",
            "localhost",
            "servers[0].service.target: \"localhost\" is no address",
        ),
        (
            "localhost:8002",
            "host name:8002",
            "servers[0].service.target: ",
        ),
        (
            "\"tcp\"",
            "\"uds\"",
            "servers[0].service.scheme: fedlink does not speak \"uds\"",
        ),
    ];
    let root = Root::new();
    for (from, to, expected) in cases {
        let folder = Folder::new(&root);
        folder.replace("fed_client.json", from, to);
        let told = folder.told();
        assert!(
            told.starts_with(&format!("fed_client.json: {expected}")),
            "{told}"
        );
    }
    let folder = Folder::new(&root);
    folder.write("fed_client.json", "{\"servers\": [], \"client\": {}}");
    assert_eq!(
        folder.told(),
        "fed_client.json: servers: there are 0 servers: leave one"
    );
}

#[test]
fn a_start_script_without_the_name() {
    for uid in ["", "uid="] {
        let folder = Folder::new(&Root::new());
        folder.replace("sub_start.sh", "uid=site-1", uid);
        assert!(
            folder
                .told()
                .starts_with("sub_start.sh: has no `uid=` after `--set`, which is the site's name")
        );
    }
}

#[test]
fn the_name_is_found_as_a_shell_would_find_it() {
    let root = Root::new();
    for written in [
        "uid=site-1",
        "\"uid=site-1\"",
        "'uid=site-1'",
        "uid=\"site-1\"",
        "uid='site'-1",
        "\\\n  uid=site-1",
        "org=x uid=site-1 # uid=other",
        "uid=site-1\n# start with --set uid=other",
    ] {
        let folder = Folder::new(&root);
        folder.replace("sub_start.sh", "uid=site-1", written);
        // What stands in a remark, or is not given to the client, is no argument.
        folder.replace(
            "sub_start.sh",
            "start_python()",
            "# --set uid=remark secure_train=false\necho \"it's uid=shown\"\nuid=variable\nstart_python()",
        );
        let kit = folder.read().unwrap();
        assert_eq!(
            (kit.name.as_str(), kit.secure),
            ("site-1", true),
            "{written}"
        );
    }
    let folder = Folder::new(&root);
    folder.replace("sub_start.sh", "uid=site-1", "\"uid=$SITE\"");
    assert!(folder.told().contains("has no `uid=` after `--set`"));
}

#[test]
fn pem_that_is_damaged() {
    let root = Root::new();
    let cases = [
        (
            "client.crt",
            "ends in the middle of a PEM block",
            "has no such PEM block",
        ),
        (
            "client.key",
            "ends in the middle of a PEM block",
            "has no such PEM block",
        ),
        (
            "rootCA.pem",
            "ends in the middle of a PEM block",
            "has no such PEM block",
        ),
    ];
    for (file, of_half, of_nothing) in cases {
        let folder = Folder::new(&root);
        let whole = fs::read(folder.startup.join(file)).unwrap();
        for (content, expected) in [(&whole[..whole.len() / 2], of_half), (b"", of_nothing)] {
            folder.write(file, content);
            let told = folder.told();
            assert!(told.starts_with(&format!("{file}: {expected}")), "{told}");
        }
    }
}

#[test]
fn files_may_arrive_in_the_ways_of_other_kits() {
    let root = Root::new();
    for (way, change) in ARRIVALS {
        for file in ["client.crt", "client.key", "rootCA.pem"] {
            let folder = Folder::new(&root);
            let pem = fs::read_to_string(folder.startup.join(file)).unwrap();
            folder.write(file, change(&pem));
            let read = folder.read();
            let kit = read.unwrap_or_else(|error| panic!("{file} with {way}: {error}"));
            // What goes to the server is as its own programs would write it.
            let credentials = kit.credentials.unwrap();
            assert_eq!(credentials.roots_pem(), root.pem.as_bytes(), "{way}");
            assert!(
                credentials
                    .chain_pem()
                    .starts_with(b"-----BEGIN CERTIFICATE-----\n")
            );
        }
    }
}

#[test]
fn keys_and_certificates_of_openssl() {
    let folder = Folder::new(&Root::new());
    let place = &folder.startup;
    let put = |file: &str| fs::rename(place.join("new"), place.join(file)).unwrap();
    for encrypt in [
        "rsa -traditional -aes128 -passout pass:secret -in client.key -out new",
        "pkcs8 -topk8 -passout pass:secret -in client.key -out new",
    ] {
        if !openssl(place, encrypt) {
            return;
        }
        put("client.key");
        assert!(
            folder
                .told()
                .contains("decrypt it with `openssl pkey -in KEY -out NEW`")
        );
        openssl(place, "pkey -in client.key -out new -passin pass:secret");
        put("client.key");
        folder.read().unwrap();
    }
    for file in ["client.crt", "rootCA.pem"] {
        openssl(
            place,
            &format!("x509 -in {file} -addtrust serverAuth -trustout -out new"),
        );
        put(file);
    }
    folder.read().unwrap();
}

#[test]
fn a_certificate_of_version_1_is_told() {
    let folder = Folder::new(&Root::new());
    let place = &folder.startup;
    folder.write(
        "root.key",
        include_str!("../../../tests/nvflare-kit/root.key"),
    );
    if !openssl(
        place,
        "req -new -key client.key -subj /CN=site-1 -out request",
    ) {
        return;
    }
    openssl(
        place,
        "x509 -req -in request -CA rootCA.pem -CAkey root.key -days 1 -CAcreateserial -out client.crt",
    );
    let told = folder.told();
    assert!(
        told.starts_with("client.crt: certificate 0 is of X.509 version 1, which TLS refuses"),
        "{told}"
    );
}

#[test]
fn files_that_do_not_belong_together() {
    let root = Root::new();
    let other_root = Root::other();
    let cases = [
        (
            "client.key",
            SERVER_KEY.to_owned(),
            "client.key: this is not the key of client.crt: take both files from the same kit",
        ),
        (
            "client.crt",
            root.issue("site-2", SITE_PKCS8, |_| {}),
            "client.crt: the certificate is site-2's, not site-1's",
        ),
        (
            "rootCA.pem",
            other_root.pem.clone(),
            "client.crt: the signature of certificate 0 is not its issuer's",
        ),
        (
            "client.crt",
            other_root.issue("site-1", SITE_PKCS8, |_| {}),
            "client.crt: the signature of certificate 0 is not its issuer's",
        ),
    ];
    for (file, content, expected) in cases {
        let folder = Folder::new(&root);
        folder.write(file, content);
        let told = folder.told();
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn dates_are_warned_of() {
    let root = Root::new();
    let warnings = |from: SystemTime, to: SystemTime| {
        let folder = Folder::new(&root);
        let dated = root.issue("site-1", SITE_PKCS8, |params| {
            (params.not_before, params.not_after) = (from.into(), to.into());
        });
        folder.write("client.crt", dated);
        let path = folder.startup.join("client.crt");
        (folder.read().unwrap().warnings, path)
    };
    let now = SystemTime::now();
    let (past, path) = warnings(now - 10 * DAY, now - DAY);
    assert!(
        past[0]
            .to_string()
            .starts_with(&format!("{}: certificate 0 expired", path.display()))
    );
    let (future, _) = warnings(now + DAY, now + 100 * DAY);
    assert!(matches!(
        &future[..],
        [KitWarning::Dates {
            source: ChainError::NotYetValid { .. },
            ..
        }]
    ));
    let (soon, path) = warnings(now - DAY, now + 10 * DAY + DAY / 2);
    assert_eq!(soon, [KitWarning::ExpiresSoon { path, days: 10 }]);
    assert_eq!(warnings(now - DAY, now + 20 * DAY).0, []);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new(&Root::new());
    let path = folder.startup.join("client.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = folder.read().unwrap().warnings;
    assert_eq!(warnings, [KitWarning::KeyExposed { path, mode: 0o644 }]);
}

#[test]
fn settings_that_change_are_taken_up_or_wait() {
    use crate::reload::{Look, Watched};

    let root = Root::new();
    let folder = Folder::new(&root);
    let kit = folder.read().unwrap();
    let mut watched = Watched::new(&kit);
    assert!(matches!(watched.look(true), Look::Same));
    let settings = fs::read_to_string(folder.startup.join("fed_client.json")).unwrap();
    folder.write("fed_client.json", settings.replace("8002", "8003"));
    let Look::New(next) = watched.look(true) else {
        panic!("the address has changed");
    };
    assert_eq!(next.address, "localhost:8003");
    assert!(next.waiting().is_empty());
    watched.take_up(next);
    assert!(matches!(watched.look(true), Look::Same));
    let local = folder.startup.join("../local");
    fs::create_dir_all(&local).unwrap();
    let policy = r#"{"scopes": [{"name": "all", "task_result_filters": [{"path": "a.B"}]}], "default_scope": "all"}"#;
    fs::write(local.join("privacy.json"), policy).unwrap();
    let Look::New(next) = watched.look(true) else {
        panic!("a policy has come");
    };
    assert_eq!(next.waiting(), ["what local/privacy.json prescribes"]);
    assert!(next.privacy_filters.is_empty());
}
