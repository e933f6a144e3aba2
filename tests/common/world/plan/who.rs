//! Who the peers of a plan are.

use std::sync::Arc;

use fedlink::Suite;
use fedlink::identity::{Chain, Identity, LocalSigner, Name, Signer};

use super::Plan;
use crate::common::pki::{Pki, name};

/// A peer's identity, and its key if that is not in it.
#[derive(Clone)]
pub struct Who {
    pub identity: Identity,
    key: Option<Arc<LocalSigner>>,
}

impl Who {
    /// Who a site is.
    pub fn site(plan: &Plan, pki: &Pki, site: usize) -> Self {
        let name = &plan.sites[site];
        Self::new(plan, name, pki, |name| pki.site(name))
    }

    /// Who the server is.
    pub fn server(plan: &Plan, pki: &Pki) -> Self {
        Self::new(plan, &name("coordinator"), pki, |name| pki.server(name))
    }

    /// What the key says, wherever it is.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let key = self.key.as_ref().expect("only a key elsewhere is asked");
        key.sign(bytes)
    }

    fn new(
        plan: &Plan,
        name: &Name,
        pki: &Pki,
        issue: impl Fn(&str) -> (Chain, LocalSigner),
    ) -> Self {
        if plan.suite == Suite::Plain {
            let identity = Identity::unproven(name.clone());
            return Self {
                identity,
                key: None,
            };
        }
        let (chain, key) = issue(name.as_str());
        let (name, roots, key) = (name.clone(), pki.roots(), Arc::new(key));
        if plan.habits.keys_elsewhere {
            let identity = Identity::with_key_elsewhere(name, chain, roots).unwrap();
            return Self {
                identity,
                key: Some(key),
            };
        }
        let identity = Identity::new(name, chain, key, roots).unwrap();
        Self {
            identity,
            key: None,
        }
    }
}
