//! Decides when each fault of a demo strikes, and checks that each has.

use std::collections::BTreeSet;

use fedlink::message::{JobId, TaskId};
use fedlink::{ClientAction, Direction, ResultReceived, ServerAction, Task};

use crate::federation::{News, SiteNews};

/// Something to do to the federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Cut the connection of this site in the middle of its next upload.
    Cut(usize),
    /// Drop this site without shutdown and restore it from what it stored.
    DropSite(usize),
    /// Drop the coordinator in the same way, before it sees the action at hand.
    DropServer,
    /// Start the job that is to be aborted.
    StartDrill,
    /// Abort it.
    AbortDrill,
}

/// Watches a run and says when a fault is due. Each strikes once.
#[derive(Debug)]
pub(super) struct Director {
    job: JobId,
    drill: JobId,
    sites: usize,
    round: u32,
    /// Rounds from which on each fault may strike.
    cut: Due,
    drop_site: Due,
    drop_server: Due,
    start_drill: Due,
    abort_drill: Due,
    /// Results of the current round.
    results: BTreeSet<TaskId>,
    /// Uploads that went on after they were cut, whoever cut them.
    resumed: BTreeSet<TaskId>,
    /// The upload that was cut on purpose.
    cut_upload: Option<TaskId>,
    restoring: Option<usize>,
    server_restoring: bool,
    facts: Facts,
}

/// What has come of the faults.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) resumed_uploads: u32,
    /// What became of the upload that was cut on purpose.
    pub(super) cut_upload: Option<Resumed>,
    pub(super) restored_sites: u32,
    pub(super) restored_servers: u32,
    pub(super) aborted_jobs: u32,
    /// Sites that have stopped the aborted job.
    pub(super) aborted_on: BTreeSet<usize>,
}

/// An upload that went on after it was cut; all in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Resumed {
    pub(super) at: u64,
    pub(super) total: u64,
    pub(super) sent_twice: u64,
}

#[derive(Debug)]
struct Due {
    from: u32,
    site: usize,
    struck: bool,
}

impl Due {
    /// After this many fifths of all rounds, to this site.
    fn after(fifths: u32, rounds: u32, site: usize) -> Self {
        Self {
            from: 1 + rounds * fifths / 5,
            site,
            struck: false,
        }
    }

    fn strikes(&mut self, round: u32, now: bool) -> bool {
        let strikes = !self.struck && now && round >= self.from;
        self.struck |= strikes;
        strikes
    }
}

impl Director {
    pub(super) fn new(job: JobId, drill: JobId, sites: usize, rounds: u32) -> Self {
        let site = |number: usize| number % sites;
        Self {
            job,
            drill,
            sites,
            round: 1,
            cut: Due::after(1, rounds, site(2)),
            drop_site: Due::after(2, rounds, site(4)),
            drop_server: Due::after(3, rounds, 0),
            start_drill: Due::after(4, rounds, 0),
            abort_drill: Due::after(4, rounds, 0),
            results: BTreeSet::new(),
            resumed: BTreeSet::new(),
            cut_upload: None,
            restoring: None,
            server_restoring: false,
            facts: Facts::default(),
        }
    }

    /// Looks at an action of a site's client before the site does.
    pub(super) fn site(&mut self, site: usize, action: &ClientAction) -> Option<Fault> {
        match action {
            ClientAction::TransferProgress {
                job,
                task,
                direction: Direction::Up,
                total,
                resumed_at,
                sent_twice,
                ..
            } if *job == self.job && *resumed_at > 0 => {
                self.upload_resumed(*task, *resumed_at, *total, *sent_twice);
            }
            ClientAction::TaskAssigned(task) if task.job == self.job => {
                return self.task_assigned(site, task);
            }
            ClientAction::SetAuth(_) if self.restoring == Some(site) => {
                self.restoring = None;
                self.facts.restored_sites += 1;
            }
            _ => {}
        }
        None
    }

    /// Looks at an action of the server before the coordinator does. `drilling` sites have
    /// said that they work on the second job.
    pub(super) fn server(&mut self, action: &ServerAction, drilling: usize) -> Option<Fault> {
        if let ServerAction::ResultReceived(result) = action
            && result.job == self.job
            && self.result_received(result)
        {
            return Some(Fault::DropServer);
        }
        if self.server_restoring && matches!(action, ServerAction::ClientJoined(_)) {
            self.server_restoring = false;
            self.facts.restored_servers += 1;
        }
        if self.start_drill.strikes(self.round, true) {
            return Some(Fault::StartDrill);
        }
        self.abort_drill
            .strikes(self.round, drilling == self.sites)
            .then_some(Fault::AbortDrill)
    }

    pub(super) fn news(&mut self, news: &News) {
        if let News::Round { round, .. } = news {
            self.round = round + 1;
            self.results.clear();
        }
    }

    pub(super) fn site_news(&mut self, site: usize, news: SiteNews) {
        if news == SiteNews::Aborted(self.drill)
            && self.facts.aborted_on.insert(site)
            && self.facts.aborted_on.len() == self.sites
        {
            self.facts.aborted_jobs += 1;
        }
    }

    /// Whether nothing is under way that would not come to its end.
    pub(super) fn is_done(&self) -> bool {
        let drill_over = !self.start_drill.struck || self.facts.aborted_jobs > 0;
        drill_over && self.restoring.is_none() && !self.server_restoring
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    fn task_assigned(&mut self, site: usize, task: &Task) -> Option<Fault> {
        let drop = site == self.drop_site.site && !task.again && self.is_calm();
        if self.drop_site.strikes(self.round, drop) {
            self.restoring = Some(site);
            return Some(Fault::DropSite(site));
        }
        // A site that is being restored has its task already.
        let calm = self.is_calm() || self.restoring == Some(site);
        if self.cut.strikes(self.round, calm && site == self.cut.site) {
            self.cut_upload = Some(task.id);
            return Some(Fault::Cut(site));
        }
        None
    }

    /// The coordinator goes when half of a round's results have come, with the last of
    /// them stored and not yet used.
    fn result_received(&mut self, result: &ResultReceived) -> bool {
        self.results.insert(result.task);
        let half = !result.again && 2 * self.results.len() >= self.sites && self.is_calm();
        let strikes = self.drop_server.strikes(self.round, half);
        self.server_restoring |= strikes;
        strikes
    }

    fn upload_resumed(&mut self, task: TaskId, at: u64, total: u64, sent_twice: u64) {
        if self.resumed.insert(task) {
            self.facts.resumed_uploads += 1;
        }
        let known = self.facts.cut_upload;
        if self.cut_upload == Some(task) && known.is_none_or(|known| known.at == at) {
            self.facts.cut_upload = Some(Resumed {
                at,
                total,
                sent_twice,
            });
        }
    }

    /// Whether all have recovered from the faults so far. One at a time, so that each can
    /// be told from the others by what it leads to.
    fn is_calm(&self) -> bool {
        let resuming = self.cut_upload.is_some() && self.facts.cut_upload.is_none();
        !resuming && self.restoring.is_none() && !self.server_restoring
    }
}
