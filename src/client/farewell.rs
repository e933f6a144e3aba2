//! Quitting: a client says goodbye to the server and closes, in every phase, answered or not.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;

use super::state::{Quitting, State, Trigger};
use super::{Client, ClientAction, CloseReason};
use crate::message::{Goodbye, Quit, Request, RequestId, ReturnCode};

/// How often a farewell is sent before it counts as unanswered.
const COPIES: u32 = 3;

impl Client {
    pub(super) fn say_farewell(&mut self, reason: &str) {
        match &self.state {
            State::Idle | State::Registering(_) | State::Rejected => {
                self.rest();
                self.close(Trigger::Quit, false, reason, CloseReason::NotRegistered);
            }
            State::Active(_) => {
                self.void_requests();
                self.stop_session_timers();
                self.attempt_disconnected();
                let quitting = Quitting {
                    request: self.send_farewell(reason, None),
                    reason: reason.to_owned(),
                    tries: 1,
                };
                self.state
                    .change(Trigger::Quit, State::Quitting(Box::new(quitting)));
                if !self.connection.is_up() {
                    self.farewell_disconnected();
                }
            }
            State::Quitting(_) | State::Closed => {}
        }
    }

    /// The server's answer.
    pub(super) fn goodbye(&mut self, goodbye: Goodbye) {
        self.end(true, &goodbye.message, CloseReason::Quit);
    }

    /// Whether the failed request was the farewell; if so, it is dealt with.
    // spec: P-108
    pub(super) fn farewell_failed(&mut self, id: RequestId, code: ReturnCode) -> bool {
        if !self.is_farewell(id) {
            return false;
        }
        let State::Quitting(quitting) = &mut self.state else {
            return false;
        };
        if matches!(
            code,
            ReturnCode::Unauthenticated | ReturnCode::InvalidSession
        ) {
            self.end(true, "the session is gone", CloseReason::SessionGone);
        } else if quitting.tries >= COPIES {
            let message = format!("no goodbye: {code}");
            self.end(false, &message, CloseReason::NoAnswer);
        } else {
            quitting.tries += 1;
            let reason = quitting.reason.clone();
            self.counters.retries += 1;
            self.send_farewell(&reason, Some(id));
        }
        true
    }

    /// Whether a doubt about the session met a farewell: then it is over.
    pub(super) fn farewell_doubted(&mut self) -> bool {
        let quitting = self.is_quitting();
        if quitting {
            self.end(false, "the session is gone", CloseReason::SessionGone);
        }
        quitting
    }

    /// A farewell without a connection reaches nobody.
    pub(super) fn farewell_disconnected(&mut self) {
        if self.is_quitting() {
            self.end(false, "the connection is gone", CloseReason::NoAnswer);
        }
    }

    pub(super) fn is_quitting(&self) -> bool {
        matches!(self.state, State::Quitting(_))
    }

    /// Whether `id` is the farewell under way.
    pub(super) fn is_farewell(&self, id: RequestId) -> bool {
        matches!(&self.state, State::Quitting(quitting) if quitting.request == id)
    }

    fn send_farewell(&mut self, reason: &str, again: Option<RequestId>) -> RequestId {
        let request = Request::Quit(Quit {
            reason: reason.to_owned(),
            context: self.context.clone(),
        });
        let timeout = self.config.maintenance_timeout;
        match again {
            Some(id) => {
                self.asks.repeat(id, request, bytes::Bytes::new(), timeout);
                id
            }
            None => self.asks.send(request, bytes::Bytes::new(), timeout),
        }
    }

    fn end(&mut self, answered: bool, message: &str, reason: CloseReason) {
        self.rest();
        self.actions.push_back(ClientAction::ClearAuth);
        self.close(Trigger::Farewell, answered, message, reason);
    }

    fn close(&mut self, trigger: Trigger, answered: bool, message: &str, reason: CloseReason) {
        self.actions.push_back(ClientAction::Closed {
            answered,
            message: message.to_owned(),
            reason,
        });
        self.state.change(trigger, State::Closed);
    }
}
