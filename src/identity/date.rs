//! Unix times as people write them.

use core::fmt;

/// A moment in Unix seconds, shown as `2026-11-30 20:19 UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub u64);

/// The last second of the year 9999: later years have no four digits.
const LAST: u64 = 253_402_300_799;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > LAST {
            return write!(f, "Unix time {}", self.0);
        }
        let (year, month, day) = day(self.0 / SECONDS_A_DAY);
        let minutes = self.0 % SECONDS_A_DAY / 60;
        let (hour, minute) = (minutes / 60, minutes % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

/// Year, month and day, so many days after the start of 1970.
///
/// Years are counted from March here, so that the day that some of them have more is their
/// last one, and in eras of 400 years, which all have the same number of days.
fn day(since_1970: u64) -> (u64, u64, u64) {
    const FROM_YEAR_0: u64 = 719_468;
    const ERA: u64 = 146_097;
    let days = since_1970 + FROM_YEAR_0;
    let (era, in_era) = (days / ERA, days % ERA);
    let leap_days = in_era / 1_460 + in_era / 146_096 - in_era / 36_524;
    let year_of_era = (in_era - leap_days) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, five months have 153 days.
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = match from_march {
        0..=9 => from_march + 3,
        _ => from_march - 9,
    };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_as_people_write_them() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (4_102_444_799, "2099-12-31 23:59 UTC"),
            (4_107_542_399, "2100-02-28 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (LAST, "9999-12-31 23:59 UTC"),
            (LAST + 1, "Unix time 253402300800"),
            (u64::MAX, "Unix time 18446744073709551615"),
        ] {
            assert_eq!(Date(seconds).to_string(), shown);
        }
    }

    /// Another way to count: month by month.
    #[test]
    fn each_day_follows_the_one_before() {
        let (mut year, mut month, mut date) = (1970, 1, 1);
        for since_1970 in 0..=LAST / SECONDS_A_DAY {
            assert_eq!(day(since_1970), (year, month, date));
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + u64::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, date) = match (month, date) {
                (12, 31) => (year + 1, 1, 1),
                (_, _) if date == last => (year, month + 1, 1),
                _ => (year, month, date + 1),
            };
        }
        assert_eq!((year, month, date), (10_000, 1, 1));
    }
}
