//! What the clocks of a host say: too fast or too slow, and jumping.

use fedlink::Instant;

/// A clock that runs at the right speed would run at so much.
const TRUE_RATE: u64 = 1_000_000;

/// A monotonic clock that is not quite what it should be, and knows what it has said.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The last one is in force.
    segments: Vec<Segment>,
    rate: u64,
}

/// A time in which the clock has run steadily.
#[derive(Clone, Copy, Debug)]
struct Segment {
    since: Instant,
    reads: u64,
}

impl Clock {
    /// A clock that reads `reads` at the start of the world, and runs so many millionths
    /// too fast.
    pub fn new(reads: u64, too_fast: i64) -> Self {
        Self {
            segments: vec![Segment {
                since: Instant::default(),
                reads,
            }],
            rate: TRUE_RATE.saturating_add_signed(too_fast),
        }
    }

    /// What it says now.
    pub fn reads(&self, now: Instant) -> Instant {
        Instant::from_micros(self.read(self.last(), now))
    }

    /// When it will say so, if it does not jump; the start of the segment if it has.
    pub fn when(&self, reading: Instant) -> Instant {
        self.reached(self.last(), reading)
    }

    /// The first moment at which it had said so much.
    pub fn first(&self, reading: Instant) -> Instant {
        let ends = self.segments.iter().skip(1).map(|next| Some(next.since));
        for (segment, end) in self.segments.iter().zip(ends.chain([None])) {
            let at = self.reached(*segment, reading);
            if end.is_none_or(|end| at < end) {
                return at;
            }
        }
        self.when(reading)
    }

    /// Jumps, forwards or backwards.
    pub fn jump(&mut self, now: Instant, micros: i64) {
        let reads = self.read(self.last(), now).saturating_add_signed(micros);
        self.segments.push(Segment { since: now, reads });
    }

    fn last(&self) -> Segment {
        self.segments[self.segments.len() - 1]
    }

    fn read(&self, segment: Segment, now: Instant) -> u64 {
        let passed = now.since(segment.since).as_micros() as u64;
        segment.reads + passed * self.rate / TRUE_RATE
    }

    fn reached(&self, segment: Segment, reading: Instant) -> Instant {
        let missing = reading.as_micros().saturating_sub(segment.reads);
        let wait = (u128::from(missing) * u128::from(TRUE_RATE)).div_ceil(u128::from(self.rate));
        let wait = u64::try_from(wait).unwrap_or(u64::MAX);
        Instant::from_micros(segment.since.as_micros().saturating_add(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_clock_drifts_jumps_and_remembers_what_it_said() {
        let mut clock = Clock::new(5_000_000, 500_000);
        assert_eq!(clock.reads(at(10)), at(20), "half as fast again");
        assert_eq!(clock.when(at(20)), at(10));
        clock.jump(at(10), -6_000_000);
        assert_eq!(clock.reads(at(10)), at(14));
        assert_eq!(clock.when(at(20)), at(14), "once more");
        assert_eq!(clock.first(at(17)), at(8), "but first before it jumped");
        clock.jump(at(20), 60_000_000);
        assert_eq!(clock.first(at(50)), at(20), "skipped");
    }

    #[test]
    fn a_host_that_waits_until_then_reads_at_least_that() {
        for too_fast in [-50_000, -200, 0, 200, 50_000] {
            let clock = Clock::new(123_457, too_fast);
            for micros in 123_457..124_457 {
                let reading = Instant::from_micros(micros);
                assert!(clock.reads(clock.when(reading)) >= reading);
            }
        }
    }
}
