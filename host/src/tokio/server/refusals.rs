//! Warns of connections that TLS refuses and of registrations that the machine refuses: once for
//! an address, a name and a reason, with a count, and with one line a minute for each reason at
//! most, however many come.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fedlink::Refused;
use fedlink::identity::Name;
use fedlink::message::RejectReason;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::connectivity::ConnectionFailure;
use crate::connectivity::Fault;

/// The least time between two lines for one reason.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// How long whoever was told of is not told of again for the same reason.
const TOLD_FOR: Duration = Duration::from_secs(3600);

/// How many of whom was told are remembered, for each reason. In a flood from more of them the
/// oldest are forgotten: its lines are limited by their interval.
const MAX_TOLD: usize = 64;

/// How many one line names.
const MAX_NAMED: usize = 8;

/// Refusals that are to be told, and were. Its memory is bounded by the constants above.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    reasons: Mutex<Reasons>,
    news: Notify,
}

/// What is told of an address: of IPv6 its /64, in which one machine has as many as it likes.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

type Reasons = Vec<(Why, Reason)>;

/// Why somebody was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// A connection, by TLS.
    Connection(Fault),
    /// A registration, by this rule; by none if there is no suite in common.
    Registration(Option<RejectReason>),
}

/// Who was refused, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Who {
    address: Option<IpAddr>,
    /// The name that it gives.
    name: Option<Name>,
}

/// Refusals for one reason.
#[derive(Debug)]
struct Reason {
    /// No line goes before.
    next_line: Instant,
    /// Refusals since the last line.
    count: u64,
    /// Who is named in the next line, and what each was told.
    waiting: Vec<(Who, String)>,
    /// Whether there are more than can be named.
    others: bool,
    /// Who was named, and when: the oldest first.
    told: VecDeque<(Who, Instant)>,
}

impl Refusals {
    /// Notes a connection that has failed, if it was TLS that refused it.
    pub(super) fn note(&self, address: Option<IpAddr>, error: &io::Error) {
        let Some(fault) = ConnectionFailure::of(error).fault else {
            return;
        };
        let who = Who {
            address: address.map(network),
            name: None,
        };
        self.note_for(Why::Connection(fault), who, String::new());
    }

    /// Notes a registration that the machine has refused.
    pub(super) fn note_registration(&self, address: Option<IpAddr>, refused: Refused) {
        let who = Who {
            address: address.map(network),
            name: refused.name,
        };
        self.note_for(Why::Registration(refused.reason), who, refused.message);
    }

    fn note_for(&self, why: Why, who: Who, message: String) {
        let now = Instant::now();
        let mut reasons = self.reasons();
        let at = reasons.iter().position(|(known, _)| *known == why);
        let at = at.unwrap_or_else(|| {
            reasons.push((why, Reason::new(now)));
            reasons.len() - 1
        });
        if let Some((_, reason)) = reasons.get_mut(at)
            && reason.note(who, message, now)
        {
            self.news.notify_one();
        }
    }

    /// Tells each line when it is due, for as long as this is polled.
    pub(super) async fn tell(&self, mut tell: impl FnMut(String)) {
        loop {
            match self.due() {
                None => self.news.notified().await,
                Some(due) => tokio::select! {
                    () = self.news.notified() => {}
                    () = sleep_until(due) => self.lines().into_iter().for_each(&mut tell),
                },
            }
        }
    }

    /// When the next line goes, if one waits.
    fn due(&self) -> Option<Instant> {
        let reasons = self.reasons();
        let waiting = reasons
            .iter()
            .filter(|(_, reason)| !reason.waiting.is_empty());
        waiting.map(|(_, reason)| reason.next_line).min()
    }

    /// The lines that are due.
    fn lines(&self) -> Vec<String> {
        let now = Instant::now();
        let mut reasons = self.reasons();
        let mut lines = Vec::new();
        for (why, reason) in reasons.iter_mut() {
            lines.extend(reason.line(*why, now));
        }
        lines
    }

    fn reasons(&self) -> MutexGuard<'_, Reasons> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reason {
    fn new(now: Instant) -> Self {
        Self {
            next_line: now,
            count: 0,
            waiting: Vec::new(),
            others: false,
            told: VecDeque::new(),
        }
    }

    /// Counts a refusal; whether there is anything new to tell.
    fn note(&mut self, who: Who, message: String, now: Instant) -> bool {
        self.count = self.count.saturating_add(1);
        self.told
            .retain(|(_, at)| now.saturating_duration_since(*at) < TOLD_FOR);
        let known = self.told.iter().any(|(told, _)| *told == who);
        if known || self.waiting.iter().any(|(waiting, _)| *waiting == who) {
            return false;
        }
        if self.waiting.len() >= MAX_NAMED {
            self.others = true;
            return false;
        }
        self.waiting.push((who, message));
        true
    }

    fn line(&mut self, why: Why, now: Instant) -> Option<String> {
        if self.waiting.is_empty() || now < self.next_line {
            return None;
        }
        let others = if self.others { " and others" } else { "" };
        let line = match why {
            Why::Connection(fault) => self.of_connections(others, fault.told_at_server()),
            Why::Registration(reason) => self.of_registrations(others, remedy(reason)),
        };
        for (who, _) in self.waiting.drain(..) {
            if self.told.len() >= MAX_TOLD {
                self.told.pop_front();
            }
            self.told.push_back((who, now));
        }
        (self.count, self.others) = (0, false);
        self.next_line = now + LINE_INTERVAL;
        Some(line)
    }

    fn of_connections(&self, others: &str, why: &str) -> String {
        let names: Vec<String> = self.waiting.iter().map(|(who, _)| who.address()).collect();
        let named = names.join(", ");
        match self.count {
            1 => format!("a connection from {named} was refused: {why}"),
            count => format!("{count} connections, from {named}{others}, were refused: {why}"),
        }
    }

    fn of_registrations(&self, others: &str, remedy: &str) -> String {
        let named: Vec<String> = self
            .waiting
            .iter()
            .map(|(who, message)| match &who.name {
                Some(name) => format!("{name} at {} ({message})", who.address()),
                None => format!("{} ({message})", who.address()),
            })
            .collect();
        let named = named.join(", ");
        match self.count {
            1 => format!("a registration of {named} was refused: {remedy}"),
            count => format!("{count} registrations, of {named}{others}, were refused: {remedy}"),
        }
    }
}

impl Who {
    fn address(&self) -> String {
        let address = self.address.map(|it| it.to_string());
        address.unwrap_or_else(|| "an unknown address".to_owned())
    }
}

/// What helps whoever runs the server.
fn remedy(reason: Option<RejectReason>) -> &'static str {
    match reason {
        Some(RejectReason::Unauthenticated) => {
            "if it is a site, give it a kit of this project with a certificate that counts"
        }
        Some(RejectReason::WrongProject) => {
            "give it a kit of this project, or correct `project` in its fedlink.toml"
        }
        Some(RejectReason::Disabled) => "enable it again if it is to take part",
        Some(RejectReason::Replaced) => {
            "two processes have its kit, of which one has to be stopped"
        }
        Some(_) => "see what it was told",
        None => "set `suite` and `transport` in fedlink.toml to the same in both kits",
    }
}

#[cfg(test)]
mod tests;
