//! Unfinished uploads of large results.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::message::TaskId;
use crate::records::Damaged;
use crate::transfer::{BadDigest, Layout, Reassembler, Unfit};

/// The uploads of open tasks. Their recorded blocks are durable; what has come behind
/// those, and that an upload was wrong, is not.
#[derive(Default)]
#[cfg_attr(any(test, fuzzing), derive(Clone))]
#[cfg_attr(test, derive(Hash))]
#[cfg_attr(
    test,
    allow(
        clippy::derived_hash_with_manual_eq,
        reason = "a hash is of all that later steps depend on, and nothing is found by it"
    )
)]
pub(super) struct Uploads {
    by_task: BTreeMap<TaskId, Upload>,
    /// Announced bytes of all that grow.
    announced: u64,
}

#[cfg_attr(any(test, fuzzing), derive(Clone))]
#[cfg_attr(test, derive(Hash))]
enum Upload {
    Growing(Box<Growing>),
    /// Did not match its digest twice; remembered so that it is refused.
    Bad(Layout),
}

#[cfg_attr(any(test, fuzzing), derive(Clone))]
#[cfg_attr(test, derive(Hash))]
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
    /// An upload is to begin, in place of what has come for the task.
    New(Box<Reassembler>),
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
    /// A result is announced: it goes on with the upload of the same layout, or is to
    /// start one while all together stay within `limit` bytes.
    pub(super) fn announced(&self, task: TaskId, layout: Layout, limit: u64) -> Announced {
        match self.by_task.get(&task) {
            Some(Upload::Bad(bad)) if *bad == layout => Announced::Bad,
            Some(Upload::Growing(growing)) if growing.reassembler.layout() == layout => {
                if growing.reassembler.is_complete() {
                    Announced::Complete
                } else {
                    Announced::Wanted(growing.reassembler.wanted())
                }
            }
            Some(_) | None => {
                let own = self.layout(task).map_or(0, |layout| layout.size);
                let others = self.announced.saturating_sub(own);
                if others.saturating_add(layout.size) > limit {
                    return Announced::NoRoom;
                }
                match Reassembler::new(layout) {
                    Ok(reassembler) => Announced::New(Box::new(reassembler)),
                    Err(Unfit::TooManyBlocks) => Announced::TooBig,
                    Err(Unfit::BadDigest) => Announced::Bad,
                }
            }
        }
    }

    /// Starts an upload of which nothing has come.
    pub(super) fn start(&mut self, task: TaskId, reassembler: Reassembler) {
        self.forget(task);
        self.announced = self.announced.saturating_add(reassembler.layout().size);
        let growing = Growing {
            reassembler,
            recorded: 0,
        };
        self.by_task
            .insert(task, Upload::Growing(Box::new(growing)));
    }

    /// Ends the upload of this layout, which is complete and recorded; returns its blocks and
    /// the list of their digests.
    pub(super) fn finish(&mut self, task: TaskId, layout: Layout) -> Option<(Vec<Bytes>, Bytes)> {
        let growing = self.growing(task)?;
        if growing.reassembler.layout() != layout
            || !growing.reassembler.is_complete()
            || growing.recorded != layout.blocks()
        {
            return None;
        }
        self.remove(task)?.finish()
    }

    /// The layout of the upload that grows for `task`.
    pub(super) fn layout(&self, task: TaskId) -> Option<Layout> {
        Some(self.growing(task)?.reassembler.layout())
    }

    /// Takes a chunk; the next offset wanted.
    ///
    /// # Errors
    /// When what came was wrong for the second time: the upload is of no more use.
    pub(super) fn put(
        &mut self,
        task: TaskId,
        offset: u64,
        bytes: Bytes,
    ) -> Option<Result<u64, BadDigest>> {
        let Some(Upload::Growing(growing)) = self.by_task.get_mut(&task) else {
            return None;
        };
        let put = growing.reassembler.put(offset, bytes);
        Some(put.map(|()| growing.reassembler.wanted()))
    }

    /// Remembers that what came of this layout was wrong, in place of it.
    pub(super) fn refuse(&mut self, task: TaskId, layout: Layout) {
        self.forget(task);
        self.by_task.insert(task, Upload::Bad(layout));
    }

    /// The next checked block that is not recorded yet.
    pub(super) fn next_block(&self, task: TaskId) -> Option<Block> {
        let growing = self.growing(task)?;
        block(&growing.reassembler, growing.recorded)
    }

    /// Whether a part of the upload is recorded.
    pub(super) fn is_recorded(&self, task: TaskId) -> bool {
        self.growing(task)
            .is_some_and(|growing| growing.recorded > 0)
    }

    /// All recorded blocks of all unfinished uploads.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (TaskId, Block)> {
        self.by_task.keys().flat_map(|task| {
            self.growing(*task).into_iter().flat_map(|growing| {
                (0..growing.recorded)
                    .filter_map(|index| Some((*task, block(&growing.reassembler, index)?)))
            })
        })
    }

    /// Applies a recorded block, which is here already unless this is a replay. The first
    /// one starts its upload then.
    pub(super) fn record(&mut self, task: TaskId, block: Block) -> Result<(), Damaged> {
        if self.growing(task).is_none() && block.index == 0 {
            let mut reassembler = Reassembler::new(block.layout).map_err(|_| Damaged)?;
            reassembler.put(0, block.list).map_err(|_| Damaged)?;
            self.start(task, reassembler);
        }
        let Some(Upload::Growing(growing)) = self.by_task.get_mut(&task) else {
            return Err(Damaged);
        };
        let reassembler = &mut growing.reassembler;
        if reassembler.layout() != block.layout || growing.recorded != block.index {
            return Err(Damaged);
        }
        if reassembler.checked_blocks() == block.index {
            if block.layout.block_len(block.index) != block.bytes.len() as u64 {
                return Err(Damaged);
            }
            let wanted = reassembler.wanted();
            reassembler.put(wanted, block.bytes).map_err(|_| Damaged)?;
        }
        if reassembler.checked_blocks() <= block.index {
            return Err(Damaged);
        }
        growing.recorded = block.index.checked_add(1).ok_or(Damaged)?;
        Ok(())
    }

    /// Forgets an upload of which a part is recorded.
    pub(super) fn drop_recorded(&mut self, task: TaskId) -> Result<(), Damaged> {
        if !self.is_recorded(task) {
            return Err(Damaged);
        }
        self.forget(task);
        Ok(())
    }

    pub(super) fn forget(&mut self, task: TaskId) {
        self.remove(task);
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

    fn growing(&self, task: TaskId) -> Option<&Growing> {
        match self.by_task.get(&task)? {
            Upload::Growing(growing) => Some(growing),
            Upload::Bad(_) => None,
        }
    }
}

/// The same blocks are recorded: the rest does not outlive a process.
#[cfg(any(test, fuzzing))]
impl PartialEq for Uploads {
    fn eq(&self, other: &Self) -> bool {
        let all = |uploads: &Self| -> Vec<_> {
            let blocks = uploads.blocks().map(|(task, block)| {
                ((task, block.layout, block.index), (block.list, block.bytes))
            });
            blocks.collect()
        };
        all(self) == all(other)
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
    fn an_upload_ends_when_it_is_complete_and_recorded_and_what_was_announced() {
        let task = TaskId::from_bytes([1; 16]);
        let payload = Payload::new(vec![7; 100]);
        let (layout, other) = (Layout::of(&payload), Layout::of(&Payload::new("other")));
        let mut uploads = Uploads::default();
        let Announced::New(reassembler) = uploads.announced(task, layout, u64::MAX) else {
            panic!("nothing has come");
        };
        uploads.start(task, *reassembler);
        let wanted = uploads.announced(task, layout, u64::MAX);
        assert!(matches!(wanted, Announced::Wanted(0)));
        assert!(uploads.finish(task, layout).is_none());
        let bytes = [&payload.blocks().list[..], payload.bytes()].concat();
        assert!(uploads.put(task, 0, bytes.into()).unwrap().is_ok());
        assert!(uploads.finish(task, layout).is_none(), "it is not recorded");
        let block = uploads.next_block(task).unwrap();
        uploads.record(task, block).unwrap();
        assert!(uploads.finish(task, other).is_none());
        let (blocks, _) = uploads.finish(task, layout).expect("it is complete");
        assert_eq!(blocks.concat(), payload.bytes()[..]);
        assert!(uploads.finish(task, layout).is_none());
        assert_eq!(uploads.announced, 0);
    }
}
