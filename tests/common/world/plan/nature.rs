//! What the network and the hosts of a run are like.

use fedlink::Suite;

use super::bytes::Draw;

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
    /// Thousandths of readings of a clock that show an earlier moment.
    pub backwards: u32,
    /// Most millionths by which a clock is too fast or too slow.
    pub drift: u64,
    /// Private keys are in a module that takes its time.
    pub keys_elsewhere: bool,
    /// Payloads of more than one block.
    pub heavy: bool,
}

impl Weather {
    /// Whether messages get lost or come twice.
    pub fn is_bad(&self) -> bool {
        self.lost + self.doubled + self.echoed > 0
    }

    pub fn draw(draw: &mut Draw<'_>, suite: Suite) -> Self {
        let slowest = draw.pick(&[20, 200, 2_000]);
        Self {
            lost: draw.pick(&[0, 10, 50, 200]),
            doubled: draw.pick(&[0, 20, 200]),
            // Only the sealed suite claims to notice.
            spoilt: match (suite, draw.pick(&[0, 20, 100])) {
                (Suite::Sealed, spoilt) => spoilt,
                (_, _) => 0,
            },
            late: draw.pick(&[0, 5, 30]),
            echoed: draw.pick(&[0, 0, 20]),
            refused: draw.pick(&[0, 0, 20]),
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

    pub fn draw(draw: &mut Draw<'_>) -> Self {
        Self {
            write: draw.pick(&[0, 5, 100, 3_000, 15_000]),
            eager: draw.chance(300),
            work: draw.pick(&[500, 5_000, 30_000]),
            failed: draw.pick(&[0, 100]),
            aborted: draw.pick(&[0, 0, 150]),
            lazy: draw.pick(&[0, 0, 50]),
            lag: draw.pick(&[0, 0, 40]),
            backwards: draw.pick(&[0, 0, 10]),
            drift: draw.pick(&[0, 200, 50_000]),
            keys_elsewhere: draw.chance(300),
            // They take most of a run's time, so they are few.
            heavy: draw.chance(8),
        }
    }
}
