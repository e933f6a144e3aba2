use std::fs;
use std::path::Path;
use std::time::SystemTime;

use rcgen::{CertificateParams, DnType};
use tempfile::TempDir;

use super::*;
use crate::kit::{KitError, ServerKit, SiteKit};
use crate::testing::{DAY, Root, SERVER, SITE, folder, write};

type SiteLook = Look<SiteKit, KitError>;

/// A site's kit in use, its folder and its root.
fn site() -> (Root, TempDir, SiteKit) {
    let root = Root::new();
    let folder = folder(SITE, &root.site(|_| {}), &root.pem);
    let kit = SiteKit::load(folder.path()).unwrap();
    (root, folder, kit)
}

fn replace(folder: &Path, [certificate, key]: &[String; 2]) {
    write(folder, "certificate.pem", certificate);
    write(folder, "key.pem", key);
}

#[track_caller]
fn new(look: SiteLook) -> SiteKit {
    match look {
        Look::New(kit) => kit,
        other => panic!("{other:?}"),
    }
}

/// Why it is refused, and whether it was before.
#[track_caller]
fn refused(look: SiteLook) -> (String, bool) {
    match look {
        Look::Refused { error, again } => (error.to_string(), again),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_replaced_is_taken_up_when_it_stays_the_same() {
    let (root, folder, kit) = site();
    let mut watched = Watched::new(&kit);
    assert!(matches!(watched.look(true), Look::Same));
    let files = root.site(|_| {});
    write(folder.path(), "certificate.pem", &files[0]);
    assert!(matches!(watched.look(false), Look::Changing));
    // One of the two is only half of it.
    write(folder.path(), "key.pem", &files[1]);
    assert!(matches!(watched.look(false), Look::Changing));
    let next = new(watched.look(false));
    assert_ne!(
        next.credentials.certificates(),
        kit.credentials.certificates()
    );
    watched.take_up(next);
    assert!(matches!(watched.look(false), Look::Same));
    replace(folder.path(), &root.site(|_| {}));
    new(watched.look(true));
}

#[test]
fn what_does_not_fit_is_told_once_and_what_is_in_use_stays() {
    let (root, folder, kit) = site();
    let before = [
        fs::read_to_string(folder.path().join("certificate.pem")).unwrap(),
        fs::read_to_string(folder.path().join("key.pem")).unwrap(),
    ];
    let with = |change: &dyn Fn(&mut CertificateParams)| root.site(|params| change(params));
    let named = with(&|params| params.distinguished_name.push(DnType::CommonName, "site-2"));
    let ended = with(&|params| params.not_after = (SystemTime::now() - DAY).into());
    let early = with(&|params| params.not_before = (SystemTime::now() + DAY).into());
    let cut = before.clone().map(|text| text[..text.len() / 2].to_owned());
    let cases = [
        (Root::new().site(|_| {}), "another issuer"),
        (named, "site-2"),
        (ended, "expired"),
        (early, "not valid before"),
        ([root.site(|_| {})[0].clone(), before[1].clone()], "key"),
        (cut, "PEM"),
        ([String::new(), String::new()], "PEM"),
    ];
    let mut watched = Watched::new(&kit);
    for (files, why) in &cases {
        replace(folder.path(), files);
        assert!(matches!(watched.look(false), Look::Changing));
        let (told, again) = refused(watched.look(false));
        assert!(told.contains(why) && !again, "{told}");
        assert!(refused(watched.look(false)).1);
        assert!(std::ptr::eq(watched.in_use(), &kit));
        replace(folder.path(), &before);
        assert!(matches!(watched.look(false), Look::Same));
    }
    fs::remove_file(folder.path().join("key.pem")).unwrap();
    assert!(refused(watched.look(true)).0.contains("cannot be read"));
}

#[test]
fn what_is_revoked_is_read_with_the_rest() {
    let root = Root::new();
    let folder = folder(SERVER, &root.server(), &root.pem);
    let kit = ServerKit::load(folder.path()).unwrap();
    assert!(kit.credentials.revoked().is_empty());
    let mut watched = Watched::new(&kit);
    let mut look = |content: Option<String>| {
        let path = folder.path().join("revoked.pem");
        match content {
            Some(content) => fs::write(path, content).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        match watched.look(true) {
            Look::New(kit) => {
                let revoked = kit.credentials.revoked().len();
                watched.take_up(kit);
                Ok(revoked)
            }
            Look::Refused { error, .. } => Err(error.to_string()),
            other => panic!("{other:?}"),
        }
    };
    let [one, two] = [(); 2].map(|()| root.site(|_| {})[0].clone());
    assert_eq!(look(Some("# none yet\n\n".to_owned())), Ok(0));
    assert_eq!(look(Some(format!("# site-1\n{one}"))), Ok(1));
    assert_eq!(look(Some(format!("# site-1\n{one}# site-2\n{two}"))), Ok(2));
    assert!(look(Some(format!("{one}{}", &two[..100]))).is_err());
    assert!(look(Some("nothing".to_owned())).is_err());
    assert!(look(None).unwrap_err().contains("revoked.pem"));
    assert_eq!(look(Some(String::new())), Ok(0));
    // Nobody goes on with a certificate that it has revoked itself.
    let own = fs::read_to_string(folder.path().join("certificate.pem")).unwrap();
    assert!(look(Some(own)).unwrap_err().contains("revoked"));
}

#[test]
fn settings_that_change_are_told_of_and_wait_for_the_next_start() {
    let (root, folder, kit) = site();
    let mut watched = Watched::new(&kit);
    let mut look = |config: &str| {
        write(folder.path(), "fedlink.toml", config);
        assert!(matches!(watched.look(false), Look::Changing));
        let look = match watched.look(false) {
            Look::New(next) => {
                assert_eq!(next.config, kit.config);
                let waiting = next.waiting().to_vec();
                watched.take_up(next);
                Ok(waiting)
            }
            Look::Refused { error, .. } => Err(error.to_string()),
            other => panic!("{other:?}"),
        };
        if look.is_ok() {
            assert!(matches!(watched.look(false), Look::Same));
        }
        look
    };
    let named = |names: &[&str]| -> Result<Vec<String>, String> {
        let names = names.iter().map(|it| format!("`{it}` in fedlink.toml"));
        Ok(names.collect())
    };
    let longer = format!("{SITE}\n[timeouts]\ntask_seconds = 9\n");
    assert_eq!(look(&longer), named(&["timeouts.task_seconds"]));
    let moved = SITE.replace("8443", "8444") + "\n[files]\nkey = \"other.pem\"\n";
    assert_eq!(look(&moved), named(&["files.key", "server.addresses"]));
    assert_eq!(look(&format!("# a remark\n{SITE}")), named(&[]));
    // What could not be started with is told while it still runs.
    let wrong = look(&SITE.replace("8443", "0")).unwrap_err();
    assert!(wrong.contains("server.addresses"), "{wrong}");
    let server = look(SERVER).unwrap_err();
    assert!(server.contains("kit of a server"), "{server}");
    assert_eq!(look(SITE), named(&[]));
    // Certificates do not wait for it.
    write(folder.path(), "fedlink.toml", &longer);
    replace(folder.path(), &root.site(|_| {}));
    let next = new(watched.look(true));
    assert_eq!(next.waiting().len(), 1);
    assert_ne!(
        next.credentials.certificates(),
        kit.credentials.certificates()
    );
}

/// As many as a large federation revokes in years.
#[test]
fn a_list_of_a_hundred_thousand_revoked_certificates_is_read_and_watched() {
    const MANY: usize = 100_000;
    let root = Root::new();
    let folder = folder(SERVER, &root.server(), &root.pem);
    let serial = [7; 20];
    let [one, _] = root.site(|it| it.serial_number = Some(serial.to_vec().into()));
    let der = fedlink::identity::pem::blocks(one.as_bytes())
        .next()
        .unwrap()
        .unwrap()
        .decode()
        .unwrap();
    let at = der.windows(20).position(|it| it == serial).unwrap();
    let mut der = der.to_vec();
    let list: String = (0..MANY)
        .map(|number| {
            der[at + 12..][..8].copy_from_slice(&(number as u64).to_be_bytes());
            let block = fedlink::identity::pem::encode("CERTIFICATE", &der);
            format!("# site-{number}, revoked on 2026-11-30\n{block}")
        })
        .collect();
    let path = folder.path().join("revoked.pem");
    fs::write(&path, &list).unwrap();
    let kit = ServerKit::load(folder.path()).unwrap();
    assert_eq!(kit.credentials.revoked().len(), MANY);
    let mut watched = Watched::new(&kit);
    assert!(matches!(watched.look(true), Look::Same));
    fs::write(&path, list.rsplit_once("# site").unwrap().0).unwrap();
    match watched.look(true) {
        Look::New(kit) => assert_eq!(kit.credentials.revoked().len(), MANY - 1),
        other => panic!("{other:?}"),
    }
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(crate::kit::MAX_REVOKED_BYTES + 1).unwrap();
    let error = ServerKit::load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("leave out the certificates that have expired"),
        "{error}"
    );
}
