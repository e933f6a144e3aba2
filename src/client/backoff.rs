//! Waits before something that failed is tried again: they are drawn, and grow with each
//! failure.

use core::ops::RangeInclusive;
use core::time::Duration;

use crate::entropy::Entropy;

use super::ClientConfig;

/// The longest wait that a server's word can cause: one wrong number must not silence a
/// client for good.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The wait after the failure number `failures` in a row, from 1: drawn within its bounds,
/// and never shorter than the server's `retry_after`.
// spec: P-118
pub(crate) fn delay(
    config: &ClientConfig,
    entropy: &mut Entropy,
    failures: u32,
    retry_after: Option<Duration>,
) -> Duration {
    let drawn = entropy.span(bounds(config, failures));
    drawn.max(at_most_longest(retry_after.unwrap_or_default()))
}

/// Within what it is drawn: from `retry_min` to a bound that starts there and doubles up to
/// `retry_max`.
pub(crate) fn bounds(config: &ClientConfig, failures: u32) -> RangeInclusive<Duration> {
    let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
    let most = config.retry_min.saturating_mul(doubled);
    config.retry_min..=most.min(config.retry_max)
}

/// A wait that the server asked for, within bounds.
// spec: P-48
pub(crate) fn at_most_longest(wait: Duration) -> Duration {
    wait.min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Name;

    // spec: P-118
    #[test]
    fn the_bound_doubles_from_the_least_to_the_greatest_wait() {
        let config = ClientConfig::new(Name::new("p").unwrap());
        let mut entropy = Entropy::new(&mut [5; 32]);
        let mut longest = |failures| {
            (0..200)
                .map(|_| delay(&config, &mut entropy, failures, None))
                .inspect(|wait| assert!(*wait >= config.retry_min))
                .max()
                .unwrap()
        };
        assert_eq!(longest(1), config.retry_min);
        for (failures, bound) in [(2, 4), (3, 8), (6, 60), (40, 60)] {
            let longest = longest(failures);
            assert!(longest <= Duration::from_secs(bound), "{failures}");
            assert!(longest > Duration::from_secs(bound) * 9 / 10, "{failures}");
        }
    }

    // spec: P-48
    #[test]
    fn the_server_can_ask_for_a_longer_wait_within_bounds() {
        let config = ClientConfig::new(Name::new("p").unwrap());
        let mut entropy = Entropy::new(&mut [5; 32]);
        let mut asked = |wait| delay(&config, &mut entropy, 1, Some(wait));
        assert_eq!(asked(Duration::from_secs(90)), Duration::from_secs(90));
        assert_eq!(asked(Duration::MAX), LONGEST_WAIT);
        assert_eq!(asked(Duration::ZERO), config.retry_min);
    }
}
