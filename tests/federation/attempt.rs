//! Runs a plan that may fail; explains how it came to that.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::many::try_plan;
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

/// Makes a plan that has failed smaller, runs it again, and tells how it came to that.
pub fn explain(bytes: &[u8], failure: &str) -> ! {
    // If it holds in the usual manner, it is another one in which it fails.
    let compared = attempt(bytes, Manner::default()).is_ok();
    let small = shrink(bytes, TRIES, |bytes| try_plan(bytes, compared).is_err());
    let lines = number("FEDLINK_LINES").map_or(USUAL_LINES, |lines| lines as usize);
    let mut log = Log::keeping(lines);
    let again = logged(&small, Manner::default(), &mut log);
    println!("{:?}\n\n{}", Plan::decode(&small), log.diagram());
    let words = match again {
        Err(words) => words,
        Ok(_) => try_plan(&small, true).err().unwrap_or_else(|| {
            "but not the second time: something is not drawn from the plan".to_owned()
        }),
    };
    let (small, whole) = (to_hex(&small), to_hex(bytes));
    panic!(
        "{failure}\nwhole plan: FEDLINK_PLAN={whole}\nsmallest plan: {words}\n\
         FEDLINK_PLAN={small} cargo test --test federation"
    );
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

fn logged(bytes: &[u8], manner: Manner, log: &mut Log) -> Result<Run, String> {
    quietly(|| run(Plan::decode(bytes), manner, log))
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
