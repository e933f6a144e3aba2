//! What the server's host does when its machine wants something.

use fedlink::{Instant, ServerAction, ServerTransmit};

use super::{Coordinator, WHO};
use crate::world::event::ServerEvent;
use crate::world::network::{self, Towards};
use crate::world::scene::Scene;
use crate::world::tally::Case;

impl Coordinator {
    pub(super) fn transmit(scene: &mut Scene<'_>, transmit: &ServerTransmit) {
        let parts: [&[u8]; 2] = [&transmit.header, &transmit.payload];
        network::send(scene, Towards::Site, transmit.peer, parts);
    }

    pub(super) fn act(&mut self, scene: &mut Scene<'_>, action: ServerAction) {
        scene.asked(&action);
        if !matches!(action, ServerAction::Persist { .. }) {
            scene.line(|| format!("{WHO}: {action:?}"));
        }
        match action {
            ServerAction::ClientJoined(joined) => {
                if joined.renewed {
                    scene.tally.count(Case::Renewed);
                }
            }
            ServerAction::ClientReplaced(_) => scene.tally.count(Case::Replaced),
            ServerAction::ClientLeft { client, .. } => {
                scene.tally.count(Case::ClientLeft);
                scene.gone(&client);
            }
            ServerAction::ClientDead { client } => {
                scene.tally.count(Case::ClientDead);
                scene.gone(&client);
                self.direct(scene, |director, context| director.mourn(context, &client));
            }
            ServerAction::ResultReceived(result) => {
                self.direct(scene, |director, context| {
                    director.received(context, &result)
                });
            }
            ServerAction::JobMissingOnClient { .. } => scene.tally.count(Case::JobMissing),
            ServerAction::Persist {
                record,
                header,
                payload,
            } => {
                let due = self.process.append(scene, record, [&header, &payload]);
                self.await_disk(scene, due);
            }
            ServerAction::Sign { request, bytes } => {
                scene.tally.count(Case::Signed);
                let signature = Box::new(self.who.sign(&bytes));
                let wait = scene.dice().millis(0, 3_000);
                scene.after(wait, self.mine(ServerEvent::Signed(request, signature)));
            }
            ServerAction::HeartbeatReceived { .. }
            | ServerAction::CertificateEnds { .. }
            | ServerAction::TaskWanted { .. } => {}
            other => panic!("{WHO} wants what nobody asked for: {other:?}"),
        }
    }

    pub(super) fn await_disk(&mut self, scene: &mut Scene<'_>, due: Instant) {
        if due > scene.now {
            scene.at(due, self.mine(ServerEvent::Stored));
        } else {
            self.settle_disk(scene);
        }
    }

    pub(super) fn settle_disk(&mut self, scene: &mut Scene<'_>) {
        if let Some(server) = &mut self.machine {
            let confirmed = self.process.disk.settle(scene.now);
            self.director.stored(&self.process.disk, scene);
            for record in confirmed {
                server.persisted(scene.clock(), record).unwrap();
            }
        }
    }
}
