//! The demo in one thread under virtual time: what one machine sends, another receives a
//! moment later. The same seed produces the same messages in the same order.

mod network;
mod party;

use std::time::Duration;

use fedlink::{Carrier, CarrierWish, Instant, Phase};

use super::DemoError;
use super::director::Fault;
use super::setup::Setup;
use super::stage::Stage;
use crate::federation::Drill;
use crate::interrupt::Interrupt;
use network::{Arrival, Network};
use party::{Hub, Node};

/// Virtual time after which nothing more is expected.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Runs the federation until the training is over, every fault has been lived through and
/// all sites have said goodbye.
pub(super) fn run(
    setup: &Setup,
    stage: &mut Stage,
    interrupt: &Interrupt,
) -> Result<(), DemoError> {
    let mut world = World::new(setup, stage)?;
    while !world.is_over() {
        if interrupt.is_set() {
            return Err(DemoError::Interrupted);
        }
        world.step()?;
    }
    world.close();
    Ok(())
}

struct World<'a> {
    setup: &'a Setup,
    stage: &'a mut Stage,
    now: Instant,
    network: Network,
    /// None while the coordinator's process is down.
    hub: Option<Hub>,
    nodes: Vec<Node>,
    quitting: bool,
}

impl<'a> World<'a> {
    fn new(setup: &'a Setup, stage: &'a mut Stage) -> Result<Self, DemoError> {
        let now = Instant::default();
        let network = Network::default();
        let hub = Some(Hub::new(setup, now)?);
        let mut nodes = Vec::new();
        for site in 0..setup.sites.len() {
            nodes.push(Node::start(setup, site, 0, now)?);
        }
        let mut world = Self {
            setup,
            stage,
            now,
            network,
            hub,
            nodes,
            quitting: false,
        };
        world.hub_turn()?;
        for site in 0..world.nodes.len() {
            world.node_turn(site)?;
        }
        Ok(world)
    }

    fn is_over(&self) -> bool {
        let closed = |node: &Node| node.client.phase() == Phase::Closed;
        self.quitting && self.nodes.iter().all(closed)
    }

    /// Lets the next thing happen: something arrives, or somebody's timer is due.
    fn step(&mut self) -> Result<(), DemoError> {
        if !self.quitting && self.stage.is_done() && self.nodes.iter().all(Node::is_idle) {
            self.quitting = true;
            for site in 0..self.nodes.len() {
                self.nodes[site].client.quit(self.now, "the demo is over");
                self.node_turn(site)?;
            }
            return Ok(());
        }
        let arrival = self.network.next_at();
        let hub_due = self.hub.as_ref().and_then(|hub| hub.server.poll_timeout());
        let hub_due = hub_due.map(|(at, _)| at);
        let (node_due, site) = self
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(site, node)| Some((node.client.poll_timeout()?.0, site)))
            .min()
            .unzip();
        let next = [arrival, hub_due, node_due].into_iter().flatten().min();
        let Some(next) = next.filter(|next| next.since(Instant::default()) < PATIENCE) else {
            return Err(DemoError::Stuck);
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            self.arrive()
        } else if hub_due == Some(next) {
            if let Some(hub) = &mut self.hub {
                hub.server.handle_timeout(self.now);
            }
            self.hub_turn()
        } else if let Some(site) = site {
            self.nodes[site].client.handle_timeout(self.now);
            self.node_turn(site)
        } else {
            Ok(())
        }
    }

    fn arrive(&mut self) -> Result<(), DemoError> {
        let now = self.now;
        match self.network.next() {
            // A message that is refused is counted where it was refused.
            Some(Arrival::AtServer { peer, message }) => {
                if let Some(hub) = &mut self.hub {
                    let _ = hub.server.handle_message(now, peer, message);
                }
                self.hub_turn()?;
                match self.network.take_cut() {
                    Some(site) => self.disconnect(site),
                    None => Ok(()),
                }
            }
            Some(Arrival::AtSite { site, message }) => {
                let _ = self.nodes[site].client.handle_message(now, message);
                self.node_turn(site)
            }
            Some(Arrival::Connected { site, peer }) => {
                if let Some(hub) = &mut self.hub {
                    hub.server.handle_connected(now, peer, None);
                }
                let carrier = Carrier::default().with_host_name(self.setup.server.name.clone());
                self.nodes[site].client.handle_connected(now, carrier)?;
                self.hub_turn()?;
                self.node_turn(site)
            }
            None => Ok(()),
        }
    }

    /// Does all that the server wants, and what the coordinator makes of it.
    fn hub_turn(&mut self) -> Result<(), DemoError> {
        let (now, stage) = (self.now, &mut *self.stage);
        let Some(hub) = &mut self.hub else {
            return Ok(());
        };
        loop {
            while let Some(action) = hub.poll_action()? {
                match stage.server(&action, hub.drilling()) {
                    Some(Fault::DropServer) => return self.drop_server(),
                    Some(Fault::StartDrill) => {
                        let members = self.setup.members();
                        let job = self.setup.drill;
                        hub.drill = Some(Drill::start(&mut hub.server, now, job, members)?);
                    }
                    Some(Fault::AbortDrill) => hub.abort_drill(now)?,
                    Some(Fault::Cut(_) | Fault::DropSite(_)) | None => {}
                }
                hub.handle(now, &action)?;
                while let Some(news) = hub.coordinator.poll_news() {
                    stage.news(news);
                }
            }
            if !hub.store(now)? {
                break;
            }
        }
        while let Some(transmit) = hub.server.poll_transmit() {
            let parts = [&*transmit.header, &*transmit.payload];
            self.network.send_to_site(now, transmit.peer, parts);
        }
        Ok(())
    }

    /// Does all that a site's client wants, and what the site makes of it.
    fn node_turn(&mut self, site: usize) -> Result<(), DemoError> {
        let now = self.now;
        loop {
            let node = &mut self.nodes[site];
            while let Some(action) = node.poll_action()? {
                match self.stage.site(site, &action) {
                    Some(Fault::DropSite(_)) => return self.drop_site(site),
                    Some(Fault::Cut(_)) => {
                        self.network.cut_after(site, self.setup.cut_after());
                    }
                    Some(Fault::DropServer | Fault::StartDrill | Fault::AbortDrill) | None => {}
                }
                node.handle(now, action)?;
                while let Some(news) = node.site.poll_news() {
                    self.stage.site_news(site, news);
                }
            }
            if !node.store(now)? {
                break;
            }
        }
        while let Some(transmit) = self.nodes[site].client.poll_transmit() {
            let parts = [&*transmit.header, &*transmit.payload];
            self.network.send_to_server(now, site, parts);
        }
        match self.nodes[site].connection_wanted() {
            Some(CarrierWish::Connect(at)) => {
                self.network.connect(at.max(now), site);
                Ok(())
            }
            Some(CarrierWish::Replace) => self.disconnect(site),
            Some(CarrierWish::Keep) | None => Ok(()),
        }
    }

    /// Loses this site's connection, and what is on its way over it.
    fn disconnect(&mut self, site: usize) -> Result<(), DemoError> {
        let Some(peer) = self.network.disconnect(site) else {
            return Ok(());
        };
        if let Some(hub) = &mut self.hub {
            hub.server.handle_disconnected(self.now, peer);
        }
        self.nodes[site].client.handle_disconnected(self.now);
        self.node_turn(site)
    }

    fn drop_site(&mut self, site: usize) -> Result<(), DemoError> {
        if let (Some(peer), Some(hub)) = (self.network.disconnect(site), &mut self.hub) {
            hub.server.handle_disconnected(self.now, peer);
        }
        let node = self.nodes.remove(site);
        self.stage.client_gone(site, node.client.counters());
        let process = node.process + 1;
        // Its directory is free when it is gone.
        drop(node);
        let node = Node::start(self.setup, site, process, self.now)?;
        self.nodes.insert(site, node);
        self.node_turn(site)
    }

    fn drop_server(&mut self) -> Result<(), DemoError> {
        if let Some(hub) = self.hub.take() {
            for site in 0..self.nodes.len() {
                self.disconnect(site)?;
            }
            self.hub = Some(hub.restart(self.setup, self.now)?);
        }
        self.hub_turn()
    }

    fn close(self) {
        for (site, node) in self.nodes.iter().enumerate() {
            self.stage.client_gone(site, node.client.counters());
        }
    }
}

#[cfg(test)]
mod tests;
