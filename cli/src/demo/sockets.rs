//! The demo over the loopback interface: every party with a host and a socket of its own, over
//! TCP or TLS.

mod cable;
mod hub;
mod node;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::DemoError;
use super::setup::Setup;
use super::stage::Stage;
use crate::interrupt::Interrupt;

/// The longest that a demo may take: a machine that needs longer does something else.
const PATIENCE: Duration = Duration::from_secs(600);

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The training goes on, or a fault has not been lived through.
    Running,
    /// All is done but to deliver what waits.
    Ending,
    /// Everybody is to leave at once.
    Interrupted,
    /// Nobody is left but the coordinator.
    Over,
}

/// What all parties see.
struct Shared {
    setup: Arc<Setup>,
    stage: Arc<Mutex<Stage>>,
    phase: watch::Sender<Phase>,
}

impl Shared {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the federation until the training is over, every fault has been lived through and
/// all sites have said goodbye.
pub(super) fn run(
    setup: &Arc<Setup>,
    stage: &Arc<Mutex<Stage>>,
    interrupt: Interrupt,
) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Runtime::new().map_err(DemoError::Socket)?;
    runtime.block_on(async {
        let shared = Arc::new(Shared {
            setup: Arc::clone(setup),
            stage: Arc::clone(stage),
            phase: watch::Sender::new(Phase::Running),
        });
        tokio::time::timeout(PATIENCE, federation(&shared, interrupt))
            .await
            .map_err(|_| DemoError::Stuck)?
    })
}

async fn federation(shared: &Arc<Shared>, mut interrupt: Interrupt) -> Result<(), DemoError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(DemoError::Socket)?;
    let address = listener.local_addr().map_err(DemoError::Socket)?;
    let mut hub = tokio::spawn(hub::run(Arc::clone(shared), listener, address));
    let mut nodes = JoinSet::new();
    for site in 0..shared.setup.sites.len() {
        nodes.spawn(node::run(Arc::clone(shared), site, address));
    }
    loop {
        tokio::select! {
            ended = nodes.join_next() => match ended {
                Some(ended) => ended.map_err(|_| DemoError::Panicked)??,
                None => break,
            },
            ended = &mut hub => return ended.map_err(|_| DemoError::Panicked)?,
            () = interrupt.wait(), if *shared.phase.borrow() != Phase::Interrupted => {
                shared.phase.send_replace(Phase::Interrupted);
            }
        }
    }
    let interrupted = *shared.phase.borrow() == Phase::Interrupted;
    shared.phase.send_replace(Phase::Over);
    hub.await.map_err(|_| DemoError::Panicked)??;
    if interrupted {
        return Err(DemoError::Interrupted);
    }
    Ok(())
}
