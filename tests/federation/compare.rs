//! What must make no difference: the same plan is run in other manners, and every machine
//! says the same at the same times.

use crate::attempt::attempt;
use crate::world::{Drain, Manner, Run};

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

/// Runs a plan in all manners; gives the runs.
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
            return Err(format!("it makes a difference when {difference}"));
        }
        runs.push(other);
    }
    runs.push(plain);
    Ok(runs)
}
