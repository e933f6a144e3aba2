//! Handles: calls of an application into a machine that a host runs.

use fedlink::Instant;
use fedlink::message::Payload;
use tokio::sync::{mpsc, oneshot};

use crate::{CallError, Stopped};

/// Calls that may wait for the host; further callers wait for a place.
const MAX_CALLS: usize = 64;

/// Calls into the machine `M`, [`fedlink::Client`] or [`fedlink::Server`], from
/// anywhere. Clones reach the same machine.
///
/// When the last clone is dropped, the host stops at once, as if its process had died:
/// connections break, and only what was stored already is left.
#[derive(Debug)]
pub struct Handle<M> {
    commands: mpsc::Sender<Command<M>>,
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
        }
    }
}

/// What a handle asks of its host.
pub(super) enum Command<M> {
    Call(Call<M>),
    /// Close all connections.
    Disconnect,
    /// Store what waits, then stop.
    Stop,
}

type Call<M> = Box<dyn FnOnce(&mut M, Instant) + Send>;

impl<M> std::fmt::Debug for Command<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Call(_) => "Call",
            Self::Disconnect => "Disconnect",
            Self::Stop => "Stop",
        })
    }
}

impl<M> Handle<M> {
    pub(super) fn new() -> (Self, mpsc::Receiver<Command<M>>) {
        let (commands, receiver) = mpsc::channel(MAX_CALLS);
        (Self { commands }, receiver)
    }

    /// Runs `call` with the machine and the time, and returns what that returns. Whatever the
    /// machine wants afterwards is done by the host. Do not take its actions or messages
    /// yourself, and do not block: nothing else goes on meanwhile.
    ///
    /// # Errors
    /// When the host has stopped, perhaps after it ran `call`.
    pub async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut M, Instant) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let call: Call<M> = Box::new(move |machine, now| {
            // The caller may be gone.
            let _ = answer.send(call(machine, now));
        });
        self.send(Command::Call(call)).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Closes all connections, as a failing network would. Clients connect again by
    /// themselves; tell a client so when its network has changed.
    ///
    /// # Errors
    /// When the host has stopped.
    pub async fn disconnect(&self) -> Result<(), Stopped> {
        self.send(Command::Disconnect).await
    }

    /// Stops the host when all that waits is stored, without a farewell: a restored
    /// machine can go on. [`Events::finish`](super::Events::finish) tells when it has.
    ///
    /// # Errors
    /// When the host has stopped.
    pub async fn stop(&self) -> Result<(), Stopped> {
        self.send(Command::Stop).await
    }

    pub(super) async fn command<T, E>(
        &self,
        call: impl FnOnce(&mut M, Instant) -> Result<T, E> + Send + 'static,
    ) -> Result<T, CallError>
    where
        T: Send + 'static,
        E: Into<CallError> + Send + 'static,
    {
        self.call(call).await?.map_err(Into::into)
    }

    async fn send(&self, command: Command<M>) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)
    }
}

/// Payloads from this size on take longer to hash than to hand to other threads.
const HASH_AHEAD_BYTES: usize = 1 << 20;

/// Hashes a large payload on threads that may be busy; the machine finds the digest ready
/// then.
pub(super) async fn hash_ahead(payload: &Payload) {
    if payload.len() >= HASH_AHEAD_BYTES {
        let payload = payload.clone();
        let hashed = tokio::task::spawn_blocking(move || crate::hash_ahead(&payload)).await;
        if hashed.is_err() {
            tracing::debug!("a payload is hashed by its machine");
        }
    }
}
