//! One run of a program, from its start to its death.

use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::arrays::Arrays;
use crate::inbox::{Inbox, MAX_WAITING, Next, Silence};
use crate::lines::{self, LineError};
use crate::process::{Death, Process};
use crate::program::{Launch, Output};
use crate::protocol::{Kind, MAX_LINE, ProgramMessage, SiteMessage, VERSION, cut};
use crate::task::{Event, Failure, Job, Task, TaskResult};

/// How long a program has between SIGTERM and SIGKILL: enough to write a checkpoint.
const TERMINATED_FOR: Duration = Duration::from_secs(5);

/// How long a program that has closed its socket has to end by itself, so that its exit code or
/// signal can be told.
const CLOSED_FOR: Duration = Duration::from_secs(2);

/// How often a program is asked whether it still answers.
const PING_EVERY: Duration = Duration::from_secs(30);

/// How long one attempt to write to a program waits, before it is looked whether that is still
/// of use.
const WRITE_FOR: Duration = Duration::from_millis(100);

const SOCKET: &str = "socket";

/// What one attempt at a task comes to.
pub(crate) enum Attempt {
    Done(TaskResult),
    Failed(Failure),
    Died(Death),
}

/// Why a step did not go on.
enum Broken {
    Died(Death),
    Protocol(String),
    Stop(String),
    Limit,
    Site(String),
}

/// Where a program is on its way to its first task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Greeted,
    Ready,
}

#[derive(Debug)]
pub(crate) struct Running {
    inbox: Arc<Inbox>,
    process: Process,
    connection: Option<UnixStream>,
    phase: Phase,
    /// Nothing more is to be expected of it.
    over: bool,
    /// The task whose result nobody has confirmed.
    untaken: Option<String>,
    job: Job,
    grace: Duration,
    limit: Option<Duration>,
    max_result: u64,
    folder: TempDir,
    /// Dropped it wakes whoever still waits for a connection.
    waker: Option<UnixStream>,
}

impl Running {
    /// Starts the program. It has not connected yet.
    pub(crate) fn start(launch: &Launch, job: &Job, inbox: Arc<Inbox>) -> Result<Self, Failure> {
        let site =
            |what: &'static str| move |error: io::Error| Failure::Site(format!("{what} ({error})"));
        let mut builder = tempfile::Builder::new();
        builder
            .prefix("fedlink-")
            .permissions(fs::Permissions::from_mode(0o700));
        let folder = builder.tempdir_in(&launch.exchange).map_err(site(
            "the folder for the program's arrays cannot be made: check space and rights",
        ))?;
        let socket = folder.path().join(SOCKET);
        let listener = UnixListener::bind(&socket).map_err(site(
            "the program's socket cannot be made: its path may have 107 bytes at most",
        ))?;
        let output = match &launch.output {
            Output::Nowhere => Stdio::null(),
            Output::Inherited => Stdio::inherit(),
            Output::File(path) => {
                let opened = OpenOptions::new().append(true).create(true).open(path);
                opened
                    .map_err(site("the program's log cannot be written"))?
                    .into()
            }
        };
        let mut environment = launch.environment.clone();
        environment.push(("FEDLINK_SOCKET".into(), socket.into()));
        let process = Process::start(
            &launch.supervisor,
            &launch.command,
            &environment,
            &launch.folder,
            output,
            Arc::clone(&inbox),
        )
        .map_err(site(
            "the supervisor does not start: check the trainer's `folder`",
        ))?;
        let (waker, woken) = UnixStream::pair().map_err(site("no socket for a thread"))?;
        let running = Self {
            inbox: Arc::clone(&inbox),
            process,
            connection: None,
            phase: Phase::Starting,
            over: false,
            untaken: None,
            job: job.clone(),
            grace: launch.grace,
            limit: launch.limit,
            max_result: launch.max_result,
            folder,
            waker: Some(waker),
        };
        let socket = running.folder.path().join(SOCKET);
        thread::Builder::new()
            .name("trainer-lines".to_owned())
            .spawn(move || listen(listener, &woken, &socket, &inbox))
            .map_err(site("no thread for the program's messages"))?;
        Ok(running)
    }

    /// False after it has died, broken the protocol, or not stopped when told.
    pub(crate) fn is_usable(&self) -> bool {
        !self.over
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.inbox.is_dead()
    }

    /// Hears what the program has said since its last task. True if it is over.
    pub(crate) fn is_over(&mut self, events: &mut dyn FnMut(Event)) -> bool {
        // It may go on talking; the rest is heard with the task.
        for next in (0..MAX_WAITING).map_while(|_| self.inbox.poll()) {
            match next {
                Next::Said(ProgramMessage::Metrics { values, step }) => {
                    events(Event::Metrics { values, step });
                }
                Next::Said(ProgramMessage::Pong | ProgramMessage::Progress { .. }) => {}
                Next::Said(_) | Next::Silent(_) | Next::Dead(_) => return true,
                Next::Connected(_) | Next::Stop(_) | Next::Timeout => {}
            }
        }
        false
    }

    /// Runs one task.
    pub(crate) fn run(
        &mut self,
        task: &Task,
        again: bool,
        until: Option<Instant>,
        events: &mut dyn FnMut(Event),
    ) -> Attempt {
        let ran = self.ready(task, until, events);
        let ran = ran.and_then(|()| self.give(task, again, until, events));
        let failure = match ran {
            Ok(attempt) => return attempt,
            Err(Broken::Died(death)) => {
                self.over = true;
                return Attempt::Died(death);
            }
            Err(Broken::Protocol(problem)) => {
                self.over = true;
                Failure::Protocol(problem)
            }
            Err(Broken::Site(problem)) => Failure::Site(problem),
            Err(Broken::Stop(why)) => {
                self.stop(&task.id, &why, events);
                Failure::Stopped(why)
            }
            Err(Broken::Limit) => {
                self.stop(&task.id, "the task took too long", events);
                Failure::Limit(self.limit.unwrap_or_default())
            }
        };
        Attempt::Failed(failure)
    }

    /// Waits until the program can take a task.
    fn ready(
        &mut self,
        task: &Task,
        until: Option<Instant>,
        events: &mut dyn FnMut(Event),
    ) -> Result<(), Broken> {
        while self.phase != Phase::Ready {
            let message = match self.hear(&task.id, until)? {
                Some(message) => message,
                None => continue,
            };
            self.phase = match (self.phase, message) {
                (Phase::Starting, ProgramMessage::Hello { versions, pid }) => {
                    if !versions.contains(&VERSION) {
                        return Err(Broken::Protocol(format!(
                            "it speaks versions {versions:?}, this site {VERSION}"
                        )));
                    }
                    events(Event::Started { pid });
                    self.describe_job(task)?;
                    Phase::Greeted
                }
                (Phase::Greeted, ProgramMessage::Ready) => {
                    events(Event::Ready);
                    Phase::Ready
                }
                (Phase::Greeted, ProgramMessage::Metrics { values, step }) => {
                    events(Event::Metrics { values, step });
                    Phase::Greeted
                }
                (_, message) => return Err(unexpected(&message)),
            };
        }
        Ok(())
    }

    fn describe_job(&mut self, task: &Task) -> Result<(), Broken> {
        let folder = self.folder.path().display().to_string();
        let job = self.job.clone();
        self.say(
            &task.id,
            &SiteMessage::Job {
                v: VERSION,
                job: &job.id,
                kind: &job.kind,
                site: &job.site,
                config: &job.config,
                folder: &folder,
            },
        )
    }

    /// Hands the task over and waits for what comes of it.
    fn give(
        &mut self,
        task: &Task,
        again: bool,
        until: Option<Instant>,
        events: &mut dyn FnMut(Event),
    ) -> Result<Attempt, Broken> {
        if let Some(last) = self.untaken.take() {
            self.taken(&last, Some("the site did not keep it"));
        }
        let file = match &task.arrays {
            Some(arrays) => Some(self.hand_over(&task.id, arrays)?),
            None => None,
        };
        self.say(
            &task.id,
            &SiteMessage::Task {
                id: &task.id,
                task: &task.name,
                round: task.round,
                rounds: task.rounds,
                kind: task.kind,
                file: file.as_deref(),
                headers: &task.headers,
                again,
            },
        )?;
        let mut ping = Ping::new();
        loop {
            let next = ping.at();
            let wake = Some(until.map_or(next, |until| until.min(next)));
            let message = match self.hear(&task.id, wake) {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(Broken::Limit) if until.is_none_or(|until| Instant::now() < until) => {
                    match ping.unanswered_for() {
                        Some(quiet) => events(Event::Unanswered(quiet)),
                        None => self.say(&task.id, &SiteMessage::Ping)?,
                    }
                    ping.sent();
                    continue;
                }
                Err(broken) => return Err(broken),
            };
            ping.answered();
            match message {
                ProgramMessage::Progress { id, done } if id == task.id => {
                    events(Event::Progress(done));
                }
                // It is about a task of before.
                ProgramMessage::Progress { .. } | ProgramMessage::Pong => {}
                ProgramMessage::Metrics { values, step } => events(Event::Metrics { values, step }),
                ProgramMessage::Failed { id, text } if id == task.id => {
                    return Ok(Attempt::Failed(Failure::Failed(cut(text))));
                }
                ProgramMessage::Result {
                    id,
                    file,
                    kind,
                    weight,
                    metrics,
                    headers,
                } if id == task.id => {
                    let arrays = match file {
                        Some(name) => self.arrays(&task.id, &name)?,
                        None => None,
                    };
                    let arrays = match arrays {
                        Some(Ok(arrays)) => Some(arrays),
                        Some(Err(failure)) => return Ok(Attempt::Failed(failure)),
                        None => None,
                    };
                    self.untaken = Some(id);
                    return Ok(Attempt::Done(TaskResult {
                        arrays,
                        kind: kind.unwrap_or(Kind::Full),
                        weight,
                        metrics,
                        headers,
                    }));
                }
                message => return Err(unexpected(&message)),
            }
        }
    }

    /// The file of a result; a wrong one is refused, and the program can go on.
    fn arrays(
        &mut self,
        task: &str,
        name: &str,
    ) -> Result<Option<Result<Arrays, Failure>>, Broken> {
        match Arrays::open(self.folder.path(), name, self.max_result) {
            Ok(arrays) => Ok(Some(Ok(arrays))),
            Err(error) => {
                let refused = error.to_string();
                self.say(
                    task,
                    &SiteMessage::Taken {
                        id: task,
                        refused: Some(&refused),
                    },
                )?;
                Ok(Some(Err(error.into())))
            }
        }
    }

    /// Puts the arrays of a task into the folder, under a name that is returned.
    fn hand_over(&self, task: &str, arrays: &Path) -> Result<String, Broken> {
        let name = format!("{task}.in");
        let to = self.folder.path().join(&name);
        // What the last attempt has left.
        let _ = fs::remove_file(&to);
        let linked = fs::hard_link(arrays, &to);
        match linked.or_else(|_| fs::copy(arrays, &to).map(drop)) {
            Ok(()) => Ok(name),
            Err(error) => Err(Broken::Site(format!(
                "the arrays of the task cannot be handed to the program ({error})"
            ))),
        }
    }

    /// What the program says next. None: it has only connected.
    fn hear(
        &mut self,
        task: &str,
        until: Option<Instant>,
    ) -> Result<Option<ProgramMessage>, Broken> {
        match self.inbox.next(task, until) {
            Next::Connected(connection) => {
                self.connection = Some(connection);
                Ok(None)
            }
            Next::Said(message) => Ok(Some(message)),
            Next::Silent(Silence::Broke(problem)) => Err(Broken::Protocol(problem)),
            Next::Silent(Silence::Closed) => Err(Broken::Died(self.death_after_closing())),
            Next::Dead(death) => Err(Broken::Died(death)),
            Next::Stop(why) => Err(Broken::Stop(why)),
            Next::Timeout => Err(Broken::Limit),
        }
    }

    /// A program that dies closes its socket first; a little later its end is known.
    fn death_after_closing(&mut self) -> Death {
        match self.wait_for_end(CLOSED_FOR, &mut |_| {}) {
            Some(death) => death,
            None => Death::Closed,
        }
    }

    /// Writes one message, as long as that is of use for this task.
    fn say(&mut self, task: &str, message: &SiteMessage<'_>) -> Result<(), Broken> {
        let mut line = serde_json::to_vec(message)
            .map_err(|error| Broken::Site(format!("a message cannot be written ({error})")))?;
        line.push(b'\n');
        if line.len() > MAX_LINE {
            return Err(Broken::Site(format!(
                "config and headers of the task take {} bytes, more than the {MAX_LINE} of a message to the program",
                line.len()
            )));
        }
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let mut rest = &line[..];
        while !rest.is_empty() && !self.inbox.gives_up(task) {
            match connection.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut => {}
                    // The reader of the socket will tell why.
                    _ => return Ok(()),
                },
            }
        }
        Ok(())
    }

    pub(crate) fn taken(&mut self, task: &str, refused: Option<&str>) {
        self.untaken = None;
        // What goes wrong here is heard with the next task.
        let _ = self.say("", &SiteMessage::Taken { id: task, refused });
    }

    /// Tells the program to stop its task; if it does not heed, makes it.
    fn stop(&mut self, task: &str, why: &str, events: &mut dyn FnMut(Event)) {
        if self.phase == Phase::Ready {
            let _ = self.say("", &SiteMessage::Stop { id: task, why });
            let until = Instant::now() + self.grace;
            loop {
                match self.inbox.next("", Some(until)) {
                    Next::Said(ProgramMessage::Result { id, file, .. }) if id == task => {
                        // Nobody wants it.
                        drop(file.map(|name| Arrays::open(self.folder.path(), &name, u64::MAX)));
                        return;
                    }
                    Next::Said(ProgramMessage::Failed { id, .. }) if id == task => return,
                    Next::Said(ProgramMessage::Metrics { values, step }) => {
                        events(Event::Metrics { values, step });
                    }
                    Next::Said(_) | Next::Connected(_) | Next::Stop(_) => {}
                    Next::Silent(_) | Next::Dead(_) | Next::Timeout => break,
                }
            }
        }
        self.make_it_end(events);
    }

    /// Tells the program that there is nothing more to do, and waits for its end.
    pub(crate) fn end(mut self, why: &str, events: &mut dyn FnMut(Event)) -> Option<Death> {
        let _ = self.say("", &SiteMessage::End { why });
        let ended = self.wait_for_end(self.grace, events);
        ended.or_else(|| self.make_it_end(events))
    }

    fn make_it_end(&mut self, events: &mut dyn FnMut(Event)) -> Option<Death> {
        self.over = true;
        self.process.terminate();
        let ended = self.wait_for_end(TERMINATED_FOR, events);
        ended.or_else(|| {
            self.process.kill();
            self.wait_for_end(TERMINATED_FOR, events)
        })
    }

    fn wait_for_end(&mut self, long: Duration, events: &mut dyn FnMut(Event)) -> Option<Death> {
        let until = Instant::now() + long;
        loop {
            match self.inbox.next("", Some(until)) {
                Next::Dead(death) => return Some(death),
                Next::Timeout => return None,
                Next::Said(ProgramMessage::Metrics { values, step }) => {
                    events(Event::Metrics { values, step });
                }
                Next::Said(_) | Next::Silent(_) | Next::Connected(_) | Next::Stop(_) => {}
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill();
        // It may write into the folder as long as it lives.
        self.wait_for_end(TERMINATED_FOR, &mut |_| {});
        self.inbox.close();
        self.waker = None;
        if let Some(connection) = &self.connection {
            // It fails when the other end is gone already.
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Takes one connection and reads it to its end.
fn listen(listener: UnixListener, woken: &UnixStream, socket: &Path, inbox: &Inbox) {
    let mut either = [
        PollFd::new(&listener, PollFlags::IN),
        PollFd::new(woken, PollFlags::IN),
    ];
    while let Err(Errno::INTR) = poll(&mut either, None) {}
    let [connects, ends] = either.map(|one| !one.revents().is_empty());
    if ends || !connects {
        return inbox.silent(Silence::Closed);
    }
    let accepted = listener.accept();
    // There is never a second one.
    drop(listener);
    let _ = fs::remove_file(socket);
    let taken = accepted.and_then(|(connection, _)| {
        let writer = connection.try_clone()?;
        writer.set_write_timeout(Some(WRITE_FOR))?;
        inbox.connected(writer);
        Ok(connection)
    });
    let Ok(connection) = taken else {
        return inbox.silent(Silence::Closed);
    };
    let mut reader = BufReader::new(connection);
    let mut line = Vec::new();
    loop {
        match lines::read(&mut reader, &mut line) {
            Ok(()) => {}
            Err(LineError::Closed) => return inbox.silent(Silence::Closed),
            Err(error @ LineError::TooLong) => {
                return inbox.silent(Silence::Broke(error.to_string()));
            }
        }
        match ProgramMessage::parse(&line) {
            Ok(message) => {
                if !inbox.said(message) {
                    return;
                }
            }
            Err(problem) => return inbox.silent(Silence::Broke(cut(problem))),
        }
    }
}

fn unexpected(message: &ProgramMessage) -> Broken {
    Broken::Protocol(format!("`{}` does not belong here", message.say()))
}

/// Whether a program still answers.
struct Ping {
    last: Instant,
    waiting: Option<Instant>,
}

impl Ping {
    fn new() -> Self {
        Self {
            last: Instant::now(),
            waiting: None,
        }
    }

    fn at(&self) -> Instant {
        self.last + PING_EVERY
    }

    fn sent(&mut self) {
        self.last = Instant::now();
        self.waiting.get_or_insert(self.last);
    }

    fn answered(&mut self) {
        self.waiting = None;
    }

    fn unanswered_for(&self) -> Option<Duration> {
        self.waiting.map(|since| since.elapsed())
    }
}
