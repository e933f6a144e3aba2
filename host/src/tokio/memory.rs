//! A network inside one process, for tests and demonstrations.

use std::future::Future;
use std::io;
use std::pin::Pin;

use fedlink::Carrier;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::accept::{Accept, Accepted, Incoming};
use super::dial::{Connection, Dial, Dialing};

/// Bytes that one direction holds before whoever writes has to wait.
const BUFFER_BYTES: usize = 64 << 10;

/// Connections that may wait to be accepted.
const BACKLOG: usize = 128;

/// Both ends of a network inside this process: clones of the first are for clients, the
/// second is for their server. It is as if nothing stood between them: no channel
/// binding, no address.
#[must_use]
pub fn memory() -> (MemoryDial, MemoryAccept) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (MemoryDial(sender), MemoryAccept(receiver))
}

/// Connects inside this process.
#[derive(Clone, Debug)]
pub struct MemoryDial(mpsc::Sender<DuplexStream>);

/// Accepts inside this process.
#[derive(Debug)]
pub struct MemoryAccept(mpsc::Receiver<DuplexStream>);

impl Dial for MemoryDial {
    fn dial(&mut self) -> Dialing {
        let sender = self.0.clone();
        Box::pin(async move {
            let (here, there) = tokio::io::duplex(BUFFER_BYTES);
            let sent = sender.send(there).await;
            sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok(Connection {
                stream: Box::new(here),
                carrier: Carrier::default(),
                local_address: None,
            })
        })
    }
}

impl Accept for MemoryAccept {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Accepted>> + Send + '_>> {
        Box::pin(async {
            let Some(stream) = self.0.recv().await else {
                // No client is left that could connect.
                return std::future::pending().await;
            };
            let incoming = Incoming {
                stream: Box::new(stream),
                tls_exporter: None,
            };
            Ok(Accepted {
                address: None,
                ready: Box::pin(std::future::ready(Ok(incoming))),
            })
        })
    }
}
