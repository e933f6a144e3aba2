//! The headers of a task in these jobs: what to do, in which round.

use fedlink::message::Properties;

/// The name of a task to train.
pub(super) const TRAIN: &str = "train";
/// The name of a task that lasts until its job is aborted.
pub(super) const HOLD: &str = "hold";

/// What a site is to train, as it stands in the headers of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The round, from 1.
    pub round: u32,
    /// Rounds in all.
    pub rounds: u32,
    /// The seed by which wines are held out.
    pub seed: u64,
}

impl Order {
    /// As headers of a task.
    #[must_use]
    pub fn headers(&self) -> Properties {
        Properties::from_iter([
            ("round", self.round.to_string()),
            ("rounds", self.rounds.to_string()),
            ("seed", self.seed.to_string()),
        ])
    }

    /// From the headers of a task. `None` if they are no order, or one that makes no sense.
    #[must_use]
    pub fn parse(headers: &Properties) -> Option<Self> {
        let order = Self {
            round: headers.get("round")?.parse().ok()?,
            rounds: headers.get("rounds")?.parse().ok()?,
            seed: headers.get("seed")?.parse().ok()?,
        };
        (1..=order.rounds).contains(&order.round).then_some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Order = Order {
        round: 3,
        rounds: 20,
        seed: u64::MAX,
    };

    #[test]
    fn an_order_comes_back_from_its_headers() {
        assert_eq!(Order::parse(&ORDER.headers()), Some(ORDER));
    }

    #[test]
    fn what_makes_no_sense_is_no_order() {
        for (key, value) in [
            ("round", "0"),
            ("round", "21"),
            ("round", ""),
            ("seed", "-1"),
            ("rounds", "2"),
        ] {
            let headers = ORDER.headers().with(key, value);
            assert_eq!(Order::parse(&headers), None, "{key} = {value}");
        }
        assert_eq!(Order::parse(&Properties::new()), None);
    }
}
