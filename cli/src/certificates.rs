//! Notices of certificates that end soon.

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
    format!(
        "the certificate of {owner} {}: {}",
        when(left),
        renew(owner, whose)
    )
}

/// How the certificate of `owner` is renewed.
pub(crate) fn renew(owner: &str, whose: Whose) -> String {
    let kit = match whose {
        Whose::Site => format!("sites/{owner}"),
        Whose::Coordinator => "server".to_owned(),
    };
    format!(
        "whoever runs the project renews it with `fedlink provision --out PROJECT --renew {owner}`, PROJECT being the project's folder; {kit}/certificate.pem in there takes the place of the old one, while {owner} runs"
    )
}

/// `ends in 9 days`.
pub(crate) fn when(left: Duration) -> String {
    let seconds = left.as_secs();
    for (unit, one) in [(24 * 3600, "a day"), (3600, "an hour"), (60, "a minute")] {
        match seconds / unit {
            0 => {}
            1 => return format!("ends in {one}"),
            many => {
                let name = one.rsplit(' ').next().unwrap_or_default();
                return format!("ends in {many} {name}s");
            }
        }
    }
    match seconds {
        0 => "has ended".to_owned(),
        _ => "ends in less than a minute".to_owned(),
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
        assert_eq!(when(days(0)), "ends in less than a minute");
        assert_eq!(when(Duration::from_secs(119)), "ends in a minute");
        assert_eq!(when(Duration::from_secs(59 * 60)), "ends in 59 minutes");
        assert_eq!(when(Duration::from_secs(7199)), "ends in an hour");
        assert_eq!(when(days(1) - days(0)), "ends in a day");
        assert_eq!(when(Duration::ZERO), "has ended");
        let site = ends("porto", days(9), Whose::Site);
        assert!(site.starts_with("the certificate of porto ends in 9 days: "));
        assert!(site.contains("--renew porto") && site.contains("sites/porto/"));
        let coordinator = ends("coordinator", days(9), Whose::Coordinator);
        assert!(coordinator.contains("--renew coordinator") && coordinator.contains("server/"));
    }
}
