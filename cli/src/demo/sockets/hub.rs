//! The coordinator of the demo over sockets, and the one that takes its place when it is
//! dropped.

use std::net::SocketAddr;
use std::sync::Arc;

use fedlink_host::store::FileStore;
use fedlink_host::tokio::ServerHost;
use tokio::net::TcpListener;

use super::{Phase, Shared};
use crate::demo::DemoError;
use crate::demo::director::Fault;
use crate::federation::{Coordinator, Drill, HostedCoordinator};
use crate::parties;

/// Runs the coordinator until the run is over.
pub(super) async fn run(
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
) -> Result<(), DemoError> {
    let mut hub = Hub::open(&shared, listener)?;
    let (plan, members) = (shared.setup.plan, shared.setup.members());
    hub.process
        .begin(move |server, now| {
            let all = members.len();
            Coordinator::start(server, now, plan, members, all).map(Some)
        })
        .await?;
    let mut phase = shared.phase.subscribe();
    loop {
        let action = tokio::select! {
            action = hub.process.next() => action,
            _ = phase.wait_for(|phase| *phase == Phase::Over) => break,
        };
        let Some(action) = action else {
            break;
        };
        let fault = shared.stage().server(&action, hub.drilling());
        match fault {
            Some(Fault::DropServer) => {
                hub = hub.restart(&shared, address).await?;
                continue;
            }
            Some(Fault::StartDrill) => hub.start_drill(&shared).await?,
            Some(Fault::AbortDrill) => hub.abort_drill().await?,
            Some(Fault::Cut(_) | Fault::DropSite(_)) | None => {}
        }
        if let Some(drill) = &mut hub.drill {
            drill.handle(&action);
        }
        hub.process.handle(action).await?;
        while let Some(news) = hub.process.poll_news() {
            shared.stage().news(news);
        }
        end_if_done(&shared);
    }
    Ok(hub.process.stop().await?)
}

/// Tells all sites to leave when nothing is left to do.
pub(super) fn end_if_done(shared: &Shared) {
    if shared.stage().is_done() {
        shared.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Ending;
            }
            running
        });
    }
}

struct Hub {
    process: HostedCoordinator,
    drill: Option<Drill>,
}

impl Hub {
    fn open(shared: &Shared, listener: TcpListener) -> Result<Self, DemoError> {
        let (setup, party) = (&shared.setup, &shared.setup.server);
        let (store, records) = FileStore::open(&party.state)?;
        let host = ServerHost::new(Arc::clone(&setup.server_config), party.identity.clone())
            .storage(store, records)
            .listen(parties::accept(&party.kit, listener)?);
        Ok(Self {
            process: HostedCoordinator::start(host)?,
            drill: None,
        })
    }

    async fn restart(self, shared: &Shared, address: SocketAddr) -> Result<Self, DemoError> {
        self.process.end().await?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(DemoError::Socket)?;
        let mut hub = Self::open(shared, listener)?;
        let (job, drill) = (shared.setup.plan.job, shared.setup.drill);
        let all = shared.setup.members().len();
        let resumed = hub
            .process
            .begin(move |server, now| Coordinator::resume(server, now, job, all))
            .await?;
        if !resumed {
            return Err(DemoError::NotRestored);
        }
        let server = hub.process.server();
        hub.drill = server
            .call(move |server, _| Drill::resume(server, drill))
            .await?;
        Ok(hub)
    }

    fn drilling(&self) -> usize {
        self.drill.as_ref().map_or(0, Drill::running)
    }

    async fn start_drill(&mut self, shared: &Shared) -> Result<(), DemoError> {
        let (job, members) = (shared.setup.drill, shared.setup.members());
        let server = self.process.server();
        let drill = server
            .call(move |server, now| Drill::start(server, now, job, members))
            .await??;
        self.drill = Some(drill);
        Ok(())
    }

    async fn abort_drill(&self) -> Result<(), DemoError> {
        if let Some(drill) = self.drill.clone() {
            let server = self.process.server();
            server
                .call(move |server, now| drill.abort(server, now))
                .await??;
        }
        Ok(())
    }
}
