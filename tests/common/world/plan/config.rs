//! Settings of the machines: small limits, short lives.

use core::time::Duration;

use fedlink::{ClientConfig, ServerConfig, Suite, Suites};

use super::Carriage;
use super::bytes::Draw;
use crate::common::pki::name;

/// Payloads above this travel in chunks.
const INLINE: usize = 1 << 10;

pub fn client(draw: &mut Draw<'_>, suite: Suite, bound: bool, carriage: Carriage) -> ClientConfig {
    let mut config = ClientConfig::new(name("world"));
    config.server = Some(name("coordinator"));
    config.suites = Suites::new([suite]).unwrap();
    config.trusted_path = suite == Suite::Bearer && !bound;
    config.datagram = carriage == Carriage::Datagram;
    config.want_token = draw.chance(500);
    config.inline_limit = INLINE;
    config.retry_min = Duration::from_millis(draw.pick(&[2_000, 100]));
    config.failed_wait = Duration::from_millis(draw.pick(&[5_000, 500]));
    config.retry_max = Duration::from_secs(draw.pick(&[10, 60]));
    config.silence_limit = Duration::from_secs(draw.pick(&[120, 30]));
    config.max_payload = draw.pick(&[4 << 30, 4 << 30, 50_000]);
    // One for each job, and one to spare.
    config.max_held = draw.pick(&[1024, 4]);
    config
}

pub fn server(
    draw: &mut Draw<'_>,
    suite: Suite,
    bound: bool,
    carriage: Carriage,
    heavy: bool,
    clients: usize,
    jobs: usize,
) -> ServerConfig {
    let mut config = ServerConfig::new(name("world"));
    config.suites = Suites::new([suite]).unwrap();
    config.trusted_path = suite == Suite::Bearer && !bound;
    config.datagram = carriage == Carriage::Datagram;
    config.inline_limit = INLINE;
    config.heartbeat_interval = Duration::from_secs(draw.pick(&[10, 3]));
    config.registration_window = Duration::from_secs(draw.pick(&[60, 10]));
    config.min_task_timeout = Duration::from_secs(draw.pick(&[0, 0, 20]));
    // With short sessions each client makes a handshake a minute.
    let tight = u32::try_from(clients / 8).unwrap().max(1);
    config.challenge_budget = draw.pick(&[1_000, 1_000, tight]);
    config.peer_budget = draw.pick(&[20, 20, 1]);
    config.poll_interval = Duration::from_secs(draw.pick(&[1, 3, 10]));
    config.dead_after = Duration::from_secs(draw.pick(&[600, 120, 40]));
    config.session_lifetime = Duration::from_secs(draw.pick(&[86_400, 600, 90]));
    // Room for one result at a time, if that is not too small for any.
    let narrow = draw.chance(330);
    config.max_upload_bytes = match (narrow, heavy) {
        (false, _) => 8 << 30,
        (true, false) => 1 << 20,
        (true, true) => 20 << 20,
    };
    // Room for exactly what is planned: whatever is kept for too long is missed.
    config.max_clients = clients;
    config.max_jobs = jobs;
    config.max_waiting = draw.pick(&[65_536, 65_536, 30]);
    config
}
