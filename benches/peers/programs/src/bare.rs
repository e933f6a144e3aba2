//! As many bytes as a heartbeat and its answer have, over the same carrier and without
//! fedlink: what the network alone costs.

use std::io;

use fedlink_host::blocking::{Connect, TcpConnect, Wire};
use fedlink_host::tokio::{Accept, Stream, TcpAccept};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The server's end: answers on every connection that comes in. Each begins with the
/// lengths of its messages and of the answers, as big-endian u32.
pub async fn answer_all(mut accept: TcpAccept) {
    while let Ok(accepted) = accept.accept().await {
        tokio::spawn(async move { answer(accepted.ready.await?.stream).await });
    }
}

async fn answer(mut stream: Box<dyn Stream>) -> io::Result<()> {
    let mut message = vec![0; stream.read_u32().await? as usize];
    let answer = vec![7; stream.read_u32().await? as usize];
    loop {
        stream.read_exact(&mut message).await?;
        stream.write_all(&answer).await?;
        stream.flush().await?;
    }
}

/// A site's end.
pub struct Bare {
    wire: Box<dyn Wire>,
    message: Vec<u8>,
    answer: Vec<u8>,
}

impl Bare {
    /// Connects, to exchange messages of the first length for answers of the second.
    ///
    /// # Errors
    /// When there is no connection to be had.
    pub fn connect(mut connect: TcpConnect, (message, answer): (u32, u32)) -> io::Result<Self> {
        let mut wire = connect.connect()?.wire;
        wire.write_all(&[message.to_be_bytes(), answer.to_be_bytes()].concat())?;
        Ok(Self {
            wire,
            message: vec![7; message as usize],
            answer: vec![0; answer as usize],
        })
    }

    /// Sends a message and waits for its answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn exchange(&mut self) -> io::Result<()> {
        self.wire.write_all(&self.message)?;
        self.wire.flush()?;
        self.wire.read_exact(&mut self.answer)
    }
}
