//! Sites: `peers-sites KIT...`, each on a connection and a thread of its own. Takes
//! commands from its input, one a line, has every site do the work, and answers with a
//! line of JSON: how many operations were answered in all, and how many bytes of payload
//! they moved. Ends with its input.
//!
//! | command | what each site does, one after another |
//! |---|---|
//! | `enter` | registers, and sends its first heartbeat |
//! | `heartbeat N` | N heartbeats |
//! | `rejoin N` | N times: says goodbye, registers, sends its first heartbeat |
//! | `poll N` | asks N times for a task while there is none |
//! | `fetch N` | fetches N tasks |
//! | `prepare BYTES` | makes a payload of so many bytes ahead |
//! | `submit N BYTES` | hands in so many results for tasks that it has fetched |
//! | `bare N PORT` | N times: as many bytes as a heartbeat, without fedlink, for as many as its answer |

use std::collections::VecDeque;
use std::io::{Write, stdin, stdout};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use fedlink::ClientAction;
use fedlink::message::{Outcome, Payload, Properties, TaskId};
use fedlink_host::blocking::BlockingClient;
use fedlink_host::hash_ahead;
use fedlink_host::kit::SiteKit;
use fedlink_peers::bare::Bare;
use fedlink_peers::{Failure, JOB, client, connect, payload};
use serde_json::json;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> Result<(), Failure> {
    let (done, results) = channel();
    let mut sites = Vec::new();
    for kit in std::env::args().skip(1) {
        let (sender, commands) = channel();
        let done = done.clone();
        thread::spawn(move || work(Path::new(&kit), &commands, &done));
        sites.push(sender);
    }
    println!("{}", json!({"sites": sites.len()}));
    for line in stdin().lines() {
        let line = line?;
        for site in &sites {
            site.send(line.clone())?;
        }
        let mut sum = Done::default();
        for _ in &sites {
            let done = results.recv()??;
            sum.operations += done.operations;
            sum.bytes += done.bytes;
        }
        println!(
            "{}",
            json!({"operations": sum.operations, "bytes": sum.bytes})
        );
        stdout().flush()?;
    }
    Ok(())
}

/// What was answered.
#[derive(Default)]
struct Done {
    operations: u64,
    bytes: u64,
}

/// What one thread does.
fn work(kit: &Path, commands: &Receiver<String>, done: &Sender<Result<Done, Failure>>) {
    let mut site = Site::new(kit);
    while let Ok(line) = commands.recv() {
        let obeyed = match &mut site {
            Ok(site) => site.obey(&line),
            Err(error) => Err(error.to_string().into()),
        };
        if done
            .send(obeyed.map_err(|error| format!("{line}: {error}").into()))
            .is_err()
        {
            return;
        }
    }
}

struct Site {
    kit: SiteKit,
    host: BlockingClient,
    /// Whether the job runs here.
    started: bool,
    held: VecDeque<TaskId>,
    prepared: Option<Payload>,
    /// When the client asks for a task again, while it waits for that.
    asks_at: Option<fedlink::Instant>,
    bare: Option<Bare>,
}

impl Site {
    fn new(kit: &Path) -> Result<Self, Failure> {
        let kit = SiteKit::load(kit)?;
        Ok(Self {
            host: client(&kit)?,
            kit,
            started: false,
            held: VecDeque::new(),
            prepared: None,
            asks_at: None,
            bare: None,
        })
    }

    fn obey(&mut self, line: &str) -> Result<Done, Failure> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (operation, times, size) = match words[..] {
            ["enter"] => ("enter", 1, 0),
            ["prepare", size] => ("prepare", 1, size.parse()?),
            [operation, times] => (operation, times.parse()?, 0),
            [operation, times, size] => (operation, times.parse()?, size.parse()?),
            _ => return Err("no such command".into()),
        };
        let mut done = Done::default();
        for _ in 0..times {
            done.bytes += match operation {
                "enter" => self.enter()?,
                "heartbeat" => self.heartbeat()?,
                "rejoin" => self.leave().and_then(|()| self.enter())?,
                "poll" => self.poll()?,
                "fetch" => self.fetch()?,
                "submit" => self.submit(size)?,
                "bare" => self.bare(size)?,
                "prepare" => {
                    self.prepared = Some(payload(size));
                    size
                }
                _ => return Err("no such command".into()),
            } as u64;
            done.operations += 1;
        }
        Ok(done)
    }

    fn enter(&mut self) -> Result<usize, Failure> {
        self.asks_at = None;
        self.host.call(|client, now| client.register(now))?;
        self.wait_for(|action| matches!(action, ClientAction::HeartbeatDue))?;
        self.release_heartbeat()?;
        if !self.started {
            self.wait_for(|action| matches!(action, ClientAction::StartJobs(_)))?;
            self.host.call(|client, now| client.job_started(now, JOB))?;
            self.started = true;
        }
        // From now on there is none but those that are asked for.
        self.host.call(|client, now| client.pause_heartbeats(now));
        Ok(0)
    }

    fn leave(&mut self) -> Result<(), Failure> {
        self.host.call(|client, now| client.quit(now, "done"));
        self.wait_for(|action| matches!(action, ClientAction::Closed { answered: true, .. }))?;
        Ok(())
    }

    fn heartbeat(&mut self) -> Result<usize, Failure> {
        self.host.call(|client, now| client.resume_heartbeats(now));
        self.release_heartbeat()?;
        self.host.call(|client, now| client.pause_heartbeats(now));
        Ok(0)
    }

    fn bare(&mut self, port: usize) -> Result<usize, Failure> {
        if self.bare.is_none() {
            let connect = connect(&self.kit, &[format!("127.0.0.1:{port}")])?;
            self.bare = Some(Bare::connect(connect, self.heartbeat_lengths()?)?);
        }
        if let Some(bare) = &mut self.bare {
            bare.exchange()?;
        }
        Ok(0)
    }

    /// Bytes of a heartbeat and of its answer, as framed.
    fn heartbeat_lengths(&mut self) -> Result<(u32, u32), Failure> {
        let before = self.moved();
        self.heartbeat()?;
        let after = self.moved();
        let framed = |bytes: u64| u32::try_from(bytes + 4);
        Ok((framed(after.0 - before.0)?, framed(after.1 - before.1)?))
    }

    /// Bytes that the client has sent and received.
    fn moved(&mut self) -> (u64, u64) {
        self.host.call(|client, _| {
            let counters = client.counters();
            (counters.bytes_sent, counters.bytes_received)
        })
    }

    fn release_heartbeat(&mut self) -> Result<(), Failure> {
        self.host
            .call(|client, now| client.heartbeat_ready(now, None))?;
        self.wait_for(|action| matches!(action, ClientAction::HeartbeatAnswered { .. }))?;
        Ok(())
    }

    fn poll(&mut self) -> Result<usize, Failure> {
        match self.ask()? {
            ClientAction::TryAgain { .. } => Ok(0),
            other => Err(format!("there was a task: {other:?}").into()),
        }
    }

    fn fetch(&mut self) -> Result<usize, Failure> {
        match self.ask()? {
            ClientAction::TaskAssigned(task) => {
                self.held.push_back(task.id);
                Ok(task.payload.len())
            }
            other => Err(format!("there was no task: {other:?}").into()),
        }
    }

    /// Asks for a task at once. A client that was told to ask again later does so when its
    /// clock says, and its clock is an argument: it is told that the time has come.
    fn ask(&mut self) -> Result<ClientAction, Failure> {
        match self.asks_at.take() {
            Some(at) => self.host.call(|client, _| client.handle_timeout(at)),
            None => self.host.call(|client, now| client.pull_task(now, JOB))?,
        }
        let answer = self.wait_for(|action| {
            matches!(
                action,
                ClientAction::TryAgain { .. } | ClientAction::TaskAssigned(_)
            )
        })?;
        if let ClientAction::TryAgain { at, .. } = answer {
            self.asks_at = Some(at);
        }
        Ok(answer)
    }

    fn submit(&mut self, bytes: usize) -> Result<usize, Failure> {
        let task = self.held.pop_front().ok_or("no task is held")?;
        let prepared = self.prepared.take_if(|it| it.len() == bytes);
        let result = prepared.unwrap_or_else(|| payload(bytes));
        hash_ahead(&result);
        self.host
            .call(|client, now| client.submit(now, task, Outcome::Ok, Properties::new(), result))?;
        self.wait_for(|action| matches!(action, ClientAction::ResultAccepted { .. }))?;
        Ok(bytes)
    }

    /// Waits for such an action; nothing may fail before.
    fn wait_for(
        &mut self,
        wanted: impl Fn(&ClientAction) -> bool,
    ) -> Result<ClientAction, Failure> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let Some(action) = self.host.next_action(Duration::from_secs(1))? else {
                continue;
            };
            if wanted(&action) {
                return Ok(action);
            }
            if let ClientAction::Retry { reason, .. } = action {
                return Err(format!("something failed: {reason:?}").into());
            }
        }
        Err("no answer".into())
    }
}
