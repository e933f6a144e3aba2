//! A model checker over the machines themselves, with the crate `stateright`.
//!
//! A [`Model`](model::Model) is some clients, a server, their hosts and a network. Its
//! states hold the production [`Client`](crate::Client) and [`Server`](crate::Server); a
//! [`Step`](step::Step) is one input to one of them, with everything that its host does
//! at once. All orders of steps within the [`Bounds`](bounds::Bounds) are tried.
//!
//! What is real: both machines, their wire format, their signatures and seals under fixed
//! seeds, the sealed suite, the records and snapshots that they are restored from.
//!
//! What is abstracted:
//! - **Time stands still.** A timer is armed or it is not, and an armed one may fire at any
//!   moment and in any order: more than any clock allows. What only the length of a span
//!   decides is not explored: cookies and sessions that expire by their date, budgets that
//!   fill again, the growth of waits. A session dies when the checker says that it was
//!   silent for too long.
//! - **Spans of time are not drawn**, so jitter makes no states of its own. What a client
//!   draws depends on its process and on how often it drew; what the server draws for a
//!   client, on its process and on how often that client has begun a handshake. So what does not
//!   depend on an order is the same in each order, with real keys and seals.
//! - **Payloads travel inside their messages.** Transfers by parts are not explored.
//! - **Messages arrive whole and unchanged**, if at all, and on one connection for ever.
//! - **Hosts do all at once**, but for storage that is slow.
//!
//! Liveness is looked at in two ways. Where nothing can go wrong, every path comes to a
//! state in which all work is done. Where something can, each state in which the bounds
//! leave no step is let go on with a network that works and clocks that run
//! ([`Healing`](heal::Healing)), and has to come to such a state: one fair way on, not all.
//! The checker's own kind of liveness cannot say that, since a bounded run ends anywhere.
//!
//! Two states are the same if a 64-bit hash of all that later steps depend on is: among
//! 10^7 states two different ones meet by accident with a chance of 3 in a million.

mod bounds;
mod explore;
mod heal;
mod hosts;
mod model;
mod properties;
mod state;
mod step;
mod tally;
mod tests;
mod trace;
