//! Results that arrive in chunks.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::state::Damaged;
use crate::message::TaskId;
use crate::transfer::{Layout, Reassembler};

/// The uploads of open tasks.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct Uploads {
    by_task: BTreeMap<TaskId, Upload>,
    /// Announced bytes of all that grow.
    announced: u64,
}

#[cfg_attr(test, derive(Clone, Hash))]
enum Upload {
    Growing(Box<Growing>),
    /// Did not match its digest twice; remembered so that it is refused.
    Bad(Layout),
}

#[cfg_attr(test, derive(Clone, Hash))]
struct Growing {
    reassembler: Reassembler,
    /// Blocks that are recorded.
    recorded: u64,
}

/// What an announcement comes to.
pub(super) enum Announced {
    /// All bytes are here.
    Complete,
    /// Everything before this offset is here.
    Wanted(u64),
    Bad,
    TooBig,
    /// There is no room now.
    NoRoom,
}

/// A checked block to record.
pub(super) struct Block {
    pub(super) layout: Layout,
    pub(super) index: u64,
    /// The checked list of digests, with the first block.
    pub(super) list: Bytes,
    pub(super) bytes: Bytes,
}

impl Uploads {
    /// A result is announced: goes on with the upload of the same layout, or starts one
    /// in its place while all together stay within `limit` bytes.
    pub(super) fn announce(&mut self, task: TaskId, layout: Layout, limit: u64) -> Announced {
        match self.by_task.get(&task) {
            Some(Upload::Bad(bad)) if *bad == layout => return Announced::Bad,
            Some(Upload::Growing(growing)) if growing.reassembler.layout() == layout => {
                if !growing.reassembler.is_complete() {
                    return Announced::Wanted(growing.reassembler.wanted());
                }
            }
            Some(_) | None => {
                let others = self.announced.saturating_sub(self.growing_size(task));
                if others.saturating_add(layout.size) > limit {
                    return Announced::NoRoom;
                }
                let Some(reassembler) = Reassembler::new(layout) else {
                    return Announced::TooBig;
                };
                let complete = reassembler.is_complete();
                self.start(task, reassembler);
                if !complete {
                    return Announced::Wanted(0);
                }
            }
        }
        Announced::Complete
    }

    /// Ends the upload of this layout, which is complete; gives its blocks and the list of
    /// their digests.
    pub(super) fn finish(&mut self, task: TaskId, layout: Layout) -> Option<(Vec<Bytes>, Bytes)> {
        let growing = self.growing(task)?;
        if growing.layout() != layout || !growing.is_complete() {
            return None;
        }
        self.remove(task)?.finish()
    }

    /// The layout of the upload that grows for `task`.
    pub(super) fn layout(&self, task: TaskId) -> Option<Layout> {
        self.growing(task).map(Reassembler::layout)
    }

    /// Takes a chunk; the next offset wanted, or none when there is no such upload (any
    /// more).
    pub(super) fn put(&mut self, task: TaskId, offset: u64, bytes: Bytes) -> Option<u64> {
        let Some(Upload::Growing(growing)) = self.by_task.get_mut(&task) else {
            return None;
        };
        if growing.reassembler.put(offset, bytes).is_ok() {
            return Some(growing.reassembler.wanted());
        }
        let layout = growing.reassembler.layout();
        self.forget(task);
        self.by_task.insert(task, Upload::Bad(layout));
        None
    }

    /// The next checked block that is not recorded yet; it counts as recorded from now
    /// on.
    pub(super) fn next_block(&mut self, task: TaskId) -> Option<Block> {
        let Some(Upload::Growing(growing)) = self.by_task.get_mut(&task) else {
            return None;
        };
        let block = block(&growing.reassembler, growing.recorded)?;
        growing.recorded = growing.recorded.saturating_add(1);
        Some(block)
    }

    /// All checked blocks of all unfinished uploads.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (TaskId, Block)> {
        self.by_task.keys().flat_map(|task| {
            self.growing(*task).into_iter().flat_map(|reassembler| {
                (0..reassembler.checked_blocks())
                    .filter_map(|index| Some((*task, block(reassembler, index)?)))
            })
        })
    }

    /// Applies a recorded block. The first one starts its upload, in place of another;
    /// one that is here already changes nothing.
    pub(super) fn restore(&mut self, task: TaskId, block: Block) -> Result<(), Damaged> {
        if self.layout(task) != Some(block.layout) {
            if block.index != 0 {
                return Ok(());
            }
            self.start(task, Reassembler::new(block.layout).ok_or(Damaged)?);
            self.put(task, 0, block.list);
        }
        let Some(Upload::Growing(growing)) = self.by_task.get_mut(&task) else {
            return Err(Damaged);
        };
        let checked = growing.reassembler.checked_blocks();
        if checked != block.index {
            return Ok(());
        }
        let wanted = growing.reassembler.wanted();
        growing.recorded = checked.saturating_add(1);
        let put = growing.reassembler.put(wanted, block.bytes);
        if put.is_ok() && growing.reassembler.checked_blocks() > checked {
            Ok(())
        } else {
            Err(Damaged)
        }
    }

    pub(super) fn forget(&mut self, task: TaskId) {
        self.remove(task);
    }

    fn start(&mut self, task: TaskId, reassembler: Reassembler) {
        self.forget(task);
        self.announced = self.announced.saturating_add(reassembler.layout().size);
        let growing = Growing {
            reassembler,
            recorded: 0,
        };
        self.by_task
            .insert(task, Upload::Growing(Box::new(growing)));
    }

    fn remove(&mut self, task: TaskId) -> Option<Reassembler> {
        match self.by_task.remove(&task)? {
            Upload::Bad(_) => None,
            Upload::Growing(growing) => {
                let size = growing.reassembler.layout().size;
                self.announced = self.announced.saturating_sub(size);
                Some(growing.reassembler)
            }
        }
    }

    fn growing(&self, task: TaskId) -> Option<&Reassembler> {
        match self.by_task.get(&task)? {
            Upload::Growing(growing) => Some(&growing.reassembler),
            Upload::Bad(_) => None,
        }
    }

    fn growing_size(&self, task: TaskId) -> u64 {
        self.layout(task).map_or(0, |layout| layout.size)
    }
}

fn block(reassembler: &Reassembler, index: u64) -> Option<Block> {
    let list = if index == 0 {
        reassembler.list()?
    } else {
        Bytes::new()
    };
    Some(Block {
        layout: reassembler.layout(),
        index,
        list,
        bytes: reassembler.block(index)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Payload;

    #[test]
    fn an_upload_ends_when_it_is_complete_and_what_was_announced() {
        let task = TaskId::from_bytes([1; 16]);
        let payload = Payload::new(vec![7; 100]);
        let (layout, other) = (Layout::of(&payload), Layout::of(&Payload::new("other")));
        let mut uploads = Uploads::default();
        let wanted = uploads.announce(task, layout, u64::MAX);
        assert!(matches!(wanted, Announced::Wanted(0)));
        assert!(uploads.finish(task, layout).is_none());
        let bytes = [&payload.blocks().list[..], payload.bytes()].concat();
        let mut reassembler = Reassembler::new(layout).unwrap();
        reassembler.put(0, bytes.into()).unwrap();
        uploads.start(task, reassembler);
        assert!(uploads.finish(task, other).is_none());
        let (blocks, _) = uploads.finish(task, layout).expect("it is complete");
        assert_eq!(blocks.concat(), payload.bytes()[..]);
        assert!(uploads.finish(task, layout).is_none());
    }
}
