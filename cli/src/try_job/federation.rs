//! A server and its sites in this process: keys made for the occasion, and no socket.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
use fedlink::message::JobId;
use fedlink::{ClientConfig, Joined, ServerAction, ServerConfig};
use fedlink_host::tokio::{ClientHandle, ClientHost, Events, ServerHandle, ServerHost, memory};
use fedlink_host::trainer::{Trainer, TrainingSite};
use fedlink_host::{HostError, random_id};
use fedlink_trainer::{Errors, Event, Launch, Output, Supervisor};
use tokio::task::JoinSet;

use super::TryError;
use super::plan::Plan;
use crate::jobs::{JobError, JobFolder, SiteTrainer, offering};
use crate::options::TryOptions;
use crate::output;

/// The name of the federation.
pub(super) const PROJECT: &str = "try";
const COORDINATOR: &str = "coordinator";

/// Time between heartbeats, with which a site hears that a job was aborted.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Wait of a site that asks for a task too early: nobody pays for messages here.
const POLL: Duration = Duration::from_millis(20);
/// How long a program may go on after it was told to stop: with the time until it is killed,
/// less than a site waits for its trainers.
const GRACE: Duration = Duration::from_secs(2);

/// Where what belongs to a site is, below the folder of the job.
pub(super) const SITES: &str = "sites";
/// What the program of a site prints.
pub(super) const LOG: &str = "trainer.log";

/// A server and its sites.
#[derive(Debug)]
pub(super) struct Federation {
    server: ServerHandle,
    actions: Events<ServerAction>,
    names: BTreeSet<Name>,
    clients: Vec<ClientHandle>,
    sites: JoinSet<Result<(), HostError>>,
}

impl Federation {
    pub(super) async fn start(
        project: &Name,
        plan: &Plan,
        folder: &JobFolder,
        options: &TryOptions,
    ) -> Result<Self, TryError> {
        let supervisor = Supervisor::own().map_err(TryError::Runtime)?;
        let coordinator = Name::new(COORDINATOR)?;
        let own = key()?;
        let mut trusted = Roots::new();
        let mut keys = Vec::new();
        for name in &plan.sites {
            let (name, key) = (Name::new(name)?, key()?);
            trusted = trusted.pin(name.clone(), key.public_key());
            keys.push((name, key));
        }
        let mut settings = ServerConfig::new(project.clone());
        settings.heartbeat_interval = HEARTBEAT;
        settings.poll_interval = POLL;
        let (dial, accept) = memory();
        let public = own.public_key();
        let identity = pinned(coordinator.clone(), own, trusted)?;
        let (server, actions) = ServerHost::new(Arc::new(settings), identity)
            .listen(accept)
            .start()?;
        let mut federation = Self {
            server,
            actions,
            names: keys.iter().map(|(name, _)| name.clone()).collect(),
            clients: Vec::new(),
            sites: JoinSet::new(),
        };
        let mut settings = ClientConfig::new(project.clone());
        settings.server = Some(coordinator.clone());
        let settings = Arc::new(settings);
        for (name, key) in keys {
            let mut launch = Launch::new(supervisor.clone(), options.command.clone());
            launch.output = Output::File(log(folder.path(), name.as_str())?);
            launch.grace = GRACE;
            let trusted = Roots::new().pin(coordinator.clone(), public);
            let identity = pinned(name.clone(), key, trusted)?;
            let host = ClientHost::new(Arc::clone(&settings), identity, dial.clone())
                .site_info(offering(&[&plan.file.kind]));
            federation.join(host, name, launch, options).await?;
        }
        Ok(federation)
    }

    async fn join(
        &mut self,
        host: ClientHost,
        name: Name,
        launch: Launch,
        options: &TryOptions,
    ) -> Result<(), TryError> {
        let (errors, quiet) = (Errors::from(options.errors), options.quiet);
        let trainer = move |_: JobId| -> Box<dyn Trainer> {
            let site = name.clone();
            let told = move |event| {
                if let Event::Again(death) = event {
                    output::tell(
                        quiet,
                        format!("{site}: its program {death}, and is started again"),
                    );
                }
            };
            Box::new(SiteTrainer::new(
                launch.clone(),
                name.as_str(),
                errors,
                told,
            ))
        };
        let site = TrainingSite::start(host, trainer).await?;
        self.clients.push(site.client().clone());
        self.sites.spawn(site.finish());
        Ok(())
    }

    pub(super) fn server(&self) -> &ServerHandle {
        &self.server
    }

    /// Waits until all sites are there.
    pub(super) async fn all_joined(&mut self) -> Result<Vec<Joined>, TryError> {
        let mut missing = self.names.clone();
        let mut joined = Vec::new();
        while !missing.is_empty() {
            let action = self.next().await.ok_or(TryError::Gone)?;
            if let ServerAction::ClientJoined(site) = action {
                missing.remove(&site.client);
                joined.push(site);
            }
        }
        Ok(joined)
    }

    /// What the server says next. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Option<ServerAction> {
        self.actions.next().await
    }

    /// Ends the sites, and waits until nothing of their programs is left.
    pub(super) async fn finish(mut self) -> Result<(), TryError> {
        for client in &self.clients {
            // One that has stopped says below why.
            let _ = client.quit("the job is over").await;
        }
        self.clients.clear();
        drop(self.actions);
        while let Some(site) = self.sites.join_next().await {
            site.map_err(|_| TryError::Gone)??;
        }
        // It may have stopped already.
        let _ = self.server.stop().await;
        Ok(())
    }
}

/// The log of a site, whose folder only this user can read: programs print what they like.
fn log(folder: &Path, site: &str) -> Result<PathBuf, TryError> {
    let folder = folder.join(SITES).join(site);
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    match made {
        Ok(()) => Ok(folder.join(LOG)),
        Err(source) => Err(JobError::File {
            path: folder,
            source,
        }
        .into()),
    }
}

/// A key that is forgotten with this process.
fn key() -> Result<LocalSigner, HostError> {
    let mut seed = [0; 32];
    let (first, second) = seed.split_at_mut(16);
    first.copy_from_slice(&random_id()?);
    second.copy_from_slice(&random_id()?);
    Ok(LocalSigner::from_seed(&seed))
}

/// Somebody who shows a bare key, and trusts whom these roots name.
fn pinned(name: Name, key: LocalSigner, roots: Roots) -> Result<Identity, TryError> {
    let chain = Chain::pinned(key.public_key());
    Ok(Identity::new(name, chain, Arc::new(key), roots)?)
}
