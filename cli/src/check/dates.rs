//! Checks how long certificates are still valid.

use std::time::Duration;

use fedlink::identity::Date;
use fedlink_host::kit::RENEW_DAYS;
use fedlink_host::unix_time;

use super::report::Line;
use crate::certificates::when;

/// Before its end a certificate is worth a warning: from then on those who run warn too, and
/// whoever runs the project has the time of a holiday to renew it.
const NOTICE: Duration = Duration::from_secs(RENEW_DAYS * 24 * 60 * 60);

/// A certificate that counts, until `end`.
pub(super) fn until(check: &'static str, end: u64, remedy: &str) -> Line {
    let left = Duration::from_secs(end.saturating_sub(unix_time()));
    let counts = format!("the certificate counts until {}", Date(end));
    if left >= NOTICE {
        return Line::right(check, counts);
    }
    let found = format!("{counts}: it {}", when(left));
    match left.is_zero() {
        true => Line::wrong(check, found, Some(remedy)),
        false => Line::warning(check, found, Some(remedy)),
    }
}
