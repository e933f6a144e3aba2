//! A value that is replaced while others use it, such as the settings of TLS.

use std::sync::{Arc, Mutex, PoisonError};

/// The current one of something that many share. Clones share it too.
#[derive(Debug)]
pub struct Current<T>(Arc<Mutex<Arc<T>>>);

impl<T> Current<T> {
    /// The one that counts now; it stays as it is when another takes its place.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place.
    pub fn set(&self, next: Arc<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<Arc<T>> for Current<T> {
    fn from(first: Arc<T>) -> Self {
        Self(Arc::new(Mutex::new(first)))
    }
}
