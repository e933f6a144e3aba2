//! Registration: the way of a client from nothing to a session, and what it does when a step
//! fails.

use alloc::boxed::Box;
use core::mem::Discriminant;
use core::ops::RangeInclusive;
use core::time::Duration;

use super::state::{Active, State, Trigger};
use super::{Auth, Client, ClientAction, RetryReason, Suspicion, Timer, backoff};
use crate::Instant;
use crate::client::Rejection;
use crate::client::heartbeat::Heartbeats;
use crate::error::Misuse;
use crate::link::event::HandshakeEvent;
use crate::message::SignatureId;
use crate::message::limits::HORIZON;
use crate::wire::native::{Denial, Denied};

/// How often a Register is sent that is not answered, before a new challenge.
pub(crate) const REGISTER_COPIES: u32 = 2;

/// The wait before a session that seems gone is made anew.
pub(crate) const RENEWAL: RangeInclusive<Duration> =
    Duration::from_micros(1)..=Duration::from_secs(2);

/// How long a key that is elsewhere may take; half of a usual cookie's life.
const SIGNER_TIMEOUT: Duration = Duration::from_secs(30);

/// One way to a session, across all its tries.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Attempt {
    step: Step,
    /// Tries that have failed in a row.
    failures: u32,
    /// How the latest handshakes failed, and how many of them alike.
    alike: Option<(Discriminant<Suspicion>, u32)>,
    /// The handshake under way has been counted in `alike`.
    counted: bool,
    /// What an unprotected refusal said in the handshake under way.
    excuse: Option<(RetryReason, Duration)>,
    /// Until when another connection is no reason to try again.
    not_before: Option<Instant>,
}

impl Attempt {
    /// Whether the latest `times` handshakes, or more, failed for one reason.
    fn failed_alike(&self, times: u32) -> bool {
        self.alike.is_some_and(|(_, alike)| alike >= times)
    }
}

/// How far a try has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Step {
    /// Waiting for the carrier.
    #[default]
    Carrier,
    /// Waiting for the answer to a challenge.
    Challenged,
    /// Waiting for a signature from elsewhere.
    Signing(SignatureId),
    /// Waiting for the answer to a Register, which has been sent this many times.
    Registering(u32),
    /// Waiting before the next try.
    Backoff,
}

impl Client {
    /// Starts the way to a session, with the first try now if there is a carrier.
    pub(super) fn start_attempt(&mut self) {
        if self.connection.is_up() {
            self.challenge();
        } else {
            self.want_carrier();
        }
    }

    /// Sends a challenge with a fresh nonce.
    pub(super) fn challenge(&mut self) {
        let Some(attempt) = self.state.attempt() else {
            return;
        };
        attempt.step = Step::Challenged;
        attempt.counted = false;
        attempt.excuse = None;
        self.timers.disarm(Timer::Backoff);
        let at = self.now + self.config.maintenance_timeout;
        self.timers.arm(Timer::Handshake, at);
        self.with_link(|link, cx| link.challenge(cx));
    }

    /// The carrier is gone, and a try that was under way with it.
    pub(super) fn attempt_disconnected(&mut self) {
        if let Some(attempt) = self.state.attempt() {
            // Who answers wrongly and closes the connection is no reason to come sooner.
            let under_way = !matches!(attempt.step, Step::Carrier | Step::Backoff);
            if under_way && attempt.counted && attempt.failed_alike(self.config.reject_after) {
                attempt.not_before = Some(self.now + self.config.retry_max);
            }
            attempt.step = Step::Carrier;
        }
        self.timers.disarm(Timer::Handshake);
        self.timers.disarm(Timer::Backoff);
        self.link.drop_handshake();
    }

    /// The carrier is there: a try that waited for it begins, unless it is to come later
    /// whatever carries it.
    // spec: P-71, P-119
    pub(super) fn attempt_connected(&mut self) {
        let Some(attempt) = self.state.attempt() else {
            return;
        };
        match attempt.not_before {
            Some(at) if at > self.now => {
                attempt.step = Step::Backoff;
                self.timers.arm(Timer::Backoff, at);
            }
            Some(_) | None => self.challenge(),
        }
    }

    /// The carrier could not send a message of the handshake.
    pub(super) fn attempt_send_failed(&mut self) {
        let under_way = self
            .state
            .attempt()
            .is_some_and(|attempt| !matches!(attempt.step, Step::Carrier | Step::Backoff));
        if under_way {
            self.attempt_failed(RetryReason::SendFailed, Duration::ZERO);
        }
    }

    /// No answer came in time.
    // spec: P-43
    pub(super) fn handshake_timed_out(&mut self) {
        let Some(attempt) = self.state.attempt() else {
            return;
        };
        let suspect = attempt.counted;
        let (reason, wait) = match attempt.step {
            Step::Registering(copies)
                if copies < REGISTER_COPIES && !suspect && self.link.repeat_register() =>
            {
                attempt.step = Step::Registering(copies + 1);
                let at = self.now + self.config.maintenance_timeout;
                self.timers.arm(Timer::Handshake, at);
                self.counters.retries += 1;
                return;
            }
            Step::Signing(_) => (RetryReason::SignerSilent, Duration::ZERO),
            Step::Challenged | Step::Registering(_) if suspect => {
                (RetryReason::ChallengeSuspect, Duration::ZERO)
            }
            Step::Challenged => attempt
                .excuse
                .unwrap_or((RetryReason::ChallengeUnanswered, Duration::ZERO)),
            Step::Registering(_) => attempt
                .excuse
                .unwrap_or((RetryReason::RegisterUnanswered, Duration::ZERO)),
            Step::Carrier | Step::Backoff => return,
        };
        self.attempt_failed(reason, wait);
    }

    /// The try has failed: another follows, not before `at_least` has passed.
    pub(super) fn attempt_failed(&mut self, reason: RetryReason, mut at_least: Duration) {
        let Some(attempt) = self.state.attempt() else {
            return;
        };
        if !attempt.counted {
            attempt.alike = None;
        }
        attempt.failures += 1;
        attempt.step = Step::Backoff;
        let failures = attempt.failures;
        // spec: P-119
        let alike = attempt.failed_alike(self.config.reject_after);
        if alike {
            at_least = at_least.max(self.config.retry_max);
        }
        if matches!(
            reason,
            RetryReason::ChallengeUnanswered | RetryReason::RegisterUnanswered
        ) {
            self.connection.handshake_unanswered();
        }
        self.link.drop_handshake();
        self.timers.disarm(Timer::Handshake);
        // A server that says when to come again has thought of the others.
        let told = reason == RetryReason::ServerBusy && !at_least.is_zero();
        let in_a_row = if told { 1 } else { failures };
        let wait = backoff::delay(&self.config, &mut self.entropy, in_a_row, Some(at_least));
        attempt.not_before = if alike {
            Some(self.now + wait)
        } else {
            // On another connection a new turn would lie behind those of all others. No server
            // gives a turn beyond the horizon, and that connection may lead to another server.
            told.then(|| self.now + wait.min(HORIZON))
        };
        self.retry(Timer::Backoff, wait, failures, reason);
    }

    /// The wait is over.
    pub(super) fn backed_off(&mut self) {
        if self.state.attempt().is_some() {
            self.start_attempt();
        }
    }

    /// What the link made of a message of the handshake.
    pub(super) fn handshake_event(&mut self, event: HandshakeEvent) {
        self.connection.heard();
        match event {
            HandshakeEvent::Proven {
                to_sign,
                dates_checked,
                not_after,
            } => {
                self.ends.of_server = not_after;
                if !dates_checked {
                    self.tell(ClientAction::DatesUnchecked);
                }
                match to_sign {
                    Some(bytes) => self.ask_signature(bytes),
                    None => self.register_sent(),
                }
            }
            HandshakeEvent::Suspect(suspicion) => self.suspect(suspicion),
            HandshakeEvent::Denied { denied, protected } => self.denied(denied, protected),
            HandshakeEvent::OtherVersion { newer } => {
                let reason = match newer {
                    true => RetryReason::ServerNewer,
                    false => RetryReason::ServerOlder,
                };
                if let Some(attempt) = self.state.attempt() {
                    attempt.excuse = Some((reason, Duration::ZERO));
                }
            }
        }
    }

    /// A signature from elsewhere.
    pub(super) fn handshake_signed(
        &mut self,
        request: SignatureId,
        signature: &[u8; 64],
    ) -> Result<(), Misuse> {
        let awaited = self
            .state
            .attempt()
            .is_some_and(|attempt| attempt.step == Step::Signing(request));
        if !awaited || !self.link.signed(signature) {
            return Err(Misuse::UnknownSignature(request));
        }
        self.register_sent();
        Ok(())
    }

    fn ask_signature(&mut self, bytes: bytes::Bytes) {
        self.next_signature += 1;
        let request = SignatureId(self.next_signature);
        if let Some(attempt) = self.state.attempt() {
            attempt.step = Step::Signing(request);
        }
        let at = self.now + SIGNER_TIMEOUT;
        self.timers.arm(Timer::Handshake, at);
        self.actions
            .push_back(ClientAction::Sign { request, bytes });
    }

    fn register_sent(&mut self) {
        if let Some(attempt) = self.state.attempt() {
            attempt.step = Step::Registering(1);
            attempt.counted = false;
        }
        let at = self.now + self.config.maintenance_timeout;
        self.timers.arm(Timer::Handshake, at);
    }

    fn suspect(&mut self, suspicion: Suspicion) {
        let reject_after = self.config.reject_after;
        let Some(attempt) = self.state.attempt() else {
            return;
        };
        let kind = suspicion.kind();
        if !attempt.counted {
            attempt.counted = true;
            attempt.alike = match attempt.alike {
                Some((before, times)) if before == kind => Some((kind, times + 1)),
                Some(_) | None => Some((kind, 1)),
            };
        }
        let repeated = attempt.failed_alike(reject_after)
            && attempt.alike.is_some_and(|(before, _)| before == kind);
        tracing::debug!(%suspicion, repeated, "the server's answer was dropped");
        self.tell(ClientAction::Suspect {
            suspicion,
            repeated,
        });
        if !self.link.answers_again() {
            self.attempt_failed(RetryReason::ChallengeSuspect, Duration::ZERO);
        }
    }

    // spec: P-47, P-48
    fn denied(&mut self, denied: Denied, protected: bool) {
        let wait = denied
            .retry_after
            .map_or(Duration::ZERO, Duration::from_millis);
        let clocks_differ = denied.is_of_dates() && !self.has_ended();
        if protected
            && !clocks_differ
            && let Some(reason) = denied.rejection()
        {
            self.rejected(Rejection {
                reason,
                message: denied.message,
            });
            return;
        }
        let reason = match denied.denial {
            Denial::Rejected(_) if clocks_differ => RetryReason::CertificateDates,
            Denial::Rejected(_) | Denial::Busy => RetryReason::ServerBusy,
            Denial::NoCommonSuite => RetryReason::NoCommonSuite,
            Denial::TooShort(_) => RetryReason::ChallengeTooShort,
        };
        if protected {
            self.attempt_failed(reason, wait);
        } else if let Some(attempt) = self.state.attempt() {
            // Anybody may have said so: go on waiting, and believe it if nothing better
            // comes.
            attempt.excuse = Some((reason, wait.min(self.config.retry_max)));
        }
    }

    pub(super) fn rejected(&mut self, rejection: Rejection) {
        if self.link.has_session() {
            self.actions.push_back(ClientAction::ClearAuth);
        }
        self.actions.push_back(ClientAction::Rejected(rejection));
        self.rest();
        self.state.change(Trigger::Refused, State::Rejected);
    }

    /// A session stands.
    // spec: P-45
    pub(super) fn registered(&mut self, auth: Auth) {
        let interval = auth.heartbeat_interval;
        self.timers.disarm(Timer::Handshake);
        self.void_requests();
        self.ssid = Some(auth.ssid);
        let before = match &self.state {
            State::Active(active) => active.span,
            State::Idle
            | State::Registering(_)
            | State::Quitting(_)
            | State::Rejected
            | State::Closed => None,
        };
        let (span, renew_at) = self.span_of(&auth, before);
        self.actions.push_back(ClientAction::SetAuth(auth));
        self.tell_of_ends();
        match &mut self.state {
            State::Active(active) => {
                active.span = span;
                active.renewal = None;
                active.renew_at = renew_at;
                active.generation = None;
                active.heartbeats.set_interval(interval);
            }
            State::Idle
            | State::Registering(_)
            | State::Quitting(_)
            | State::Rejected
            | State::Closed => {
                let active = Active {
                    heartbeats: Heartbeats::new(interval),
                    span,
                    renewal: None,
                    renew_at,
                    generation: None,
                    #[cfg(feature = "nvflare")]
                    auth_dropped: None,
                };
                self.state
                    .change(Trigger::Registered, State::Active(Box::new(active)));
            }
        }
        self.arm_renewal();
        self.work(|work, cx| work.on_session(cx));
        self.announce_heartbeat();
    }

    /// Registers anew beside the session that there is.
    pub(super) fn renew(&mut self) {
        if let State::Active(active) = &mut self.state
            && active.renewal.is_none()
        {
            active.renew_at = None;
            active.renewal = Some(Attempt::default());
            self.start_attempt();
        }
    }

    /// Renews the session at `at`, or as soon as there is a connection after it.
    pub(super) fn renew_at(&mut self, at: Instant) {
        if let State::Active(active) = &mut self.state {
            active.renew_at = Some(at);
            self.arm_renewal();
        }
    }

    /// There is a connection: a renewal that came due without one begins.
    pub(super) fn renewal_connected(&mut self) {
        match &self.state {
            State::Active(active) if active.renew_at.is_some_and(|at| at <= self.now) => {
                self.renew();
            }
            _ => self.arm_renewal(),
        }
    }

    fn arm_renewal(&mut self) {
        let at = match &self.state {
            State::Active(active) => active.renew_at,
            State::Idle
            | State::Registering(_)
            | State::Quitting(_)
            | State::Rejected
            | State::Closed => None,
        };
        match at.filter(|_| self.connection.is_up()) {
            Some(at) => self.timers.arm(Timer::Renewal, at),
            None => self.timers.disarm(Timer::Renewal),
        }
    }

    /// The session is gone for certain: a new one is needed before work goes on.
    pub(super) fn session_lost(&mut self) {
        if self.forget_session() == Some(false) {
            self.start_attempt();
        }
    }

    /// Forgets the session; whether a new registration is under way already. Nothing if
    /// there was no session.
    pub(super) fn forget_session(&mut self) -> Option<bool> {
        self.link.drop_session();
        self.void_requests();
        self.stop_session_timers();
        self.actions.push_back(ClientAction::ClearAuth);
        let attempt = match &mut self.state {
            State::Active(active) => active.renewal.take(),
            State::Idle
            | State::Registering(_)
            | State::Quitting(_)
            | State::Rejected
            | State::Closed => return None,
        };
        let under_way = attempt.is_some();
        self.state.change(
            Trigger::SessionLost,
            State::Registering(Box::new(attempt.unwrap_or_default())),
        );
        Some(under_way)
    }
}
