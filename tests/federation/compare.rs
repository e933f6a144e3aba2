//! What must make no difference: the same plan is run in other manners, and every machine
//! says the same at the same times.

use crate::attempt::{attempt, logged};
use crate::world::{Drain, Log, Manner, Run};

/// The manner that others are compared with.
const PLAIN: Manner = Manner {
    whole_steps: true,
    ..Manner::USUAL
};

/// What is done otherwise.
const OTHERS: [(&str, Manner); 3] = [
    (
        "hosts take messages first",
        Manner {
            drain: Drain::MessagesFirst,
            ..PLAIN
        },
    ),
    (
        "hosts take actions first",
        Manner {
            drain: Drain::ActionsFirst,
            ..PLAIN
        },
    ),
    (
        "machines are misused, and refuse messages",
        Manner {
            meddling: true,
            ..PLAIN
        },
    ),
];

/// Runs a plan in all manners; returns the runs.
///
/// # Errors
/// When one of them fails, or differs from the others.
pub fn compare(bytes: &[u8]) -> Result<Vec<Run>, String> {
    let plain = attempt(bytes, PLAIN)?;
    let mut runs = Vec::new();
    for (difference, manner) in OTHERS {
        let other = attempt(bytes, manner)?;
        let same = plain.transcripts == other.transcripts
            && (plain.lasted, plain.recovered_in) == (other.lasted, other.recovered_in);
        if !same {
            let first = first_difference(bytes, manner);
            return Err(format!("it makes a difference when {difference}{first}"));
        }
        runs.push(other);
    }
    runs.push(plain);
    Ok(runs)
}

/// The first event that is another in this manner, if events show it.
fn first_difference(bytes: &[u8], manner: Manner) -> String {
    let [usual, other] = [PLAIN, manner].map(|manner| {
        let mut log = Log::keeping(usize::MAX);
        let _ = logged(bytes, manner, &mut log);
        log.diagram()
    });
    let mut lines = usual.lines().zip(other.lines());
    let first = lines.find(|(usual, other)| usual != other);
    first.map_or_else(String::new, |(usual, other)| format!("\n{usual}\n{other}"))
}
