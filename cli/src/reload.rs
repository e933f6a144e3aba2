//! Looks for replaced certificates and keys while a party runs, and tells people what came of
//! it.

use std::fmt::Display;
use std::time::Duration;

use fedlink::identity::Signer;
use fedlink_host::kit::{Config, Kit};
use fedlink_host::reload::{Look, Reload, Watched};
use fedlink_host::unix_time;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::certificates::when;
use crate::interrupt::Interrupt;
use crate::output;

/// The time between two looks at the files. What has changed is taken up at the second look
/// that finds it the same.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Why the files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Time has passed.
    Not,
    /// By HUP.
    ByPeople,
    /// Because what is in use no longer serves.
    ByNeed,
}

/// A kit in use, and when to look at its files.
#[derive(Debug)]
pub(crate) struct Reloading<'a, K> {
    watched: Watched<'a, K>,
    looks: Interval,
    signals: Interrupt,
    quiet: bool,
}

impl<'a, K: Reload> Reloading<'a, K> {
    pub(crate) fn new(first: &'a K, signals: Interrupt, quiet: bool) -> Self {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            watched: Watched::new(first),
            looks,
            signals,
            quiet,
        }
    }

    /// Waits until it is time to look. Nothing is lost if the future is dropped.
    pub(crate) async fn due(&mut self) -> Asked {
        tokio::select! {
            _ = self.looks.tick() => Asked::Not,
            () = self.signals.reload() => Asked::ByPeople,
        }
    }

    /// What is to take the place of what is in use, if there is something. What cannot is told
    /// once, and to whoever asks.
    pub(crate) fn look(&mut self, asked: Asked) -> Option<K> {
        match self.watched.look(asked != Asked::Not) {
            Look::New(kit) => return Some(kit),
            Look::Refused { error, again } => {
                if !again || asked == Asked::ByPeople {
                    refused(&error);
                }
            }
            Look::Same if asked == Asked::ByPeople => {
                output::tell(self.quiet, "certificates and key are those in use already");
                wait_for_a_start(self.in_use().waiting());
            }
            Look::Same | Look::Changing => {}
        }
        None
    }

    /// What is in use.
    pub(crate) fn in_use(&self) -> &K {
        self.watched.in_use()
    }

    /// This is in use from now on, but for what waits for the next start.
    pub(crate) fn take_up(&mut self, kit: K) {
        if kit.waiting() != self.in_use().waiting() {
            match kit.waiting() {
                [] => output::tell(self.quiet, "what waited for the next start is as it was"),
                waiting => wait_for_a_start(waiting),
            }
        }
        self.watched.take_up(kit);
    }
}

/// Says what has changed and is not taken up by a process that runs.
fn wait_for_a_start(waiting: &[String]) {
    if !waiting.is_empty() {
        let waiting = waiting.join(", ");
        tracing::warn!("changed in the kit, and counts from the next start on: {waiting}");
    }
}

/// What is taken up; nothing is said of files of which nothing is.
pub(crate) fn changes<C: Config>(before: &Kit<C>, after: &Kit<C>) -> Option<String> {
    let [old, new] = [&before.credentials, &after.credentials];
    let mut changes = Vec::new();
    if old.certificates() != new.certificates() {
        let left = new.chain().not_after().map(|end| {
            let left = Duration::from_secs(end.saturating_sub(unix_time()));
            format!(", which {}", when(left))
        });
        changes.push(format!("a certificate{}", left.unwrap_or_default()));
    }
    if old.signer().public_key() != new.signer().public_key() {
        changes.push("a key".to_owned());
    }
    if old.root_certificates() != new.root_certificates() {
        changes.push("other roots".to_owned());
    }
    if old.revoked() != new.revoked() {
        changes.push(format!(
            "a list of revoked certificates, with {} in it",
            new.revoked().len()
        ));
    }
    if changes.is_empty() && before.waiting() == after.waiting() {
        changes.push("files that say the same".to_owned());
    }
    (!changes.is_empty()).then(|| format!("takes up from its kit {}", changes.join("; ")))
}

/// Says why files are not taken up.
pub(crate) fn refused(error: &impl Display) {
    tracing::warn!(
        "the files of the kit have changed and are not taken up; what was in use stays in use: {error}"
    );
}
