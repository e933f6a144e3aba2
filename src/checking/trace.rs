//! A counterexample in words.

use core::fmt::Write as _;

use stateright::{Model as _, Path};

use super::model::{Model, site_name};
use super::state::{Packet, State};
use super::step::Step;
use crate::wire::native::{self, Envelope};

/// The steps of a path, a line each.
pub(super) fn story(model: &Model, path: Path<State, Step>) -> String {
    let mut story = String::new();
    let mut state = model.init_states().remove(0);
    for (number, step) in (1..).zip(path.into_actions()) {
        let _ = writeln!(story, "{number:>3}. {}", told(&state, step));
        model.take(&mut state, step);
    }
    let _ = write!(story, "     {:?}", state.witness.faults);
    story
}

fn told(state: &State, step: Step) -> String {
    let packet = |index: usize| state.network.get(index).map(described).unwrap_or_default();
    match step {
        Step::Deliver(index) => format!("{} arrives", packet(index)),
        Step::Repeat(index) => format!("{} arrives, and is repeated", packet(index)),
        Step::Lose(index) => format!("{} is lost", packet(index)),
        Step::Fire(site, timer) => format!("{}: the timer {timer:?} fires", site_name(site)),
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
            format!("Register with cookie {}", register.reply.cookie.number())
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
