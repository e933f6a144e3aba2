//! Past each limit of a server's host. Time is virtual where it matters.

mod common;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use common::{Federation, Site, grow, hold_task, pattern, start_job, task};
use fedlink::frame::{Framing, Splitter, frame_header};
use fedlink::message::{Outcome, Payload, Properties};
use fedlink::{Carrier, Client, ClientAction, Phase, Server, ServerAction};
use fedlink_host::storage::MemoryStorage;
use fedlink_host::tokio::{
    Dial, Limits, MemoryAccept, MemoryDial, ServerHandle, Stream, TcpAccept, TcpDial, memory,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Longer than any test waits for something that happens.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// A server whose sites connect in memory, with one limit changed.
fn server(federation: &Federation, change: impl FnOnce(&mut Limits)) -> (ServerHandle, MemoryDial) {
    let mut limits = Limits {
        time_before_registration: FOR_EVER,
        write_time: FOR_EVER,
        ..Limits::default()
    };
    change(&mut limits);
    let (dial, accept): (_, MemoryAccept) = memory();
    let host = federation.coordinator(accept).limits(limits);
    let (server, mut events) = host.start().unwrap();
    tokio::spawn(async move { while events.next().await.is_some() {} });
    (server, dial)
}

async fn connect(mut dial: MemoryDial) -> Box<dyn Stream> {
    dial.dial().await.unwrap().stream
}

async fn send(stream: &mut Box<dyn Stream>, message: &[u8]) -> io::Result<()> {
    stream.write_all(&frame_header(message.len())).await?;
    stream.write_all(message).await
}

/// Messages until the server closes the connection.
async fn received(stream: &mut (impl AsyncReadExt + Unpin)) -> usize {
    let mut frames = Splitter::new(Framing::Native);
    let mut messages = 0;
    while stream
        .read_buf(frames.buffer())
        .await
        .is_ok_and(|read| read > 0)
    {
        while frames.next_frame().unwrap().is_some() {
            messages += 1;
        }
    }
    messages
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_its_place_comes_back() {
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |limits| limits.connections = 1);
    let first = ByHand::register(&federation, &dial, "site-1").await;
    assert_eq!(received(&mut connect(dial.clone()).await).await, 0);
    drop(first);
    let challenge = federation.challenge();
    loop {
        let mut next = connect(dial.clone()).await;
        if send(&mut next, &challenge).await.is_ok() && next.read_u8().await.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn one_stranger_too_many_from_one_address_makes_the_oldest_go() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        connections_per_address: 1,
        time_before_registration: FOR_EVER,
        ..Limits::default()
    };
    let federation = Federation::new();
    let host = federation.coordinator(TcpAccept::new(listener));
    let (_server, _events) = host.limits(limits).start().unwrap();
    let mut first = TcpStream::connect(address).await.unwrap();
    let second = TcpStream::connect(address).await.unwrap();
    assert_eq!(received(&mut first).await, 0);
    let mut second: Box<dyn Stream> = Box::new(second);
    send(&mut second, &federation.challenge()).await.unwrap();
    second.read_u8().await.unwrap();
}

/// A site that has registered, and has had an answer to a heartbeat.
async fn join(federation: &Federation, site: &str, dial: impl Dial) -> Site {
    let mut site = Site::start(federation.site(site, dial)).await;
    let answered = |event: &ClientAction| matches!(event, ClientAction::HeartbeatAnswered { .. });
    site.wait_for(|event| answered(event).then_some(())).await;
    site
}

/// Dribbles into a connection, a byte at a time, until it is closed.
async fn dribble(mut stream: TcpStream) {
    // The beginning of a message of TLS, or of fedlink, that is long.
    let start = [22, 3, 1, 64, 0].into_iter().chain(std::iter::repeat(1));
    for byte in start {
        if stream.write_all(&[byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn silent_connections_of_its_address_keep_no_site_waiting() {
    const STRANGERS: usize = 20;
    let federation = Federation::new();
    let (client_tls, server_tls) = common::tls::configs(&federation.pki);
    for tls in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accept = TcpAccept::new(listener);
        let mut dial = TcpDial::new([address.to_string()]);
        if tls {
            accept = accept.tls(Arc::clone(&server_tls));
            dial = dial.tls(Arc::clone(&client_tls), common::tls::server_name());
        }
        let limits = Limits {
            connections_per_address: STRANGERS,
            handshake_time: FOR_EVER,
            time_before_registration: FOR_EVER,
            ..Limits::default()
        };
        let host = federation.coordinator(accept).limits(limits);
        let (_server, mut events) = host.start().unwrap();
        tokio::spawn(async move { while events.next().await.is_some() {} });

        let mut strangers = tokio::task::JoinSet::new();
        let mut sites = Vec::new();
        for number in 0..10 * STRANGERS {
            let stream = TcpStream::connect(address).await.unwrap();
            match number % 2 {
                0 => strangers.spawn(dribble(stream)),
                _ => strangers.spawn(async move {
                    let mut stream = stream;
                    received(&mut stream).await;
                }),
            };
            if number >= 2 * STRANGERS && number % STRANGERS == 0 {
                let name = format!("site-{}", number / STRANGERS);
                sites.push(join(&federation, &name, dial.clone()).await);
            }
        }
        // More sites than strangers may be, all of one address.
        for number in 10..10 + STRANGERS {
            sites.push(join(&federation, &format!("site-{number}"), dial.clone()).await);
        }
        for site in &sites {
            let retries = site.client.call(|client, _| client.counters().retries);
            assert_eq!(retries.await.unwrap(), 0);
        }
        while strangers.len() > STRANGERS {
            strangers.join_next().await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn silent_connections_of_everywhere_keep_no_site_waiting() {
    const CONNECTIONS: usize = 50;
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |limits| limits.connections = CONNECTIONS);
    let mut strangers = tokio::task::JoinSet::new();
    for number in 0..10 * CONNECTIONS {
        let mut stream = connect(dial.clone()).await;
        strangers.spawn(async move { received(&mut stream).await });
        if number % CONNECTIONS == 0 {
            let site = join(&federation, &format!("site-{number}"), dial.clone()).await;
            site.quit("done").await;
        }
    }
    while strangers.len() > CONNECTIONS {
        assert_eq!(strangers.join_next().await.unwrap().unwrap(), 0);
    }
}

#[tokio::test]
async fn a_tls_handshake_that_takes_too_long_is_given_up() {
    let federation = Federation::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, tls) = common::tls::configs(&federation.pki);
    let limits = Limits {
        handshake_time: Duration::from_millis(1),
        ..Limits::default()
    };
    let host = federation.coordinator(TcpAccept::new(listener).tls(tls));
    let (_server, _events) = host.limits(limits).start().unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(received(&mut silent).await, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_register_in_time_is_closed() {
    let limit = Duration::from_secs(30);
    let (_server, dial) = server(&Federation::new(), |limits| {
        limits.time_before_registration = limit;
    });
    let started = Instant::now();
    assert_eq!(received(&mut connect(dial).await).await, 0);
    assert!(started.elapsed() >= limit && started.elapsed() < 2 * limit);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_registered_may_be_silent_for_another_time() {
    let federation = Federation::new();
    let seconds = Duration::from_secs;
    for (before_registration, idle) in [(30, 300), (300, 30)] {
        let (_server, dial) = server(&federation, |limits| {
            limits.time_before_registration = seconds(before_registration);
            limits.idle_time = seconds(idle);
        });
        let mut site = Site::start(federation.site("site-1", dial)).await;
        site.wait_for(|event| {
            matches!(event, ClientAction::HeartbeatAnswered { .. }).then_some(())
        })
        .await;
        let started = Instant::now();
        let paused = site.client.call(|client, now| client.pause_heartbeats(now));
        paused.await.unwrap();
        site.wait_for(|event| matches!(event, ClientAction::Retry { .. }).then_some(()))
            .await;
        let silent = started.elapsed();
        assert!(
            silent > seconds(idle - 1) && silent < seconds(idle + 1),
            "{silent:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn times_that_no_clock_can_say_are_legal() {
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |limits| {
        limits.handshake_time = Duration::MAX;
        limits.time_before_registration = Duration::MAX;
        limits.idle_time = Duration::MAX;
        limits.write_time = Duration::MAX;
    });
    let mut site = Site::start(federation.site("site-1", dial)).await;
    let answered = |event: &ClientAction| matches!(event, ClientAction::HeartbeatAnswered { .. });
    let works = site.wait_for(|event| answered(event).then_some(()));
    timeout(Duration::from_secs(1000), works).await.unwrap();
}

#[tokio::test]
async fn too_many_bytes_before_the_registration_close_the_connection() {
    let (_server, dial) = server(&Federation::new(), |limits| {
        limits.bytes_before_registration = 10_000;
    });
    let mut stream = connect(dial).await;
    send(&mut stream, &[9; 10_000]).await.unwrap();
    send(&mut stream, &[9; 1]).await.unwrap();
    assert_eq!(received(&mut stream).await, 0);
}

#[tokio::test]
async fn a_message_too_long_before_the_registration_closes_the_connection() {
    let (_server, dial) = server(&Federation::new(), |_| {});
    let mut stream = connect(dial).await;
    let limit = Limits::default().message_before_registration;
    stream.write_all(&frame_header(limit + 1)).await.unwrap();
    stream.write_all(&[1; 100]).await.unwrap();
    assert_eq!(received(&mut stream).await, 0);
}

#[tokio::test]
async fn a_message_longer_than_any_may_be_closes_the_connection() {
    let federation = Federation::new();
    let (server, dial) = server(&federation, |limits| limits.message = 100_000);
    let mut site = Site::start(federation.site("site-1", dial)).await;
    start_job(&server, grow(200_000)).await;
    site.wait_for(|event| matches!(event, ClientAction::Retry { .. }).then_some(()))
        .await;
    site.crash().await;
}

#[tokio::test]
async fn who_restores_a_session_on_a_new_connection_may_begin_with_a_long_message() {
    let federation = Federation::new();
    let (dial, accept) = memory();
    let (server, mut events) = federation.coordinator(accept).start().unwrap();
    let (client, mut client_events) = federation.site("site-1", dial).start().unwrap();
    client.register().await.unwrap();
    start_job(&server, task("long")).await;
    let held = hold_task(&client, &mut client_events).await;

    client.disconnect().await.unwrap();
    let output = Payload::new(pattern(1 << 20));
    let done = client.submit(held.id, Outcome::Ok, Properties::new(), output);
    done.await.unwrap();
    let result = common::next_result(&server, &mut events).await;
    assert_eq!(result.payload.len(), 1 << 20);
    let counters = client.call(|client, _| client.counters().clone()).await;
    assert_eq!(
        counters.unwrap().retries,
        1,
        "more than one connection was lost"
    );
}

#[tokio::test]
async fn a_long_result_reaches_a_server_that_has_forgotten_the_session() {
    let federation = Federation::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let storage = MemoryStorage::new();
    let host = federation.coordinator(TcpAccept::new(listener));
    let host = host.storage(storage.clone(), Vec::new());
    let (server, events) = host.start().unwrap();
    let dial = TcpDial::new([address.to_string()]);
    let (client, mut client_events) = federation.site("site-1", dial).start().unwrap();
    client.register().await.unwrap();
    start_job(&server, task("long")).await;
    let held = hold_task(&client, &mut client_events).await;
    drop(server);
    events.finish().await.unwrap();

    let output = Payload::new(pattern(100 << 10));
    let done = client.submit(held.id, Outcome::Ok, Properties::new(), output);
    done.await.unwrap();
    let (storage, records) = storage.reopen();
    let listener = TcpListener::bind(address).await.unwrap();
    let host = federation.coordinator(TcpAccept::new(listener));
    let (server, mut events) = host.storage(storage, records).start().unwrap();
    let result = common::next_result(&server, &mut events);
    let result = timeout(Duration::from_secs(60), result).await;
    let result = result.expect("the site stays out");
    assert_eq!((result.task, result.again), (held.id, false));
    assert_eq!(result.payload.len(), 100 << 10);
    let accepted =
        |event: &ClientAction| matches!(event, ClientAction::ResultAccepted { .. }).then_some(());
    common::wait_for(&mut client_events, accepted).await;
    let left = client.call(|client, _| client.outbox_len()).await;
    assert_eq!(left.unwrap(), 0);
    server.stop().await.unwrap();
    while let Some(event) = events.next().await {
        let again = matches!(event, ServerAction::ResultReceived(_));
        assert!(!again, "{event:?}");
    }
}

/// A site whose machine is driven by hand on a connection of its own.
struct ByHand {
    client: Client,
    stream: Box<dyn Stream>,
    frames: Splitter,
    /// How its latest message of a session began.
    start: [u8; 32],
}

impl ByHand {
    const NOW: fedlink::Instant = fedlink::Instant::from_micros(0);

    /// Registers, and is known by an answered heartbeat.
    async fn register(federation: &Federation, dial: &MemoryDial, site: &str) -> Self {
        let identity = federation.site_identity(site);
        let config = Arc::new(federation.client.clone());
        let mut it = Self {
            client: Client::new(config, identity, [1; 32], Self::NOW).unwrap(),
            stream: connect(dial.clone()).await,
            frames: Splitter::new(Framing::Native),
            start: [0; 32],
        };
        it.client.register(Self::NOW).unwrap();
        let connected = it.client.handle_connected(Self::NOW, Carrier::default());
        connected.unwrap();
        it.heartbeat_answered().await;
        it
    }

    /// Goes on, with its session, on another connection. Returns the one before.
    async fn reconnect(&mut self, dial: &MemoryDial) -> Box<dyn Stream> {
        self.client.handle_disconnected(Self::NOW);
        let before = std::mem::replace(&mut self.stream, connect(dial.clone()).await);
        self.frames = Splitter::new(Framing::Native);
        let connected = self.client.handle_connected(Self::NOW, Carrier::default());
        connected.unwrap();
        self.heartbeat_answered().await;
        before
    }

    async fn quit(&mut self) {
        self.client.quit(Self::NOW, "done");
        while self.client.phase() != Phase::Closed {
            self.turn().await;
        }
    }

    async fn heartbeat_answered(&mut self) {
        self.wait_for(|action| {
            matches!(action, ClientAction::HeartbeatAnswered { .. }).then_some(())
        })
        .await;
    }

    /// The next action that `pick` picks.
    async fn wait_for<T>(&mut self, pick: impl Fn(&ClientAction) -> Option<T>) -> T {
        loop {
            while let Some(action) = self.client.poll_action() {
                if let Some(picked) = pick(&action) {
                    return picked;
                }
                self.act(action);
            }
            self.turn().await;
        }
    }

    fn act(&mut self, action: ClientAction) {
        let now = Self::NOW;
        match action {
            ClientAction::HeartbeatDue => self.client.heartbeat_ready(now, None).unwrap(),
            ClientAction::Persist { record, .. } => self.client.persisted(now, record).unwrap(),
            ClientAction::StartJobs(jobs) => {
                for job in jobs {
                    self.client.job_started(now, job).unwrap();
                    self.client.pull_task(now, job).unwrap();
                }
            }
            _ => {}
        }
    }

    /// Sends what is to be sent; then, unless that was nothing, waits for an answer.
    async fn turn(&mut self) {
        let mut sent = false;
        while let Some(transmit) = self.client.poll_transmit() {
            let message = [&transmit.header[..], &transmit.payload].concat();
            if self.client.phase() != Phase::Registering {
                self.start.copy_from_slice(&message[..32]);
            }
            send(&mut self.stream, &message).await.unwrap();
            sent = true;
        }
        while sent {
            while let Some(message) = self.frames.next_frame().unwrap() {
                let _ = self.client.handle_message(Self::NOW, message);
                sent = false;
            }
            if sent {
                let read = self.stream.read_buf(self.frames.buffer()).await.unwrap();
                assert!(read > 0, "the connection was closed");
            }
        }
    }
}

/// Length of a message that only those may send who are registered, or vouched for.
const LONG: usize = 1 << 20;

/// Names a session and sends all of a long message but its last byte: an error if the
/// connection was closed instead. What was sent does not fit into the stream.
async fn hold(dial: MemoryDial, start: [u8; 32]) -> io::Result<Box<dyn Stream>> {
    let mut stream = connect(dial).await;
    stream.write_all(&frame_header(LONG)).await?;
    stream.write_all(&start).await?;
    stream.write_all(&vec![7; LONG - start.len() - 1]).await?;
    Ok(stream)
}

/// Sites whose sessions are known to strangers.
async fn known_sessions(
    federation: &Federation,
    dial: &MemoryDial,
    sites: usize,
) -> (Vec<ByHand>, Vec<[u8; 32]>) {
    let mut all = Vec::new();
    for site in 0..sites {
        all.push(ByHand::register(federation, dial, &format!("known-{site}")).await);
    }
    let starts = all.iter().map(|site| site.start).collect();
    (all, starts)
}

#[tokio::test]
async fn ten_thousand_strangers_who_name_sessions_hold_one_budget_while_sites_join() {
    const STRANGERS: usize = 10_000;
    const MESSAGES: usize = 16;
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |limits| {
        limits.connections = 2 * STRANGERS;
        limits.vouched_bytes = MESSAGES * LONG;
    });
    let (_sites, starts) = known_sessions(&federation, &dial, 2 * MESSAGES).await;

    let mut strangers = tokio::task::JoinSet::new();
    let mut joined = 0;
    for number in 0..STRANGERS {
        strangers.spawn(hold(dial.clone(), starts[number % starts.len()]));
        if number % (STRANGERS / 10) == 0 {
            let site = federation.site(&format!("site-{number}"), dial.clone());
            let answered =
                |event: &ClientAction| matches!(event, ClientAction::HeartbeatAnswered { .. });
            let mut site = Site::start(site).await;
            site.wait_for(|event| answered(event).then_some(())).await;
            joined += 1;
        }
    }
    let outcomes = strangers.join_all().await;
    let held: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
    assert_eq!((held.len(), joined), (MESSAGES, 10));

    // What has been judged, and what was given up, counts no longer.
    drop(held);
    for round in 0..3 * MESSAGES {
        let mut stream = loop {
            if let Ok(stream) = hold(dial.clone(), starts[round % starts.len()]).await {
                break stream;
            }
        };
        stream.write_all(&[7]).await.unwrap();
        received(&mut stream).await;
    }
}

#[tokio::test]
async fn one_connection_that_has_proved_nothing_may_send_a_long_message_of_a_session() {
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |_| {});
    let (_sites, starts) = known_sessions(&federation, &dial, 1).await;
    let held = hold(dial.clone(), starts[0]).await.unwrap();
    for _ in 0..10 {
        assert!(hold(dial.clone(), starts[0]).await.is_err());
    }
    drop(held);
    while hold(dial.clone(), starts[0]).await.is_err() {}
}

#[tokio::test]
async fn a_session_goes_on_with_a_long_result_while_a_stranger_names_it() {
    for paused in [false, true] {
        let federation = Federation::new();
        let (dial, accept) = memory();
        let (server, mut events) = federation.coordinator(accept).start().unwrap();
        let mut site = ByHand::register(&federation, &dial, "site-1").await;
        start_job(&server, task("long")).await;
        site.client.resume_heartbeats(ByHand::NOW);
        let held = site.wait_for(common::assigned).await;
        site.client.handle_disconnected(ByHand::NOW);
        let output = Payload::new(pattern(LONG / 2));
        let done = (Outcome::Ok, Properties::new(), output);
        let done = site
            .client
            .submit(ByHand::NOW, held.id, done.0, done.1, done.2);
        done.unwrap();
        while let Some(action) = site.client.poll_action() {
            site.act(action);
        }
        if paused {
            site.client.pause_heartbeats(ByHand::NOW);
        }

        let _stranger = hold(dial.clone(), site.start).await.unwrap();
        site.reconnect(&dial).await;
        let accepted = |action: &ClientAction| {
            matches!(action, ClientAction::ResultAccepted { .. }).then_some(())
        };
        site.wait_for(accepted).await;
        let result = common::next_result(&server, &mut events).await;
        assert_eq!((result.task, result.again), (held.id, false));
    }
}

#[tokio::test(start_paused = true)]
async fn who_names_a_session_may_send_no_more_small_messages_than_other_strangers() {
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |_| {});
    let (_sites, starts) = known_sessions(&federation, &dial, 1).await;
    let mut message = starts[0].to_vec();
    message.resize(Limits::default().message_before_registration, 7);
    let mut stream = connect(dial).await;
    let messages = Limits::default().bytes_before_registration / message.len();
    for _ in 0..messages {
        send(&mut stream, &message).await.unwrap();
    }
    let started = Instant::now();
    // It may be closed before all of it is written.
    let _ = send(&mut stream, &message).await;
    received(&mut stream).await;
    assert!(started.elapsed() < Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn who_has_quit_is_a_stranger_again() {
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |_| {});
    let mut site = ByHand::register(&federation, &dial, "site-1").await;
    site.quit().await;
    let started = Instant::now();
    let limit = Limits::default().message_before_registration;
    let _ = site.stream.write_all(&frame_header(limit + 1)).await;
    let _ = site.stream.write_all(&[1; 100]).await;
    assert_eq!(received(&mut site.stream).await, 0);
    assert!(started.elapsed() < Limits::default().time_before_registration);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_its_session_has_left_stays_no_longer_than_a_strangers() {
    let time = Duration::from_secs(30);
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |limits| limits.time_before_registration = time);
    let mut site = ByHand::register(&federation, &dial, "site-1").await;
    let started = Instant::now();
    let mut before = site.reconnect(&dial).await;
    assert_eq!(received(&mut before).await, 0);
    let stayed = started.elapsed();
    assert!(stayed >= time && stayed <= 3 * time, "{stayed:?}");
    // The other one has it now.
    site.quit().await;
}

/// Counts the connections that the server has not closed; no time passes for that.
async fn open(connections: &mut [Box<dyn Stream>]) -> usize {
    let mut open = 0;
    for connection in connections {
        let closed = timeout(Duration::from_millis(1), received(connection)).await;
        open += usize::from(closed.is_err());
    }
    open
}

#[tokio::test(start_paused = true)]
async fn a_site_that_hops_holds_one_long_message_and_not_one_a_connection() {
    const HOPS: usize = 100;
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |_| {});
    let mut site = ByHand::register(&federation, &dial, "site-1").await;
    let mut left = Vec::new();
    for _ in 0..HOPS {
        let stream = &mut site.stream;
        stream.write_all(&frame_header(LONG)).await.unwrap();
        stream.write_all(&site.start).await.unwrap();
        stream.write_all(&vec![7; LONG - 33]).await.unwrap();
        left.push(site.reconnect(&dial).await);
    }
    let open = open(&mut left).await;
    assert!(open <= 3, "{open}");
    site.quit().await;
}

#[tokio::test(start_paused = true)]
async fn a_site_that_hops_keeps_no_places() {
    const CONNECTIONS: usize = 10;
    let federation = Federation::new();
    let (_server, dial) = server(&federation, |limits| limits.connections = CONNECTIONS);
    let mut site = ByHand::register(&federation, &dial, "hops").await;
    let mut left = Vec::new();
    for number in 1..10 * CONNECTIONS {
        left.push(site.reconnect(&dial).await);
        if number % (CONNECTIONS - 1) == 0 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let other = ByHand::register(&federation, &dial, &format!("site-{number}")).await;
            drop(other);
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
    assert!(open(&mut left).await < CONNECTIONS);
    site.quit().await;
}

/// Many challenges of a peer that takes no answer yet.
async fn flood(federation: &mut Federation, change: impl FnOnce(&mut Limits)) -> Box<dyn Stream> {
    federation.server.peer_budget = u32::try_from(2 * FLOOD).unwrap();
    let (server, dial) = server(federation, |limits| {
        limits.bytes_before_registration = usize::MAX;
        change(limits);
    });
    let mut stream = connect(dial).await;
    let challenge = federation.challenge();
    for _ in 0..FLOOD {
        send(&mut stream, &challenge).await.unwrap();
    }
    let answered = |server: &Server| server.counters().messages_sent == FLOOD as u64;
    while !server
        .call(move |server, _| answered(server))
        .await
        .unwrap()
    {
        tokio::task::yield_now().await;
    }
    // For whoever still reads, the server lives on.
    tokio::spawn(async move {
        tokio::time::sleep(FOR_EVER).await;
        drop(server);
    });
    stream
}

/// Answers to so many challenges exceed what a stream in memory holds.
const FLOOD: usize = 1000;

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_the_queue_is_dropped() {
    let mut federation = Federation::new();
    let mut stream = flood(&mut federation, |limits| limits.queued_bytes = 10_000).await;
    let patience = Duration::from_secs(1000);
    let mut taken = 0;
    while tokio::time::timeout(patience, message(&mut stream))
        .await
        .is_ok()
    {
        taken += 1;
    }
    assert!(taken > 0 && taken < FLOOD, "{taken}");
    send(&mut stream, &federation.challenge()).await.unwrap();
    message(&mut stream).await;
}

#[tokio::test(start_paused = true)]
async fn who_takes_no_messages_is_closed() {
    let limit = Duration::from_secs(60);
    let mut stream = flood(&mut Federation::new(), |limits| {
        limits.write_time = limit;
        limits.queued_bytes = usize::MAX;
    })
    .await;
    let started = Instant::now();
    tokio::time::sleep(2 * limit).await;
    let taken = received(&mut stream).await;
    assert!(taken > 0 && taken < FLOOD, "{taken}");
    assert!(started.elapsed() < 3 * limit);
}

/// The next message.
async fn message(stream: &mut Box<dyn Stream>) {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.unwrap();
    let mut message = vec![0; u32::from_be_bytes(header) as usize];
    stream.read_exact(&mut message).await.unwrap();
}
