//! A site whose tasks are done by trainers.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Trainers;
use super::driver::Driver;
use super::event::SiteEvent;
use crate::HostError;
use crate::tokio::{ClientHandle, ClientHost};

/// Events that the application has not taken, after which the site waits for it.
const MAX_WAITING: usize = 64;

/// A client on its host, and the trainers that do its jobs.
///
/// It does all that concerns jobs and tasks by itself, in a task of its own. Take its
/// events as they come, and end it with [`quit`](ClientHandle::quit) on
/// [`client`](Self::client), on Ctrl-C too. Dropping it ends it as if its process had died,
/// and stops its trainers.
#[derive(Debug)]
pub struct TrainingSite {
    client: ClientHandle,
    events: mpsc::Receiver<SiteEvent>,
    task: JoinHandle<Result<(), HostError>>,
}

impl TrainingSite {
    /// Starts the host, and the registration.
    ///
    /// # Errors
    /// When the host does not start.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn start(host: ClientHost, trainers: impl Trainers) -> Result<Self, HostError> {
        let (client, actions) = host.start()?;
        // It cannot be registering yet; if it has stopped, its end says why.
        let _ = client.register().await;
        let (sender, events) = mpsc::channel(MAX_WAITING);
        let driver = Driver::new(client.clone(), Arc::new(trainers), sender);
        Ok(Self {
            client,
            events,
            task: tokio::spawn(driver.run(actions)),
        })
    }

    /// Calls into the client.
    #[must_use]
    pub fn client(&self) -> &ClientHandle {
        &self.client
    }

    /// The next event; none when the site has stopped, and [`finish`](Self::finish) tells
    /// why. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<SiteEvent> {
        self.events.recv().await
    }

    /// Discards what still comes and waits until the site has stopped: its storage is free
    /// then, and its trainers have stopped, unless they do not heed their [`Stop`](super::Stop)
    /// for more than ten seconds.
    ///
    /// # Errors
    /// Why it stopped, unless somebody asked it to.
    pub async fn finish(mut self) -> Result<(), HostError> {
        while self.next().await.is_some() {}
        self.task.await.unwrap_or(Err(HostError::Task))
    }
}
