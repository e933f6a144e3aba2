//! Ctrl-C: the first asks a command to end, the second ends the process.

use std::process;

use tokio::sync::watch;

use crate::exec;

/// What a shell reports of a process that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// Turns true with the first Ctrl-C, or when the system asks the process to end.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Begins to listen. To be called once in a process.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn listen() -> Result<Self, ctrlc::Error> {
        let (sender, receiver) = watch::channel(false);
        ctrlc::set_handler(move || {
            if sender.send_replace(true) {
                exec::kill_all();
                process::exit(INTERRUPTED);
            }
        })?;
        Ok(Self(receiver))
    }

    /// Whether there was one.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for one. Nothing is lost if the future is dropped.
    pub async fn wait(&mut self) {
        if self.0.wait_for(|set| *set).await.is_err() {
            // Nobody listens any more.
            std::future::pending::<()>().await;
        }
    }
}
