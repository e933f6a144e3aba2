//! A site of the demo over sockets, and the one that takes its place when it is dropped.

use std::net::SocketAddr;
use std::sync::Arc;

use fedlink_host::store::FileStore;
use fedlink_host::tokio::ClientHost;

use super::cable::Cable;
use super::hub::end_if_done;
use super::{Phase, Shared};
use crate::demo::DemoError;
use crate::demo::director::Fault;
use crate::federation::{Happened, HostedSite};
use crate::parties;

/// Runs a site until the run is over and it has said goodbye.
pub(super) async fn run(
    shared: Arc<Shared>,
    site: usize,
    address: SocketAddr,
) -> Result<(), DemoError> {
    let cable = Cable::new();
    let mut node = open(&shared, site, address, &cable).await?;
    let mut phase = shared.phase.subscribe();
    let mut quitting = false;
    loop {
        let happened = tokio::select! {
            happened = node.next() => Some(happened),
            Ok(()) = phase.changed() => None,
        };
        match happened {
            // The host may be gone before its last events are taken.
            Some(Happened::Action(_) | Happened::Trained(_)) if quitting => continue,
            Some(Happened::Action(action)) => {
                let fault = shared.stage().site(site, &action);
                match fault {
                    Some(Fault::DropSite(_)) => {
                        count(&shared, site, &node).await?;
                        node.end().await?;
                        node = open(&shared, site, address, &cable).await?;
                        continue;
                    }
                    Some(Fault::Cut(_)) => cable.cut_after(shared.setup.cut_after()),
                    Some(Fault::DropServer | Fault::StartDrill | Fault::AbortDrill) | None => {}
                }
                node.handle(action).await?;
            }
            Some(Happened::Trained(trained)) => node.finished(trained).await?,
            Some(Happened::Stopped) => break,
            None => {}
        }
        while let Some(news) = node.poll_news() {
            shared.stage().site_news(site, news);
        }
        end_if_done(&shared);
        let now = *phase.borrow_and_update();
        let leave = match now {
            Phase::Running | Phase::Over => false,
            Phase::Ending => node.is_idle().await?,
            Phase::Interrupted => true,
        };
        if leave && !quitting {
            quitting = true;
            count(&shared, site, &node).await?;
            node.client().quit("the demo is over").await?;
        }
    }
    Ok(node.end().await?)
}

async fn open(
    shared: &Shared,
    site: usize,
    address: SocketAddr,
    cable: &Cable,
) -> Result<HostedSite, DemoError> {
    let setup = &shared.setup;
    let (party, share) = (&setup.sites[site], &setup.shares[site]);
    let dial = parties::dial(&party.kit, [address.to_string()])?;
    let (store, records) = FileStore::open(&party.state)?;
    let host = ClientHost::new(
        Arc::clone(&setup.client_config),
        party.identity.clone(),
        cable.dial(dial),
    )
    .storage(store, records);
    Ok(HostedSite::start(host, Arc::clone(share)).await?)
}

async fn count(shared: &Shared, site: usize, node: &HostedSite) -> Result<(), DemoError> {
    let counters = node
        .client()
        .call(|client, _| client.counters().clone())
        .await?;
    shared.stage().client_gone(site, &counters);
    Ok(())
}
