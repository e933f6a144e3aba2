//! Warns of connections that TLS refuses: once for an address and a reason, with a count, and
//! with one line a minute for each reason at most, however many connections come.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::connectivity::ConnectionFailure;
use crate::tls::Fault;

/// The least time between two lines for one reason.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// How long an address that was told of is not told of again for the same reason.
const TOLD_FOR: Duration = Duration::from_secs(3600);

/// Addresses that were told of and are remembered, for each reason. In a flood from more of
/// them the oldest are forgotten: its lines are limited by their interval.
const MAX_TOLD: usize = 64;

/// Addresses that one line names.
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

type Reasons = Vec<(Fault, Reason)>;

/// Refusals for one reason.
#[derive(Debug)]
struct Reason {
    /// No line goes before.
    next_line: Instant,
    /// Connections since the last line.
    count: u64,
    /// Who is named in the next line.
    waiting: Vec<Option<IpAddr>>,
    /// Whether there are more than can be named.
    others: bool,
    /// Who was named, and when: the oldest first.
    told: VecDeque<(Option<IpAddr>, Instant)>,
}

impl Refusals {
    /// Notes a connection that has failed, if it was TLS that refused it.
    pub(super) fn note(&self, address: Option<IpAddr>, error: &io::Error) {
        let Some(fault) = ConnectionFailure::of(error).fault else {
            return;
        };
        let now = Instant::now();
        let mut reasons = self.reasons();
        let at = reasons.iter().position(|(known, _)| *known == fault);
        let at = at.unwrap_or_else(|| {
            reasons.push((fault, Reason::new(now)));
            reasons.len() - 1
        });
        if let Some((_, reason)) = reasons.get_mut(at)
            && reason.note(address.map(network), now)
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
        for (fault, reason) in reasons.iter_mut() {
            lines.extend(reason.line(*fault, now));
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
    fn note(&mut self, address: Option<IpAddr>, now: Instant) -> bool {
        self.count = self.count.saturating_add(1);
        self.told
            .retain(|(_, at)| now.saturating_duration_since(*at) < TOLD_FOR);
        let known = self.told.iter().any(|(told, _)| *told == address);
        if known || self.waiting.contains(&address) {
            return false;
        }
        if self.waiting.len() >= MAX_NAMED {
            self.others = true;
            return false;
        }
        self.waiting.push(address);
        true
    }

    fn line(&mut self, fault: Fault, now: Instant) -> Option<String> {
        if self.waiting.is_empty() || now < self.next_line {
            return None;
        }
        let names: Vec<String> = self
            .waiting
            .iter()
            .map(|address| address.map_or("an unknown address".to_owned(), |it| it.to_string()))
            .collect();
        let (named, others) = (
            names.join(", "),
            if self.others { " and others" } else { "" },
        );
        let line = match self.count {
            1 => format!(
                "a connection from {named} was refused: {}",
                fault.told_at_server()
            ),
            count => format!(
                "{count} connections, from {named}{others}, were refused: {}",
                fault.told_at_server()
            ),
        };
        for address in self.waiting.drain(..) {
            if self.told.len() >= MAX_TOLD {
                self.told.pop_front();
            }
            self.told.push_back((address, now));
        }
        (self.count, self.others) = (0, false);
        self.next_line = now + LINE_INTERVAL;
        Some(line)
    }
}

#[cfg(test)]
mod tests;
