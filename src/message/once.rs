//! What is computed when somebody first asks for it, and kept.

#[cfg(feature = "std")]
pub(super) use std::sync::OnceLock as Once;

#[cfg(not(feature = "std"))]
pub(super) use without_std::Once;

#[cfg(not(feature = "std"))]
mod without_std {
    use alloc::boxed::Box;

    use once_cell::race::OnceBox;

    /// The same as a `OnceLock`, but for this: without the standard library no thread can
    /// wait for another. Those that ask at the same time all compute, and one value is kept.
    pub(in crate::message) struct Once<T>(OnceBox<T>);

    impl<T> Once<T> {
        pub(in crate::message) const fn new() -> Self {
            Self(OnceBox::new())
        }

        pub(in crate::message) fn get(&self) -> Option<&T> {
            self.0.get()
        }

        pub(in crate::message) fn get_or_init(&self, compute: impl FnOnce() -> T) -> &T {
            self.0.get_or_init(|| Box::new(compute()))
        }
    }
}
