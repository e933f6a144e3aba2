//! Settings of the machines: small limits, short lives.

use core::time::Duration;

use fedlink::{ClientConfig, ServerConfig, Suite, Suites};

use super::Carriage;
use crate::common::pki::name;
use crate::world::dice::Dice;

/// Payloads above this travel in chunks.
const INLINE: usize = 1 << 10;

pub fn client(dice: &mut Dice, suite: Suite, bound: bool, carriage: Carriage) -> ClientConfig {
    let mut config = ClientConfig::new(name("world"));
    config.server = Some(name("coordinator"));
    config.suites = Suites::new([suite]).unwrap();
    config.trusted_path = suite == Suite::Bearer && !bound;
    config.datagram = carriage == Carriage::Datagram;
    config.want_token = dice.chance(500);
    config.inline_limit = INLINE;
    config.retry_min = Duration::from_millis(dice.pick(&[2_000, 100]));
    config.failed_wait = Duration::from_millis(dice.pick(&[5_000, 500]));
    config.retry_max = Duration::from_secs(dice.pick(&[10, 60]));
    config.silence_limit = Duration::from_secs(dice.pick(&[30, 120]));
    config.max_payload = dice.pick(&[4 << 30, 4 << 30, 50_000]);
    // One for each job, and one to spare.
    config.max_held = dice.pick(&[1024, 4]);
    config
}

pub fn server(dice: &mut Dice, suite: Suite, bound: bool, heavy: bool) -> ServerConfig {
    let mut config = ServerConfig::new(name("world"));
    config.suites = Suites::new([suite]).unwrap();
    config.trusted_path = suite == Suite::Bearer && !bound;
    config.inline_limit = INLINE;
    config.heartbeat_interval = Duration::from_secs(dice.pick(&[10, 3]));
    config.registration_window = Duration::from_secs(dice.pick(&[60, 10]));
    config.min_task_timeout = Duration::from_secs(dice.pick(&[0, 0, 20]));
    config.challenge_budget = dice.pick(&[2_000, 2_000, 2]);
    config.peer_budget = dice.pick(&[20, 20, 1]);
    config.poll_interval = Duration::from_secs(dice.pick(&[1, 3, 10]));
    config.dead_after = Duration::from_secs(dice.pick(&[40, 120, 600]));
    config.session_lifetime = Duration::from_secs(dice.pick(&[90, 600, 86_400]));
    // Room for one result at a time.
    config.max_upload_bytes = match heavy {
        true => 20 << 20,
        false => dice.pick(&[8 << 30, 8 << 30, 1 << 20]),
    };
    config.max_waiting = dice.pick(&[65_536, 65_536, 30]);
    config
}
