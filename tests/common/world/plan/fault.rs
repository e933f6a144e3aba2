//! What the storm brings, and when.

use fedlink::Instant;

use super::bytes::Draw;
use crate::world::host::HostId;
use crate::world::process::Doom;

/// One thing that goes wrong, or that somebody does for no good reason.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    CrashSite(usize, Doom),
    CrashServer(Doom),
    Cut(usize),
    /// The site's host has a new connection before the old one is known to be gone.
    Roam(usize),
    /// The same, through another relay.
    Move(usize),
    Part(usize, u64),
    /// A relay is gone for a while, and every connection through it broken.
    RelayDies(usize, u64),
    /// A relay takes its time for a while: for how long, and how many milliseconds.
    RelayIsSlow(usize, u64, u64),
    SiteSleeps(usize, u64),
    /// It says that it will sleep, and does.
    SiteSuspends(usize, u64),
    SitePauses(usize, u64),
    ServerSleeps(u64),
    /// The monotonic clock of a host jumps, by milliseconds: 0 is the server's.
    ClockJumps(usize, i64),
    /// The wall clock of a host is wrong by so many seconds from now on.
    WallJumps(usize, i64),
    /// The process dies, and all that it had stored is gone.
    WipeSite(usize),
    WipeServer,
    /// The twin of a site is started.
    Twin(usize),
    SiteSnapshot(usize),
    ServerSnapshot,
    Farewell(usize),
    /// A site ends a job that nobody told it to end, and starts it again.
    Hiccup(usize),
    /// The coordinator keeps a site out for a while.
    Disable(usize),
    Reassign,
    Withdraw,
}

impl Fault {
    /// The host that does something when it happens.
    pub fn host(self) -> HostId {
        match self {
            Self::CrashSite(site, _)
            | Self::Cut(site)
            | Self::Roam(site)
            | Self::Move(site)
            | Self::Part(site, _)
            | Self::SiteSleeps(site, _)
            | Self::SiteSuspends(site, _)
            | Self::SitePauses(site, _)
            | Self::WipeSite(site)
            | Self::Twin(site)
            | Self::SiteSnapshot(site)
            | Self::Farewell(site)
            | Self::Hiccup(site) => HostId::Site(site),
            Self::CrashServer(_)
            | Self::RelayDies(..)
            | Self::RelayIsSlow(..)
            | Self::ServerSleeps(_)
            | Self::ClockJumps(..)
            | Self::WallJumps(..)
            | Self::WipeServer
            | Self::ServerSnapshot
            | Self::Disable(_)
            | Self::Reassign
            | Self::Withdraw => HostId::Server,
        }
    }

    /// Whether its host does something itself, for which it has to be awake.
    pub fn needs_an_awake_host(self) -> bool {
        matches!(
            self,
            Self::WallJumps(..)
                | Self::ServerSnapshot
                | Self::Disable(_)
                | Self::Reassign
                | Self::Withdraw
                | Self::SiteSuspends(..)
                | Self::SitePauses(..)
                | Self::SiteSnapshot(_)
                | Self::Farewell(_)
        )
    }
}

/// A fault and its time.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    pub at: Instant,
    pub fault: Fault,
}

/// How many of 256 faults are of a kind. The mildest come first.
const KINDS: [(u8, Make); 23] = [
    (20, |it| Fault::Cut(it.site)),
    (12, |it| Fault::Roam(it.site)),
    (10, |it| Fault::Move(it.site)),
    (16, |it| {
        Fault::Part(it.site, it.of([5_000, 30_000, 100_000]))
    }),
    (10, |it| {
        Fault::RelayDies(it.relay, it.of([1_000, 20_000, 60_000]))
    }),
    (8, |it| {
        let span = it.of([5_000, 20_000, 60_000]);
        Fault::RelayIsSlow(it.relay, span, it.of([500, 4_000, 20_000]))
    }),
    (10, |it| Fault::SiteSnapshot(it.site)),
    (8, |_| Fault::ServerSnapshot),
    (8, |_| Fault::Reassign),
    (8, |_| Fault::Withdraw),
    (8, |it| Fault::Hiccup(it.site)),
    (6, |it| Fault::SitePauses(it.site, it.of([20_000, 70_000]))),
    (6, |it| {
        Fault::SiteSuspends(it.site, it.of([20_000, 70_000]))
    }),
    (6, |it| {
        Fault::SiteSleeps(it.site, it.of([2_000, 30_000, 90_000]))
    }),
    (12, |it| Fault::ServerSleeps(it.of([2_000, 30_000, 90_000]))),
    (12, |it| {
        const JUMPS: [i64; 6] = [500, -500, 12_000, -12_000, 100_000, -40_000];
        Fault::ClockJumps(it.host, it.of(JUMPS))
    }),
    (8, |it| {
        Fault::WallJumps(it.host, it.of([3_600, -3_600, 200_000, -200_000, FAR]))
    }),
    (8, |it| Fault::Farewell(it.site)),
    (6, |it| Fault::Disable(it.site)),
    (34, |it| Fault::CrashSite(it.site, it.doom())),
    (26, |it| Fault::CrashServer(it.doom())),
    (8, |it| Fault::WipeSite(it.site)),
    (6, |_| Fault::WipeServer),
];

/// A time at which no certificate counts.
pub const FAR: i64 = 15 * 365 * 86_400;

/// Makes a fault of what was drawn.
type Make = fn(&Drawn) -> Fault;

/// What the bytes of a fault say beside its kind.
struct Drawn {
    site: usize,
    relay: usize,
    host: usize,
    detail: u16,
}

impl Drawn {
    fn of<T: Copy, const N: usize>(&self, choices: [T; N]) -> T {
        choices[usize::from(self.detail) * N / (1 << 16)]
    }

    fn doom(&self) -> Doom {
        let number = u32::from(self.detail) >> 1;
        match self.detail % 2 {
            0 => Doom::Outputs(number % 12),
            _ => Doom::Records(number % 4),
        }
    }
}

impl Timed {
    /// Reads a fault that happens in a storm of so many milliseconds.
    pub fn draw(draw: &mut Draw<'_>, storm: u64, sites: usize, relays: usize) -> Self {
        let kind = draw.byte();
        let at = Instant::from_micros(draw.within(storm * 1000));
        let who = draw.byte();
        let one_of = |count: usize| usize::from(who) * count / 256;
        let drawn = Drawn {
            site: one_of(sites),
            relay: one_of(relays.max(1)),
            host: one_of(sites + 1),
            detail: draw.word(),
        };
        Self {
            at,
            fault: make(kind)(&drawn),
        }
    }
}

fn make(kind: u8) -> Make {
    let mut below = 0;
    for (share, make) in KINDS {
        below += u32::from(share);
        if u32::from(kind) < below {
            return make;
        }
    }
    unreachable!("the shares add up to 256")
}

#[cfg(test)]
mod tests {
    use super::KINDS;

    #[test]
    fn the_shares_of_all_kinds_add_up() {
        let sum: u32 = KINDS.iter().map(|(share, _)| u32::from(*share)).sum();
        assert_eq!(sum, 256);
    }
}
