//! The applications of `demo`, `serve` and `join` on the hosts: the coordinator's and the
//! sites'.
//!
//! A [`Coordinator`] runs federated averaging on a `Server`, a [`Site`] trains for it on a
//! `Client`, and a [`Drill`] is a job that only waits to be aborted. They know the machines
//! by their actions and commands and nothing of what moves the bytes, so they run over
//! every transport and under any clock.

mod coordinator;
mod drill;
mod hosted;
mod order;
pub(crate) mod purpose;
mod site;

use fedlink::identity::Name;

pub use coordinator::{Coordinator, News, Plan};
pub use drill::Drill;
pub use hosted::{Happened, HostedCoordinator, HostedSite};
pub use order::Order;
pub use site::{Site, SiteNews, Trained, Training};

/// Names for a line that people read.
pub fn names<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    let names: Vec<&str> = names.into_iter().map(Name::as_str).collect();
    names.join(", ")
}
