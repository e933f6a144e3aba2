//! What any process has, whatever machine it runs: storage, a life, a death that comes.

use core::time::Duration;

use bytes::Bytes;
use fedlink::Instant;
use fedlink::message::RecordId;

use super::clock::Clock;
use super::disk::Disk;
use super::manner::Drain;
use super::scene::Scene;
use super::tally::{Case, Claim};

/// When a process dies.
#[derive(Clone, Copy, Debug)]
pub enum Doom {
    /// Instead of handling one more output, after so many.
    Outputs(u32),
    /// After it began to store so many records.
    Records(u32),
}

/// What a machine wants of its host.
pub enum Output<M, A> {
    Message(M),
    Action(A),
}

/// The next output of a machine, a message or an action first.
pub fn next_output<T, M, A>(
    machine: &mut T,
    messages_first: bool,
    message: fn(&mut T) -> Option<M>,
    action: fn(&mut T) -> Option<A>,
) -> Option<Output<M, A>> {
    let message = |machine: &mut T| message(machine).map(Output::Message);
    let action = |machine: &mut T| action(machine).map(Output::Action);
    if messages_first {
        message(machine).or_else(|| action(machine))
    } else {
        action(machine).or_else(|| message(machine))
    }
}

/// How many outputs a host has taken of its machine in one go.
#[derive(Default)]
pub struct Drained {
    messages: usize,
    actions: usize,
}

impl Drained {
    pub fn note<M, A>(&mut self, output: &Output<M, A>) {
        match output {
            Output::Message(_) => self.messages += 1,
            Output::Action(_) => self.actions += 1,
        }
    }

    pub fn outputs(&self) -> usize {
        self.messages + self.actions
    }

    /// Counts those that could have been taken in another order.
    pub fn count(&self, scene: &mut Scene<'_>) {
        if scene.manner.whole_steps && self.messages > 0 && self.actions > 0 {
            scene.tally.held(Claim::OrderIsIrrelevant);
        }
    }
}

/// Whether the host looks for messages first, this time.
pub fn messages_first(scene: &mut Scene<'_>) -> bool {
    match scene.manner.drain {
        Drain::Mixed => scene.host().order.chance(500),
        Drain::MessagesFirst => true,
        Drain::ActionsFirst => false,
    }
}

/// A process, alive or dead.
#[derive(Default)]
pub struct Process {
    pub disk: Disk,
    life: u32,
    doom: Option<Doom>,
    asleep_until: Instant,
    /// How late its timers are.
    lag: Duration,
    /// It does something else, and takes no outputs, until an event says so.
    pub resting: bool,
}

impl Process {
    pub fn new(lag: Duration) -> Self {
        Self {
            lag,
            ..Self::default()
        }
    }

    /// How many processes there were before.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// When the host acts on a timer that is due at `at` by its clock.
    pub fn wakes(&self, clock: &Clock, at: Instant) -> Instant {
        (clock.when(at) + self.lag).max(self.asleep_until)
    }

    /// Until when events have to wait.
    pub fn asleep_until(&self) -> Instant {
        self.asleep_until
    }

    pub fn sleep(&mut self, until: Instant) {
        self.asleep_until = self.asleep_until.max(until);
    }

    pub fn doom(&mut self, doom: Doom) {
        self.doom = Some(doom);
    }

    /// Whether the process dies before it handles an output.
    pub fn dies_before_output(&mut self, scene: &Scene<'_>) -> bool {
        match &mut self.doom {
            Some(Doom::Outputs(0)) => scene.is_stormy(),
            Some(Doom::Outputs(left)) => {
                *left -= 1;
                false
            }
            Some(Doom::Records(_)) | None => false,
        }
    }

    /// Whether the process dies after it began to store a record.
    pub fn dies_with_record(&mut self, scene: &Scene<'_>) -> bool {
        match &mut self.doom {
            Some(Doom::Records(0)) => scene.is_stormy(),
            Some(Doom::Records(left)) => {
                *left -= 1;
                false
            }
            Some(Doom::Outputs(_)) | None => false,
        }
    }

    /// Whether the host takes no more outputs for now.
    pub fn rests(&mut self, scene: &mut Scene<'_>) -> bool {
        let lazy = scene.plan.habits.lazy;
        let may = scene.is_stormy() && !scene.manner.whole_steps;
        self.resting = may && scene.host().order.chance(lazy);
        self.resting
    }

    /// Starts to store a record; when it will be there.
    pub fn append(
        &mut self,
        scene: &mut Scene<'_>,
        record: RecordId,
        parts: [&[u8]; 2],
    ) -> Instant {
        let bytes = Bytes::from(parts.concat());
        scene.host().asked.bytes(&bytes);
        let longest = scene.plan.habits.write;
        let delay = scene.dice().millis(0, longest);
        self.disk.append(record, bytes, scene.now, delay)
    }

    /// Starts to replace what is stored; when it will be so.
    pub fn replace(&mut self, scene: &mut Scene<'_>, snapshot: Vec<(Bytes, Bytes)>) -> Instant {
        let join = |(header, payload): (Bytes, Bytes)| [header, payload].concat().into();
        let records = snapshot.into_iter().map(join).collect();
        let longest = scene.plan.habits.write;
        let delay = scene.dice().millis(0, longest);
        self.disk.replace(records, scene.now, delay)
    }

    /// The process dies. A part of what it was storing is lost.
    pub fn die(&mut self, scene: &mut Scene<'_>) {
        let lost = self.disk.crash(scene.dice());
        scene.tally.add(Case::WriteLost, lost as u64);
        self.doom = None;
        self.resting = false;
        self.life += 1;
    }
}
