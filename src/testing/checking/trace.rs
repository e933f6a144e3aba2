//! A counterexample in words.

use core::fmt;

use stateright::{Model as _, Path};

use super::model::{Model, site_name};
use super::state::{Packet, State};
use super::step::Step;
use crate::wire::native::{self, Envelope};

/// A property that fails, and how.
pub(super) struct Found {
    pub(super) property: &'static str,
    /// What happens, a line each.
    pub(super) steps: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "not true: {}", self.property)?;
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:>3}. {step}")?;
        }
        Ok(())
    }
}

/// Puts a path into words.
pub(super) fn found(model: &Model, property: &'static str, path: Path<State, Step>) -> Found {
    let mut state = model.init_states().remove(0);
    let mut steps = Vec::new();
    for step in path.into_actions() {
        steps.push(told(&state, step));
        model.take(&mut state, step);
    }
    Found { property, steps }
}

fn told(state: &State, step: Step) -> String {
    let packet = |index: usize| state.network.get(index).map(described).unwrap_or_default();
    match step {
        Step::Deliver(index) => format!("{} arrives", packet(index)),
        Step::Repeat(index) => format!("{} arrives, and is repeated", packet(index)),
        Step::Lose(index) => format!("{} is lost", packet(index)),
        Step::Fire(site, timer) => format!("{}: the timer {timer:?} fires", site_name(site)),
        Step::Stall(site) => format!("{}'s storage becomes slow", site_name(site)),
        Step::StallCenter => "the server's storage becomes slow".to_owned(),
        Step::Write(site) => format!("{} stores a record", site_name(site)),
        Step::WriteCenter => "the server stores a record".to_owned(),
        Step::Crash(site) => format!("{} crashes and starts again", site_name(site)),
        Step::CrashCenter => "the server crashes and starts again".to_owned(),
        Step::Forget => "the server loses its storage and starts again".to_owned(),
        Step::Silence(session) => format!("the server ends session {session} for silence"),
        Step::End(job) => format!("the server's host ends job {job}"),
        Step::Hurry(site) => format!("{}'s host wants a heartbeat at once", site_name(site)),
    }
}

fn described(packet: &Packet) -> String {
    let kind = match native::parse(&packet.message) {
        Ok(Envelope::Challenge(_)) => "Challenge".to_owned(),
        Ok(Envelope::ChallengeReply { .. }) => "ChallengeReply".to_owned(),
        Ok(Envelope::Register { register, .. }) => {
            let cookie = u128::from_be_bytes(register.reply.cookie.stamp);
            format!("Register with cookie {cookie:032x}")
        }
        Ok(Envelope::RegisterReply { .. }) => "RegisterReply".to_owned(),
        Ok(Envelope::Refusal { .. }) => "Refusal".to_owned(),
        Ok(Envelope::InvalidSession(_)) => "InvalidSession".to_owned(),
        Ok(Envelope::Sealed { number, .. }) => format!("sealed message {number}"),
        Ok(_) | Err(_) => "message".to_owned(),
    };
    let site = site_name(packet.site);
    if packet.to_server {
        format!("{site}'s {kind}")
    } else {
        format!("the server's {kind} to {site}")
    }
}
