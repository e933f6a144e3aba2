//! Asking for tasks and fetching their payloads.

use super::*;

use crate::message::limits::MAX_PROPERTIES;

const SECOND: Duration = Duration::from_secs(1);

/// Answers requests for parts of `payload`, but those that `lose` names by their count,
/// which time out.
fn serve(rig: &mut Rig, payload: &Payload, lose: &[usize]) -> Vec<ClientAction> {
    let mut actions = Vec::new();
    let mut count = 0;
    loop {
        let asks = rig.asks();
        if asks.is_empty() {
            return actions;
        }
        for ask in asks {
            let Request::Fetch(part) = ask.request else {
                panic!("{ask:?}");
            };
            if lose.contains(&count) {
                assert_eq!(rig.fail(ask.id, ReturnCode::Timeout), None);
            } else {
                let bytes = chunk(payload, part.offset, part.len as usize).unwrap();
                let offset = part.offset;
                rig.reply_with(ask.id, Reply::Fetch(FetchReply::Bytes { offset }), bytes);
            }
            count += 1;
            actions.extend(rig.actions());
        }
    }
}

// spec: P-95
#[test]
fn a_task_reaches_the_host_once_it_is_stored() {
    let mut rig = Rig::pulling();
    let ask = rig.ask();
    assert_eq!(
        ask.request,
        Request::PullTask(crate::message::PullTask {
            job: JOB,
            last_task: None,
            context: rig.context.clone(),
        })
    );
    assert_eq!(ask.timeout, 5 * SECOND);
    rig.now = rig.now + SECOND;
    rig.reply_with(ask.id, task(TASK, "weights"), "weights");
    assert_eq!(rig.actions(), []);
    let submit = |work: &mut Work, cx: &mut WorkContext<'_>| {
        let payload = Payload::new("early");
        work.submit(cx, TASK, Outcome::Ok, Properties::new(), payload)
    };
    assert_eq!(rig.with(submit), Err(Misuse::UnknownTask(TASK)));
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    assert_eq!(rig.asks(), []);

    let actions = rig.store();
    let task = assigned(&actions);
    assert_eq!((task.id, task.job, task.ssid), (TASK, JOB, SSID));
    assert_eq!(task.payload, Payload::new("weights"));
    assert_eq!((task.bytes, task.elapsed, task.again), (7, SECOND, false));

    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    let Request::PullTask(pull) = rig.ask().request else {
        panic!();
    };
    assert_eq!(pull.last_task, Some(TASK));
}

// spec: P-99
#[test]
fn the_client_asks_again_when_the_server_says_so() {
    let mut rig = Rig::pulling();
    let first = rig.ask();
    rig.reply(first.id, try_again(700, 9_000));
    let at = rig.now + Duration::from_millis(700);
    assert_eq!(rig.actions(), [ClientAction::TryAgain { job: JOB, at }]);
    assert_eq!(rig.pass(Timer::Pull(JOB)), Duration::from_millis(700));
    let second = rig.ask();
    assert_ne!(first.id, second.id);
    assert_eq!(second.timeout, 9 * SECOND);
    rig.reply(second.id, try_again(0, 1));
    assert!(rig.pass(Timer::Pull(JOB)) > Duration::ZERO);
    let third = rig.ask();
    assert_eq!(third.timeout, 5 * SECOND);
    rig.actions();
    rig.reply(third.id, Reply::PullTask(PullReply::RunEnded));
    assert_eq!(rig.actions(), [ClientAction::RunEnded { job: JOB }]);
    assert_eq!(rig.timers.next(), None);
    assert!(rig.work.is_idle());
}

#[test]
fn a_failure_is_quiet_and_the_request_goes_again() {
    let mut rig = Rig::pulling();
    let first = rig.ask();
    assert_eq!(rig.fail(first.id, ReturnCode::Timeout), None);
    let reason = RetryReason::PullTask(ReturnCode::Timeout);
    assert_eq!(rig.actions(), [retry(&rig, 5 * SECOND, 1, reason)]);
    assert_eq!(rig.pass(Timer::Pull(JOB)), 5 * SECOND);
    assert_eq!(rig.ask(), first);

    let failure = crate::message::Failure {
        code: ReturnCode::ServiceUnavailable,
        message: String::new(),
        retry_after: Some(30_000),
    };
    rig.reply(first.id, Reply::Failed(failure));
    let reason = RetryReason::PullTask(ReturnCode::ServiceUnavailable);
    assert_eq!(rig.actions(), [retry(&rig, 30 * SECOND, 2, reason)]);
    assert_eq!((rig.counters.retries, rig.counters.quiet_failures), (2, 2));
}

#[test]
fn the_third_refusal_in_a_row_asks_for_a_registration() {
    let mut rig = Rig::pulling();
    let refuse = |rig: &mut Rig, code| {
        let id = rig.ask().id;
        let wish = rig.fail(id, code);
        assert_eq!(rig.pass(Timer::Pull(JOB)), 5 * SECOND);
        wish
    };
    assert_eq!(refuse(&mut rig, ReturnCode::AuthenticationError), None);
    assert_eq!(refuse(&mut rig, ReturnCode::AuthenticationError), None);
    assert_eq!(refuse(&mut rig, ReturnCode::Timeout), None);
    assert_eq!(refuse(&mut rig, ReturnCode::AuthenticationError), None);
    assert_eq!(refuse(&mut rig, ReturnCode::AuthenticationError), None);
    assert_eq!(
        refuse(&mut rig, ReturnCode::AuthenticationError),
        Some(Wish::Reregister)
    );
}

// spec: P-100
#[test]
fn a_task_that_came_before_is_dropped() {
    let mut rig = Rig::holding();
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    let held = rig.ask();
    rig.reply_with(held.id, task(TASK, "weights"), "weights");
    assert_eq!(rig.store(), []);
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let submit = rig.ask();
    rig.pass(Timer::Pull(JOB));
    let in_outbox = rig.ask();
    rig.reply_with(in_outbox.id, task(TASK, "weights"), "weights");
    rig.reply(submit.id, Reply::SubmitResult(SubmitReply::Accepted));
    rig.store();
    rig.pass(Timer::Pull(JOB));
    let settled = rig.ask();
    rig.reply_with(settled.id, task(TASK, "weights"), "weights");
    assert_eq!(rig.store(), []);
    rig.pass(Timer::Pull(JOB));
    let next = rig.ask();
    rig.reply_with(next.id, task(TaskId::from_bytes([7; 16]), "more"), "more");
    assert_eq!(assigned(&rig.store()).id, TaskId::from_bytes([7; 16]));
}

#[test]
fn a_late_answer_does_not_bring_a_settled_task_to_a_job_that_began_anew() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let submit = rig.ask();
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    let late = rig.ask();
    rig.reply(submit.id, Reply::SubmitResult(SubmitReply::Accepted));
    assert_eq!(rig.asks.take_cancelled(), [late.id]);
    assert!(rig.ask().id > late.id);
    rig.store();
    rig.reply_with(late.id, task(TASK, "weights"), "weights");
    assert_eq!(rig.store(), []);
}

// spec: P-79
#[test]
fn a_lost_session_asks_under_a_new_number() {
    let mut rig = Rig::pulling();
    let first = rig.ask();
    rig.ready = false;
    rig.with(|work, cx| work.on_disconnected(cx));
    rig.reply_with(first.id, task(TASK, "weights"), "weights");
    assert_eq!(rig.counters.dropped[&Dropped::Unasked], 1);
    rig.with(|work, cx| work.job_started(cx, JobId::from_bytes([5; 16])))
        .unwrap();
    rig.with(|work, cx| work.pull_task(cx, JobId::from_bytes([5; 16])))
        .unwrap();
    assert_eq!(rig.asks(), []);
    rig.ready = true;
    rig.session();
    let asks = rig.asks();
    assert_eq!(asks.len(), 2);
    assert!(asks.iter().all(|ask| ask.id > first.id));
}

#[test]
fn a_large_task_is_fetched_in_a_window_and_stored_whole() {
    let mut rig = Rig::pulling();
    let payload = payload(CHUNK * 11);
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload));
    let asks = rig.asks();
    assert_eq!(asks.len(), crate::transfer::WINDOW_CHUNKS);
    for ask in &asks {
        rig.asks
            .repeat(ask.id, ask.request.clone(), Bytes::new(), ask.timeout);
    }
    let actions = serve(&mut rig, &payload, &[]);
    let progress = progress(&actions);
    assert_eq!(progress.len(), 12);
    let total = Layout::of(&payload).total();
    assert_eq!(progress[11], (total, 0, 0));
    let actions = rig.store();
    let task = assigned(&actions);
    assert_eq!((&task.payload, task.bytes), (&payload, total));
    assert_eq!(rig.log.len(), 1);
}

#[test]
fn lost_parts_wait_and_are_asked_for_again() {
    let mut rig = Rig::pulling();
    let payload = payload(CHUNK * 20);
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload));
    let actions = serve(&mut rig, &payload, &[1, 3]);
    let reason = RetryReason::Transfer(ReturnCode::Timeout);
    assert_eq!(actions[1], retry(&rig, 2 * SECOND, 1, reason));
    assert!(rig.store().is_empty());
    rig.pass(Timer::Pull(JOB));
    let progress = progress(&serve(&mut rig, &payload, &[]));
    let total = Layout::of(&payload).total();
    assert_eq!(*progress.last().unwrap(), (total, 0, 2 * CHUNK as u64));
    assert_eq!(assigned(&rig.store()).payload, payload);
}

#[test]
fn a_fetch_goes_on_where_the_connection_broke() {
    let mut rig = Rig::pulling();
    let payload = payload(CHUNK * 20);
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload));
    for ask in rig.asks().into_iter().take(5) {
        rig.asks
            .repeat(ask.id, ask.request.clone(), Bytes::new(), ask.timeout);
    }
    let first: Vec<Ask> = rig.asks();
    for ask in first {
        let Request::Fetch(part) = ask.request else {
            panic!();
        };
        let bytes = chunk(&payload, part.offset, part.len as usize).unwrap();
        let offset = part.offset;
        rig.reply_with(ask.id, Reply::Fetch(FetchReply::Bytes { offset }), bytes);
    }
    rig.asks();
    rig.actions();
    rig.ready = false;
    rig.with(|work, cx| work.on_disconnected(cx));
    rig.ready = true;
    rig.session();
    let reached = 32 + 4 * CHUNK as u64;
    let actions = rig.actions();
    assert_eq!(progress(&actions), [(reached, reached, 0)]);
    assert_eq!(rig.counters.resumed_downloads, 1);
    let progress = progress(&serve(&mut rig, &payload, &[]));
    assert!(progress.last().unwrap().2 <= crate::transfer::WINDOW);
    assert_eq!(assigned(&rig.store()).payload, payload);
}

#[test]
fn a_gap_holds_the_window() {
    let mut rig = Rig::pulling();
    let payload = payload(CHUNK * 20);
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload));
    let gap = rig.asks.pop().unwrap();
    assert_eq!(progress(&serve(&mut rig, &payload, &[])), []);
    assert!(rig.work.pulls.owns(gap.id));
    rig.asks
        .repeat(gap.id, gap.request, Bytes::new(), gap.timeout);
    let progress = progress(&serve(&mut rig, &payload, &[]));
    let total = Layout::of(&payload).total();
    assert_eq!(progress.last(), Some(&(total, 0, 0)));
    assert_eq!(assigned(&rig.store()).payload, payload);
}

#[test]
fn a_bad_block_is_fetched_again_before_what_follows() {
    let mut rig = Rig::pulling();
    let payload = payload(BLOCK + CHUNK * 12);
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload));
    let start = 64;
    let mut seen = 0;
    while seen < 2 {
        let ask = rig.asks.pop().unwrap();
        let Request::Fetch(part) = ask.request else {
            panic!("{ask:?}");
        };
        let mut bytes = chunk(&payload, part.offset, part.len as usize).unwrap();
        if part.offset == start {
            seen += 1;
            if seen == 1 {
                bytes = vec![0; CHUNK].into();
            }
        }
        assert!(part.offset <= start + BLOCK as u64 + crate::transfer::WINDOW);
        let offset = part.offset;
        rig.reply_with(ask.id, Reply::Fetch(FetchReply::Bytes { offset }), bytes);
    }
    serve(&mut rig, &payload, &[]);
    assert_eq!(assigned(&rig.store()).payload, payload);
}

#[test]
fn a_bad_block_is_fetched_again_even_if_what_follows_is_lost() {
    let mut rig = Rig::pulling();
    let payload = payload(BLOCK + CHUNK * 12);
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload));
    let mut bad = Some(64);
    while let Some(ask) = rig.asks.pop() {
        let Request::Fetch(part) = ask.request else {
            panic!("{ask:?}");
        };
        if part.offset >= 64 + BLOCK as u64 {
            rig.fail(ask.id, ReturnCode::Timeout);
            continue;
        }
        let mut bytes = chunk(&payload, part.offset, part.len as usize).unwrap();
        if bad == Some(part.offset) {
            bad = None;
            bytes = vec![0; CHUNK].into();
        }
        let offset = part.offset;
        rig.reply_with(ask.id, Reply::Fetch(FetchReply::Bytes { offset }), bytes);
    }
    rig.pass(Timer::Pull(JOB));
    serve(&mut rig, &payload, &[]);
    assert_eq!(assigned(&rig.store()).payload, payload);
}

// spec: P-113
#[test]
fn a_task_that_is_gone_is_asked_for_anew() {
    let mut rig = Rig::pulling();
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload(CHUNK)));
    let parts = rig.asks();
    rig.reply(parts[0].id, Reply::Fetch(FetchReply::Gone));
    assert_eq!(rig.asks.take_cancelled().last(), Some(&parts[1].id));
    rig.pass(Timer::Pull(JOB));
    assert!(matches!(rig.ask().request, Request::PullTask(_)));
}

// spec: P-101
#[test]
fn a_task_that_cannot_be_taken_is_reported_as_failed() {
    let mut rig = Rig::pulling();
    rig.config.max_payload = CHUNK as u64;
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload(CHUNK + 1)));
    assert_eq!(rig.store(), []);
    let Request::SubmitResult(result) = rig.ask().request else {
        panic!();
    };
    assert_eq!((result.task, result.outcome), (TASK, Outcome::Failed));
    assert!(result.headers.get("error").unwrap().contains("larger"));
}

#[test]
fn a_task_may_be_as_large_as_the_limit() {
    let mut rig = Rig::pulling();
    rig.config.max_payload = CHUNK as u64;
    let payload = payload(CHUNK);
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload));
    serve(&mut rig, &payload, &[]);
    assert_eq!(assigned(&rig.store()).payload, payload);
}

#[test]
fn a_host_that_is_behind_is_told_no_more_than_it_must_know() {
    let mut rig = Rig::new();
    rig.config.max_waiting = 2;
    for _ in 0..3 {
        rig.with(|_, cx| cx.tell(ClientAction::DatesUnchecked));
    }
    rig.with(|_, cx| cx.act(ClientAction::ClearAuth));
    let told = [ClientAction::DatesUnchecked, ClientAction::DatesUnchecked];
    assert_eq!(
        rig.actions(),
        [&told[..], &[ClientAction::ClearAuth]].concat()
    );
}

// spec: P-112
#[test]
fn what_lies_a_window_ahead_of_a_gap_is_not_asked_for() {
    let mut rig = Rig::pulling();
    let payload = payload(CHUNK * 20);
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload));
    let list = rig.asks.pop().unwrap();
    let bytes = chunk(&payload, 0, CHUNK).unwrap();
    rig.reply_with(
        list.id,
        Reply::Fetch(FetchReply::Bytes { offset: 0 }),
        bytes,
    );
    assert!(rig.kept().is_empty(), "no block is stored");
    let gap = rig.asks.pop().unwrap();
    let mut furthest = 0;
    while let Some(ask) = rig.asks.pop() {
        let Request::Fetch(part) = ask.request else {
            panic!();
        };
        furthest = furthest.max(part.offset);
        let bytes = chunk(&payload, part.offset, part.len as usize).unwrap();
        let offset = part.offset;
        rig.reply_with(ask.id, Reply::Fetch(FetchReply::Bytes { offset }), bytes);
    }
    let Request::Fetch(part) = gap.request else {
        panic!();
    };
    assert!(furthest < part.offset + crate::transfer::WINDOW);
}

#[test]
fn tasks_that_cannot_be_taken_fill_the_outbox_only_to_its_limit() {
    let mut rig = Rig::pulling();
    (rig.config.max_payload, rig.config.max_held) = (CHUNK as u64, 1);
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload(CHUNK + 1)));
    rig.store();
    let submit = rig.ask().id;
    rig.pass(Timer::Pull(JOB));
    assert!(rig.asks().is_empty(), "there is a result already");
    rig.reply(submit, Reply::SubmitResult(SubmitReply::Accepted));
    rig.with(Work::ask_blocked);
    let asked = rig.asks().into_iter().map(|ask| ask.request);
    assert!(
        asked
            .last()
            .is_some_and(|it| matches!(it, Request::PullTask(_)))
    );
}

// spec: P-110
#[test]
fn bytes_that_are_wrong_twice_are_reported_as_failed() {
    let mut rig = Rig::pulling();
    let (announced, sent) = (payload(CHUNK), Payload::new(vec![0; CHUNK]));
    let id = rig.ask().id;
    rig.reply(id, large_task(&announced));
    let mut served = 0;
    while let Some(ask) = rig.asks.pop() {
        let Request::Fetch(part) = ask.request else {
            break;
        };
        let list = if part.offset == 0 { &announced } else { &sent };
        let bytes = chunk(list, part.offset, part.len as usize).unwrap();
        let offset = part.offset;
        rig.reply_with(ask.id, Reply::Fetch(FetchReply::Bytes { offset }), bytes);
        served += 1;
    }
    assert_eq!(served, 3);
    assert_eq!(progress(&rig.store()).len(), 1);
    let Request::SubmitResult(result) = rig.ask().request else {
        panic!();
    };
    assert!(result.headers.get("error").unwrap().contains("digest"));
}

#[test]
fn an_empty_task_apart_needs_no_part() {
    let mut rig = Rig::pulling();
    let empty = Payload::new("");
    let mut head = head(TASK, &empty, 0);
    head.payload.place = Place::Apart {
        size: 0,
        digest: empty.digest(),
    };
    let id = rig.ask().id;
    rig.reply(id, Reply::PullTask(PullReply::Task(head)));
    assert_eq!(assigned(&rig.store()).payload, empty);
}

#[test]
fn nonsense_is_counted_and_the_request_goes_again() {
    let payload = payload(CHUNK);
    let mut rig = Rig::pulling();
    let id = rig.ask().id;
    rig.reply(id, Reply::SubmitResult(SubmitReply::Accepted));
    rig.pass(Timer::Pull(JOB));
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload));
    let parts = rig.asks();
    rig.reply_with(
        parts[0].id,
        Reply::Fetch(FetchReply::Bytes { offset: 0 }),
        "short",
    );
    rig.pass(Timer::Pull(JOB));
    assert_eq!(rig.counters.dropped[&Dropped::Unexpected], 2);
    let Request::Fetch(part) = rig.ask().request else {
        panic!();
    };
    assert_eq!(part.offset, 0);
}

#[test]
fn tasks_held_results_and_pulls_are_bounded_together() {
    let mut rig = Rig::holding();
    rig.config.max_held = 1;
    let full = |rig: &mut Rig| rig.with(|work, cx| work.pull_task(cx, JOB));
    assert!(matches!(full(&mut rig), Err(Misuse::Full { limit: 1, .. })));
    rig.submit(Outcome::Ok, &Payload::new("result"));
    assert!(matches!(full(&mut rig), Err(Misuse::Full { limit: 1, .. })));
}

#[test]
fn a_task_that_is_asked_for_already_may_be_asked_for_at_the_limit() {
    let mut rig = Rig::pulling();
    rig.ask();
    rig.config.max_held = 1;
    assert_eq!(rig.with(|work, cx| work.pull_task(cx, JOB)), Ok(()));
    assert_eq!(rig.asks(), []);
}

// spec: P-101
#[test]
fn a_task_that_says_too_much_is_nonsense() {
    let long = "x".repeat(MAX_PROPERTIES);
    let labelled = head(
        TASK,
        &Payload::labelled("weights", &long[..256], ""),
        1 << 20,
    );
    let mut headed = head(TASK, &Payload::new("weights"), 1 << 20);
    headed.headers = Properties::new().with("key", &long);
    let apart = head(TASK, &payload(CHUNK), 0);
    for head in [labelled, headed, apart] {
        let mut rig = Rig::pulling();
        let id = rig.ask().id;
        rig.reply_with(id, Reply::PullTask(PullReply::Task(head)), "weights");
        assert_eq!(rig.counters.dropped[&Dropped::Unexpected], 1);
        rig.pass(Timer::Pull(JOB));
        assert_eq!(rig.ask().id, id);
    }
}

#[cfg(feature = "nvflare")]
#[test]
fn a_task_that_the_host_has_is_not_refused_when_it_comes_again_and_cannot_be_taken() {
    let mut rig = Rig::holding();
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    let id = rig.ask().id;
    let head = head(TASK, &Payload::new("weights"), 1 << 20);
    rig.with(|work, cx| work.on_unfit(cx, id, head, "it has changed"));
    assert_eq!(rig.work.outbox_len(), 0);
}

#[test]
fn an_empty_payload_with_another_digest_is_refused() {
    let mut rig = Rig::pulling();
    let id = rig.ask().id;
    let mut head = head(TASK, &Payload::new(""), 0);
    head.payload.place = Place::Apart {
        size: 0,
        digest: Payload::new("x").digest(),
    };
    rig.reply(id, Reply::PullTask(PullReply::Task(head)));
    assert_eq!(rig.store(), []);
    let Request::SubmitResult(result) = rig.ask().request else {
        panic!();
    };
    assert_eq!((result.task, result.outcome), (TASK, Outcome::Failed));
    let why = result.headers.get("error");
    assert_eq!(why, Some("the payload does not match its digest"));
}

/// A server that gives one task for two jobs: what one of them came to is not overwritten.
#[test]
fn a_payload_that_comes_after_its_task_came_for_another_job_is_dropped() {
    let other = JobId::from_bytes([9; 16]);
    let mut rig = Rig::pulling();
    let first = rig.ask().id;
    rig.with(|work, cx| work.job_started(cx, other)).unwrap();
    rig.with(|work, cx| work.pull_task(cx, other)).unwrap();
    let second = rig.ask().id;
    let large = payload(CHUNK);
    rig.reply(first, large_task(&large));
    let list = rig.asks().remove(0);
    rig.reply_with(second, task(TASK, "weights"), "weights");
    assert_eq!(assigned(&rig.store()).job, other);
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let bytes = chunk(&large, 0, CHUNK).unwrap();
    let offset = 0;
    rig.reply_with(list.id, Reply::Fetch(FetchReply::Bytes { offset }), bytes);
    let actions = rig.store();
    let given = |action: &ClientAction| matches!(action, ClientAction::TaskAssigned(_));
    assert!(!actions.iter().any(given));
    assert_eq!((rig.work.outbox_len(), rig.work.held_len()), (1, 0));
}
