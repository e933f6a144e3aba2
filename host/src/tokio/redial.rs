//! A way to connect that can be replaced while a client uses it.

use std::sync::{Arc, Mutex, PoisonError};

use super::dial::{Dial, Dialing};

/// Makes connections as another [`Dial`] does, until that is replaced. Clones share it: one
/// is for the client, another for whoever replaces it. Connections that stand go on.
#[derive(Clone)]
pub struct Redial(Arc<Mutex<Box<dyn Dial>>>);

impl Redial {
    /// Connects like this at first.
    #[must_use]
    pub fn new(dial: impl Dial) -> Self {
        Self(Arc::new(Mutex::new(Box::new(dial))))
    }

    /// Connects like this from now on.
    pub fn replace(&self, dial: impl Dial) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(dial);
    }
}

impl std::fmt::Debug for Redial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redial")
    }
}

impl Dial for Redial {
    fn dial(&mut self) -> Dialing {
        let mut dial = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        dial.dial()
    }
}
