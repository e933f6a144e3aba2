//! One run of a program, from its start to its death.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::arrays::Arrays;
use crate::connection::{Written, listen, write};
use crate::filter;
use crate::inbox::{Inbox, MAX_WAITING, Next, Silence};
use crate::metadata;
use crate::output::Tail;
use crate::ping::Ping;
use crate::process::{Death, Process};
use crate::program::Launch;
use crate::protocol::{Answer, Live, MAX_LINE, ProgramMessage, SiteMessage, VERSION, cut};
use crate::task::{Event, Failure, Job, Task, TaskResult};

/// What `leave` calls the arrays and the weight of a result, and how it begins the name of a header.
const PARAMS: &str = "params";
const WEIGHT: &str = "weight";
const HEADER: &str = "header:";

/// How many tasks are known whose answers may come late: many more than a program leaves
/// unanswered.
const MAX_GIVEN: usize = 100;

/// How long a program has between SIGTERM and SIGKILL: enough to write a checkpoint.
const TERMINATED_FOR: Duration = Duration::from_secs(5);

/// How long a program that has closed its socket has to end by itself, so that its exit code or
/// signal can be told.
const CLOSED_FOR: Duration = Duration::from_secs(2);

/// How long a program that does not read is waited for when nothing depends on what it is told.
const TOLD_FOR: Duration = Duration::from_secs(2);

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
    /// The last tasks that it was given.
    given: VecDeque<String>,
    launch: Launch,
    job: Job,
    folder: TempDir,
    /// Dropped it wakes whoever still waits for a connection.
    waker: Option<UnixStream>,
}

impl Running {
    /// Starts the program. It has not connected yet.
    pub(crate) fn start(
        launch: &Launch,
        job: &Job,
        inbox: Arc<Inbox>,
        tail: &Tail,
    ) -> Result<Self, Failure> {
        let site =
            |what: &'static str| move |error: io::Error| Failure::Site(format!("{what} ({error})"));
        let folder = launch.private_folder().map_err(site(
            "the folder for the program's arrays cannot be made: check space and rights",
        ))?;
        let socket = folder.path().join(SOCKET);
        let listener = UnixListener::bind(&socket).map_err(site(
            "the program's socket cannot be made: its path may have 107 bytes at most",
        ))?;
        let (waker, woken) = UnixStream::pair().map_err(site("no socket for a thread"))?;
        let environment = [
            ("FEDLINK_SOCKET".into(), socket.clone().into()),
            ("FEDLINK_SITE".into(), job.site.clone().into()),
            ("FEDLINK_JOB".into(), job.id.clone().into()),
        ];
        let process = Process::start(
            launch,
            &launch.command,
            &environment,
            folder.path(),
            tail,
            Arc::clone(&inbox),
        );
        let process = process.map_err(site(
            "the program cannot be started: check its `folder` and its log",
        ))?;
        let running = Self {
            inbox: Arc::clone(&inbox),
            process,
            connection: None,
            phase: Phase::Starting,
            over: false,
            untaken: None,
            given: VecDeque::new(),
            launch: launch.clone(),
            job: job.clone(),
            folder,
            waker: Some(waker),
        };
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
        if self.phase != Phase::Ready || self.over {
            return self.over || self.is_dead();
        }
        // It may go on talking; the rest is heard with the task.
        for next in (0..MAX_WAITING).map_while(|_| self.inbox.poll()) {
            match next {
                Next::Said(ProgramMessage::Metrics(live)) => self.tell_metrics(live, events),
                Next::Said(ProgramMessage::Pong | ProgramMessage::Progress { .. }) => {}
                Next::Said(message) if self.is_late(&message) => {}
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
                // While it still loads it has not seen the task, and can take the next.
                if self.phase == Phase::Ready {
                    self.stop(&task.id, &why, events);
                }
                Failure::Stopped(why)
            }
            Err(Broken::Limit) => {
                self.stop(&task.id, "the task took too long", events);
                Failure::Limit(self.launch.limit.unwrap_or_default())
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
                    if !versions.contains(&i64::from(VERSION)) {
                        return Err(Broken::Protocol(format!(
                            "it speaks versions {versions:?}, this site {VERSION}"
                        )));
                    }
                    events(Event::Started { pid });
                    self.describe_job(task, until)?;
                    Phase::Greeted
                }
                (Phase::Greeted, ProgramMessage::Ready) => {
                    events(Event::Ready);
                    Phase::Ready
                }
                (Phase::Greeted, ProgramMessage::Metrics(live)) => {
                    self.tell_metrics(live, events);
                    Phase::Greeted
                }
                (Phase::Greeted, ProgramMessage::Pong) => Phase::Greeted,
                (_, message) => return Err(unexpected(&message)),
            };
        }
        Ok(())
    }

    fn describe_job(&mut self, task: &Task, until: Option<Instant>) -> Result<(), Broken> {
        let folder = self.folder.path().display().to_string();
        let line = line(&SiteMessage::Job {
            v: VERSION,
            job: &self.job.id,
            kind: &self.job.kind,
            site: &self.job.site,
            config: &self.job.config,
            folder: &folder,
        })?;
        self.say(&task.id, &line, until)
    }

    /// Hands the task over and waits for what comes of it.
    fn give(
        &mut self,
        task: &Task,
        again: bool,
        until: Option<Instant>,
        events: &mut dyn FnMut(Event),
    ) -> Result<Attempt, Broken> {
        self.refuse_untaken();
        let file = match &task.arrays {
            Some(arrays) => Some(self.hand_over(&task.id, arrays)?),
            None => None,
        };
        let given = line(&SiteMessage::Task {
            id: &task.id,
            task: &task.name,
            round: task.round,
            rounds: task.rounds,
            kind: task.kind,
            file: file.as_deref(),
            headers: &task.headers,
            again,
        })?;
        self.say(&task.id, &given, until)?;
        if self.given.len() == MAX_GIVEN {
            self.given.pop_front();
        }
        self.given.push_back(task.id.clone());
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
                        None => self.say(&task.id, &line(&SiteMessage::Ping)?, until)?,
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
                ProgramMessage::Metrics(live) => self.tell_metrics(live, events),
                ProgramMessage::Failed { id, text } if id == task.id => {
                    return Ok(Attempt::Failed(Failure::Failed(cut(text))));
                }
                ProgramMessage::Result(answer) if answer.id == task.id => {
                    return Ok(match self.judge(answer, until) {
                        Ok(result) => {
                            self.untaken = Some(task.id.clone());
                            Attempt::Done(result)
                        }
                        Err(failure) => {
                            self.taken(&task.id, Some(&failure.to_string()));
                            Attempt::Failed(failure)
                        }
                    });
                }
                message if self.is_late(&message) => {}
                message => return Err(unexpected(&message)),
            }
        }
    }

    /// What of a result may leave, with its arrays.
    fn judge(&self, answer: Answer, until: Option<Instant>) -> Result<TaskResult, Failure> {
        if let Some(problem) = answer.problem {
            self.discard(answer.file);
            return Err(Failure::Result(problem));
        }
        let mut result = TaskResult {
            arrays: None,
            kind: answer.kind,
            weight: answer.weight.filter(|_| self.launch.leaves(WEIGHT)),
            metrics: answer.metrics,
            headers: answer.headers,
        };
        if let Some(name) = answer.file {
            let arrays = Arrays::open(self.folder.path(), &name, self.launch.max_result)?;
            if self.launch.leaves(PARAMS) {
                // A filter is the operator's own, and knows what it lets pass.
                let judged = self.launch.leave.is_some() && self.launch.filter.is_empty();
                if let Some(name) = metadata::foreign(arrays.file()).filter(|_| judged) {
                    return Err(Failure::Result(format!(
                        "the text `{name:.100}` in its file's `__metadata__` may not leave: write `format` and `fedlink.tree` alone"
                    )));
                }
                let stopped = || self.inbox.take_stop(&answer.id);
                let arrays = filter::apply(&self.launch, arrays, until, stopped)?;
                result.arrays = Some(arrays);
            }
        }
        result.metrics.retain(|name, _| self.launch.leaves(name));
        result
            .headers
            .retain(|name, _| self.launch.leaves(&format!("{HEADER}{name}")));
        Ok(result)
    }

    /// Deletes the file of a result that nobody wants.
    fn discard(&self, file: Option<String>) {
        drop(file.map(|name| Arrays::open(self.folder.path(), &name, u64::MAX)));
    }

    /// An answer to a task that has ended for us, as after a stop that came too late. Nobody
    /// wants it any more.
    fn is_late(&self, message: &ProgramMessage) -> bool {
        match message {
            ProgramMessage::Failed { id, .. } => self.given.contains(id),
            ProgramMessage::Result(answer) if self.given.contains(&answer.id) => {
                self.discard(answer.file.clone());
                true
            }
            _ => false,
        }
    }

    /// Numbers for a plot, as far as they may leave.
    fn tell_metrics(&self, live: Live, events: &mut dyn FnMut(Event)) {
        let Live {
            mut values,
            step,
            left_out,
        } = live;
        values.retain(|name, _| self.launch.leaves(name));
        if !values.is_empty() {
            events(Event::Metrics { values, step });
        }
        if let Some(left_out) = left_out {
            events(Event::LeftOut(left_out));
        }
    }

    /// Puts the arrays of a task into the folder, under a name that is returned.
    fn hand_over(&self, task: &str, arrays: &Path) -> Result<String, Broken> {
        let name = format!("{task}.in");
        let to = self.folder.path().join(&name);
        // What the last attempt has left.
        let _ = fs::remove_file(&to);
        // Not a link: what the program writes into its file must not change the site's, which
        // the next attempt and other programs get.
        match fs::copy(arrays, &to) {
            Ok(_) => Ok(name),
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
        if let Some(death) = self.wait_for_end(CLOSED_FOR, &mut |_| {}) {
            return death;
        }
        match self.kill() {
            Death::Signal(_) | Death::Unsupervised => Death::Closed,
            // It has ended by itself, and nobody could tell.
            death => death,
        }
    }

    /// Sends a line, as long as that is of use for this task.
    fn say(&mut self, task: &str, line: &[u8], until: Option<Instant>) -> Result<(), Broken> {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        let is_of_use = || !self.inbox.gives_up(task);
        match write(connection, line, until, is_of_use) {
            Written::Whole => return Ok(()),
            Written::Nothing => {}
            Written::Part => self.over = true,
        }
        match self.inbox.gives_up(task) {
            // It knows why, and is asked next.
            true => Ok(()),
            false => Err(Broken::Limit),
        }
    }

    /// Sends what the program should know, but nothing depends on. If it does not read, that is
    /// heard with the next task.
    fn mention(&mut self, message: &SiteMessage<'_>) {
        let until = Instant::now() + TOLD_FOR;
        let said = line(message).and_then(|line| self.say("", &line, Some(until)));
        self.over |= matches!(said, Err(Broken::Limit));
    }

    /// Nobody has said what became of the last result, and a program may wait for that.
    fn refuse_untaken(&mut self) {
        if let Some(last) = self.untaken.take() {
            self.taken(&last, Some("the site did not keep it"));
        }
    }

    pub(crate) fn taken(&mut self, task: &str, refused: Option<&str>) {
        self.untaken = None;
        self.mention(&SiteMessage::Taken { id: task, refused });
    }

    /// Tells the program to stop its task; if it does not heed, makes it.
    fn stop(&mut self, task: &str, why: &str, events: &mut dyn FnMut(Event)) {
        if self.phase == Phase::Ready && !self.over {
            self.mention(&SiteMessage::Stop { id: task, why });
        }
        if self.phase != Phase::Ready || self.over || !self.has_stopped(task, events) {
            self.make_it_end(events);
        }
    }

    /// Waits for what a program has to say to a stop.
    fn has_stopped(&mut self, task: &str, events: &mut dyn FnMut(Event)) -> bool {
        let until = Instant::now() + self.launch.grace;
        loop {
            match self.inbox.next("", Some(until)) {
                Next::Said(ProgramMessage::Result(answer)) if answer.id == task => {
                    self.discard(answer.file);
                    return true;
                }
                Next::Said(ProgramMessage::Failed { id, .. }) if id == task => return true,
                Next::Said(ProgramMessage::Metrics(live)) => self.tell_metrics(live, events),
                Next::Said(_) | Next::Connected(_) | Next::Stop(_) => {}
                Next::Silent(_) | Next::Dead(_) | Next::Timeout => return false,
            }
        }
    }

    /// Tells the program that there is nothing more to do, and waits for its end.
    pub(crate) fn end(mut self, why: &str, events: &mut dyn FnMut(Event)) -> Option<Death> {
        self.refuse_untaken();
        self.mention(&SiteMessage::End { why });
        let ended = self.wait_for_end(self.launch.grace, events);
        ended.or_else(|| self.make_it_end(events))
    }

    fn make_it_end(&mut self, events: &mut dyn FnMut(Event)) -> Option<Death> {
        self.over = true;
        self.process.terminate();
        let ended = self.wait_for_end(TERMINATED_FOR, events);
        ended.or_else(|| Some(self.kill()))
    }

    /// Kills it with all that it has started, and waits for the end of it: what took its place
    /// before would have its GPU with it.
    fn kill(&mut self) -> Death {
        self.over = true;
        self.process.kill();
        kill_for_good(&self.inbox, &mut self.process)
    }

    fn wait_for_end(&mut self, long: Duration, events: &mut dyn FnMut(Event)) -> Option<Death> {
        let until = Instant::now() + long;
        loop {
            match self.inbox.next("", Some(until)) {
                Next::Dead(death) => return Some(death),
                Next::Timeout => return None,
                Next::Said(ProgramMessage::Metrics(live)) => self.tell_metrics(live, events),
                Next::Said(_) | Next::Silent(_) | Next::Connected(_) | Next::Stop(_) => {}
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may write into the folder as long as it lives.
        self.kill();
        self.inbox.close();
        self.waker = None;
        if let Some(connection) = &self.connection {
            // It fails when the other end is gone already.
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Waits for the end of a process that was killed. A supervisor that does not bring it about in
/// time is killed itself.
pub(crate) fn kill_for_good(inbox: &Inbox, process: &mut Process) -> Death {
    let mut until = Some(Instant::now() + TERMINATED_FOR);
    loop {
        match inbox.next("", until) {
            Next::Dead(death) => return death,
            Next::Timeout => {
                process.kill_supervisor();
                until = None;
            }
            Next::Said(_) | Next::Silent(_) | Next::Connected(_) | Next::Stop(_) => {}
        }
    }
}

/// A message as it is written.
fn line(message: &SiteMessage<'_>) -> Result<Vec<u8>, Broken> {
    let mut line = serde_json::to_vec(message)
        .map_err(|error| Broken::Site(format!("a message cannot be written ({error})")))?;
    line.push(b'\n');
    match line.len() > MAX_LINE {
        true => Err(Broken::Site(format!(
            "config or headers of the task take {} bytes, more than the {MAX_LINE} of a message to the program",
            line.len()
        ))),
        false => Ok(line),
    }
}

fn unexpected(message: &ProgramMessage) -> Broken {
    Broken::Protocol(format!("`{}` does not belong here", message.say()))
}
