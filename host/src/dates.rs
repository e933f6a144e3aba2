//! Sentences about certificates that are expired or not yet valid, with both times: either
//! clock may be the wrong one.

use fedlink::Suspicion;
use fedlink::identity::{ChainError, Date};

use crate::unix_time;

/// What is wrong with a message that was dropped, in words.
#[must_use]
pub fn explain(suspicion: &Suspicion) -> String {
    match suspicion {
        Suspicion::Chain(ChainError::Expired { not_after, .. }) => {
            format!("{}; {RENEW}", expired(*not_after, unix_time()))
        }
        Suspicion::Chain(ChainError::NotYetValid { not_before, .. }) => {
            format!("{}; {CORRECT}", not_yet_valid(*not_before, unix_time()))
        }
        _ => suspicion.to_string(),
    }
}

/// What helps against a server's certificate that has expired.
pub(crate) const RENEW: &str =
    "have the server's certificate renewed, or correct the clock of this machine";

/// What helps against one that does not count yet.
pub(crate) const CORRECT: &str = "correct the clock of this machine; if it is right, that of the \
                                  machine where the certificate was made was wrong";

pub(crate) fn expired(not_after: u64, now: u64) -> String {
    format!(
        "the server's certificate expired on {}, and the clock of this machine says {}",
        Date(not_after),
        Date(now)
    )
}

pub(crate) fn not_yet_valid(not_before: u64, now: u64) -> String {
    format!(
        "the server's certificate is not valid before {}, and the clock of this machine says {}",
        Date(not_before),
        Date(now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_with_both_times_and_what_helps() {
        let (position, not_before, not_after) = (0, 1_893_456_000, 86_400);
        let early = Suspicion::Chain(ChainError::NotYetValid {
            position,
            not_before,
        });
        let told = explain(&early);
        assert!(
            told.contains("is not valid before 2030-01-01 00:00 UTC"),
            "{told}"
        );
        assert!(told.contains("the clock of this machine says 20"), "{told}");
        assert!(told.contains("correct the clock"), "{told}");
        let late = Suspicion::Chain(ChainError::Expired {
            position,
            not_after,
        });
        let told = explain(&late);
        assert!(told.contains("expired on 1970-01-02 00:00 UTC"), "{told}");
        assert!(told.contains("renewed, or correct the clock"), "{told}");
        assert_eq!(explain(&Suspicion::Seal), Suspicion::Seal.to_string());
    }
}
