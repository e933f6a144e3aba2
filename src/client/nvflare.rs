//! The client's policy where its server is NVIDIA FLARE: commands and decisions that its own
//! protocol does not have.

use alloc::string::String;
use core::time::Duration;

use super::state::State;
use super::{Client, ClientAction, Rejection, RetryReason, Suspicion, Timer};
use crate::Instant;
use crate::config::Binding;
use crate::error::Misuse;
use crate::link::client::Link;
use crate::link::event::NvflareEvent as Event;
use crate::message::RejectReason;
use crate::nvflare::{ControlId, Decision, OnReplaced};

impl Client {
    /// Answers [`ResourcesWanted`](ClientAction::ResourcesWanted) or
    /// [`Deploy`](ClientAction::Deploy), where the settings say that the host does.
    ///
    /// # Errors
    /// When nobody waits for this decision (any more).
    pub fn decide(
        &mut self,
        now: Instant,
        request: ControlId,
        decision: &Decision,
    ) -> Result<(), Misuse> {
        self.advance(now);
        let waited = self.with_link(|link, cx| match link {
            Link::Nvflare(link) => link.decide(cx, request, decision),
            Link::Native(_) => false,
        });
        self.settle();
        if waited {
            Ok(())
        } else {
            Err(Misuse::UnknownControl(request))
        }
    }

    pub(super) fn nvflare_event(&mut self, event: Event) {
        match event {
            Event::Moving(id) => {
                let timer = Timer::Request(id.0);
                if let Some(due) = self.timers.when(timer) {
                    let at = self.now + self.config.task_timeout;
                    self.timers.arm(timer, at.max(due));
                    self.alive();
                }
            }
            Event::Jobs { abort, start } => {
                self.work(|work, cx| work.lists(cx, &abort, &start));
            }
            Event::Unfit { id, head, why } => {
                self.alive();
                self.timers.disarm(Timer::Request(id.0));
                self.work(|work, cx| work.on_unfit(cx, id, head, &why));
            }
            Event::ResourcesWanted { request, job, spec } => {
                self.actions
                    .push_back(ClientAction::ResourcesWanted { request, job, spec });
            }
            Event::Deploy {
                request,
                job,
                name,
                app,
            } => self.actions.push_back(ClientAction::Deploy {
                request,
                job,
                name,
                app,
            }),
            Event::AbortTask { job } => self.actions.push_back(ClientAction::AbortTask { job }),
            Event::Replaced(words) => self.replaced(words),
            Event::AuthDropped => self.auth_dropped(),
        }
    }

    /// Another process has this name now.
    fn replaced(&mut self, words: String) {
        let Binding::Nvflare(settings) = &self.config.binding else {
            return;
        };
        match settings.on_replaced {
            OnReplaced::Stop => {
                self.rejected(Rejection {
                    reason: RejectReason::Replaced,
                    message: words,
                });
            }
            OnReplaced::TakeOver => {
                self.forget_session();
                self.attempt_failed(RetryReason::Replaced, Duration::ZERO);
            }
        }
    }

    /// The server drops what this client sends: its credentials are void there. One new
    /// registration is tried, and no other for a while.
    fn auth_dropped(&mut self) {
        self.tell(ClientAction::Suspect {
            suspicion: Suspicion::AuthDropped,
            repeated: false,
        });
        let State::Active(active) = &mut self.state else {
            return;
        };
        let again = active
            .auth_dropped
            .is_none_or(|before| self.now.since(before) >= self.config.retry_max);
        if again {
            active.auth_dropped = Some(self.now);
            self.renew();
        }
    }
}
