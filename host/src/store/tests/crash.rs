//! Crashes at every step, with whatever a disk may keep of what was not synced.

use std::path::Path;

use bytes::Bytes;

use super::disk::{Dice, Failure, Simulated};
use crate::store::log::Log;
use crate::store::scan::{Progress, Scanned, scan};

/// A store that dies again and again, and what it must hold.
struct Life {
    dice: Dice,
    /// Reported as stored.
    stored: Vec<Bytes>,
    /// Appended behind it, and not reported.
    waiting: Vec<Bytes>,
}

impl Life {
    /// What this file holds; fails unless it is all that was stored and the first of what
    /// waited.
    fn scan(&self, file: &[u8]) -> Scanned {
        let length = file.len() as u64;
        let mut progress = Progress::new(Path::new("records"), length);
        let scanned = scan(file, length, &mut progress).unwrap();
        assert!(scanned.promised.is_ok(), "{:?}", scanned.promised);
        let all = [&self.stored[..], &self.waiting].concat();
        assert!(scanned.records.len() >= self.stored.len(), "lost a record");
        assert!(all.starts_with(&scanned.records), "made up a record");
        scanned
    }

    /// Goes on with what is on this disk, until something fails.
    fn process(&mut self, disk: &Simulated) -> Result<(), std::io::Error> {
        let scanned = self.scan(&disk.seen());
        let headers = scanned.promised.clone().unwrap();
        let mut log = Log::resume(disk.clone(), headers, &scanned)?;
        self.stored = scanned.records;
        self.waiting.clear();
        loop {
            for _ in 0..self.dice.below(4) {
                let size = [0, 1, 3, 30, 30, 200, 200, 200, 600, 9000][self.dice.below(10)];
                let record: Bytes = (0..size).map(|_| self.dice.below(256) as u8).collect();
                self.waiting.push(record.clone());
                log.append(&[&record])?;
            }
            log.sync()?;
            self.stored.append(&mut self.waiting);
        }
    }
}

/// How a process ends.
struct Death {
    /// How many steps of its disk succeed.
    steps: usize,
    /// How the next one fails.
    failure: Failure,
    /// Whether the machine dies with the process.
    of_machine: bool,
}

impl Death {
    fn any(dice: &mut Dice) -> Self {
        let failure = [Failure::Death, Failure::Death, Failure::Full, Failure::Sync][dice.below(4)];
        Self {
            steps: dice.below(40),
            failure,
            of_machine: failure == Failure::Death || dice.below(2) == 0,
        }
    }
}

/// Processes that die like this, one after the other. Returns how many records were stored
/// in the end.
fn live(seed: u64, deaths: impl IntoIterator<Item = Death>) -> usize {
    let mut life = Life {
        dice: Dice(seed),
        stored: vec![Bytes::from_static(b"first")],
        waiting: Vec::new(),
    };
    let mut disk = Simulated::default();
    Log::write(disk.clone(), None, [[b"first"]]).unwrap();
    for death in deaths {
        disk.mend();
        disk.fail_after(death.steps, death.failure);
        life.process(&disk).unwrap_err();
        // After the death of the process alone the next one sees all that was written.
        if death.of_machine {
            disk = Simulated::with(&disk.crash(&mut life.dice));
        }
    }
    disk.mend();
    let file = disk.crash(&mut life.dice);
    life.scan(&file).records.len()
}

#[test]
fn no_crash_loses_what_was_stored_or_refuses_to_open() {
    let kept = (0..600).map(|seed| {
        let mut dice = Dice(!seed);
        live(seed, (0..12).map(|_| Death::any(&mut dice)))
    });
    // Otherwise nothing was put to the test.
    assert!(kept.sum::<usize>() > 10_000);
}

#[test]
fn a_sync_that_fails_between_two_crashes_loses_nothing() {
    let death = |steps, failure| Death {
        steps,
        failure,
        of_machine: failure == Failure::Death,
    };
    for seed in 0..3 {
        for (first, second) in (0..12).flat_map(|first| (0..6).map(move |second| (first, second))) {
            for third in 0..6 {
                let deaths = [
                    death(first, Failure::Death),
                    death(second, Failure::Sync),
                    death(third, Failure::Death),
                ];
                live(seed, deaths);
            }
        }
    }
}

#[test]
fn a_sync_is_two_writes_that_the_disk_confirms_and_none_if_there_is_nothing_to_store() {
    let disk = Simulated::default();
    let mut log = Log::write(disk.clone(), None, [[b"first"]]).unwrap();
    assert_eq!(disk.syncs(), 1);
    log.append(&[b"second"]).unwrap();
    log.append(&[b"third"]).unwrap();
    log.sync().unwrap();
    assert_eq!(disk.syncs(), 3);
    log.sync().unwrap();
    assert_eq!(disk.syncs(), 3);
}
