//! Results, until the receipt.

use alloc::collections::VecDeque;

use super::*;

use crate::message::Refusal;
use crate::transfer::{WINDOW, WINDOW_CHUNKS};

const SECOND: Duration = Duration::from_secs(1);

fn submitted(reply: SubmitReply) -> Reply {
    Reply::SubmitResult(reply)
}

/// One whose large result the server wants from its start.
fn pushing(payload: &Payload) -> Rig {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, payload);
    assert_eq!(rig.store(), []);
    let submit = rig.ask();
    assert!(submit.payload.is_empty());
    rig.reply(submit.id, submitted(SubmitReply::SendFrom(0)));
    rig
}

/// The server's end of an upload.
struct Receiver(Option<Reassembler>);

impl Receiver {
    fn new(payload: &Payload) -> Self {
        Self(Reassembler::new(Layout::of(payload)).ok())
    }

    fn wanted(&self) -> u64 {
        self.0.as_ref().unwrap().wanted()
    }

    /// Takes parts until nothing comes, or `limit` parts have come, and commits. Parts
    /// that `lose` names by their count time out. What the limit leaves is dropped.
    fn serve(&mut self, rig: &mut Rig, limit: usize, lose: &[usize]) -> Vec<ClientAction> {
        let mut actions = Vec::new();
        let mut count = 0;
        while let Some(ask) = rig.asks.pop() {
            if count == limit {
                continue;
            }
            match ask.request {
                Request::Push(_) if lose.contains(&count) => {
                    assert_eq!(rig.fail(ask.id, ReturnCode::Timeout), None);
                    count += 1;
                }
                Request::Push(part) => {
                    let receiver = self.0.as_mut().unwrap();
                    receiver.put(part.offset, ask.payload).unwrap();
                    let wanted = PushReply::Wanted(receiver.wanted());
                    rig.reply(ask.id, Reply::Push(wanted));
                    count += 1;
                }
                Request::SubmitResult(_) if self.0.as_ref().unwrap().is_complete() => {
                    rig.reply(ask.id, submitted(SubmitReply::Accepted));
                }
                Request::SubmitResult(_) => {
                    let reply = submitted(SubmitReply::SendFrom(self.wanted()));
                    rig.reply(ask.id, reply);
                }
                other => panic!("{other:?}"),
            }
            actions.extend(rig.actions());
        }
        actions
    }
}

#[test]
fn a_result_is_sent_once_it_is_stored_and_leaves_with_its_receipt() {
    let mut rig = Rig::holding();
    let payload = payload(100);
    rig.submit(Outcome::Failed, &payload);
    assert_eq!(rig.asks(), []);
    assert_eq!(rig.store(), []);
    let ask = rig.ask();
    assert_eq!(ask.payload, payload.bytes());
    assert_eq!(
        ask.request,
        Request::SubmitResult(crate::message::SubmitResult {
            job: JOB,
            task: TASK,
            ssid: SSID,
            outcome: Outcome::Failed,
            ticket: Vec::new(),
            headers: Properties::new().with("loss", "0.5"),
            payload: payload.head(1 << 20),
            context: rig.context.clone(),
        })
    );
    rig.now = rig.now + SECOND;
    rig.reply(ask.id, submitted(SubmitReply::Accepted));
    let accepted = ClientAction::ResultAccepted {
        job: JOB,
        task: TASK,
        bytes: 100,
        elapsed: SECOND,
    };
    assert_eq!(rig.store(), [accepted]);
    assert!(rig.work.is_idle());
    assert_eq!(rig.timers.next(), None);
}

// spec: P-81
#[test]
fn an_unanswered_result_is_repeated_with_growing_waits_under_its_number() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let first = rig.ask();
    let mut waits = Vec::new();
    for attempt in 1..=6 {
        assert_eq!(rig.fail(first.id, ReturnCode::Timeout), None);
        let actions = rig.actions();
        waits.push(rig.pass(Timer::Outbox(TASK)));
        let reason = RetryReason::SubmitResult(ReturnCode::Timeout);
        let told = ClientAction::Retry {
            at: rig.now,
            attempt,
            reason,
        };
        assert_eq!(actions, [told]);
        assert_eq!(rig.ask(), first);
    }
    assert_eq!(waits[0], 2 * SECOND);
    assert!(*waits.iter().max().unwrap() > 8 * SECOND);
    rig.reply(first.id, submitted(SubmitReply::Accepted));
    assert!(rig.work.is_idle());
}

// spec: P-106
#[test]
fn a_server_that_is_busy_is_asked_later() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let first = rig.ask();
    rig.reply(first.id, submitted(SubmitReply::Later(1_500)));
    let reason = RetryReason::SubmitResult(ReturnCode::ServiceUnavailable);
    let wait = Duration::from_millis(1_500);
    assert_eq!(rig.actions(), [retry(&rig, wait, 1, reason)]);
    rig.pass(Timer::Outbox(TASK));
    assert_ne!(rig.ask().id, first.id);
}

#[test]
fn a_refused_result_leaves() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let id = rig.ask().id;
    rig.reply(id, submitted(SubmitReply::Refused(Refusal::Withdrawn)));
    let refused = ClientAction::ResultRefused {
        job: JOB,
        task: TASK,
        refusal: Refusal::Withdrawn,
    };
    assert_eq!(rig.store(), [refused]);
    assert!(rig.work.is_idle());
}

// spec: P-103
#[test]
fn a_result_of_another_service_session_is_not_sent() {
    let refused = [ClientAction::ResultRefused {
        job: JOB,
        task: TASK,
        refusal: Refusal::OtherSsid,
    }];
    let other = Some(Ssid::from_bytes([8; 16]));

    let mut rig = Rig::holding();
    rig.ssid = other;
    rig.submit(Outcome::Ok, &Payload::new("result"));
    assert_eq!(rig.store(), refused);
    assert_eq!(rig.asks(), []);

    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    rig.ask();
    rig.ssid = other;
    rig.session();
    assert_eq!(rig.store(), refused);
    assert_eq!(rig.asks(), []);
    assert!(rig.work.is_idle());
}

// spec: P-105
#[test]
fn an_aborted_result_is_tried_once_and_quietly() {
    let ends: [fn(&mut Rig, RequestId); 4] = [
        |rig, id| assert_eq!(rig.fail(id, ReturnCode::Timeout), None),
        |rig, id| rig.reply(id, submitted(SubmitReply::Later(5))),
        |rig, _| rig.with(|work, cx| work.on_disconnected(cx)),
        |rig, _| rig.session(),
    ];
    for end in ends {
        let mut rig = Rig::holding();
        rig.submit(Outcome::Aborted, &Payload::new(""));
        assert_eq!(rig.store(), []);
        let id = rig.ask().id;
        end(&mut rig, id);
        assert_eq!(rig.store(), []);
        assert_eq!((rig.asks(), rig.timers.next()), (vec![], None));
        assert!(rig.work.is_idle());
        assert_eq!(rig.counters.quiet_failures, 1);
    }
}

#[test]
fn an_aborted_result_waits_for_its_one_try() {
    let mut rig = Rig::holding();
    rig.ready = false;
    rig.with(|work, cx| work.on_disconnected(cx));
    rig.submit(Outcome::Aborted, &Payload::new(""));
    rig.store();
    rig.with(|work, cx| work.on_disconnected(cx));
    assert_eq!(rig.asks(), []);
    rig.ready = true;
    rig.session();
    let id = rig.ask().id;
    rig.reply(id, submitted(SubmitReply::Accepted));
    assert_eq!(rig.counters.quiet_failures, 0);
    assert!(matches!(
        rig.actions()[..],
        [ClientAction::ResultAccepted { .. }]
    ));
}

// spec: P-112, P-116
#[test]
fn a_large_result_is_pushed_in_a_window_and_committed() {
    let payload = payload((1 << 20) + CHUNK * 9 + 1);
    let mut rig = pushing(&payload);
    let asks = rig.asks();
    assert_eq!(asks.len(), WINDOW_CHUNKS);
    for ask in asks {
        rig.asks
            .repeat(ask.id, ask.request, ask.payload, ask.timeout);
    }
    let actions = Receiver::new(&payload).serve(&mut rig, usize::MAX, &[]);
    let total = Layout::of(&payload).total();
    assert_eq!(progress(&actions).last(), Some(&(total, 0, 0)));
    assert!(matches!(
        actions.last(),
        Some(ClientAction::ResultAccepted { .. })
    ));
    assert!(rig.work.is_idle());
    assert_eq!(rig.counters.bytes_sent_twice, 0);
    assert_eq!(rig.counters.resumed_uploads, 0);
}

#[test]
fn lost_parts_go_again_after_a_wait() {
    let payload = payload(CHUNK * 30);
    let mut rig = pushing(&payload);
    let mut receiver = Receiver::new(&payload);
    let actions = receiver.serve(&mut rig, usize::MAX, &[2, 4]);
    let reason = RetryReason::Transfer(ReturnCode::Timeout);
    assert!(actions.contains(&retry(&rig, 2 * SECOND, 1, reason)));
    assert_eq!(rig.pass(Timer::Outbox(TASK)), 2 * SECOND);
    receiver.serve(&mut rig, usize::MAX, &[]);
    assert!(rig.work.is_idle());
    assert_eq!(rig.counters.bytes_sent_twice, 2 * CHUNK as u64);
    assert_eq!(rig.counters.retries, 1);
}

#[test]
fn an_upload_goes_on_where_the_connection_broke() {
    for parts in 0..20 {
        let payload = payload(CHUNK * 18);
        let mut rig = pushing(&payload);
        let mut receiver = Receiver::new(&payload);
        receiver.serve(&mut rig, parts, &[]);
        rig.ready = false;
        rig.with(|work, cx| work.on_disconnected(cx));
        rig.ready = true;
        rig.session();
        let wanted = receiver.wanted();
        let actions = receiver.serve(&mut rig, usize::MAX, &[]);
        assert!(rig.work.is_idle());
        assert!(rig.counters.bytes_sent_twice <= WINDOW, "after {parts}");
        if parts < 19 {
            assert_eq!(rig.counters.resumed_uploads, 1);
            assert_eq!(progress(&actions)[0].1, wanted);
        }
    }
}

#[test]
fn an_upload_goes_on_after_a_restart() {
    let payload = payload(CHUNK * 18);
    let mut rig = pushing(&payload);
    let mut receiver = Receiver::new(&payload);
    receiver.serve(&mut rig, 6, &[]);
    let log = rig.log.clone();
    rig.restart(log);
    assert_eq!(rig.work.outbox_len(), 1);
    rig.session();
    let wanted = receiver.wanted();
    let actions = receiver.serve(&mut rig, usize::MAX, &[]);
    assert_eq!(progress(&actions)[0], (wanted, wanted, 0));
    assert_eq!(rig.counters.resumed_uploads, 1);
    assert!(rig.work.is_idle());
}

// spec: P-115
#[test]
fn a_server_that_lost_the_transfer_is_asked_where_to_start() {
    let payload = payload(CHUNK * 18);
    let mut rig = pushing(&payload);
    let parts = rig.asks();
    rig.reply(parts[0].id, Reply::Push(PushReply::Unknown));
    assert_eq!(rig.asks.take_cancelled().len(), parts.len() - 1);
    Receiver::new(&payload).serve(&mut rig, usize::MAX, &[]);
    assert!(rig.work.is_idle());
}

#[test]
fn a_server_that_drops_what_it_answers_is_asked_what_is_missing() {
    let payload = payload(CHUNK * 18);
    let mut rig = pushing(&payload);
    let mut parts = 0;
    loop {
        let ask = rig.asks.pop().unwrap();
        if matches!(ask.request, Request::SubmitResult(_)) {
            break;
        }
        rig.reply(ask.id, Reply::Push(PushReply::Wanted(0)));
        parts += 1;
    }
    assert_eq!(parts, WINDOW_CHUNKS + 1);
    assert_eq!(rig.asks(), []);
}

#[test]
fn nonsense_is_counted_and_the_result_stays() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let replies = [
        submitted(SubmitReply::SendFrom(0)),
        Reply::Push(PushReply::Wanted(0)),
        Reply::PullTask(PullReply::RunEnded),
    ];
    for reply in replies {
        let id = rig.ask().id;
        rig.reply(id, reply);
        rig.pass(Timer::Outbox(TASK));
    }
    let id = rig.ask().id;
    rig.reply(id, submitted(SubmitReply::Accepted));
    assert_eq!(rig.counters.dropped[&Dropped::Unexpected], 3);
    assert!(rig.work.is_idle());
}

// spec: P-116
#[test]
fn a_server_that_misses_nothing_has_to_accept() {
    let payload = payload((1 << 20) + 1);
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &payload);
    rig.store();
    let id = rig.ask().id;
    let total = Layout::of(&payload).total();
    rig.reply(id, submitted(SubmitReply::SendFrom(total)));
    assert_eq!(rig.counters.dropped[&Dropped::Unexpected], 1);
    rig.pass(Timer::Outbox(TASK));
    rig.reply(id, submitted(SubmitReply::SendFrom(total - 1)));
    assert_eq!(rig.counters.dropped[&Dropped::Unexpected], 1);
}

// spec: P-105
#[test]
fn few_results_move_at_once_and_all_arrive() {
    let mut rig = Rig::new();
    for n in 0..20 {
        let job = JobId::from_bytes([n; 16]);
        rig.with(|work, cx| work.job_started(cx, job)).unwrap();
        rig.with(|work, cx| work.pull_task(cx, job)).unwrap();
        let id = rig.ask().id;
        rig.reply_with(id, task(TaskId::from_bytes([n; 16]), "weights"), "weights");
    }
    rig.store();
    for n in 0..20 {
        let task = TaskId::from_bytes([n; 16]);
        let payload = Payload::new("result");
        rig.with(|work, cx| work.submit(cx, task, Outcome::Ok, Properties::new(), payload))
            .unwrap();
    }
    rig.store();
    let mut asks: VecDeque<Ask> = rig.asks().into();
    assert_eq!(asks.len(), 8);
    let mut accepted = 0;
    while let Some(ask) = asks.pop_front() {
        rig.reply(ask.id, submitted(SubmitReply::Accepted));
        accepted += 1;
        asks.extend(rig.asks());
        assert!(asks.len() <= 8);
    }
    assert_eq!(accepted, 20);
    assert!(rig.work.is_idle());
}

#[test]
fn a_result_over_a_limit_changes_nothing() {
    let mut rig = Rig::holding();
    let long = "x".repeat(70_000);
    let too_large = [
        (Properties::new().with("k", &long), Payload::new("")),
        (Properties::new(), Payload::labelled("", &long[..256], "")),
    ];
    for (headers, payload) in too_large {
        let result = rig.with(|work, cx| work.submit(cx, TASK, Outcome::Ok, headers, payload));
        assert!(matches!(result, Err(Misuse::TooLarge { .. })));
    }
    assert!(rig.actions.len() == 0);
    rig.submit(Outcome::Ok, &Payload::new(""));
    let again = rig.with(|work, cx| {
        let payload = Payload::new("");
        work.submit(cx, TASK, Outcome::Ok, Properties::new(), payload)
    });
    assert_eq!(again, Err(Misuse::UnknownTask(TASK)));
}
