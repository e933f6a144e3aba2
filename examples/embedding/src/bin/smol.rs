//! Three sites on the runtime smol; their coordinator is that of the example `tcp`.
//!
//! ```sh
//! cargo run -p fedlink-examples --bin smol
//! ```

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use fedlink::frame::{Framing, Splitter, frame_header};
use fedlink::{Carrier, CarrierWish};
use fedlink_examples::average::{EXPECTED, Site};
use fedlink_examples::clock::Clock;
use fedlink_examples::{Error, parties, tcp};
use smol::Timer;
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;

fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let coordinator = thread::spawn(|| tcp::serve(listener));
    let sites =
        parties::SITES.map(|(name, number)| smol::spawn(run(name, Site { number }, address)));
    for site in sites {
        smol::block_on(site)?;
    }
    let model = coordinator
        .join()
        .map_err(|_| "the coordinator has panicked")??;
    assert_eq!(model, EXPECTED);
    println!("the average is as expected");
    Ok(())
}

/// The loop of a site: the steps are those of the core's documentation.
async fn run(name: &str, site: Site, address: SocketAddr) -> Result<(), Error> {
    let clock = Clock::start();
    let mut client = parties::client(name, clock)?;
    let mut connection: Option<Connection> = None;
    client.register(clock.now())?;
    loop {
        // 1. Tell the time, in every round.
        client.handle_timeout(clock.now());
        // 2. Do what the client asks for.
        while let Some(action) = client.poll_action() {
            if !site.act(&mut client, clock.now(), action)? {
                return Ok(());
            }
        }
        // 3. Connect when the client wants it.
        match client.carrier_wish() {
            CarrierWish::Connect(at) if at <= clock.now() => {
                match Connection::open(address).await {
                    Ok(opened) => {
                        connection = Some(opened);
                        client.handle_connected(clock.now(), Carrier::default())?;
                    }
                    Err(_) => client.handle_disconnected(clock.now()),
                }
            }
            CarrierWish::Replace => {
                connection = None;
                client.handle_disconnected(clock.now());
            }
            CarrierWish::Connect(_) | CarrierWish::Keep => {}
        }
        // 4. Send.
        while let Some(message) = client.poll_transmit() {
            if let Some(open) = &mut connection
                && open
                    .send([&message.header, &message.payload])
                    .await
                    .is_err()
            {
                connection = None;
                client.handle_disconnected(clock.now());
            }
        }
        // 5. Wait for a message, but not beyond the next timer.
        let timer = wait(clock.until(client.poll_timeout()));
        let arrived = match &mut connection {
            Some(open) => open.receive().or(timer).await,
            None => timer.await,
        };
        match arrived {
            Ok(Some(message)) => {
                // A refused message is counted; the session goes on.
                let _ = client.handle_message(clock.now(), message);
            }
            Ok(None) => {}
            Err(_) => {
                connection = None;
                client.handle_disconnected(clock.now());
            }
        }
    }
}

/// No message, after a while.
async fn wait(span: Duration) -> Result<Option<BytesMut>, Error> {
    Timer::after(span).await;
    Ok(None)
}

struct Connection {
    stream: TcpStream,
    splitter: Splitter,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            splitter: Splitter::new(Framing::Native),
        })
    }

    async fn send(&mut self, parts: [&[u8]; 2]) -> Result<(), Error> {
        let [header, payload] = parts;
        let length = frame_header(header.len() + payload.len());
        let message = [&length, header, payload].concat();
        Ok(self.stream.write_all(&message).await?)
    }

    /// The next message. Nothing is lost when this is given up while it waits.
    async fn receive(&mut self) -> Result<Option<BytesMut>, Error> {
        loop {
            if let Some(message) = self.splitter.next_frame()? {
                return Ok(Some(message));
            }
            let mut bytes = [0; 16 << 10];
            let read = self.stream.read(&mut bytes).await?;
            if read == 0 {
                return Err("the coordinator has closed the connection".into());
            }
            self.splitter.buffer().extend_from_slice(&bytes[..read]);
        }
    }
}
