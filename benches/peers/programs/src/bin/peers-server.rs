//! The coordinator: `peers-server KIT ADDRESS`. Takes commands from its input, one a line,
//! and answers each with a line of JSON; ends with its input.
//!
//! | command | does |
//! |---|---|
//! | `assign N BYTES` | makes N tasks with an input of so many bytes, for whoever asks |
//! | `alone N BYTES` | handles N heartbeats, and a tenth as many tasks, without a connection |
//! | `bare` | answers on another port without fedlink; the answer has the port |
//! | `count` | nothing: the answer has all that was counted since the start |

use std::io::{Write, stdin, stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fedlink::{Assignee, NewTask, ServerAction, Sites};
use fedlink_cli::parties;
use fedlink_host::kit::ServerKit;
use fedlink_host::tokio::{Events, Limits, ServerHandle, ServerHost};
use fedlink_peers::{Failure, JOB, alone, bare, payload};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Results that were handed in, and their bytes.
#[derive(Default)]
struct Tally {
    results: AtomicU64,
    bytes: AtomicU64,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(kit), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: peers-server KIT ADDRESS".into());
    };
    let kit = ServerKit::load(Path::new(&kit))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (server, events) = runtime.block_on(start(&kit, &address))?;
    let tally = Arc::new(Tally::default());
    runtime.spawn(work(server.clone(), events, Arc::clone(&tally)));
    say(&json!({"listens": address}))?;
    for line in stdin().lines() {
        let answer = runtime.block_on(obey(&kit, &server, &tally, &line?))?;
        say(&answer)?;
    }
    Ok(())
}

async fn start(
    kit: &ServerKit,
    address: &str,
) -> Result<(ServerHandle, Events<ServerAction>), Failure> {
    let mut config = parties::server_config(kit)?;
    // All come from one address, and register again and again.
    config.challenge_budget = u32::MAX;
    config.peer_budget = u32::MAX;
    let limits = Limits {
        connections_per_address: usize::MAX,
        ..Limits::default()
    };
    let listener = TcpListener::bind(address).await?;
    let host = ServerHost::new(Arc::new(config), parties::identity(kit)?)
        .limits(limits)
        .listen(parties::accept(kit, listener)?);
    let (server, events) = host.start()?;
    server.start_job(JOB, Sites::All).await?;
    Ok((server, events))
}

/// Takes results as they come.
async fn work(server: ServerHandle, mut events: Events<ServerAction>, tally: Arc<Tally>) {
    while let Some(event) = events.next().await {
        if let ServerAction::ResultReceived(result) = event {
            tally.results.fetch_add(1, Relaxed);
            tally.bytes.fetch_add(result.payload.len() as u64, Relaxed);
            // It may be about to end.
            let _ = server.taken(result.task).await;
        }
    }
}

async fn obey(
    kit: &ServerKit,
    server: &ServerHandle,
    tally: &Tally,
    line: &str,
) -> Result<Value, Failure> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["assign", count, bytes] => {
            let (count, input) = (count.parse::<u32>()?, payload(bytes.parse()?));
            for _ in 0..count {
                let task = NewTask::new("train", input.clone());
                server.assign(JOB, Assignee::Anyone, task).await?;
            }
            Ok(json!({}))
        }
        ["bare"] => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let port = listener.local_addr()?.port();
            tokio::spawn(bare::answer_all(parties::accept(kit, listener)?));
            Ok(json!({"port": port}))
        }
        ["count"] => {
            let counters = server.call(|server, _| server.counters().clone()).await?;
            Ok(json!({
                "messages": counters.messages_received,
                "bytes": counters.bytes_received,
                "registrations": counters.registrations,
                "dropped": counters.dropped.values().sum::<u64>(),
                "results": tally.results.load(Relaxed),
                "result_bytes": tally.bytes.load(Relaxed),
            }))
        }
        ["alone", times, bytes] => {
            let (times, bytes) = (times.parse()?, bytes.parse()?);
            server
                .call(move |server, now| alone::measure(server, now, times, bytes))
                .await?
        }
        _ => Err(format!("no such command: {line}").into()),
    }
}

fn say(what: &Value) -> Result<(), Failure> {
    let mut out = stdout().lock();
    writeln!(out, "{what}")?;
    Ok(out.flush()?)
}
