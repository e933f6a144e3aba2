//! What the network and the hosts of a run are like.

use fedlink::Suite;

use crate::world::dice::Dice;

/// What the network does to a message in the storm, in thousandths.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub lost: u32,
    pub doubled: u32,
    pub spoilt: u32,
    /// It takes many seconds.
    pub late: u32,
    /// It comes again after minutes.
    pub echoed: u32,
    /// The carrier says that it could not send.
    pub refused: u32,
    /// Usual milliseconds on the way.
    pub delay: (u64, u64),
}

/// What the hosts are like.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Most milliseconds that a write takes; 0 for storage that answers at once.
    pub write: u64,
    /// Connects at once instead of waiting until the client says.
    pub eager: bool,
    /// Most milliseconds that work on a task takes.
    pub work: u64,
    /// Thousandths of tasks that fail, and that are given up.
    pub failed: u32,
    pub aborted: u32,
    /// Thousandths of outputs after which a host does something else for a while.
    pub lazy: u32,
    /// Milliseconds by which timers are late.
    pub lag: u64,
    /// Thousandths of readings of a clock that give a moment of before.
    pub backwards: u32,
    /// Private keys are in a module that takes its time.
    pub keys_elsewhere: bool,
    /// Payloads of more than one block.
    pub heavy: bool,
}

/// How often what happens in the storm.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub site_crashes: usize,
    pub server_crashes: usize,
    pub cuts: usize,
    pub roamings: usize,
    pub partitions: usize,
    pub snapshots: usize,
    pub farewells: usize,
    pub sleeps: usize,
    pub reassignments: usize,
    pub withdrawals: usize,
    pub hiccups: usize,
    pub bans: usize,
    pub pauses: usize,
    pub site_wipes: usize,
    pub server_wipes: usize,
}

impl Weather {
    pub fn new(dice: &mut Dice, suite: Suite) -> Self {
        let slowest = dice.pick(&[20, 200, 2_000]);
        Self {
            lost: dice.pick(&[0, 10, 50, 200]),
            doubled: dice.pick(&[0, 20, 200]),
            // Only the sealed suite claims to notice.
            spoilt: match suite {
                Suite::Sealed => dice.pick(&[0, 20, 100]),
                Suite::Plain | Suite::Bearer => 0,
            },
            late: dice.pick(&[0, 5, 30]),
            echoed: dice.pick(&[0, 0, 20]),
            refused: dice.pick(&[0, 0, 20]),
            delay: (1, slowest),
        }
    }
}

impl Habits {
    /// Whether the machines know what time it is, and outputs are taken as soon as they
    /// are there.
    pub fn is_prompt(&self) -> bool {
        self.lazy == 0 && self.lag == 0 && self.backwards == 0
    }

    pub fn new(dice: &mut Dice, seed: u64) -> Self {
        Self {
            write: dice.pick(&[0, 5, 100, 3_000]),
            eager: dice.chance(300),
            work: dice.pick(&[500, 5_000, 30_000]),
            failed: dice.pick(&[0, 100]),
            aborted: dice.pick(&[0, 0, 150]),
            lazy: dice.pick(&[0, 0, 50]),
            lag: dice.pick(&[0, 0, 40]),
            backwards: dice.pick(&[0, 0, 10]),
            keys_elsewhere: dice.chance(300),
            // They take most of a run's time, so they are few.
            heavy: seed % 100 == 37,
        }
    }
}

impl Faults {
    pub fn new(dice: &mut Dice) -> Self {
        Self {
            site_crashes: dice.below(6),
            server_crashes: dice.below(4),
            cuts: dice.below(8),
            roamings: dice.pick(&[0, 0, 3]),
            partitions: dice.below(4),
            snapshots: dice.below(6),
            farewells: dice.below(2),
            sleeps: dice.below(2),
            reassignments: dice.pick(&[0, 0, 3]),
            withdrawals: dice.pick(&[0, 0, 2]),
            hiccups: dice.pick(&[0, 0, 2]),
            bans: dice.pick(&[0, 0, 0, 1]),
            pauses: dice.pick(&[0, 0, 0, 2]),
            site_wipes: dice.pick(&[0, 0, 0, 0, 1]),
            server_wipes: dice.pick(&[0, 0, 0, 0, 0, 1]),
        }
    }
}
