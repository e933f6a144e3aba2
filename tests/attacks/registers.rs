//! Strangers with cookies send more Registers than the server works on.

use fedlink::error::Dropped;
use fedlink::message::PeerId;

use crate::SECOND;
use crate::crowd::Crowd;

/// Handshakes a second; twice as many Registers are worked on.
const BUDGET: u32 = 100;

/// Ten times what is worked on, of one cookie from 500 connections, for ten seconds, while
/// twenty sites join. How many of them have, and how often they had to try again.
fn joined_beside_one_cookie(attempts: u16) -> (usize, u64) {
    let mut crowd = Crowd::new(|config| {
        config.challenge_budget = BUDGET;
        config.register_attempts = attempts;
    });
    let copy = crowd.worthless(PeerId(1000));
    for _ in 0..20 {
        for number in 0..10 * u64::from(BUDGET) {
            let _ = crowd.send(PeerId(1000 + number % 500), &copy);
        }
        crowd.join();
        crowd.tick(crowd.now);
        crowd.tick(crowd.now + SECOND / 2);
    }
    crowd.joined()
}

/// ```text
/// stranger: Challenge, then 2,000 Registers a second from 500 connections
/// every half second another site: Challenge, Register
/// ```
#[test]
fn one_cookie_takes_nothing_from_sites_that_join() {
    assert_eq!(joined_beside_one_cookie(2), (20, 0));
    // If Registers of one cookie were counted with all others alone, sites would wait.
    let (_, retries) = joined_beside_one_cookie(u16::MAX);
    assert!(retries > 0);
}

/// Half of all cookies of a window are strangers'. Then a Register comes with each of
/// theirs, again and again.
///
/// ```text
/// strangers on 2,950 connections: 2,950 Challenges, 50 a second
/// all of them, twice a second, one after another: Register
/// every half second another site: Challenge, Register
/// ```
// spec: P-68
#[test]
fn cookies_that_were_saved_up_take_nothing_from_sites_that_join() {
    for oldest_first in [true, false] {
        let mut crowd = Crowd::new(|config| config.challenge_budget = BUDGET);
        let mut registers = Vec::new();
        for number in 0..59 * u64::from(BUDGET) / 2 {
            let peer = PeerId(1000 + number);
            registers.push((peer, crowd.worthless(peer)));
            crowd.tick(crowd.now + SECOND * 2 / BUDGET);
        }
        if !oldest_first {
            registers.reverse();
        }
        let mut worked_on = 0;
        for (slice, sent) in (0..20 * 25).zip(registers.chunks(118).cycle()) {
            for (peer, register) in sent {
                worked_on += usize::from(crowd.send(*peer, register).is_ok());
            }
            if slice % 25 == 24 {
                crowd.join();
                crowd.tick(crowd.now);
            }
            crowd.tick(crowd.now + SECOND / 50);
        }
        crowd.tick(crowd.now + SECOND);
        assert_eq!(crowd.joined(), (20, 0));
        // What sites leave is the strangers'.
        assert!(worked_on > 1000, "{worked_on}");
    }
}

/// Cookies are saved up for twenty seconds; then a Register comes with each at once.
///
/// ```text
/// strangers on 200 connections: 200 Challenges, 10 a second
/// all of them: Register
/// ```
#[test]
fn many_cookies_together_are_worked_on_no_faster_than_the_budget() {
    let mut crowd = Crowd::new(|config| config.challenge_budget = 10);
    let mut registers = Vec::new();
    for number in 0..200 {
        let peer = PeerId(1000 + number);
        registers.push((peer, crowd.worthless(peer)));
        crowd.tick(crowd.now + SECOND / 10);
    }
    for second in 0..3 {
        let outcomes = registers
            .iter()
            .map(|(peer, register)| crowd.send(*peer, register));
        let outcomes: Vec<_> = outcomes.collect();
        let worked_on = outcomes.iter().filter(|it| it.is_ok()).count();
        assert_eq!(worked_on, 20, "second {second}");
        let over_budget = |it: &&Result<(), Dropped>| **it == Err(Dropped::OverBudget);
        assert_eq!(outcomes.iter().filter(over_budget).count(), 180);
        crowd.tick(crowd.now + SECOND);
    }
    // Who comes then is not sent away for good.
    crowd.join();
    for _ in 0..10 {
        for (peer, register) in &registers {
            let _ = crowd.send(*peer, register);
        }
        crowd.tick(crowd.now);
        crowd.tick(crowd.now + SECOND);
    }
    crowd.tick(crowd.now + 10 * SECOND);
    assert_eq!(crowd.joined().0, 1);
}
