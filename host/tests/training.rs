//! Sites whose tasks are done by trainers.

mod common;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::{Federation, JOB, joined, next_result, start_job, task};
use fedlink::message::{JobId, Outcome, Payload, Properties, TaskId};
use fedlink::{Assignee, ClientAction, Server, ServerAction, Sites, Task};
use fedlink_host::HostError;
use fedlink_host::tokio::{Events, Handle, memory};
use fedlink_host::trainer::{Failure, SiteEvent, Stop, Trainer, Trainers, TrainingSite, Update};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A coordinator, and a site that has joined.
struct Pair {
    server: Handle<Server>,
    server_events: Events<ServerAction>,
    site: TrainingSite,
}

impl Pair {
    async fn start(trainers: impl Trainers) -> Self {
        let federation = Federation::new();
        let (dial, accept) = memory();
        let (server, mut server_events) = federation.coordinator(accept).start().unwrap();
        let host = federation.site("site-1", dial);
        let site = TrainingSite::start(host, trainers).await.unwrap();
        joined(&mut server_events).await;
        Self {
            server,
            server_events,
            site,
        }
    }

    /// The next event of the site that `pick` picks.
    async fn site_says<T>(&mut self, mut pick: impl FnMut(SiteEvent) -> Option<T>) -> T {
        loop {
            let event = self.site.next().await.expect("the site stopped");
            if let Some(picked) = pick(event) {
                return picked;
            }
        }
    }

    async fn quit(self) -> Result<(), HostError> {
        self.site.client().quit("done").await.unwrap();
        self.site.finish().await
    }
}

/// Trainers that all do the same.
fn all(
    train: impl Fn(Task, &Stop) -> Result<Update, Failure> + Clone + Send + Sync + 'static,
) -> impl Trainers {
    move |_: JobId| -> Box<dyn Trainer> { Box::new(train.clone()) }
}

#[tokio::test]
async fn results_and_failures_reach_the_coordinator() {
    let mut pair = Pair::start(all(|task, _| match &task.payload.bytes()[..] {
        b"fail" => Err("there is no data".into()),
        b"panic" => panic!("out of wine"),
        input => {
            let mut update = Update::new(Payload::new(common::reversed(input)));
            update.headers.insert("steps", "3");
            Ok(update)
        }
    }))
    .await;

    start_job(&pair.server, task("small")).await;
    let result = next_result(&pair.server, &mut pair.server_events).await;
    assert_eq!(result.payload.bytes(), "llams");
    assert_eq!(result.headers, Properties::new().with("steps", "3"));

    for (input, error) in [
        ("fail", "there is no data"),
        ("panic", "the trainer has panicked: out of wine"),
    ] {
        let assigned = pair.server.assign(JOB, Assignee::Anyone, task(input)).await;
        let result = next_result(&pair.server, &mut pair.server_events).await;
        assert_eq!(
            (result.task, result.outcome),
            (assigned.unwrap(), Outcome::Failed)
        );
        assert_eq!(result.headers.get("error"), Some(error));
    }
    let assigned = pair.server.assign(JOB, Assignee::Anyone, task("again"));
    assigned.await.unwrap();
    let result = next_result(&pair.server, &mut pair.server_events).await;
    assert_eq!(result.payload.bytes(), "niaga");
    pair.quit().await.unwrap();
}

#[tokio::test]
async fn a_trainer_remembers_its_job_and_no_other() {
    let mut pair = Pair::start(|_| -> Box<dyn Trainer> {
        let mut tasks = 0;
        Box::new(move |_: Task, _: &Stop| {
            tasks += 1;
            Ok(Update::new(Payload::new(tasks.to_string())))
        })
    })
    .await;
    let other = JobId::from_bytes([8; 16]);
    pair.server.start_job(other, Sites::All).await.unwrap();
    pair.server.start_job(JOB, Sites::All).await.unwrap();
    for (job, expected) in [(JOB, "1"), (JOB, "2"), (other, "1"), (JOB, "3")] {
        let assigned = pair.server.assign(job, Assignee::Anyone, task(""));
        assigned.await.unwrap();
        let result = next_result(&pair.server, &mut pair.server_events).await;
        assert_eq!(result.payload.bytes(), expected);
    }
    pair.quit().await.unwrap();
}

/// Trainers that say when they begin, wait until they are told to stop, say so, and then
/// give a result all the same.
fn stubborn() -> (impl Trainers, UnboundedReceiver<&'static str>) {
    let (sender, said) = unbounded_channel();
    let trainers = all(move |_, stop| {
        sender.send("begins")?;
        stop.wait(Duration::MAX);
        sender.send("stops")?;
        Ok(Update::new(Payload::new("late")))
    });
    (trainers, said)
}

#[tokio::test]
async fn an_abort_stops_the_trainer_and_its_result_is_not_sent() {
    let (trainers, mut said) = stubborn();
    let mut pair = Pair::start(trainers).await;
    start_job(&pair.server, task("long")).await;
    assert_eq!(said.recv().await, Some("begins"));
    pair.server.end_job(JOB).await.unwrap();
    let ended = pair.site_says(|event| match event {
        SiteEvent::JobEnded(job) => Some(job),
        SiteEvent::Trained { .. } | SiteEvent::Failed { .. } => panic!("{event:?}"),
        _ => None,
    });
    assert_eq!(ended.await, JOB);
    assert_eq!(said.recv().await, Some("stops"));
    let waiting = pair.site.client().call(|client, _| client.outbox_len());
    assert_eq!(waiting.await.unwrap(), 0);
    pair.quit().await.unwrap();
}

#[tokio::test]
async fn a_site_that_leaves_stops_its_trainers() {
    let (trainers, mut said) = stubborn();
    let pair = Pair::start(trainers).await;
    start_job(&pair.server, task("long")).await;
    assert_eq!(said.recv().await, Some("begins"));
    pair.quit().await.unwrap();
    assert_eq!(said.try_recv(), Ok("stops"));
}

#[tokio::test]
async fn a_site_that_is_dropped_stops_its_trainers() {
    let (trainers, mut said) = stubborn();
    let pair = Pair::start(trainers).await;
    start_job(&pair.server, task("long")).await;
    assert_eq!(said.recv().await, Some("begins"));
    drop(pair.site);
    assert_eq!(said.recv().await, Some("stops"));
}

#[tokio::test]
async fn heartbeats_go_on_while_a_trainer_works() {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let mut pair = Pair::start(all(move |_, _| {
        released.lock().unwrap().recv()?;
        Ok(Update::new(Payload::new("done")))
    }))
    .await;
    start_job(&pair.server, task("long")).await;
    pair.site_says(|event| matches!(event, SiteEvent::Assigned { .. }).then_some(()))
        .await;
    for _ in 0..3 {
        pair.site_says(|event| {
            matches!(
                event,
                SiteEvent::Action(ClientAction::HeartbeatAnswered { .. })
            )
            .then_some(())
        })
        .await;
    }
    release.send(()).unwrap();
    let result = next_result(&pair.server, &mut pair.server_events).await;
    assert_eq!(result.payload.bytes(), "done");
    pair.quit().await.unwrap();
}

#[tokio::test]
async fn a_result_that_the_client_cannot_take_is_a_failure() {
    let mut pair = Pair::start(all(|_, _| {
        let mut update = Update::new(Payload::new("fine"));
        update.headers.insert("note", "x".repeat(1 << 20));
        Ok(update)
    }))
    .await;
    start_job(&pair.server, task("")).await;
    let result = next_result(&pair.server, &mut pair.server_events).await;
    assert_eq!(result.outcome, Outcome::Failed);
    let error = result.headers.get("error").unwrap();
    assert!(error.contains("larger than"), "{error}");
    pair.quit().await.unwrap();
}

/// Hears what became of its updates.
struct Listening(UnboundedSender<(TaskId, Option<String>)>);

impl Trainer for Listening {
    fn train(&mut self, task: Task, _: &Stop) -> Result<Update, Failure> {
        let mut update = Update::new(Payload::new(task.payload.bytes().clone()));
        if task.payload.bytes() == "too much" {
            update.headers.insert("much", "x".repeat(1 << 20));
        }
        Ok(update)
    }

    fn taken(&mut self, task: TaskId, refused: Option<&str>) {
        let _ = self.0.send((task, refused.map(str::to_owned)));
    }
}

#[tokio::test]
async fn a_trainer_hears_what_became_of_its_update_before_the_next_task() {
    let (sender, mut told) = unbounded_channel();
    let mut pair =
        Pair::start(move |_: JobId| -> Box<dyn Trainer> { Box::new(Listening(sender.clone())) })
            .await;
    let first = start_job(&pair.server, task("little")).await;
    next_result(&pair.server, &mut pair.server_events).await;
    assert_eq!(told.recv().await.unwrap(), (first, None));

    let second = pair.server.assign(JOB, Assignee::Anyone, task("too much"));
    let second = second.await.unwrap();
    let result = next_result(&pair.server, &mut pair.server_events).await;
    assert_eq!(result.outcome, Outcome::Failed);
    let (task, refused) = told.recv().await.unwrap();
    let reason = result.headers.get("error");
    assert_eq!((task, refused.as_deref()), (second, reason));
    pair.quit().await.unwrap();
}
