//! What the threads of one program tell the thread that runs its tasks.

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::process::Death;
use crate::protocol::ProgramMessage;

/// How many messages wait at most. A program that says more is not read until they are heard,
/// so that none can fill our memory.
pub(crate) const MAX_WAITING: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<UnixStream>,
    messages: VecDeque<ProgramMessage>,
    /// Why there are no more messages.
    silenced: Option<Silence>,
    death: Option<Death>,
    stop: Option<Stop>,
    /// Nobody hears any more.
    closed: bool,
}

/// Why a program says no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Its end of the socket is closed.
    Closed,
    /// It broke the protocol, and nothing it says counts any more.
    Broke(String),
}

/// A task that is no longer wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) task: String,
    pub(crate) why: String,
}

/// What is next.
#[derive(Debug)]
pub(crate) enum Next {
    Connected(UnixStream),
    Said(ProgramMessage),
    Silent(Silence),
    Dead(Death),
    Stop(String),
    /// Nothing, until the time that was given.
    Timeout,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    pub(crate) fn connected(&self, connection: UnixStream) {
        self.change(|state| state.connection = Some(connection));
    }

    /// Waits until there is room. False if nobody hears any more.
    pub(crate) fn said(&self, message: ProgramMessage) -> bool {
        let full = |state: &mut State| state.messages.len() >= MAX_WAITING && !state.closed;
        let waiting = self.changed.wait_while(self.state(), full);
        let mut state = waiting.unwrap_or_else(PoisonError::into_inner);
        let heard = !state.closed;
        if heard {
            state.messages.push_back(message);
        }
        drop(state);
        self.changed.notify_all();
        heard
    }

    pub(crate) fn silent(&self, why: Silence) {
        self.change(|state| state.silenced = Some(why));
    }

    pub(crate) fn dead(&self, death: Death) {
        self.change(|state| state.death = Some(death));
    }

    pub(crate) fn stop(&self, stop: Stop) {
        self.change(|state| state.stop = Some(stop));
    }

    /// Forgets the program, not what is to be stopped.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// True if sending to the program is of no use any more.
    pub(crate) fn gives_up(&self, task: &str) -> bool {
        let state = self.state();
        state.death.is_some() || state.stop.as_ref().is_some_and(|stop| stop.task == task)
    }

    /// Why this task is to be stopped, if it is; told once.
    pub(crate) fn take_stop(&self, task: &str) -> Option<String> {
        let mut state = self.state();
        let stop = state.stop.take_if(|stop| stop.task == task)?;
        Some(stop.why)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().death.is_some()
    }

    /// Waits for the next thing to know. That this task is to be stopped comes first, then that
    /// it is `until`, so that a program that never ceases to talk can hold up neither.
    pub(crate) fn next(&self, task: &str, until: Option<Instant>) -> Next {
        let mut state = self.state();
        loop {
            if let Some(stop) = state.stop.take_if(|stop| stop.task == task) {
                return Next::Stop(stop.why);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Next::Timeout;
            }
            if let Some(next) = state.take() {
                drop(state);
                self.changed.notify_all();
                return next;
            }
            state = match left {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// What there is to know now.
    pub(crate) fn poll(&self) -> Option<Next> {
        let next = self.state().take();
        self.changed.notify_all();
        next
    }
}

impl State {
    /// First what the program has said, then how it ended.
    fn take(&mut self) -> Option<Next> {
        if let Some(connection) = self.connection.take() {
            Some(Next::Connected(connection))
        } else if let Some(message) = self.messages.pop_front() {
            Some(Next::Said(message))
        } else if let Some(silence) = self.silenced.take() {
            Some(Next::Silent(silence))
        } else {
            self.death.clone().map(Next::Dead)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn who_says_more_than_is_heard_waits() {
        let inbox = Arc::new(Inbox::default());
        let program = thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || {
                (0..1_000)
                    .take_while(|_| inbox.said(ProgramMessage::Pong))
                    .count()
            }
        });
        for _ in 0..100 {
            assert!(matches!(inbox.next("", None), Next::Said(_)));
            assert!(inbox.state().messages.len() <= MAX_WAITING);
        }
        inbox.close();
        let said = program.join().unwrap();
        assert!((100..=100 + MAX_WAITING).contains(&said), "{said}");
    }

    #[test]
    fn what_was_said_counts_before_the_end_and_a_stop_before_both() {
        let inbox = Inbox::default();
        inbox.dead(Death::Exited(0));
        inbox.silent(Silence::Closed);
        inbox.said(ProgramMessage::Ready);
        for (task, why) in [("1", "other"), ("2", "late")] {
            inbox.stop(Stop {
                task: task.to_owned(),
                why: why.to_owned(),
            });
        }
        assert!(matches!(inbox.next("2", None), Next::Stop(why) if why == "late"));
        assert!(matches!(
            inbox.next("2", None),
            Next::Said(ProgramMessage::Ready)
        ));
        assert!(matches!(
            inbox.next("2", None),
            Next::Silent(Silence::Closed)
        ));
        assert!(matches!(
            inbox.next("2", None),
            Next::Dead(Death::Exited(0))
        ));
    }

    #[test]
    fn a_stop_of_another_task_is_none() {
        let inbox = Inbox::default();
        inbox.stop(Stop {
            task: "1".to_owned(),
            why: String::new(),
        });
        assert!(matches!(
            inbox.next("2", Some(Instant::now())),
            Next::Timeout
        ));
        assert!(matches!(
            inbox.next("1", Some(Instant::now())),
            Next::Stop(_)
        ));
    }

    #[test]
    fn talking_does_not_stop_the_clock() {
        let inbox = Inbox::default();
        inbox.said(ProgramMessage::Pong);
        assert!(matches!(
            inbox.next("", Some(Instant::now())),
            Next::Timeout
        ));
        assert!(matches!(
            inbox.poll(),
            Some(Next::Said(ProgramMessage::Pong))
        ));
        assert!(inbox.poll().is_none());
    }
}
