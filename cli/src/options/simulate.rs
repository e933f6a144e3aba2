//! The options of `fedlink simulate`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

/// More would not fit into the memory of most machines.
const MAX_CLIENTS: u64 = 10_000_000;

/// Options of `fedlink simulate`.
#[derive(Clone, Debug, Args)]
pub struct SimulateOptions {
    /// How many clients there are: 1,000,000 unless given, with --storm 100,000
    #[arg(long, value_name = "N", value_parser = clients())]
    pub clients: Option<u32>,
    /// Over how long they join
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub join: Span,
    /// How long they are at work after that: 10m unless given
    #[arg(long, value_name = "TIME", conflicts_with = "storm")]
    pub duration: Option<Span>,
    /// Time between the heartbeats of a client
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub heartbeat: Span,
    /// How many of a hundred messages are lost, in each direction: 1 unless given, with
    /// --storm none but what is lost with the server
    #[arg(long, value_name = "PERCENT")]
    pub loss: Option<f64>,
    /// How long a message is on its way; each takes from half of it to half more
    #[arg(long, value_name = "TIME", default_value = "50ms")]
    pub latency: Span,
    /// How many of the clients work on a job, with a task each in every round: 1,000 unless
    /// given, or all if there are fewer
    #[arg(long, value_name = "N")]
    pub workers: Option<u32>,
    /// How many rounds the job has
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rounds: u32,
    /// Handshakes that the server begins a second: as many as the clients need unless given,
    /// with --storm as many as four fifths of its core can do
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub budget: Option<u32>,
    /// Decides what is lost, how long messages take and how long clients wait
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Clients wait as long as they may instead of drawing each wait anew
    #[arg(long, conflicts_with = "storm")]
    pub no_jitter: bool,
    /// Loses the server, restores it from its records, and shows how all come back, with
    /// jitter and without
    #[arg(long)]
    pub storm: bool,
    /// With --storm: how long the server is away
    #[arg(long, value_name = "TIME", default_value = "1s", requires = "storm")]
    pub downtime: Span,
    /// With --storm: what a registration takes of the server's one core
    #[arg(long, value_name = "TIME", default_value = "220us", requires = "storm")]
    pub register_cost: Span,
    /// With --storm: what any other message takes of it
    #[arg(long, value_name = "TIME", default_value = "2us", requires = "storm")]
    pub message_cost: Span,
    /// Draws the load over the time, as an SVG
    #[arg(long, value_name = "FILE", value_parser = super::path())]
    pub plot: Option<PathBuf>,
    /// Show nothing but the figures
    #[arg(long)]
    pub quiet: bool,
    /// Print the figures as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// A span of time as an option: `250ms`, `30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// The units and the microseconds in one.
const UNITS: [(&str, u64); 5] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let end = text.find(|it: char| !it.is_ascii_digit());
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let factor = UNITS.iter().find(|(name, _)| *name == unit);
        let micros = number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, (_, factor))| number.checked_mul(*factor));
        micros
            .map(|micros| Self(Duration::from_micros(micros)))
            .ok_or_else(|| "write a whole number and us, ms, s, m or h, as in 30s".to_owned())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        let fits = |(_, factor): &&(&str, u64)| micros > 0 && micros.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().rev().find(fits).unwrap_or(&("s", 1_000_000));
        write!(f, "{}{unit}", micros / factor)
    }
}

fn clients() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..=MAX_CLIENTS)
}
