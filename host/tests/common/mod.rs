//! A federation on this machine. Each test file uses a part of it.
#![allow(dead_code, unreachable_pub)]

#[path = "../../../tests/common/pki.rs"]
pub mod pki;
pub mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fedlink::identity::Identity;
use fedlink::message::{JobId, Outcome, Payload, Properties, TaskId};
use fedlink::{
    Assignee, Carrier, Client, ClientAction, ClientConfig, NewTask, ResultReceived, Server,
    ServerAction, ServerConfig, Sites, Task,
};
use fedlink_host::HostError;
use fedlink_host::tokio::{Accept, ClientHost, Dial, Events, Handle, ServerHost};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use pki::{Pki, name};

pub const SERVER: &str = "server.test";
pub const JOB: JobId = JobId::from_bytes([7; 16]);

/// Settings and certificates of one federation.
pub struct Federation {
    pub pki: Pki,
    pub client: ClientConfig,
    pub server: ServerConfig,
}

impl Federation {
    /// With short waits, so that tests are quick; no test depends on how short.
    pub fn new() -> Self {
        let mut client = ClientConfig::new(name("project"));
        client.server = Some(name(SERVER));
        client.retry_min = Duration::from_millis(20);
        client.retry_max = Duration::from_millis(100);
        client.maintenance_timeout = Duration::from_secs(1);
        let mut server = ServerConfig::new(name("project"));
        server.heartbeat_interval = Duration::from_millis(200);
        server.poll_interval = Duration::from_millis(20);
        server.peer_budget = 1000;
        Self {
            pki: Pki::new(1),
            client,
            server,
        }
    }

    pub fn site(&self, site: &str, dial: impl Dial) -> ClientHost {
        let identity = self.site_identity(site);
        ClientHost::new(Arc::new(self.client.clone()), identity, dial)
    }

    pub fn coordinator(&self, accept: impl Accept) -> ServerHost {
        let (chain, signer) = self.pki.server(SERVER);
        let roots = self.pki.roots();
        let identity = Identity::new(name(SERVER), chain, Arc::new(signer), roots).unwrap();
        ServerHost::new(Arc::new(self.server.clone()), identity).listen(accept)
    }

    /// The first message of a site on a connection.
    pub fn challenge(&self) -> Bytes {
        let identity = self.site_identity("site-1");
        let now = fedlink::Instant::default();
        let config = Arc::new(self.client.clone());
        let mut client = Client::new(config, identity, [1; 32], now).unwrap();
        client.register(now).unwrap();
        client.handle_connected(now, Carrier::default()).unwrap();
        let transmit = client.poll_transmit().unwrap();
        [&transmit.header[..], &transmit.payload].concat().into()
    }

    pub fn site_identity(&self, site: &str) -> Identity {
        let (chain, signer) = self.pki.site(site);
        Identity::new(name(site), chain, Arc::new(signer), self.pki.roots()).unwrap()
    }
}

/// Work with this input.
pub fn task(payload: impl Into<Bytes>) -> NewTask {
    NewTask::new("reverse", Payload::new(payload))
}

/// Work whose output is a pattern of so many bytes.
pub fn grow(len: usize) -> NewTask {
    NewTask::new("grow", Payload::new(len.to_string()))
}

/// What sites do.
pub fn output(task: &Task) -> Vec<u8> {
    let input = task.payload.bytes();
    match task.name.as_str() {
        "grow" => pattern(str::from_utf8(input).unwrap().parse().unwrap()),
        _ => reversed(input),
    }
}

/// What sites make of their input.
pub fn reversed(input: &[u8]) -> Vec<u8> {
    input.iter().rev().copied().collect()
}

/// Bytes that differ from place to place.
pub fn pattern(len: usize) -> Vec<u8> {
    (0u32..)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .take(len)
        .collect()
}

/// A site with an application that does the jobs that it is given.
pub struct Site {
    pub client: Handle<Client>,
    seen: mpsc::UnboundedReceiver<ClientAction>,
    task: JoinHandle<Result<(), HostError>>,
}

impl Site {
    /// Starts and registers.
    pub async fn start(host: ClientHost) -> Self {
        let (client, mut events) = host.start().unwrap();
        client.register().await.unwrap();
        let (seeing, seen) = mpsc::unbounded_channel();
        let caller = client.clone();
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                react(&caller, &event).await;
                let _ = seeing.send(event);
            }
            events.finish().await
        });
        Self { client, seen, task }
    }

    /// The next event that `pick` picks.
    pub async fn wait_for<T>(&mut self, mut pick: impl FnMut(&ClientAction) -> Option<T>) -> T {
        loop {
            let event = self.seen.recv().await.expect("the host stopped");
            if let Some(picked) = pick(&event) {
                return picked;
            }
        }
    }

    /// Says goodbye; returns the last event.
    pub async fn quit(mut self, reason: &str) -> ClientAction {
        self.client.quit(reason).await.unwrap();
        let mut last = None;
        while let Some(event) = self.seen.recv().await {
            last = Some(event);
        }
        self.task.await.unwrap().unwrap();
        last.unwrap()
    }

    /// Dies without a word.
    pub async fn crash(self) {
        drop(self.client);
        self.task.abort();
        let _ = self.task.await;
    }
}

/// What a site's application does on each event. Errors are those of a host that stops.
pub async fn react(client: &Handle<Client>, event: &ClientAction) {
    match event {
        ClientAction::StartJobs(jobs) => {
            for job in jobs {
                let _ = client.job_started(*job).await;
                let _ = client.pull_task(*job).await;
            }
        }
        ClientAction::TaskAssigned(task) => {
            let output = Payload::new(output(task));
            let done = client.submit(task.id, Outcome::Ok, Properties::new(), output);
            let _ = done.await;
            let _ = client.job_started(task.job).await;
            let _ = client.pull_task(task.job).await;
        }
        ClientAction::AbortJobs(jobs) => {
            for job in jobs {
                let _ = client.job_ended(*job).await;
            }
        }
        ClientAction::HeartbeatDue => {
            let _ = client.heartbeat_ready(None).await;
        }
        _ => {}
    }
}

/// Starts the job on a site and takes a task, which stays undone.
pub async fn hold_task(client: &Handle<Client>, events: &mut Events<ClientAction>) -> Task {
    wait_for(events, |event| {
        matches!(event, ClientAction::StartJobs(_)).then_some(())
    })
    .await;
    client.job_started(JOB).await.unwrap();
    client.pull_task(JOB).await.unwrap();
    wait_for(events, assigned).await
}

/// The task that was assigned.
pub fn assigned(event: &ClientAction) -> Option<Task> {
    match event {
        ClientAction::TaskAssigned(task) => Some(task.clone()),
        _ => None,
    }
}

/// The next event that `pick` picks.
pub async fn wait_for<A: std::fmt::Debug, T>(
    events: &mut Events<A>,
    mut pick: impl FnMut(&A) -> Option<T>,
) -> T {
    loop {
        let event = events.next().await.expect("the host stopped");
        if let Some(picked) = pick(&event) {
            return picked;
        }
    }
}

/// Waits for the next result, and takes it.
pub async fn next_result(
    server: &Handle<Server>,
    events: &mut Events<ServerAction>,
) -> ResultReceived {
    let result = wait_for(events, |event| match event {
        ServerAction::ResultReceived(result) => Some(result.clone()),
        _ => None,
    })
    .await;
    server.taken(result.task).await.unwrap();
    result
}

/// Waits until a client has joined.
pub async fn joined(events: &mut Events<ServerAction>) {
    wait_for(events, |event| {
        matches!(event, ServerAction::ClientJoined(_)).then_some(())
    })
    .await;
}

/// Starts the job everywhere and gives one task to whoever asks.
pub async fn start_job(server: &Handle<Server>, task: NewTask) -> TaskId {
    server.start_job(JOB, Sites::All).await.unwrap();
    server.assign(JOB, Assignee::Anyone, task).await.unwrap()
}
