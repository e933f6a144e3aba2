//! The state of one large result on its way to the server.

use bytes::Bytes;

use crate::client::context::WorkContext;
use crate::client::{ClientAction, Direction};
use crate::message::{JobId, Payload, RequestId, TaskId};
use crate::transfer::{self, Layout, WINDOW, Window};

#[derive(Debug)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Upload {
    window: Window,
    /// Everything before this offset has arrived.
    arrived: u64,
    resumed_at: u64,
    /// The connection broke, or the server lost what it had, under way.
    cut: bool,
}

impl Upload {
    /// A transfer of what the server misses, from `offset` on. More than 0 if an earlier
    /// process sent a part.
    pub(crate) fn new(payload: &Payload, offset: u64) -> Self {
        Self {
            window: Window::new(Layout::of(payload), offset),
            arrived: offset,
            resumed_at: offset,
            cut: false,
        }
    }

    /// Bytes to move in all.
    pub(crate) fn total(payload: &Payload) -> u64 {
        Layout::of(payload).total()
    }

    /// The server misses the bytes from `offset` on. True if the transfer was cut before.
    pub(crate) fn send_from(&mut self, offset: u64) -> bool {
        self.window.resume(offset);
        self.arrived = offset;
        let resumed = core::mem::take(&mut self.cut);
        if resumed {
            self.resumed_at = offset;
        }
        resumed
    }

    /// The next part to send. What lies more than a window ahead of what has arrived
    /// would be dropped there.
    pub(crate) fn next_part(&self, payload: &Payload) -> Option<(u64, Bytes)> {
        let (offset, len) = self.window.next_chunk()?;
        let ahead = offset >= self.arrived.saturating_add(WINDOW);
        let bytes = transfer::chunk(payload, offset, len)?;
        (!ahead).then_some((offset, bytes))
    }

    /// The part at `offset` goes out under `id`; how many of its bytes went before.
    pub(crate) fn sent(&mut self, id: RequestId, offset: u64) -> u64 {
        let before = self.window.sent_twice();
        self.window.started(id, offset);
        self.window.sent_twice() - before
    }

    /// The server has everything before `offset`. True if that is news.
    pub(crate) fn arrived(&mut self, id: RequestId, offset: u64) -> bool {
        self.window.done(id);
        let news = offset > self.arrived && offset <= self.window.total();
        if news {
            self.arrived = offset;
        }
        news
    }

    pub(crate) fn lost(&mut self, id: RequestId) {
        self.window.lost(id);
    }

    pub(crate) fn cut(&mut self) {
        self.cut = true;
    }

    /// Whether no part is in flight.
    pub(crate) fn is_quiet(&self) -> bool {
        self.window.is_quiet()
    }

    pub(crate) fn tell(&self, cx: &mut WorkContext<'_>, job: JobId, task: TaskId) {
        cx.tell(ClientAction::TransferProgress {
            job,
            task,
            direction: Direction::Up,
            done: self.arrived,
            total: self.window.total(),
            resumed_at: self.resumed_at,
            sent_twice: self.window.sent_twice(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::CHUNK;

    #[test]
    fn only_more_than_before_and_no_more_than_all_is_news() {
        let payload = Payload::new(vec![7; 2 * CHUNK]);
        let total = Upload::total(&payload);
        let mut upload = Upload::new(&payload, 10);
        for (offset, news) in [(10, false), (9, false), (total + 1, false), (11, true)] {
            assert_eq!(upload.arrived(RequestId(1), offset), news, "{offset}");
        }
        assert!(upload.arrived(RequestId(1), total));
        assert!(!upload.arrived(RequestId(1), total));
    }
}
