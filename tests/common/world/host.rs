//! What each host of a run has for itself: clocks, chance, and a transcript.

use bytes::BytesMut;
use fedlink::Instant;
use fedlink::message::PeerId;

use super::clock::Clock;
use super::dice::Dice;
use super::log::Transcript;
use super::plan::Plan;
use crate::common::pki;

/// Microseconds that the clock of a host has counted at most when the world begins.
const OLDEST: usize = 1 << 40;

/// Which host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostId {
    Server,
    Site(usize),
}

impl HostId {
    pub fn index(self) -> usize {
        match self {
            Self::Server => 0,
            Self::Site(site) => site + 1,
        }
    }

    pub fn of_index(index: usize) -> Self {
        index.checked_sub(1).map_or(Self::Server, Self::Site)
    }
}

pub struct Host {
    /// Chance where the host decides something.
    pub dice: Dice,
    /// Chance in what is done to its machine that it must not mind.
    pub mischief: Dice,
    /// The last message that its machine has taken, and whose it was.
    pub seen: Option<(PeerId, BytesMut)>,
    /// Chance in how it takes the outputs of its machine.
    pub order: Dice,
    pub clock: Clock,
    /// Seconds by which its wall clock is wrong.
    wall_error: i64,
    /// What its machine has sent, and what it has asked of its host.
    pub sent: Transcript,
    pub asked: Transcript,
}

impl Host {
    pub fn new(plan: &Plan, id: HostId) -> Self {
        let mut dice = Dice::stream(plan.luck, &format!("host {id:?}"));
        let drift = plan.habits.drift as i64;
        let too_fast = dice.below(2 * drift as usize + 1) as i64 - drift;
        Self {
            clock: Clock::new(dice.below(OLDEST) as u64, too_fast),
            wall_error: 0,
            mischief: Dice::stream(plan.luck, &format!("mischief {id:?}")),
            seen: None,
            order: Dice::stream(plan.luck, &format!("order {id:?}")),
            dice,
            sent: Transcript::default(),
            asked: Transcript::default(),
        }
    }

    /// What its wall clock says, in Unix seconds.
    pub fn wall(&self, now: Instant) -> u64 {
        let right = pki::NOW + now.as_micros() / 1_000_000;
        right.saturating_add_signed(self.wall_error)
    }

    /// The wall clock is wrong by so many seconds from now on. True if it was not before.
    pub fn set_wall_error(&mut self, seconds: i64) -> bool {
        let changes = self.wall_error != seconds;
        self.wall_error = seconds;
        changes
    }
}
