//! A sequence diagram in plain text: a column for each site, relay and the server, a line
//! for each event, the latest last.

use core::fmt;
use std::collections::BTreeSet;

use fedlink::Instant;

/// Characters from one lane to the next.
const WIDTH: usize = 9;

/// Characters of the time before the first lane.
const MARGIN: usize = 14;

/// Where something happens, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Nowhere in particular.
    World,
    Site(usize),
    Relay(usize),
    Server,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.write_str("world"),
            Self::Site(index) => write!(f, "site-{index}"),
            Self::Relay(index) => write!(f, "relay-{index}"),
            Self::Server => f.write_str("server"),
        }
    }
}

/// A line of the diagram.
pub struct Entry {
    at: Instant,
    what: What,
    text: String,
}

enum What {
    Note(Lane),
    Arrow { from: Lane, to: Lane, arrives: bool },
}

impl Entry {
    pub fn note(at: Instant, lane: Lane, text: String) -> Self {
        let what = What::Note(lane);
        Self { at, what, text }
    }

    pub fn arrow(at: Instant, (from, to): (Lane, Lane), arrives: bool, text: String) -> Self {
        let what = What::Arrow { from, to, arrives };
        Self { at, what, text }
    }

    fn lanes(&self) -> [Lane; 2] {
        match self.what {
            What::Note(lane) => [lane; 2],
            What::Arrow { from, to, .. } => [from, to],
        }
    }
}

/// Draws the entries. Only lanes on which something happens are there.
pub fn draw<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) -> String {
    let lanes: BTreeSet<Lane> = entries.clone().flat_map(Entry::lanes).collect();
    let lanes: Vec<Lane> = lanes
        .into_iter()
        .filter(|lane| *lane != Lane::World)
        .collect();
    let head: String = lanes
        .iter()
        .map(|lane| format!("{:^WIDTH$}", lane.to_string()))
        .collect();
    let mut text = format!("{:MARGIN$}{head}\n", "");
    for entry in entries {
        let (at, what) = (entry.at.to_string(), &entry.text);
        let row = row(&lanes, &entry.what);
        text += &format!("{at:>MARGIN$}{row}  {what}\n");
    }
    text
}

/// The lanes at one event: lines, and an arrow or a mark across them.
fn row(lanes: &[Lane], what: &What) -> String {
    let place = |lane: Lane| {
        let index = lanes.iter().position(|it| *it == lane)?;
        Some(index * WIDTH + WIDTH / 2)
    };
    let mut row = vec![' '; lanes.len() * WIDTH];
    for (index, _) in lanes.iter().enumerate() {
        row[index * WIDTH + WIDTH / 2] = '|';
    }
    match what {
        What::Note(lane) => {
            if let Some(place) = place(*lane) {
                row[place] = '*';
            }
        }
        What::Arrow { from, to, arrives } => {
            let (Some(from), Some(to)) = (place(*from), place(*to)) else {
                return row.into_iter().collect();
            };
            let (left, right) = (from.min(to), from.max(to));
            row[left + 1..right].fill('-');
            let (tip, head) = match from < to {
                true => (right - 1, '>'),
                false => (left + 1, '<'),
            };
            row[tip] = if *arrives { head } else { 'x' };
        }
    }
    row.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_arrows_losses_and_notes_are_drawn() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let (site, relay) = (Lane::Site(3), Lane::Relay(0));
        let entries = [
            Entry::arrow(at(1), (site, relay), true, "challenge".to_owned()),
            Entry::arrow(at(2), (relay, Lane::Server), false, "lost".to_owned()),
            Entry::arrow(at(3), (Lane::Server, site), true, "past".to_owned()),
            Entry::note(at(4), relay, "dies".to_owned()),
            Entry::note(at(5), Lane::World, "the network heals".to_owned()),
        ];
        let drawn = draw(entries.iter());
        let lines: Vec<&str> = drawn.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "site-3   relay-0  server",
                "1.000000 s    |------->|        |      challenge",
                "2.000000 s    |        |-------x|      lost",
                "3.000000 s    |<----------------|      past",
                "4.000000 s    |        *        |      dies",
                "5.000000 s    |        |        |      the network heals",
            ]
        );
    }
}
