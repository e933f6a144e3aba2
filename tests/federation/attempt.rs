//! Runs a plan that may fail; explains how it came to that.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::compare::compare;
use crate::world::bytes::to_hex;
use crate::world::{Log, Manner, Plan, Run, run, shrink};

/// Events that are shown of a run that failed: enough to see what led to it.
const USUAL_LINES: usize = 60;

/// Runs that are spent on making a plan smaller.
const TRIES: usize = 400;

/// Runs a plan; the words of the panic if it fails.
pub fn attempt(bytes: &[u8], manner: Manner) -> Result<Run, String> {
    logged(bytes, manner, &mut Log::default())
}

/// The same, and keeps its last events.
pub fn logged(bytes: &[u8], manner: Manner, log: &mut Log) -> Result<Run, String> {
    quietly(|| run(Plan::decode(bytes), manner, log))
}

/// Tells how a plan came to fail, as shortly as that can be told.
pub fn explain(bytes: &[u8], failure: &str) -> ! {
    let usual = |bytes: &[u8], log: &mut Log| logged(bytes, Manner::default(), log).err();
    let other = |bytes: &[u8], _: &mut Log| compare(bytes).err();
    // If it holds in the usual manner, it is another one in which it fails.
    let explanation = match usual(bytes, &mut Log::default()) {
        Some(_) => explanation(bytes, usual),
        None => explanation(bytes, other),
    };
    println!("{explanation}");
    panic!("{failure}\nas it was found: FEDLINK_PLAN={}", to_hex(bytes));
}

/// Makes a plan that fails smaller, for as long as it does: shows what is left of it, the
/// last events of its run, how it fails, and the command that repeats it.
pub fn explanation(bytes: &[u8], fails: impl Fn(&[u8], &mut Log) -> Option<String>) -> String {
    let small = shrink(bytes, TRIES, |bytes| {
        fails(bytes, &mut Log::default()).is_some()
    });
    let lines = number("FEDLINK_LINES").map_or(USUAL_LINES, |lines| lines as usize);
    let mut log = Log::keeping(lines);
    let words = fails(&small, &mut log).unwrap_or_else(|| {
        "but not the second time: something is not drawn from the plan".to_owned()
    });
    let (plan, diagram, hex) = (Plan::decode(&small), log.diagram(), to_hex(&small));
    format!("{plan:?}\n\n{diagram}\n{words}\nFEDLINK_PLAN={hex} cargo test --test federation")
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    Some(text(name)?.parse().expect("a number"))
}

/// A text from the environment.
#[allow(clippy::disallowed_methods)] // The tests have a host's freedom; the core does not.
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Catches a panic and prints nothing of it.
fn quietly<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let done = catch_unwind(AssertUnwindSafe(body));
    QUIET.set(false);
    done.map_err(|failure| {
        let words = failure.downcast_ref::<String>().cloned();
        let short = failure.downcast_ref::<&str>();
        words
            .or(short.map(|words| (*words).to_owned()))
            .unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Case;
    use crate::world::bytes::{from_hex, of_seed};

    /// A world in which it is a failure that the server dies.
    const PLANTED: Manner = Manner {
        forbidden: Some(Case::ServerCrash),
        ..Manner::USUAL
    };

    #[test]
    fn a_failure_is_shown_at_its_smallest_with_what_led_to_it() {
        let fails = |bytes: &[u8], log: &mut Log| logged(bytes, PLANTED, log).err();
        let seed = (0..).find(|seed| fails(&of_seed(*seed), &mut Log::default()).is_some());
        let bytes = of_seed(seed.expect("some server dies"));
        let told = explanation(&bytes, fails);

        let count = |what: &str| told.matches(what).count();
        assert_eq!(count("fault: "), 1, "more than what has to happen: {told}");
        assert_eq!(count("fault: CrashServer"), 1, "{told}");
        assert!(told.contains("[\"site-0\"]"), "more than one site: {told}");
        assert!(
            told.contains("|------->|") && told.contains("challenge"),
            "{told}"
        );
        assert!(told.contains("ServerCrash is forbidden"), "{told}");

        let plan = told.split("FEDLINK_PLAN=").nth(1).expect("a command");
        let plan = from_hex(plan.split(' ').next().expect("a plan"));
        assert!(plan.len() < bytes.len());
        let again = fails(&plan, &mut Log::default());
        assert_eq!(again.as_deref(), Some("ServerCrash is forbidden"));
    }
}
