//! The participants of a demo, with their certificates, settings and folders.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fedlink::identity::{Identity, Name};
use fedlink::message::JobId;
use fedlink::{ClientConfig, ServerConfig};
use fedlink_host::kit::{self, Config, Kit, KitError};
use tempfile::TempDir;

use super::DemoError;
use crate::federation::Plan;
use crate::options::{DemoOptions, DemoTransport};
use crate::parties;
use crate::provision::{self, Plan as ProjectPlan};
use crate::training::{Dataset, Share, partition};

/// All that a demo needs before it starts. Its folder is removed with it.
pub(super) struct Setup {
    pub(super) plan: Plan,
    /// The job that is aborted.
    pub(super) drill: JobId,
    pub(super) data: Dataset,
    pub(super) shares: Vec<Arc<Share>>,
    pub(super) server: Party<kit::ServerConfig>,
    pub(super) server_config: Arc<ServerConfig>,
    /// In the order of their shares.
    pub(super) sites: Vec<Party<kit::SiteConfig>>,
    pub(super) client_config: Arc<ClientConfig>,
    _folder: TempDir,
}

/// One party.
pub(super) struct Party<C> {
    pub(super) name: Name,
    pub(super) identity: Identity,
    /// Where its records are.
    pub(super) state: PathBuf,
    pub(super) kit: Kit<C>,
}

/// Payloads above this many bytes travel in chunks, so that every model of the demo does.
const INLINE_LIMIT: usize = 64 << 10;

/// Time between heartbeats: short, since an abort comes with one.
const HEARTBEAT: Duration = Duration::from_millis(200);
/// Wait of a site that asks for a task too early.
const POLL: Duration = Duration::from_millis(50);
/// Least and greatest wait before something is tried again.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// Wait for answers, long enough for a machine that is busy with eight sites.
const ANSWER: Duration = Duration::from_secs(2);

impl Setup {
    pub(super) fn new(options: &DemoOptions) -> Result<Self, DemoError> {
        let folder = TempDir::with_prefix("fedlink-demo-").map_err(DemoError::Folder)?;
        let names: Vec<String> = (1..=options.sites)
            .map(|site| format!("site-{site}"))
            .collect();
        let plan = ProjectPlan {
            project: "wine".to_owned(),
            server: "coordinator".to_owned(),
            hosts: vec!["127.0.0.1".to_owned()],
            days: 30,
            suite: options.suite.into(),
            transport: transport(options),
            // What stays on this machine is as safe as the machine.
            trusted_path: options.transport != DemoTransport::Tls,
        };
        let project = provision::make(&folder.path().join("wine"), &plan, &names)?;
        let kit = Kit::<kit::ServerConfig>::load(&project.server)?;
        let server = Party::new(kit)?;
        let sites = names
            .iter()
            .filter_map(|name| project.sites.get(name))
            .map(|folder| Party::new(Kit::<kit::SiteConfig>::load(folder)?))
            .collect::<Result<Vec<_>, DemoError>>()?;
        // The sites differ by their names alone, which are not among these settings.
        let any = sites.first().ok_or(DemoError::NoSites)?;
        let mut client_config = parties::client_config(&any.kit)?;
        client_config.retry_min = RETRY[0];
        client_config.retry_max = RETRY[1];
        client_config.maintenance_timeout = ANSWER;
        client_config.task_timeout = ANSWER;
        client_config.failed_wait = RETRY[0];
        client_config.inline_limit = INLINE_LIMIT;
        let mut server_config = parties::server_config(&server.kit)?;
        server_config.heartbeat_interval = HEARTBEAT;
        server_config.poll_interval = POLL;
        server_config.inline_limit = INLINE_LIMIT;
        let data = Dataset::load(options.seed);
        let shares = partition(&data, options.sites, options.seed);
        Ok(Self {
            plan: Plan {
                job: JobId::from_bytes(*b"wine by averages"),
                rounds: options.rounds,
                seed: options.seed,
                padding: options.payload_mib << 20,
            },
            drill: JobId::from_bytes(*b"to be aborted..."),
            data,
            shares: shares.into_iter().map(Arc::new).collect(),
            server_config: Arc::new(server_config),
            client_config: Arc::new(client_config),
            server,
            sites,
            _folder: folder,
        })
    }

    /// Bytes that a site sends until it is in the middle of its next upload.
    pub(super) fn cut_after(&self) -> u64 {
        self.plan.padding as u64 / 2
    }

    /// The names of the sites in the order of their shares.
    pub(super) fn names(&self) -> Vec<Name> {
        self.sites.iter().map(|party| party.name.clone()).collect()
    }

    /// The sites as a job wants them.
    pub(super) fn members(&self) -> BTreeSet<Name> {
        self.names().into_iter().collect()
    }
}

impl<C: Config> Party<C> {
    fn new(kit: Kit<C>) -> Result<Self, DemoError> {
        let identity = parties::identity(&kit)?;
        let name = identity.name().clone();
        Ok(Self {
            name,
            identity,
            state: kit.state.clone(),
            kit,
        })
    }
}

fn transport(options: &DemoOptions) -> kit::Transport {
    match options.transport {
        DemoTransport::Tls => kit::Transport::Tls,
        DemoTransport::Tcp | DemoTransport::Memory => kit::Transport::Tcp,
    }
}

impl From<KitError> for DemoError {
    fn from(error: KitError) -> Self {
        Self::Kit(Box::new(error))
    }
}
