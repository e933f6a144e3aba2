//! The plan of a simulation: how many clients, how long, which faults.

use std::sync::Arc;
use std::time::Duration;

use fedlink::identity::Name;
use fedlink::{ClientConfig, ServerConfig, Suite, Suites};

use super::SimulateError;
use crate::options::{SimulateOptions, Span};

/// Simulated time in milliseconds.
pub(super) type Tick = u32;

/// A time that never comes.
pub(super) const NEVER: Tick = Tick::MAX;

/// What is simulated, in numbers that have been found to make sense.
pub(super) struct Plan {
    pub(super) clients: u32,
    pub(super) workers: u32,
    pub(super) rounds: u32,
    /// Over how long they join.
    pub(super) join: Tick,
    /// How long they are at work before the end, or before the server is lost.
    pub(super) work: Tick,
    /// The share of messages that is lost.
    pub(super) loss: f64,
    pub(super) latency: Tick,
    pub(super) seed: u64,
    pub(super) storm: Option<Storm>,
    pub(super) server: Arc<ServerConfig>,
    /// The defaults of a real client.
    pub(super) client: ClientConfig,
}

/// The loss of the server.
#[derive(Clone, Copy)]
pub(super) struct Storm {
    pub(super) downtime: Tick,
    pub(super) register_cost: Duration,
    pub(super) message_cost: Duration,
}

const MILLION: u32 = 1_000_000;
const STORM_CLIENTS: u32 = 100_000;
const WORKERS: u32 = 1_000;
const WORK: Duration = Duration::from_secs(600);

/// How long a cookie lives: enough for a Register to go out twice.
const WINDOW: Duration = Duration::from_secs(15);

/// Times are counted in milliseconds of 32 bits; nothing here needs more.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl Plan {
    pub(super) fn new(options: &SimulateOptions) -> Result<Self, SimulateError> {
        let client = ClientConfig::new(Name::new("simulation")?);
        let default = if options.storm {
            STORM_CLIENTS
        } else {
            MILLION
        };
        let clients = options.clients.unwrap_or(default);
        let workers = options.workers.unwrap_or(WORKERS.min(clients));
        let heartbeat = options.heartbeat;
        let work = match options.duration {
            _ if options.storm => heartbeat,
            given => given.unwrap_or(Span(WORK)),
        };
        let second = Duration::from_secs(1);
        // Half of the time that a client waits for an answer, there and back.
        let latency = client.maintenance_timeout / 4;
        let bounds = [
            (
                "--join",
                options.join,
                second..=LONGEST,
                "1s or more, up to 168h",
            ),
            (
                "--duration",
                work,
                second..=LONGEST,
                "1s or more, up to 168h",
            ),
            (
                "--heartbeat",
                heartbeat,
                second..=second * 300,
                "1s up to 5m: after 10 minutes of silence a client counts as dead",
            ),
            (
                "--latency",
                options.latency,
                Duration::from_millis(2)..=latency,
                "2ms to 1250ms: a client waits 5 s for an answer",
            ),
            (
                "--downtime",
                options.downtime,
                Duration::ZERO..=second * 300,
                "up to 5m",
            ),
            (
                "--register-cost",
                options.register_cost,
                Duration::ZERO..=second,
                "up to 1s",
            ),
            (
                "--message-cost",
                options.message_cost,
                Duration::ZERO..=second,
                "up to 1s",
            ),
        ];
        for (option, given, bounds, remedy) in bounds {
            if !bounds.contains(&given.0) {
                return Err(SimulateError::Time {
                    option,
                    given,
                    remedy,
                });
            }
        }
        let loss = options
            .loss
            .unwrap_or(if options.storm { 0.0 } else { 1.0 });
        if !(0.0..=50.0).contains(&loss) {
            return Err(SimulateError::Loss(loss));
        }
        if workers > clients {
            return Err(SimulateError::Workers { workers, clients });
        }
        if workers > 0 && options.rounds == 0 {
            return Err(SimulateError::NoRounds);
        }
        let storm = options.storm.then(|| Storm {
            downtime: ticks(options.downtime.0),
            register_cost: options.register_cost.0,
            message_cost: options.message_cost.0,
        });
        let server = server(&client.project, clients, options)?;
        let tasks = u64::from(workers) * u64::from(options.rounds);
        let limit = server.max_tasks;
        if tasks > limit as u64 {
            return Err(SimulateError::Tasks { tasks, limit });
        }
        Ok(Self {
            clients,
            workers,
            rounds: if workers > 0 { options.rounds } else { 0 },
            join: ticks(options.join.0),
            work: ticks(work.0),
            loss: loss / 100.0,
            latency: ticks(options.latency.0),
            seed: options.seed,
            storm,
            server: Arc::new(server),
            client,
        })
    }
}

/// The server's settings: the defaults, but for what so many clients need.
fn server(
    project: &Name,
    clients: u32,
    options: &SimulateOptions,
) -> Result<ServerConfig, SimulateError> {
    let mut config = ServerConfig::new(project.clone());
    config.suites = Suites::new([Suite::Plain])?;
    config.heartbeat_interval = options.heartbeat.0;
    // What is remembered of a handshake lives as long as its cookie, and would otherwise take
    // more memory than the sessions.
    config.registration_window = WINDOW;
    config.max_clients = config.max_clients.max(clients as usize);
    // Half of the budget is left for what is repeated, or a fifth of the core for the rest.
    let needed = match options.storm {
        true => 0.8 / options.register_cost.0.as_secs_f64().max(1e-6),
        false => 2.0 * f64::from(clients) / options.join.0.as_secs_f64(),
    };
    let needed = (needed.ceil() as u32).max(1);
    config.challenge_budget = options.budget.unwrap_or(needed);
    // Peers share the places of the server's table of budgets.
    config.peer_budget *= clients.div_ceil(4096);
    Ok(config)
}

/// Whole ticks, at least as long.
pub(super) fn ticks(span: Duration) -> Tick {
    Tick::try_from(span.as_micros().div_ceil(1000)).unwrap_or(NEVER)
}
