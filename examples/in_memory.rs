//! A client and a server in one program, with pinned keys and on virtual time: no socket, no
//! certificate, no clock. The site doubles numbers. Run it with
//! `cargo run --example in_memory`.

use std::error::Error;
use std::sync::Arc;

use bytes::BytesMut;
use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
use fedlink::message::{JobId, Opaque, Outcome, Payload, PeerId, Properties};
use fedlink::{
    Assignee, Carrier, Client, ClientAction, ClientConfig, Instant, NewTask, Server, ServerAction,
    ServerConfig, Sites,
};

const JOB: JobId = JobId::from_bytes(*b"double numbers..");
/// The one connection, as the server's host numbers it.
const PEER: PeerId = PeerId(1);

fn main() -> Result<(), Box<dyn Error>> {
    let project = Name::new("numbers")?;
    let [site, coordinator] = [Name::new("site-1")?, Name::new("coordinator")?];
    // Seeds of keys and of machines are 32 fresh random bytes each in a real program.
    let [of_site, of_coordinator] = [[1; 32], [2; 32]].map(|seed| LocalSigner::from_seed(&seed));
    let trusts_coordinator = Roots::new().pin(coordinator.clone(), of_coordinator.public_key());
    let trusts_site = Roots::new().pin(site.clone(), of_site.public_key());

    let mut now = Instant::default();
    let mut settings = ClientConfig::new(project.clone());
    settings.server = Some(coordinator.clone());
    let identity = pinned(site, of_site, trusts_coordinator)?;
    let mut client = Client::new(Arc::new(settings), identity, [3; 32], now)?;
    let settings = ServerConfig::new(project);
    let identity = pinned(coordinator, of_coordinator, trusts_site)?;
    let mut server = Server::new(Arc::new(settings), identity, [4; 32], now)?;

    server.start_job(now, JOB, Sites::All)?;
    let task = NewTask::new("double", Payload::new(vec![1, 2, 3]));
    server.assign(now, JOB, Assignee::Anyone, task)?;
    client.register(now)?;
    client.handle_connected(now, Carrier::default())?;

    loop {
        while let Some(action) = client.poll_action() {
            match action {
                // A real host stores the record first.
                ClientAction::Persist { record, .. } => client.persisted(now, record)?,
                ClientAction::StartJobs(jobs) => {
                    for job in jobs {
                        client.job_started(now, job)?;
                        client.pull_task(now, job)?;
                    }
                }
                ClientAction::TaskAssigned(task) => {
                    let doubled: Vec<u8> = task.payload.bytes().iter().map(|it| 2 * it).collect();
                    let result = Payload::new(doubled);
                    client.submit(now, task.id, Outcome::Ok, Properties::new(), result)?;
                }
                other => println!("{now}  site: {}", other.name()),
            }
        }
        while let Some(action) = server.poll_action() {
            match action {
                ServerAction::Persist { record, .. } => server.persisted(now, record)?,
                ServerAction::ResultReceived(result) => {
                    println!(
                        "{now}  {}: {:?}",
                        result.client,
                        result.payload.bytes().to_vec()
                    );
                    server.taken(now, result.task)?;
                    return Ok(());
                }
                other => println!("{now}  coordinator: {}", other.name()),
            }
        }
        let mut moved = false;
        while let Some(message) = client.poll_transmit() {
            server.handle_message(now, PEER, joined(&message.header, &message.payload))?;
            moved = true;
        }
        while let Some(message) = server.poll_transmit() {
            client.handle_message(now, joined(&message.header, &message.payload))?;
            moved = true;
        }
        if !moved {
            let due = [
                client.poll_timeout().map(|(at, _)| at),
                server.poll_timeout().map(|(at, _)| at),
            ];
            now = due.into_iter().flatten().min().ok_or("nobody waits")?;
            client.handle_timeout(now);
            server.handle_timeout(now);
        }
    }
}

/// Somebody who shows a bare key, and trusts whom these roots name.
fn pinned(name: Name, key: LocalSigner, roots: Roots) -> Result<Identity, Box<dyn Error>> {
    let chain = Chain::pinned(key.public_key());
    Ok(Identity::new(name, chain, Arc::new(key), roots)?)
}

/// Both parts of a message, as they would arrive.
fn joined(header: &Opaque, payload: &Opaque) -> BytesMut {
    [&header[..], &payload[..]].concat()[..].into()
}
