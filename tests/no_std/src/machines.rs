//! A client and a server in one memory, with pinned keys and on virtual time.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BytesMut;
use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
use fedlink::message::{JobId, Opaque, Outcome, Payload, PeerId, Properties};
use fedlink::{
    Assignee, Carrier, Client, ClientAction, ClientConfig, Instant, NewTask, Server, ServerAction,
    ServerConfig, Sites,
};

const JOB: JobId = JobId::from_bytes(*b"double numbers..");
const PEER: PeerId = PeerId(1);

/// Steps in which a task is long done, so that a fault does not run for ever.
const MOST_STEPS: usize = 1_000;

/// Has a site that has registered double these numbers.
pub fn doubled(numbers: &[u8]) -> Vec<u8> {
    let [project, site, coordinator] =
        ["numbers", "site-1", "coordinator"].map(|name| Name::new(name).expect("it is a name"));
    let [of_site, of_coordinator] = [[1; 32], [2; 32]].map(|seed| LocalSigner::from_seed(&seed));
    let trusts_coordinator = Roots::new().pin(coordinator.clone(), of_coordinator.public_key());
    let trusts_site = Roots::new().pin(site.clone(), of_site.public_key());

    let mut now = Instant::default();
    let mut settings = ClientConfig::new(project.clone());
    settings.server = Some(coordinator.clone());
    let identity = pinned(site, of_site, trusts_coordinator);
    let mut client = Client::new(Arc::new(settings), identity, [3; 32], now).expect("it fits");
    let settings = ServerConfig::new(project);
    let identity = pinned(coordinator, of_coordinator, trusts_site);
    let mut server = Server::new(Arc::new(settings), identity, [4; 32], now).expect("it fits");

    server.start_job(now, JOB, Sites::All).expect("it is new");
    let task = NewTask::new("double", Payload::new(numbers.to_vec()));
    server
        .assign(now, JOB, Assignee::Anyone, task)
        .expect("the job runs");
    client.register(now).expect("it is the first time");
    client
        .handle_connected(now, Carrier::default())
        .expect("it has registered");

    for _ in 0..MOST_STEPS {
        while let Some(action) = client.poll_action() {
            let done = match action {
                ClientAction::Persist { record, .. } => client.persisted(now, record),
                ClientAction::StartJobs(jobs) => jobs.into_iter().try_for_each(|job| {
                    client.job_started(now, job)?;
                    client.pull_task(now, job)
                }),
                ClientAction::TaskAssigned(task) => {
                    let doubled: Vec<u8> = task.payload.bytes().iter().map(|it| 2 * it).collect();
                    let result = Payload::new(doubled);
                    client.submit(now, task.id, Outcome::Ok, Properties::new(), result)
                }
                _ => Ok(()),
            };
            done.expect("it is asked for");
        }
        while let Some(action) = server.poll_action() {
            match action {
                ServerAction::Persist { record, .. } => {
                    server.persisted(now, record).expect("it is asked for");
                }
                ServerAction::ResultReceived(result) => return result.payload.bytes().to_vec(),
                _ => {}
            }
        }
        let mut moved = false;
        while let Some(message) = client.poll_transmit() {
            let message = joined(&message.header, &message.payload);
            server
                .handle_message(now, PEER, message)
                .expect("it is one");
            moved = true;
        }
        while let Some(message) = server.poll_transmit() {
            let message = joined(&message.header, &message.payload);
            client.handle_message(now, message).expect("it is one");
            moved = true;
        }
        if !moved {
            let due = [
                client.poll_timeout().map(|(at, _)| at),
                server.poll_timeout().map(|(at, _)| at),
            ];
            now = due.into_iter().flatten().min().expect("somebody waits");
            client.handle_timeout(now);
            server.handle_timeout(now);
        }
    }
    panic!("no result came");
}

/// Somebody who shows a bare key, and trusts whom these roots name.
fn pinned(name: Name, key: LocalSigner, roots: Roots) -> Identity {
    let chain = Chain::pinned(key.public_key());
    Identity::new(name, chain, Arc::new(key), roots).expect("the key is the chain's")
}

/// Both parts of a message, as they would arrive.
fn joined(header: &Opaque, payload: &Opaque) -> BytesMut {
    [&header[..], &payload[..]].concat()[..].into()
}
