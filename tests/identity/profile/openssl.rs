//! The certificates that `tests/certificates/make-profile.sh` made.

use std::path::Path;

use fedlink::identity::LocalSigner;

use super::Tool;

pub(super) struct OpenSsl;

fn read(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates/profile");
    std::fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

impl Tool for OpenSsl {
    fn certificate(&self, name: &str) -> Vec<u8> {
        read(&format!("{name}.der"))
    }

    fn root_key(&self) -> LocalSigner {
        LocalSigner::from_pkcs8_der(&read("root.key.der")).unwrap()
    }
}
