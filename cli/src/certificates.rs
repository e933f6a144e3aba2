//! What people are told before a certificate ends.

use std::time::Duration;

/// Who has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A site's.
    Site,
    /// The coordinator's.
    Coordinator,
}

/// That the certificate of `owner` ends, when, and what helps.
pub(crate) fn ends(owner: &str, left: Duration, whose: Whose) -> String {
    let kit = match whose {
        Whose::Site => format!("sites/{owner}"),
        Whose::Coordinator => "server".to_owned(),
    };
    format!(
        "the certificate of {owner} {}: whoever runs the project renews it with `fedlink provision --out PROJECT --renew {owner}`, PROJECT being the project's folder; {kit}/certificate.pem in there takes the place of the old one, while {owner} runs",
        when(left)
    )
}

/// `ends in 9 days`.
pub(crate) fn when(left: Duration) -> String {
    const DAY: u64 = 24 * 3600;
    match (left.as_secs(), left.as_secs() / DAY) {
        (0, _) => "has ended".to_owned(),
        (_, 0) => "ends in less than a day".to_owned(),
        (_, 1) => "ends in a day".to_owned(),
        (_, days) => format!("ends in {days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_how_many_days_are_left_and_what_to_do() {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600 + 5);
        assert_eq!(when(days(13)), "ends in 13 days");
        assert_eq!(when(days(1)), "ends in a day");
        assert_eq!(when(days(0)), "ends in less than a day");
        assert_eq!(when(Duration::ZERO), "has ended");
        let site = ends("porto", days(9), Whose::Site);
        assert!(site.starts_with("the certificate of porto ends in 9 days: "));
        assert!(site.contains("--renew porto") && site.contains("sites/porto/"));
        let coordinator = ends("coordinator", days(9), Whose::Coordinator);
        assert!(coordinator.contains("--renew coordinator") && coordinator.contains("server/"));
    }
}
