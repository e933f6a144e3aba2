//! A short conversation with a server, which tells that it is one without registering.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fedlink::error::Dropped;
use fedlink::identity::Identity;
use fedlink::{
    Client, ClientAction, ClientConfig, Instant, Rejection, RetryReason, Suite, Suspicion,
};
use tokio::time::timeout;

use super::dial::Connection;
use super::pipe::{Pipe, Received};
use crate::{seed, unix_time};

/// What a server has answered to a client that has not registered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Greeting {
    /// It has proved who it is, and agrees on a suite.
    Proven,
    /// These settings ask for no proof: the client would register at once.
    Unasked,
    /// Its proof is not accepted.
    Suspect(Suspicion),
    /// Not now.
    Later(RetryReason),
    /// Never.
    Rejected(Rejection),
    /// With something that is no answer.
    Nonsense(Dropped),
    /// It closed the connection.
    Closed,
    /// With nothing, for as long as it had.
    Silent,
}

/// How a registration begins in the header of a message of NVIDIA FLARE.
const REGISTER: &[u8] = b"register";

/// Asks the server at the other end of `connection` to prove itself. Nothing that changes
/// anything there is sent, least of all a registration: it would replace that of a process
/// of the same name.
///
/// # Errors
/// When the settings cannot work, or the connection fails.
pub async fn greet(
    connection: Connection,
    config: Arc<ClientConfig>,
    identity: Identity,
    patience: Duration,
) -> io::Result<Greeting> {
    // What is timed here is the conversation as a whole.
    let now = Instant::default();
    let (is_native, asks) = match &config.binding {
        #[cfg(feature = "nvflare")]
        fedlink::Binding::Nvflare(settings) => (false, settings.secure),
        _ => (true, !config.suites.contains(Suite::Plain)),
    };
    let mut pipe = Pipe::new(connection.stream, config.framing());
    let seed = seed().map_err(io::Error::other)?;
    let mut client = Client::new(config, identity, seed, now).map_err(io::Error::other)?;
    client.set_wall_clock(now, unix_time());
    client.register(now).map_err(io::Error::other)?;
    let connected = client.handle_connected(now, connection.carrier);
    connected.map_err(io::Error::other)?;
    let mut has_asked = false;
    let conversation = async {
        loop {
            while let Some(action) = client.poll_action() {
                match action {
                    ClientAction::Suspect { suspicion, .. } => {
                        return Ok(Greeting::Suspect(suspicion));
                    }
                    ClientAction::Rejected(rejection) => return Ok(Greeting::Rejected(rejection)),
                    ClientAction::Retry { reason, .. } => return Ok(Greeting::Later(reason)),
                    _ => {}
                }
            }
            while let Some(message) = client.poll_transmit() {
                let registers = match is_native {
                    true => has_asked,
                    false => message
                        .header
                        .windows(REGISTER.len())
                        .any(|it| it == REGISTER),
                };
                if registers {
                    return Ok(if asks {
                        Greeting::Proven
                    } else {
                        Greeting::Unasked
                    });
                }
                let (header, payload) = (message.header.into_bytes(), message.payload.into_bytes());
                pipe.writer.start(header, payload);
                pipe.writer.write().await?;
                has_asked = true;
            }
            match pipe.reader.next().await? {
                Received::Message(message) => {
                    if let Err(dropped) = client.handle_message(now, message) {
                        return Ok(Greeting::Nonsense(dropped));
                    }
                }
                Received::TooLong(_) => return Ok(Greeting::Nonsense(Dropped::TooLong)),
                Received::Closed => return Ok(Greeting::Closed),
            }
        }
    };
    if let Ok(greeting) = timeout(patience, conversation).await {
        return greeting;
    }
    // A refusal that anybody could have sent counts when no better answer has come.
    if let Some((at, _)) = client.poll_timeout() {
        client.handle_timeout(at);
    }
    while let Some(action) = client.poll_action() {
        match action {
            ClientAction::Retry {
                reason: RetryReason::ChallengeUnanswered,
                ..
            } => {}
            ClientAction::Retry { reason, .. } => return Ok(Greeting::Later(reason)),
            _ => {}
        }
    }
    Ok(Greeting::Silent)
}
