//! A coordinator and three sites over TCP, with threads and the standard library alone.
//!
//! ```sh
//! cargo run -p fedlink-examples --bin tcp
//! ```

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use fedlink::frame::{Framing, Splitter};
use fedlink::{Carrier, CarrierWish};
use fedlink_examples::average::{EXPECTED, Site};
use fedlink_examples::clock::Clock;
use fedlink_examples::{Error, parties, tcp};

fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let coordinator = thread::spawn(|| tcp::serve(listener));
    let sites = parties::SITES
        .map(|(name, number)| thread::spawn(move || run(name, Site { number }, address)));
    for site in sites {
        site.join().map_err(|_| "a site has panicked")??;
    }
    let model = coordinator
        .join()
        .map_err(|_| "the coordinator has panicked")??;
    assert_eq!(model, EXPECTED);
    println!("the average is as expected");
    Ok(())
}

/// The loop of a site: the steps are those of the core's documentation.
fn run(name: &str, site: Site, address: SocketAddr) -> Result<(), Error> {
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
            CarrierWish::Connect(at) if at <= clock.now() => match Connection::open(address) {
                Ok(opened) => {
                    connection = Some(opened);
                    client.handle_connected(clock.now(), Carrier::default())?;
                }
                Err(_) => client.handle_disconnected(clock.now()),
            },
            CarrierWish::Replace => {
                connection = None;
                client.handle_disconnected(clock.now());
            }
            CarrierWish::Connect(_) | CarrierWish::Keep => {}
        }
        // 4. Send.
        while let Some(message) = client.poll_transmit() {
            let sent = connection
                .as_mut()
                .map(|it| tcp::send(&mut it.stream, [&message.header, &message.payload]));
            if let Some(Err(_)) = sent {
                connection = None;
                client.handle_disconnected(clock.now());
            }
        }
        // 5. Wait for a message, but not beyond the next timer.
        let wait = clock.until(client.poll_timeout());
        match connection.as_mut().map(|it| it.receive(wait)) {
            Some(Ok(Some(message))) => {
                // A refused message is counted; the session goes on.
                let _ = client.handle_message(clock.now(), message);
            }
            Some(Ok(None)) => {}
            Some(Err(_)) => {
                connection = None;
                client.handle_disconnected(clock.now());
            }
            None => thread::sleep(wait),
        }
    }
}

struct Connection {
    stream: TcpStream,
    splitter: Splitter,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            splitter: Splitter::new(Framing::Native),
        })
    }

    /// The next message, or `None` if there is none yet.
    fn receive(&mut self, wait: Duration) -> Result<Option<BytesMut>, Error> {
        if let Some(message) = self.splitter.next_frame()? {
            return Ok(Some(message));
        }
        // A socket takes no wait of zero, and none without end.
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_secs(3600));
        self.stream.set_read_timeout(Some(wait))?;
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err("the coordinator has closed the connection".into()),
            Ok(read) => {
                self.splitter.buffer().extend_from_slice(&bytes[..read]);
                Ok(self.splitter.next_frame()?)
            }
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
