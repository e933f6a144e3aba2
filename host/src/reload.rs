//! Replacing certificates and keys on disk while they are in use.
//!
//! [`Watched`] compares the files of a kit with what was read from them. What has changed is
//! read and judged as a whole, and the whole takes the place of what was in use, or nothing
//! does.

use zeroize::Zeroizing;

/// What is in some files, or what tells that it has changed where one is large; none where one
/// cannot be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents(Vec<Option<Zeroizing<Vec<u8>>>>);

impl Contents {
    /// What is in no file.
    #[cfg(feature = "nvflare")]
    pub(crate) const fn nothing() -> Self {
        Self(Vec::new())
    }

    /// With what is in other files.
    #[cfg(feature = "nvflare")]
    pub(crate) fn and(mut self, others: Option<&Self>) -> Self {
        self.0
            .extend(others.into_iter().flat_map(|it| it.0.clone()));
        self
    }

    /// What is in these files now.
    #[cfg(feature = "nvflare")]
    pub(crate) fn read(paths: impl IntoIterator<Item = std::path::PathBuf>) -> Self {
        let marks = paths.into_iter().map(|path| crate::file::mark(&path));
        marks.collect()
    }
}

impl FromIterator<Option<Zeroizing<Vec<u8>>>> for Contents {
    fn from_iter<I: IntoIterator<Item = Option<Zeroizing<Vec<u8>>>>>(contents: I) -> Self {
        Self(contents.into_iter().collect())
    }
}

/// Shows nothing: a key may be in it.
impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contents")
    }
}

/// What was read from files, and can be again.
pub trait Reload: Sized {
    /// Why it cannot be used.
    type Error: std::error::Error;

    /// What was in the files when this was read from them.
    fn contents(&self) -> &Contents;

    /// What is in them now.
    fn contents_now(&self) -> Contents;

    /// Reads them anew.
    ///
    /// # Errors
    ///
    /// Whatever keeps the new one from taking the place of this one, at this time.
    fn read_again(&self) -> Result<Self, Self::Error>;

    /// What has changed in the files since the start and is not in use before the next one: each
    /// setting, and where it stands.
    fn waiting(&self) -> &[String];
}

/// What is in use, beside the files that it was read from.
#[derive(Debug)]
pub struct Watched<'a, K> {
    first: &'a K,
    latest: Option<K>,
    /// What was in the files at the latest look.
    seen: Option<Contents>,
    /// What was wrong with it, if that was told.
    told: Option<String>,
}

/// What a look at the files has shown.
#[derive(Debug)]
pub enum Look<K, E> {
    /// They are what is in use.
    Same,
    /// They have changed, and may still be about to.
    Changing,
    /// This can take the place of what is in use.
    New(K),
    /// They cannot be used.
    Refused {
        /// Why.
        error: E,
        /// It was so at an earlier look.
        again: bool,
    },
}

impl<'a, K: Reload> Watched<'a, K> {
    /// Begins with what was read at the start.
    pub fn new(first: &'a K) -> Self {
        Self {
            first,
            latest: None,
            seen: None,
            told: None,
        }
    }

    /// What is in use.
    pub fn in_use(&self) -> &K {
        self.latest.as_ref().unwrap_or(self.first)
    }

    /// Looks at the files. Several that belong together are not replaced at once: unless they
    /// are to be taken `at_once`, they have to be the same at two looks in a row.
    pub fn look(&mut self, at_once: bool) -> Look<K, K::Error> {
        let now = self.in_use().contents_now();
        if now == *self.in_use().contents() {
            (self.seen, self.told) = (None, None);
            return Look::Same;
        }
        let settled = self.seen.as_ref() == Some(&now);
        self.seen = Some(now);
        if !settled && !at_once {
            return Look::Changing;
        }
        match self.in_use().read_again() {
            Ok(kit) if Some(kit.contents()) != self.seen.as_ref() => Look::Changing,
            Ok(kit) => Look::New(kit),
            Err(error) => {
                let told = self.told.replace(error.to_string());
                let again = told == self.told;
                Look::Refused { error, again }
            }
        }
    }

    /// This is in use from now on.
    pub fn take_up(&mut self, kit: K) {
        self.latest = Some(kit);
        (self.seen, self.told) = (None, None);
    }
}

#[cfg(test)]
mod tests;
