//! The queue of actions from a machine to its application.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::HostError;

/// Events that the application has not taken, after which the host reads no more from
/// the network: the peers feel it, and memory stays bounded.
const MAX_WAITING: usize = 256;

/// The actions of a machine, in their order, without those that its host does by itself
/// (`Persist`). Take them as they come: a host whose events nobody takes soon stops to
/// read from the network. Dropping it discards them all and does not stop the host.
#[derive(Debug)]
pub struct Events<A> {
    receiver: mpsc::Receiver<A>,
    task: JoinHandle<Result<(), HostError>>,
}

impl<A> Events<A> {
    pub(super) fn new(
        receiver: mpsc::Receiver<A>,
        task: JoinHandle<Result<(), HostError>>,
    ) -> Self {
        Self { receiver, task }
    }

    /// The next one; none when the host has stopped, and [`finish`](Self::finish) tells
    /// why. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<A> {
        self.receiver.recv().await
    }

    /// Discards what still comes and waits until the host has stopped: its connections
    /// are closed and its storage is free then.
    ///
    /// # Errors
    /// Why it stopped, unless somebody asked it to.
    pub async fn finish(mut self) -> Result<(), HostError> {
        self.receiver.close();
        self.task.await.unwrap_or(Err(HostError::Task))
    }
}

/// The host's end.
pub(super) struct EventQueue<A> {
    waiting: VecDeque<A>,
    sender: mpsc::Sender<A>,
}

impl<A> EventQueue<A> {
    pub(super) fn new() -> (Self, mpsc::Receiver<A>) {
        let (sender, receiver) = mpsc::channel(1);
        let queue = Self {
            waiting: VecDeque::new(),
            sender,
        };
        (queue, receiver)
    }

    pub(super) fn push(&mut self, event: A) {
        self.waiting.push_back(event);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Delivers one event as soon as the application takes it; waits for ever if there
    /// is none.
    pub(super) async fn deliver(&mut self) {
        if self.waiting.is_empty() {
            std::future::pending::<()>().await;
        }
        match self.sender.reserve().await {
            Ok(permit) => {
                if let Some(event) = self.waiting.pop_front() {
                    permit.send(event);
                }
            }
            // Nobody listens.
            Err(_) => self.waiting.clear(),
        }
    }
}
