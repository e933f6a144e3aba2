//! A disk that fails and crashes as a test says, and dice to decide how.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::rc::Rc;

use crate::store::log::Disk;

/// Decides the same from the same seed.
pub(in crate::store) struct Dice(pub(in crate::store) u64);

impl Dice {
    /// A number below `end`.
    pub(in crate::store) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

/// A disk. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Simulated(Rc<RefCell<Content>>);

#[derive(Debug, Default)]
struct Content {
    position: usize,
    /// What is read back as long as the machine lives.
    seen: Vec<u8>,
    /// What the machine's death cannot take.
    durable: Vec<u8>,
    /// What was done since the last sync.
    pending: Vec<Pending>,
    /// Steps that succeed before one fails; all of them if `None`.
    steps: Option<usize>,
    failure: Failure,
    pub(in crate::store) syncs: usize,
}

#[derive(Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Cut(usize),
}

/// What happens when no step is left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::store) enum Failure {
    /// The machine dies: this step and all after it do nothing.
    #[default]
    Death,
    /// The disk is full: a write writes half.
    Full,
    /// A sync fails, and what it should have written is never written although it can be
    /// read, as Linux does.
    Sync,
}

/// As much as a disk writes whole; much less than a real one, so that all is cut often.
const SECTOR: usize = 8;

impl Simulated {
    /// A disk with this file, all of it durable.
    pub(in crate::store) fn with(file: &[u8]) -> Self {
        let disk = Self::default();
        disk.0.borrow_mut().seen = file.to_vec();
        disk.0.borrow_mut().durable = file.to_vec();
        disk
    }

    /// Lets a step fail after this many that succeed.
    pub(in crate::store) fn fail_after(&self, steps: usize, failure: Failure) {
        let mut state = self.0.borrow_mut();
        state.steps = Some(steps);
        state.failure = failure;
    }

    /// Lets all go well from now on, for a process that begins anew.
    pub(in crate::store) fn mend(&self) {
        let mut state = self.0.borrow_mut();
        state.steps = None;
        state.position = 0;
    }

    pub(in crate::store) fn seen(&self) -> Vec<u8> {
        self.0.borrow().seen.clone()
    }

    pub(in crate::store) fn syncs(&self) -> usize {
        self.0.borrow().syncs
    }

    /// What is there after the machine's death: of what was not synced, each sector may
    /// have been written, or not, or be anything; and so may the length.
    pub(in crate::store) fn crash(&self, dice: &mut Dice) -> Vec<u8> {
        let state = self.0.borrow();
        let mut file = state.durable.clone();
        for pending in &state.pending {
            match pending {
                Pending::Write(at, bytes) => {
                    for sector in sectors(*at, bytes.len()) {
                        let new = &bytes[sector.start - at..sector.end - at];
                        let end = file.len().max(sector.end);
                        match dice.below(4) {
                            0 => {}
                            1 => {
                                file.resize(end, 0);
                                file[sector].fill_with(|| dice.below(256) as u8);
                            }
                            _ => {
                                file.resize(end, 0);
                                file[sector].copy_from_slice(new);
                            }
                        }
                    }
                }
                Pending::Cut(length) => {
                    if dice.below(2) == 0 {
                        file.truncate(*length);
                    }
                }
            }
        }
        if file.len() < state.seen.len() && dice.below(2) == 0 {
            file.resize(state.seen.len(), 0);
        }
        file
    }
}

/// The sectors that this range touches, each cut to what is in it.
fn sectors(at: usize, length: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let end = at + length;
    (at / SECTOR..end.div_ceil(SECTOR))
        .map(move |sector| at.max(sector * SECTOR)..end.min((sector + 1) * SECTOR))
}

impl Content {
    /// Takes one step; the failure that is due if none is left.
    fn step(&mut self) -> Option<Failure> {
        match &mut self.steps {
            Some(0) => Some(self.failure),
            Some(left) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        let (at, end) = (self.position, self.position + bytes.len());
        let length = self.seen.len().max(end);
        self.seen.resize(length, 0);
        self.seen[at..end].copy_from_slice(bytes);
        self.pending.push(Pending::Write(at, bytes.to_vec()));
        self.position = end;
    }
}

impl Write for Simulated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        // Systems may write less than they are asked to.
        let bytes = &bytes[..bytes.len().min(3000)];
        match state.step() {
            None | Some(Failure::Sync) => {
                state.put(bytes);
                Ok(bytes.len())
            }
            Some(Failure::Full) if bytes.len() > 1 && state.pending.len().is_multiple_of(2) => {
                state.put(&bytes[..bytes.len() / 2]);
                Ok(bytes.len() / 2)
            }
            Some(Failure::Full) => Err(ErrorKind::StorageFull.into()),
            Some(Failure::Death) => Err(ErrorKind::Other.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Simulated {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(position) = to else {
            return Err(ErrorKind::Unsupported.into());
        };
        self.0.borrow_mut().position = position as usize;
        Ok(position)
    }
}

impl Disk for Simulated {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        match state.step() {
            None => {}
            Some(Failure::Sync) => {
                state
                    .pending
                    .retain(|pending| matches!(pending, Pending::Cut(_)));
                return Err(ErrorKind::Other.into());
            }
            Some(_) => return Err(ErrorKind::Other.into()),
        }
        state.syncs += 1;
        for pending in std::mem::take(&mut state.pending) {
            match pending {
                Pending::Write(at, bytes) => {
                    let end = at + bytes.len();
                    let length = state.durable.len().max(end);
                    state.durable.resize(length, 0);
                    state.durable[at..end].copy_from_slice(&bytes);
                }
                Pending::Cut(length) => state.durable.truncate(length),
            }
        }
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if state.step().is_some_and(|failure| failure != Failure::Sync) {
            return Err(ErrorKind::Other.into());
        }
        state.seen.truncate(length as usize);
        state.pending.push(Pending::Cut(length as usize));
        Ok(())
    }
}
