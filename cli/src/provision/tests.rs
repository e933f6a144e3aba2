use std::fs;

use fedlink_host::kit::{ServerKit, SiteKit, Suite, Transport};
use tempfile::TempDir;

use super::*;
use crate::bounds::MAX_DAYS;

fn plan() -> Plan {
    Plan {
        project: "wine".into(),
        server: "coordinator".into(),
        hosts: vec!["127.0.0.1:8443".into()],
        days: 30,
        suite: Suite::Sealed,
        transport: Transport::Tls,
        trusted_path: false,
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_kit_of_a_project_loads() {
    let place = TempDir::new().unwrap();
    let project = make(
        &place.path().join("wine"),
        &plan(),
        &names(&["site-1", "site-2"]),
    )
    .unwrap();

    let server = ServerKit::load(&project.server).unwrap();
    assert_eq!(server.config.listen, ["127.0.0.1:8443"]);
    assert_eq!(server.warnings, []);
    assert_eq!(project.sites.len(), 2);
    for (name, folder) in &project.sites {
        let site = SiteKit::load(folder).unwrap();
        assert_eq!(&site.config.name, name);
        assert_eq!(site.config.server.name, "coordinator");
        assert_eq!(
            site.credentials.root_certificates(),
            server.credentials.root_certificates()
        );
        assert_eq!(site.warnings, []);
        let readme = fs::read_to_string(folder.join("README.txt")).unwrap();
        assert!(readme.contains(&format!("the site {name}.")), "{readme}");
    }
}

#[test]
fn sites_can_be_added_later() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    let first = make(&folder, &plan(), &names(&["site-1"])).unwrap();
    let added = add(&folder, &names(&["site-2"])).unwrap();

    let one = SiteKit::load(&first.sites["site-1"]).unwrap();
    let two = SiteKit::load(&added.sites["site-2"]).unwrap();
    assert_eq!(
        one.credentials.root_certificates(),
        two.credentials.root_certificates()
    );
    assert_eq!(one.config.server, two.config.server);

    let error = add(&folder, &names(&["site-1"])).unwrap_err();
    assert!(matches!(error, ProvisionError::SiteExists(_)), "{error}");
    let error = add(place.path(), &names(&["site-3"])).unwrap_err();
    assert!(matches!(error, ProvisionError::NoProject(_)), "{error}");
}

#[test]
fn certificates_are_renewed_with_the_key_and_after_they_are_revoked_with_another() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    let project = make(&folder, &plan(), &names(&["site-1"])).unwrap();
    let site = &project.sites["site-1"];
    let load = || SiteKit::load(site).unwrap().credentials;
    let server = || ServerKit::load(&project.server).unwrap().credentials;
    let (first, coordinator) = (load(), server());

    renew(&folder, &names(&["site-1", "coordinator"])).unwrap();
    let second = load();
    assert_eq!(second.chain().key(), first.chain().key());
    assert_ne!(second.certificates(), first.certificates());
    assert_eq!(server().chain().key(), coordinator.chain().key());
    assert_ne!(server().certificates(), coordinator.certificates());

    // The kit may have been given out with its key.
    fs::remove_file(site.join("key.pem")).unwrap();
    renew(&folder, &names(&["site-1"])).unwrap();
    assert!(!site.join("key.pem").exists());
    revoke(&folder, &names(&["site-1"])).unwrap();
    assert_eq!(server().revoked().len(), 3);
    renew(&folder, &names(&["site-1"])).unwrap();
    assert_ne!(load().chain().key(), first.chain().key());
    assert_eq!(SiteKit::load(site).unwrap().warnings, []);
    let left = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".partial"))
            .count()
    };
    assert_eq!([left(site), left(&project.server)], [0, 0]);

    let error = revoke(&folder, &names(&["coordinator"])).unwrap_err();
    assert!(matches!(error, ProvisionError::RevokedCoordinator(_)));
    let error = renew(&folder, &names(&["site-2"])).unwrap_err();
    assert!(matches!(error, ProvisionError::NoCertificate { .. }));
    // A name is no way to other folders.
    for what in [renew, revoke] {
        let error = what(&folder, &names(&["../server"])).unwrap_err();
        assert!(matches!(error, ProvisionError::Name { .. }), "{error}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("mine"), "precious").unwrap();
    let error = make(place.path(), &plan(), &[]).unwrap_err();
    assert!(matches!(error, ProvisionError::InUse(_)), "{error}");

    let error = make(&place.path().join("mine"), &plan(), &[]).unwrap_err();
    assert!(matches!(error, ProvisionError::InUse(_)), "{error}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn a_site_that_is_there_is_renewed_and_not_added() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    make(&folder, &plan(), &names(&["site-1"])).unwrap();
    let error = add(&folder, &names(&["site-1"])).unwrap_err();
    assert!(matches!(&error, ProvisionError::SiteExists(it) if it == "site-1"));
    assert!(error.to_string().contains("`--renew site-1`"), "{error}");
    let said = renew(&folder, &names(&["site-1", "site-1"])).unwrap();
    assert_eq!(said.matches("has a new certificate").count(), 1, "{said}");
}

#[test]
fn a_root_whose_key_is_another_ones_makes_nothing() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    let project = make(&folder, &plan(), &names(&["site-1"])).unwrap();
    let other = project.sites["site-1"].join("key.pem");
    fs::copy(other, folder.join("authority/root-key.pem")).unwrap();
    let before = fs::read(project.sites["site-1"].join("certificate.pem")).unwrap();
    for error in [
        add(&folder, &names(&["site-2"])).unwrap_err(),
        renew(&folder, &names(&["site-1"])).unwrap_err(),
        revoke(&folder, &names(&["site-1"])).unwrap_err(),
    ] {
        assert!(matches!(error, ProvisionError::RootMismatch), "{error}");
    }
    let after = fs::read(project.sites["site-1"].join("certificate.pem")).unwrap();
    assert_eq!(before, after);
    assert!(!folder.join("sites/site-2").exists());
}

#[test]
fn an_empty_folder_is_used() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("empty");
    fs::create_dir(&folder).unwrap();
    make(&folder, &plan(), &[]).unwrap();
    assert!(folder.join("server").exists());
}

#[test]
fn a_run_that_was_interrupted_is_told() {
    let place = TempDir::new().unwrap();
    let left = place.path().join(".wine.partial");
    fs::create_dir(&left).unwrap();
    let error = make(&place.path().join("wine"), &plan(), &[]).unwrap_err();
    assert!(
        matches!(&error, ProvisionError::LeftOver(path) if *path == left),
        "{error}"
    );
    assert!(left.exists());
}

#[test]
fn a_plan_that_cannot_be_carried_out_leaves_nothing() {
    type Change = fn(&mut Plan);
    let changes: [(Change, &str); 7] = [
        (|plan| plan.project = String::new(), "project"),
        (|plan| plan.server = "../up".into(), "../up"),
        (|plan| plan.days = 0, "0 days"),
        (|plan| plan.days = MAX_DAYS + 1, "3651 days"),
        (|plan| plan.hosts = vec![], "addresses"),
        (|plan| plan.hosts = vec!["a b".into()], "a b"),
        (
            |plan| (plan.suite, plan.transport) = (Suite::Bearer, Transport::Tcp),
            "trusted_path",
        ),
    ];
    let place = TempDir::new().unwrap();
    for (change, told) in changes {
        let mut plan = plan();
        change(&mut plan);
        let error = make(&place.path().join("wine"), &plan, &names(&["site-1"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains(told), "{error}");
    }
    for (sites, told) in [
        (["a", "a"], "twice"),
        (["coordinator", "b"], "twice"),
        (["a", ".."], ".."),
    ] {
        let error = make(&place.path().join("wine"), &plan(), &names(&sites))
            .unwrap_err()
            .to_string();
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn names_that_hide_something_are_told_by_their_code_points() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    for (hidden, code) in [
        ("site\u{200b}-1", "U+200B"),
        ("\u{202e}1-etis", "U+202E"),
        ("site-1\u{feff}", "U+FEFF"),
        ("site-1\u{2028}", "U+2028"),
        ("site-1 ", "a space (U+0020)"),
        ("site-\u{430}", "U+0430"),
        ("Ko\u{308}ln", "U+0308"),
    ] {
        let server = Plan {
            server: hidden.into(),
            ..plan()
        };
        let project = Plan {
            project: hidden.into(),
            ..plan()
        };
        let site = names(&[hidden]);
        for (plan, sites) in [(&server, &[][..]), (&project, &[]), (&plan(), &site)] {
            let error = make(&folder, plan, sites).unwrap_err().to_string();
            assert!(error.contains(code), "{error}");
        }
    }
    assert!(!folder.exists());
}

#[test]
fn a_kit_that_was_moved_away_is_made_anew() {
    // What people are told to do when a site's certificate ends.
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    make(&folder, &plan(), &names(&["site-1"])).unwrap();
    let (kit, old) = (folder.join("sites/site-1"), place.path().join("old"));
    fs::rename(&kit, &old).unwrap();
    add(&folder, &names(&["site-1"])).unwrap();
    let certificate = |kit: &Path| fs::read(kit.join("certificate.pem")).unwrap();
    assert_ne!(certificate(&kit), certificate(&old));
    // Only these two take the place of the old ones.
    for file in ["certificate.pem", "key.pem"] {
        fs::copy(kit.join(file), old.join(file)).unwrap();
    }
    assert_eq!(SiteKit::load(&old).unwrap().config.name, "site-1");
}

#[test]
fn a_site_is_not_added_with_another_roots_key() {
    let place = TempDir::new().unwrap();
    let [wine, beer] = ["wine", "beer"].map(|name| place.path().join(name));
    make(&wine, &plan(), &[]).unwrap();
    make(&beer, &plan(), &[]).unwrap();
    fs::copy(
        beer.join("authority/root-key.pem"),
        wine.join("authority/root-key.pem"),
    )
    .unwrap();
    let error = add(&wine, &names(&["site-1"])).unwrap_err();
    assert!(matches!(error, ProvisionError::RootMismatch), "{error}");
    assert_eq!(fs::read_dir(wine.join("sites")).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let place = TempDir::new().unwrap();
    let project = make(&place.path().join("wine"), &plan(), &names(&["site-1"])).unwrap();
    let keys = [
        project.folder.join("authority/root-key.pem"),
        project.server.join("key.pem"),
        project.sites["site-1"].join("key.pem"),
    ];
    for key in keys {
        let mode = key.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", key.display());
    }
}
