//! Signals that ask a command to end: the first Ctrl-C (or TERM) asks, the second one ends
//! the process. HUP, which a terminal sends when it goes, asks as well; a command without a
//! terminal is asked by it to read its certificates and keys anew.

use std::io::{self, IsTerminal};
use std::{fs, process};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::watch;

use crate::exec;

/// What a shell adds to the number of the signal that has ended a process.
const BY_SIGNAL: i32 = 128;

/// Signals cannot be listened to.
#[derive(Debug, thiserror::Error)]
#[error("Ctrl-C cannot be caught: {0}")]
pub struct SignalError(#[from] io::Error);

/// Turns true with the first signal that asks the process to end.
#[derive(Clone, Debug)]
pub struct Interrupt {
    ends: watch::Receiver<bool>,
    /// How often the process was asked to read files anew.
    reloads: watch::Receiver<u64>,
}

/// What HUP asks for where there is no terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// To end.
    Ends,
    /// To read certificates and keys anew.
    Reloads,
}

impl Interrupt {
    /// Begins to listen. To be called once in a process. A signal that the process was
    /// started to ignore stays ignored, as `nohup` and a shell's background jobs want it.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn listen(hangup: Hangup) -> Result<Self, SignalError> {
        let reloads = hangup == Hangup::Reloads && !has_terminal();
        let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter();
        let mut signals = Signals::new(wanted.filter(|signal| !ignored(*signal)))?;
        let (ending, ends) = watch::channel(false);
        let (reloading, reloaded) = watch::channel(0);
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in &mut signals {
                    if signal == SIGHUP && reloads {
                        reloading.send_modify(|times| *times += 1);
                        continue;
                    }
                    let again = ending.send_replace(true);
                    // A terminal that goes and its shell both send HUP.
                    if again && signal != SIGHUP {
                        exec::kill_all();
                        process::exit(BY_SIGNAL + signal);
                    }
                }
            })?;
        Ok(Self {
            ends,
            reloads: reloaded,
        })
    }

    /// Whether there was one.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.ends.borrow()
    }

    /// Waits for one. Nothing is lost if the future is dropped.
    pub async fn wait(&mut self) {
        if self.ends.wait_for(|set| *set).await.is_err() {
            // Nobody listens any more.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the process is asked to read its certificates and keys anew. Nothing is lost
    /// if the future is dropped.
    pub(crate) async fn reload(&mut self) {
        if self.reloads.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether a terminal that goes would take the process with it.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// Which signals the process was started to ignore, by what Linux says of it (proc(5)). On
/// other systems none is known.
fn ignored(status: &str) -> impl Fn(i32) -> bool + use<> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    move |signal| mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        let ignored = ignored("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n");
        assert!(ignored(SIGHUP));
        assert!(!ignored(SIGINT));
        assert!(ignored(13));
        let unknown = super::ignored("");
        assert!(!unknown(SIGHUP));
    }
}
