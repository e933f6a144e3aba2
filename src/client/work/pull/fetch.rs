//! The state of one large payload of a task on its way here.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::client::context::WorkContext;
use crate::client::{ClientAction, Direction};
use crate::message::{BLOCK, Payload, Place, RequestId, TaskId};
use crate::transfer::{BadDigest, Layout, Reassembler, Unfit, WINDOW, Window};

use crate::client::work::record::{Gate, Record, Store, StoredTask};

/// Why a task is refused whose payload is not what was announced.
pub(crate) const BAD_DIGEST: &str = "the payload does not match its digest";

#[derive(Debug)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Fetch {
    pub(crate) task: StoredTask,
    /// Failures in a row.
    pub(crate) failures: u32,
    reassembler: Reassembler,
    window: Window,
    /// Blocks handed to the host's storage.
    stored: u64,
    resumed_at: u64,
    /// The connection broke, or the process ended, under way.
    cut: bool,
}

impl Fetch {
    /// # Errors
    /// When the payload is not apart, or there is none like it, and why.
    pub(crate) fn new(task: StoredTask) -> Result<Self, &'static str> {
        let Place::Apart { size, digest } = task.head.payload.place else {
            return Err("the payload is not apart");
        };
        let layout = Layout { size, digest };
        let reassembler = Reassembler::new(layout).map_err(|unfit| match unfit {
            Unfit::TooManyBlocks => "the payload has too many blocks",
            Unfit::BadDigest => BAD_DIGEST,
        })?;
        Ok(Self {
            task,
            failures: 0,
            reassembler,
            window: Window::new(layout, 0),
            stored: 0,
            resumed_at: 0,
            cut: false,
        })
    }

    /// A fetch of an earlier process, of which the list of digests was stored.
    pub(crate) fn restore(task: StoredTask, list: Bytes) -> Option<Self> {
        let mut fetch = Self::new(task).ok()?;
        fetch.reassembler.put(0, list).ok()?;
        fetch.cut = true;
        Some(fetch)
    }

    /// Nobody wants the payload any more: it is not to come back.
    pub(crate) fn forget(&self, cx: &mut WorkContext<'_>, store: &mut Store) {
        if self.stored > 0 {
            let (job, task) = (self.task.job, self.task.head.task);
            store.note(cx, &Record::Dropped { job, task });
        }
    }

    /// A block that was stored. One that does not match is fetched again.
    pub(crate) fn restore_block(&mut self, task: TaskId, index: u64, block: Bytes) {
        let Some(list) = self.reassembler.list() else {
            return;
        };
        let start = index.saturating_mul(BLOCK as u64);
        if self.task.head.task == task {
            let offset = start.saturating_add(list.len() as u64);
            let _ = self.reassembler.put(offset, block);
            self.stored = self.reassembler.checked_blocks();
        }
    }

    /// The blocks that are stored.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn stored(&self) -> Vec<Bytes> {
        (0..self.stored)
            .filter_map(|index| self.reassembler.block(index))
            .collect()
    }

    /// The records that bring the fetch back to where it is.
    pub(crate) fn snapshot(&self, records: &mut Vec<(Bytes, Bytes)>) {
        let Some(list) = self.reassembler.list().filter(|_| self.stored > 0) else {
            return;
        };
        let blocks = (0..self.stored).filter_map(|index| self.reassembler.block(index));
        self.task.snapshot_blocks(list, blocks, records);
    }

    /// The next part to ask for, as offset and length. What lies more than a window ahead
    /// of the first gap would be dropped when it arrives, so it is not asked for.
    pub(crate) fn next_part(&self) -> Option<(u64, usize)> {
        let limit = self.reassembler.wanted().saturating_add(WINDOW);
        self.window
            .next_chunk()
            .filter(|(offset, _)| *offset < limit)
    }

    /// Goes back to the first gap if nothing else is left to ask for: bytes that had come
    /// turned out to be wrong.
    pub(crate) fn close_gap(&mut self) {
        if self.window.is_quiet() && self.next_part().is_none() {
            self.window.resume(self.reassembler.wanted());
        }
    }

    pub(crate) fn asked(&mut self, id: RequestId, offset: u64) {
        self.window.started(id, offset);
    }

    pub(crate) fn lost(&mut self, id: RequestId) {
        self.window.lost(id);
    }

    /// The connection or the session is gone, and with it what was in flight.
    pub(crate) fn cut(&mut self) {
        self.cut = true;
    }

    /// Goes on from the first byte that is missing.
    pub(crate) fn resume(&mut self, cx: &mut WorkContext<'_>) {
        self.failures = 0;
        self.window.resume(self.reassembler.wanted());
        if core::mem::take(&mut self.cut) {
            self.resumed_at = self.reassembler.wanted();
            cx.counters.resumed_downloads += 1;
            self.tell(cx);
        }
    }

    /// Takes the answer to a request.
    pub(crate) fn put(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        id: RequestId,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), BadDigest> {
        let before = self.reassembler.wanted();
        self.window.done(id);
        self.reassembler.put(offset, bytes)?;
        self.failures = 0;
        let wanted = self.reassembler.wanted();
        if wanted > before {
            self.tell(cx);
            self.store_blocks(cx, store);
        }
        Ok(())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.reassembler.is_complete()
    }

    /// The task and its payload, once complete.
    pub(crate) fn finish(self) -> Option<(StoredTask, Payload)> {
        let digest = self.reassembler.layout().digest;
        let (blocks, list) = self.reassembler.finish()?;
        let head = self.task.head.payload.clone();
        Some((self.task, head.with_blocks(blocks, list, digest)))
    }

    /// Stores the blocks that became whole. The only block is stored with its task.
    fn store_blocks(&mut self, cx: &mut WorkContext<'_>, store: &mut Store) {
        if self.reassembler.layout().blocks() < 2 {
            return;
        }
        while let Some(block) = self.reassembler.block(self.stored) {
            if self.stored == 0 {
                let record = Record::Fetch(self.task.clone());
                let list = self.reassembler.list().unwrap_or_default();
                store.persist(cx, &record, list, Gate::Open);
            }
            store.persist(cx, &self.task.block(self.stored), block, Gate::Open);
            self.stored += 1;
        }
    }

    fn tell(&self, cx: &mut WorkContext<'_>) {
        cx.tell(ClientAction::TransferProgress {
            job: self.task.job,
            task: self.task.head.task,
            direction: Direction::Down,
            done: self.reassembler.wanted(),
            total: self.window.total(),
            resumed_at: self.resumed_at,
            sent_twice: self.window.sent_twice(),
        });
    }
}
