//! What befalls a site's process, and what its operator does to it.

use core::time::Duration;

use fedlink::{CarrierWish, Phase};

use super::{Site, count_transfers};
use crate::world::event::SiteEvent;
use crate::world::model::Said;
use crate::world::process::Doom;
use crate::world::scene::Scene;
use crate::world::tally::Case;
use crate::world::worker::Worker;

impl Site {
    /// The process is going to die.
    pub fn doom(&mut self, scene: &mut Scene<'_>, doom: Doom) {
        if self.machine.is_none() {
            return;
        }
        if scene.manner.whole_steps {
            self.crash(scene);
        } else {
            self.process.doom(doom);
            self.pump(scene);
        }
    }

    /// Replaces the stored records by a snapshot.
    pub fn snapshot(&mut self, scene: &mut Scene<'_>) {
        let Some(client) = &self.machine else {
            return;
        };
        scene.tally.count(Case::SiteSnapshot);
        let due = self.process.replace(scene, client.snapshot());
        self.await_disk(scene, due);
        self.pump(scene);
    }

    /// Says goodbye: to come back later, or for good.
    pub fn quit(&mut self, scene: &mut Scene<'_>, for_good: bool) {
        let Some(client) = &mut self.machine else {
            return;
        };
        if client.phase() == Phase::Closed {
            return;
        }
        scene.tally.count(Case::Farewell);
        scene.line(|| format!("{} quits", self.name));
        self.leaving = for_good;
        client.quit(scene.clock(), "enough");
        scene.model.site_says(self.index, Said::Quit);
        self.pump(scene);
    }

    /// The process dies with all that it had stored.
    pub fn wipe(&mut self, scene: &mut Scene<'_>) {
        if self.machine.is_some() {
            scene.happens(Case::SiteWiped, || {
                format!("{} loses its storage", self.name)
            });
            self.crash(scene);
            self.process.disk.wipe();
            scene.model.site_forgets(self.index);
        }
    }

    /// Says that it will sleep, and does.
    pub fn suspend(&mut self, scene: &mut Scene<'_>, span: Duration) {
        let client = self.machine.as_mut();
        if client.is_some_and(|client| client.suspend(scene.clock(), span).is_ok()) {
            scene.tally.count(Case::SiteSuspended);
            self.pump(scene);
            self.process.sleep(scene.now + span);
        }
    }

    /// Sends no heartbeats for a while.
    pub fn pause(&mut self, scene: &mut Scene<'_>, span: Duration) {
        if let Some(client) = &mut self.machine {
            scene.tally.count(Case::SitePaused);
            client.pause_heartbeats(scene.clock());
            scene.after(span, self.mine(SiteEvent::Resume));
            self.pump(scene);
        }
    }

    /// Ends a job of its own accord, and starts it again.
    pub fn hiccup(&mut self, scene: &mut Scene<'_>) {
        self.work(scene, Worker::hiccup);
        self.pump(scene);
    }

    pub(super) fn crash(&mut self, scene: &mut Scene<'_>) {
        scene.happens(Case::SiteCrash, || format!("{} crashes", self.name));
        self.stop(scene);
        let wait = scene.dice().millis(10, 30_000);
        scene.after(wait, self.mine(SiteEvent::Boot));
    }

    /// The process is gone, with all that was in its memory.
    pub(super) fn stop(&mut self, scene: &mut Scene<'_>) {
        if let Some(client) = self.machine.take() {
            count_transfers(scene, &client);
        }
        self.process.die(scene);
        scene.model.site_dies(self.index);
        self.worker = Worker::default();
        scene.host().seen = None;
        self.answered = None;
        self.connecting = false;
        self.wish = CarrierWish::Keep;
        self.peer = None;
        scene.hang_up(self.index);
    }
}
