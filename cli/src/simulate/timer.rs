//! The timers of simulated clients.

use super::plan::Tick;

/// Something that a client does by itself. There are millions, so it is packed.
#[derive(Clone, Copy, Default)]
pub(super) struct Timer {
    /// The client, or the worker, and in the highest bits the track.
    of: u32,
    due: Tick,
}

/// What a timer is for: each track of a client has one that counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Track {
    Beat,
    Reconnection,
    Work,
}

const TRACK_SHIFT: u32 = 30;

impl Timer {
    pub(super) fn new(track: Track, of: u32, due: Tick) -> Self {
        let of = of | (track as u32) << TRACK_SHIFT;
        Self { of, due }
    }

    pub(super) fn track(self) -> Track {
        const BEAT: u32 = Track::Beat as u32;
        const RECONNECTION: u32 = Track::Reconnection as u32;
        match self.of >> TRACK_SHIFT {
            BEAT => Track::Beat,
            RECONNECTION => Track::Reconnection,
            _ => Track::Work,
        }
    }

    /// The number of the client, or of the worker.
    pub(super) fn of(self) -> u32 {
        self.of & ((1 << TRACK_SHIFT) - 1)
    }

    /// It counts only if this is still when it is due.
    pub(super) fn due(self) -> Tick {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        for track in [Track::Beat, Track::Reconnection, Track::Work] {
            let timer = Timer::new(track, 999_999, 7);
            assert!(timer.track() == track);
            assert_eq!((timer.of(), timer.due()), (999_999, 7));
        }
        assert_eq!(size_of::<Timer>(), 8);
    }
}
