//! The contexts that the client lends to its parts while it handles one input: time, settings,
//! randomness, queues.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::Instant;
use crate::entropy::Entropy;
use crate::message::{Properties, Request, RequestId, Ssid};
use crate::output_queue::OutputQueue;
use crate::timer::Timers;
use crate::wire::native;

use super::{ClientAction, ClientConfig, ClientCounters, RetryReason, Timer};

/// What an input is handled with.
pub(crate) struct WorkContext<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a ClientConfig,
    pub(crate) entropy: &'a mut Entropy,
    pub(crate) actions: &'a mut OutputQueue<ClientAction>,
    pub(crate) timers: &'a mut Timers<Timer>,
    pub(crate) asks: &'a mut Asks,
    pub(crate) counters: &'a mut ClientCounters,
    /// The service session of the current registration.
    pub(crate) ssid: Option<Ssid>,
    /// What the host wants to ride on requests.
    pub(crate) context: &'a Properties,
    /// Registered and connected: requests may go out.
    pub(crate) ready: bool,
}

impl WorkContext<'_> {
    pub(crate) fn act(&mut self, action: ClientAction) {
        self.actions.push_back(action);
    }

    /// Tells the host something that it can do without. One that is far behind does.
    pub(crate) fn tell(&mut self, news: ClientAction) {
        if self.actions.len() < self.config.max_waiting {
            self.act(news);
        }
    }

    /// Arms `timer` for `wait` from now and tells the host why.
    pub(crate) fn retry(&mut self, timer: Timer, wait: Duration, attempt: u32, why: RetryReason) {
        let at = self.now + wait;
        self.timers.arm(timer, at);
        self.retried(at, attempt, why);
    }

    /// Tells the host that something is tried again, and why.
    pub(crate) fn retried(&mut self, at: Instant, attempt: u32, why: RetryReason) {
        self.counters.retries += 1;
        tracing::debug!(reason = ?why, attempt, %at, "tries again");
        self.tell(ClientAction::Retry {
            at,
            attempt,
            reason: why,
        });
    }
}

/// More than a message of a session has around its request.
const ENVELOPE: usize = 128;

/// A request on its way to the link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Ask {
    pub(crate) id: RequestId,
    pub(crate) request: Request,
    pub(crate) payload: Bytes,
    /// Wait for the answer.
    pub(crate) timeout: Duration,
}

impl Ask {
    /// Bytes that its message will not exceed.
    fn max_len(&self) -> usize {
        ENVELOPE + native::encode(&self.request, Vec::new()).len() + self.payload.len()
    }

    /// Leaves out the host's context if a stranger could not send it all.
    fn shorten(&mut self) {
        if self.max_len() > native::MAX_STRANGER
            && let Request::Heartbeat(heartbeat) = &mut self.request
        {
            heartbeat.context = Properties::new();
        }
    }
}

/// Requests that the parts want to send, drained into the link after every input.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Asks {
    last: u64,
    queue: VecDeque<Ask>,
    cancelled: Vec<RequestId>,
}

impl Asks {
    // spec: P-79
    pub(crate) fn send(
        &mut self,
        request: Request,
        payload: Bytes,
        timeout: Duration,
    ) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.repeat(id, request, payload, timeout);
        id
    }

    /// Sends a request again under the number that it had.
    // spec: P-81
    pub(crate) fn repeat(
        &mut self,
        id: RequestId,
        request: Request,
        payload: Bytes,
        timeout: Duration,
    ) {
        self.queue.push_back(Ask {
            id,
            request,
            payload,
            timeout,
        });
    }

    /// Whatever comes of this request, nobody wants to hear of it.
    pub(crate) fn cancel(&mut self, id: RequestId) {
        let before = self.queue.len();
        self.queue.retain(|ask| ask.id != id);
        if self.queue.len() == before {
            self.cancelled.push(id);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Ask> {
        self.queue.pop_front()
    }

    /// The next request that may go where the server does not know whose messages these
    /// are: heartbeats and farewells, and others until they take `left` bytes.
    pub(crate) fn pop_early(&mut self, left: &mut usize) -> Option<Ask> {
        let place = self.queue.iter().position(|ask| match ask.request {
            Request::Heartbeat(_) | Request::Quit(_) => true,
            Request::PullTask(_)
            | Request::Fetch(_)
            | Request::SubmitResult(_)
            | Request::Push(_) => match left.checked_sub(ask.max_len()) {
                Some(rest) => {
                    *left = rest;
                    true
                }
                None => false,
            },
        })?;
        let mut ask = self.queue.remove(place)?;
        ask.shorten();
        Some(ask)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The requests cancelled since the last call that had left the queue before.
    pub(crate) fn take_cancelled(&mut self) -> Vec<RequestId> {
        core::mem::take(&mut self.cancelled)
    }

    /// Forgets what has not been drained: the session that it was meant for is gone.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.cancelled.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Quit;

    #[test]
    fn a_request_that_is_cancelled_before_it_goes_never_does_and_others_do() {
        let mut asks = Asks::default();
        let [first, second, third] = [(); 3].map(|()| {
            let request = Request::Quit(Quit {
                reason: String::new(),
                context: Properties::new(),
            });
            asks.send(request, Bytes::new(), Duration::ZERO)
        });
        assert_eq!(asks.pop().map(|ask| ask.id), Some(first));
        asks.cancel(second);
        assert_eq!(asks.take_cancelled(), []);
        asks.cancel(first);
        assert_eq!(asks.take_cancelled(), [first]);
        assert_eq!(asks.pop().map(|ask| ask.id), Some(third));
        assert_eq!(asks.pop(), None);
    }
}
