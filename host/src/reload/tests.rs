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
