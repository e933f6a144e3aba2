//! Runs the applications on the hosts that use networks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fedlink::error::Misuse;
use fedlink::identity::Name;
use fedlink::{ClientAction, Server, ServerAction};
use fedlink_host::tokio::{ClientHandle, ClientHost, Events, ServerHandle, ServerHost};
use fedlink_host::{CallError, HostError};
use tokio::task::JoinSet;

use super::{Coordinator, News, Plan, Site, SiteNews, Trained};
use crate::training::Share;

/// A [`Site`] whose client runs on a host.
#[derive(Debug)]
pub struct HostedSite {
    handle: ClientHandle,
    events: Events<ClientAction>,
    site: Arc<Mutex<Site>>,
    trainings: JoinSet<Trained>,
}

/// Something that a [`HostedSite`] has to deal with.
#[derive(Debug)]
pub enum Happened {
    /// The client wants something: see [`HostedSite::handle`].
    Action(ClientAction),
    /// A training is over: see [`HostedSite::finished`].
    Trained(Trained),
    /// The host has stopped: see [`HostedSite::end`].
    Stopped,
}

impl HostedSite {
    /// Starts the host, and the registration.
    ///
    /// # Errors
    /// When the host does not start.
    pub async fn start(host: ClientHost, share: Arc<Share>) -> Result<Self, HostError> {
        let (handle, events) = host.start()?;
        // It cannot be registering yet; if it has stopped, its end says why.
        let _ = handle.register().await;
        Ok(Self {
            handle,
            events,
            site: Arc::new(Mutex::new(Site::new(share))),
            trainings: JoinSet::new(),
        })
    }

    /// Calls into the client.
    #[must_use]
    pub fn client(&self) -> &ClientHandle {
        &self.handle
    }

    /// Waits for what happens next. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Happened {
        tokio::select! {
            action = self.events.next() => action.map_or(Happened::Stopped, Happened::Action),
            Some(Ok(trained)) = self.trainings.join_next() => Happened::Trained(trained),
        }
    }

    /// Lets the site take an action of its client. Training goes on beside it.
    ///
    /// # Errors
    /// When the client refuses what the site asks, or the host has stopped.
    pub async fn handle(&mut self, action: ClientAction) -> Result<(), CallError> {
        let site = Arc::clone(&self.site);
        let training = self
            .handle
            .call(move |client, now| lock(&site).handle(client, now, action))
            .await??;
        if let Some(training) = training {
            self.trainings.spawn_blocking(|| training.run());
        }
        Ok(())
    }

    /// Lets the site hand in what came of a training.
    ///
    /// # Errors
    /// When the client refuses it, or the host has stopped.
    pub async fn finished(&self, trained: Trained) -> Result<(), CallError> {
        let site = Arc::clone(&self.site);
        self.handle
            .call(move |client, now| lock(&site).finished(client, now, trained))
            .await??;
        Ok(())
    }

    /// What has happened on the site, the oldest first.
    #[must_use]
    pub fn poll_news(&self) -> Option<SiteNews> {
        lock(&self.site).poll_news()
    }

    /// Whether no job runs here and every result is delivered.
    ///
    /// # Errors
    /// When the host has stopped.
    pub async fn is_idle(&self) -> Result<bool, CallError> {
        let delivered = self.handle.call(|client, _| client.outbox_len() == 0);
        Ok(lock(&self.site).is_idle() && delivered.await?)
    }

    /// Ends the process as it is, without a word to anybody, and waits until its storage
    /// is free.
    ///
    /// # Errors
    /// Why it had ended before, if by an error.
    pub async fn end(self) -> Result<(), HostError> {
        drop(self.handle);
        self.events.finish().await
    }
}

/// A [`Coordinator`] whose server runs on a host.
#[derive(Debug)]
pub struct HostedCoordinator {
    handle: ServerHandle,
    events: Events<ServerAction>,
    coordinator: Option<Arc<Mutex<Coordinator>>>,
}

impl HostedCoordinator {
    /// Starts the host. A coordinator begins with [`begin`](Self::begin).
    ///
    /// # Errors
    /// When the host does not start.
    pub fn start(host: ServerHost) -> Result<Self, HostError> {
        let (handle, events) = host.start()?;
        Ok(Self {
            handle,
            events,
            coordinator: None,
        })
    }

    /// Calls into the server.
    #[must_use]
    pub fn server(&self) -> &ServerHandle {
        &self.handle
    }

    /// Starts a coordinator, or lets one resume. False if `make` returns none.
    ///
    /// # Errors
    /// When the server refuses, or the host has stopped.
    pub async fn begin(
        &mut self,
        make: impl FnOnce(&mut Server, fedlink::Instant) -> Result<Option<Coordinator>, Misuse>
        + Send
        + 'static,
    ) -> Result<bool, CallError> {
        let coordinator = self.handle.call(make).await??;
        self.coordinator = coordinator.map(|it| Arc::new(Mutex::new(it)));
        Ok(self.coordinator.is_some())
    }

    /// Waits for the next action of the server; none when the host has stopped. Nothing
    /// is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<ServerAction> {
        self.events.next().await
    }

    /// Lets the coordinator take an action of its server, if it has begun.
    ///
    /// # Errors
    /// When the server refuses what the coordinator asks, or the host has stopped.
    pub async fn handle(&self, action: ServerAction) -> Result<(), CallError> {
        if let Some(coordinator) = self.coordinator.clone() {
            self.handle
                .call(move |server, now| lock(&coordinator).handle(server, now, &action))
                .await??;
        }
        Ok(())
    }

    /// Tells the coordinator that the deadline of its round has passed.
    ///
    /// # Errors
    /// When the server refuses what the coordinator asks, or the host has stopped.
    pub async fn deadline_passed(&self) -> Result<(), CallError> {
        if let Some(coordinator) = self.coordinator.clone() {
            self.handle
                .call(move |server, now| lock(&coordinator).deadline_passed(server, now))
                .await??;
        }
        Ok(())
    }

    /// Tells the coordinator that whoever has not come back by now is not there.
    ///
    /// # Errors
    /// When the server refuses what the coordinator asks, or the host has stopped.
    pub async fn return_time_passed(&self) -> Result<(), CallError> {
        if let Some(coordinator) = self.coordinator.clone() {
            self.handle
                .call(move |server, now| lock(&coordinator).return_time_passed(server, now))
                .await??;
        }
        Ok(())
    }

    /// What is trained, once a coordinator has begun.
    #[must_use]
    pub fn plan(&self) -> Option<Plan> {
        Some(*lock(self.coordinator.as_ref()?).plan())
    }

    /// The sites that take part, once a coordinator has begun.
    #[must_use]
    pub fn members(&self) -> Option<BTreeSet<Name>> {
        Some(lock(self.coordinator.as_ref()?).members().clone())
    }

    /// What has happened, the oldest first.
    #[must_use]
    pub fn poll_news(&self) -> Option<News> {
        lock(self.coordinator.as_ref()?).poll_news()
    }

    /// The current round and how many there are, once a coordinator has begun.
    #[must_use]
    pub fn round(&self) -> Option<(u32, u32)> {
        let coordinator = lock(self.coordinator.as_ref()?);
        Some((coordinator.round(), coordinator.plan().rounds))
    }

    /// Ends the process as it is, without a word to anybody, and waits until its storage
    /// and its address are free.
    ///
    /// # Errors
    /// Why it had ended before, if by an error.
    pub async fn end(self) -> Result<(), HostError> {
        drop(self.handle);
        self.events.finish().await
    }

    /// Stores what waits, closes all connections and ends.
    ///
    /// # Errors
    /// Why it had ended before, if by an error.
    pub async fn stop(self) -> Result<(), HostError> {
        // If it has stopped already, its end says why.
        let _ = self.handle.stop().await;
        self.events.finish().await
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
