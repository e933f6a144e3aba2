//! When a round is over, who is in it, and what a job waits for.

use super::*;

const HOUR: u64 = 3_600_000;

/// Who counts in a round, and who does not and why.
type Closed = (Vec<String>, Vec<(String, String)>);

/// A job with a host that does all it is told at once.
struct Bench {
    job: Job,
    now: u64,
    commands: Vec<Command>,
}

impl Bench {
    fn new(lines: &str, sites: &[&str]) -> Self {
        let mut bench = Self {
            job: Job::new(0, job_file(lines)),
            now: 0,
            commands: Vec::new(),
        };
        bench.drain();
        for site in sites {
            bench.comes(site);
        }
        bench
    }

    fn drain(&mut self) {
        while let Some(command) = self.job.poll_command() {
            match &command {
                Command::PrepareModel | Command::AdoptModel(_) => {
                    self.job.handle_model_ready(self.now)
                }
                Command::Average { round, .. } => self.job.handle_averaged(self.now, *round),
                _ => {}
            }
            self.commands.push(command);
        }
        assert!(self.job.poll_timeout().is_none_or(|due| due > self.now));
    }

    fn comes(&mut self, site: &str) {
        self.job.handle_site(self.now, site, &["plus"]);
        self.drain();
    }

    /// The coordinator dies and starts again.
    fn restart(&mut self, now: u64) {
        let records = self.commands.iter().filter_map(|command| match command {
            Command::Record { record, .. } => Some(record.clone()),
            _ => None,
        });
        let file = self.job.file().clone();
        self.job = Job::restore(now, file, records.collect::<Vec<_>>()).unwrap();
        self.now = now;
        self.drain();
    }

    fn leaves(&mut self, site: &str) {
        self.job.handle_site_gone(self.now, site);
        self.drain();
    }

    fn until(&mut self, now: u64) {
        self.now = now;
        self.job.handle_timeout(now);
        self.drain();
    }

    /// The task that the site was given last.
    fn task(&self, site: &str) -> TaskId {
        let of_site = |command: &Command| match command {
            Command::Assign(task) if task.id.site == site => Some(task.id.clone()),
            _ => None,
        };
        self.commands.iter().rev().find_map(of_site).unwrap()
    }

    fn answers(&mut self, site: &str) -> Verdict {
        self.answers_with(site, &[])
    }

    fn answers_with(&mut self, site: &str, metrics: &[(&str, f64)]) -> Verdict {
        let task = self.task(site);
        let mut result = TaskResult::new(Some(Weight::ONE), Kind::Full);
        result.metrics = metrics
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        let verdict = self.job.handle_result(self.now, &task, result);
        self.drain();
        verdict
    }

    fn fails(&mut self, site: &str) {
        let task = self.task(site);
        self.job.handle_failure(self.now, &task, "died (signal 9)");
        self.drain();
    }

    fn status(&self) -> Status {
        self.job.status()
    }

    fn closed(&self, number: u32) -> Option<Closed> {
        self.commands.iter().find_map(|command| match command {
            Command::Record {
                record:
                    Record::Closed {
                        round,
                        sites,
                        without,
                        ..
                    },
                ..
            } if *round == number => Some((sites.clone(), without.clone().into_iter().collect())),
            _ => None,
        })
    }
}

fn refused(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refused(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_waits_for_its_sites_and_says_so() {
    let mut bench = Bench::new("", &[]);
    assert_eq!(bench.status().phase, Phase::Waiting);
    assert_eq!(
        bench.status().reason,
        "for 2 more sites that offer \"plus\""
    );
    bench.job.handle_site(0, "other", &["minus"]);
    bench.comes("a");
    assert_eq!(
        bench.status().reason,
        "for 1 more site that offers \"plus\""
    );
    bench.job.handle_site(0, "any", &["*"]);
    bench.drain();
    assert_eq!(
        (bench.status().phase, bench.status().round),
        (Phase::Running, 1)
    );
    assert_eq!(bench.status().pending, ["a", "any"]);
}

#[test]
fn sites_that_are_not_named_are_not_asked() {
    let bench = Bench::new("sites = [\"a\", \"b\"]", &["a", "b", "c"]);
    assert_eq!(bench.status().pending, ["a", "b"]);
}

#[test]
fn a_round_waits_for_all_that_are_there() {
    let mut bench = Bench::new("", &["a", "b", "c"]);
    bench.answers("a");
    bench.answers("b");
    bench.until(HOUR - 1);
    assert_eq!(bench.closed(1), None);
    bench.leaves("c");
    let (sites, without) = bench.closed(1).unwrap();
    assert_eq!(sites, ["a", "b"]);
    assert_eq!(without, [("c".to_owned(), "left".to_owned())]);
    assert_eq!(bench.status().round, 2);
}

#[test]
fn a_result_below_the_minimum_closes_nothing() {
    let mut bench = Bench::new("", &["a", "b"]);
    bench.answers("a");
    bench.leaves("b");
    assert_eq!(bench.closed(1), None);
    assert_eq!(bench.status().phase, Phase::Waiting);
    for deadline in 1..=5 {
        bench.until(deadline * HOUR);
        let phase = bench.status().phase;
        assert_eq!(phase, Phase::Waiting, "b was not there to miss it");
    }
    assert_eq!(bench.closed(1), None);
    bench.comes("c");
    bench.answers("c");
    assert_eq!(bench.closed(1).unwrap().0, ["a", "c"]);
}

#[test]
fn a_site_that_comes_late_is_asked_in_the_open_round() {
    let mut bench = Bench::new("", &["a", "b"]);
    bench.answers("a");
    bench.comes("c");
    bench.answers("b");
    assert_eq!(bench.closed(1), None);
    bench.answers("c");
    assert_eq!(bench.closed(1).unwrap().0, ["a", "b", "c"]);
}

#[test]
fn enough_results_close_a_round_after_the_wait() {
    let mut bench = Bench::new("min_results = 2\nwait = \"5s\"", &["a", "b", "c"]);
    bench.until(1000);
    bench.answers("a");
    bench.until(2000);
    bench.answers("b");
    assert_eq!(bench.job.poll_timeout(), Some(7000));
    bench.comes("late");
    assert_eq!(
        bench.status().pending,
        ["c"],
        "a site that comes now is not asked any more"
    );
    bench.until(6999);
    assert_eq!(bench.closed(1), None);
    let task = bench.task("c");
    bench.until(7000);
    let (sites, without) = bench.closed(1).unwrap();
    assert_eq!(sites, ["a", "b"]);
    assert_eq!(without, [("c".to_owned(), "late".to_owned())]);
    let withdrawn =
        |command: &Command| matches!(command, Command::Withdraw { task: it, .. } if *it == task);
    assert!(bench.commands.iter().any(withdrawn));
    let result = TaskResult::new(Some(Weight::ONE), Kind::Full);
    assert_eq!(
        refused(bench.job.handle_result(7001, &task, result)),
        "round 1 is over"
    );
}

#[test]
fn the_deadline_closes_a_round_with_the_least_of_sites() {
    let mut bench = Bench::new("min_results = 3", &["a", "b", "c"]);
    bench.answers("a");
    bench.answers("b");
    bench.until(HOUR - 1);
    assert_eq!(bench.closed(1), None);
    bench.until(HOUR);
    assert_eq!(bench.closed(1).unwrap().0, ["a", "b"]);
}

#[test]
fn a_deadline_missed_twice_fails_the_job() {
    let mut bench = Bench::new("", &["a", "b"]);
    bench.answers("a");
    bench.until(HOUR);
    assert_eq!(bench.status().phase, Phase::Running);
    assert_eq!(bench.job.poll_timeout(), Some(2 * HOUR));
    bench.until(2 * HOUR);
    assert_eq!(bench.status().phase, Phase::Failed);
    assert_eq!(
        bench.status().reason,
        "round 1: 1 of 2 results by the deadline, 2 times"
    );
    assert_eq!(refused(bench.answers("b")), "the job has ended");
    assert_eq!(bench.job.poll_timeout(), None);
}

#[test]
fn each_result_counts_once() {
    let mut bench = Bench::new("", &["a", "b"]);
    assert_eq!(bench.answers("a"), Verdict::Counted);
    assert_eq!(bench.answers("a"), Verdict::Again);
    let first = bench.task("b");
    assert_eq!(bench.answers("b"), Verdict::Counted);
    // The round is over, but it is in the model.
    let result = TaskResult::new(Some(Weight::ONE), Kind::Full);
    assert_eq!(
        bench.job.handle_result(0, &first, result.clone()),
        Verdict::Again
    );
    let strange = TaskId::new(2, TaskKind::Train, "c", 1);
    assert_eq!(
        refused(bench.job.handle_result(0, &strange, result.clone())),
        "this site was not asked"
    );
    let again = TaskId::new(2, TaskKind::Train, "a", 2);
    assert!(refused(bench.job.handle_result(0, &again, result.clone())).contains("again"));
    let validate = TaskId::new(2, TaskKind::Validate, "a", 1);
    assert!(matches!(
        bench.job.handle_result(0, &validate, result),
        Verdict::Refused(_)
    ));
    assert_eq!(bench.status().results, Vec::<String>::new());
}

#[test]
fn a_result_without_its_weight_is_a_failure() {
    let mut bench = Bench::new("", &["a", "b", "c"]);
    let task = bench.task("a");
    let verdict = bench
        .job
        .handle_result(0, &task, TaskResult::new(None, Kind::Full));
    assert!(refused(verdict).starts_with("no weight"));
    assert!(bench.status().failed["a"].starts_with("no weight"));
    let mut equal = Bench::new("weight = \"equal\"", &["a", "b"]);
    let task = equal.task("a");
    let verdict = equal
        .job
        .handle_result(0, &task, TaskResult::new(None, Kind::Full));
    assert_eq!(verdict, Verdict::Counted);
}

#[test]
fn who_failed_is_asked_again_only_if_nobody_else_can_be() {
    let mut bench = Bench::new("", &["a", "b", "c"]);
    bench.fails("a");
    assert_eq!(bench.task("a").attempt, 1);
    bench.fails("b");
    // c alone is not enough, and nobody else is there.
    assert_eq!((bench.task("a").attempt, bench.task("b").attempt), (2, 2));
    bench.answers("a");
    bench.answers("b");
    bench.answers("c");
    assert_eq!(bench.closed(1).unwrap().0, ["a", "b", "c"]);
}

#[test]
fn three_failures_in_a_row_are_enough() {
    let mut bench = Bench::new("", &["a", "b"]);
    for attempt in 1..=3 {
        assert_eq!(bench.task("a").attempt, attempt);
        assert!(!bench.job.is_stalled());
        bench.fails("a");
    }
    bench.answers("b");
    let status = bench.status();
    assert_eq!(status.phase, Phase::Waiting);
    let expected = "round 1: for 1 more site that offers \"plus\"; a has failed 3 times in a row: died (signal 9): restart its site once that is mended";
    assert_eq!(status.reason, expected);
    assert!(bench.job.is_stalled());
    bench.leaves("a");
    bench.comes("a");
    assert_eq!(bench.task("a").attempt, 4);
    bench.answers("a");
    assert_eq!(bench.closed(1).unwrap().0, ["a", "b"]);
}

#[test]
fn a_condition_stops_the_job_early() {
    let mut bench = Bench::new("stop = \"accuracy >= 0.9\"", &["a", "b"]);
    for accuracy in [0.5, 0.8, 0.95] {
        bench.answers_with("a", &[("accuracy", accuracy)]);
        bench.answers_with("b", &[("accuracy", accuracy)]);
    }
    let status = bench.status();
    assert_eq!((status.last, status.kind), (3, Some(TaskKind::Validate)));
    bench.answers_with("a", &[("accuracy", 0.97)]);
    bench.answers_with("b", &[("accuracy", 0.99)]);
    let status = bench.status();
    assert_eq!(status.phase, Phase::Done);
    let expected = "stopped by accuracy >= 0.9: model 2 has 0.95; in the last model: a, b";
    assert_eq!(status.reason, expected);
    assert_eq!((status.best, status.best_score), (Some(3), Some(0.98)));
}

#[test]
fn patience_ends() {
    let mut bench = Bench::new(
        "metric = \"loss\"\nbetter = \"lower\"\npatience = 2",
        &["a", "b"],
    );
    for loss in [0.5, 0.4, 0.4, 0.6] {
        assert_eq!(bench.status().kind, Some(TaskKind::Train));
        bench.answers_with("a", &[("loss", loss)]);
        bench.answers_with("b", &[("loss", loss)]);
    }
    assert_eq!(bench.status().kind, Some(TaskKind::Validate));
    bench.fails("a");
    bench.fails("b");
    let status = bench.status();
    assert_eq!((status.phase, status.best), (Phase::Done, Some(1)));
    assert!(
        status
            .reason
            .starts_with("stopped: 2 models in a row were no better")
    );
}

#[test]
fn without_metrics_nothing_is_validated() {
    for (lines, metrics) in [
        ("rounds = 1", &[][..]),
        ("rounds = 1\nmetric = \"none\"", &[("accuracy", 0.5)]),
    ] {
        let mut bench = Bench::new(lines, &["a", "b"]);
        bench.answers_with("a", metrics);
        bench.answers_with("b", metrics);
        assert_eq!(
            (bench.status().phase, bench.status().best),
            (Phase::Done, None)
        );
    }
}

#[test]
fn metrics_are_weighted_and_finite() {
    let mut bench = Bench::new("rounds = 2", &["a", "b"]);
    let task = bench.task("a");
    let mut result = TaskResult::new(Some(Weight::new(3.0).unwrap()), Kind::Full);
    result.metrics.insert("accuracy".to_owned(), 0.0);
    result.metrics.insert("loss".to_owned(), f64::NAN);
    assert_eq!(bench.job.handle_result(0, &task, result), Verdict::Counted);
    bench.drain();
    bench.answers_with("b", &[("accuracy", 1.0)]);
    assert_eq!(bench.job.scores()[&0], 0.25);
}

#[test]
fn the_first_abort_counts() {
    let mut bench = Bench::new("", &["a", "b"]);
    assert_eq!(bench.job.abort(5, "alice"), Ok(()));
    let ended = bench.job.abort(6, "bob").unwrap_err();
    assert_eq!(
        (ended.outcome, ended.reason.as_str(), ended.at),
        (Outcome::Aborted, "aborted by alice", 5)
    );
    bench.now = 6;
    bench.drain();
    let end = |command: &Command| matches!(command, Command::End { .. });
    assert_eq!(bench.commands.iter().filter(|it| end(it)).count(), 1);
    assert_eq!(bench.status().phase, Phase::Aborted);
    let mut waiting = Bench::new("", &[]);
    assert_eq!(waiting.job.abort(0, "alice"), Ok(()));
    assert_eq!(waiting.status().phase, Phase::Aborted);
}

#[test]
fn nothing_comes_after_the_end() {
    let mut bench = Bench::new("", &["a", "b"]);
    bench.answers("a");
    let task = bench.task("b");
    let result = TaskResult::new(Some(Weight::ONE), Kind::Full);
    assert_eq!(bench.job.handle_result(0, &task, result), Verdict::Counted);
    // The average is under way.
    assert_eq!(bench.job.abort(1, "alice"), Ok(()));
    bench.job.handle_averaged(2, 1);
    bench.job.handle_average_failed(2, 1, "late");
    bench.job.handle_model_ready(2);
    bench.job.handle_model_failed(2, "late");
    bench.job.handle_site(3, "c", &["plus"]);
    bench.job.handle_timeout(10 * HOUR);
    let status = bench.status();
    assert_eq!((status.phase, status.last), (Phase::Aborted, 0));
}

#[test]
fn a_model_that_cannot_be_made_fails_the_job() {
    let mut job = Job::new(0, job_file(""));
    job.handle_model_failed(0, "plus.safetensors: not found");
    assert_eq!(
        job.status().reason,
        "the initial model: plus.safetensors: not found"
    );
    let mut bench = Bench::new("", &["a", "b"]);
    bench.answers("a");
    let task = bench.task("b");
    bench
        .job
        .handle_result(0, &task, TaskResult::new(Some(Weight::ONE), Kind::Full));
    bench.job.handle_average_failed(0, 1, "too large");
    assert_eq!(
        (bench.status().phase, bench.status().reason.as_str()),
        (Phase::Failed, "round 1: too large")
    );
}

#[test]
fn a_full_disk_stops_everything_but_the_count() {
    let mut bench = Bench::new("", &["a", "b"]);
    bench.job.handle_storage(0, Some("disk: 3 MiB are left"));
    bench.drain();
    assert_eq!(
        (bench.status().phase, bench.status().reason.as_str()),
        (Phase::Waiting, "disk: 3 MiB are left")
    );
    assert_eq!(bench.job.poll_timeout(), None);
    assert_eq!(bench.answers("a"), Verdict::Counted);
    assert_eq!(bench.answers("b"), Verdict::Counted);
    assert_eq!(bench.closed(1), None);
    bench.job.handle_storage(0, None);
    bench.drain();
    assert!(bench.closed(1).is_some());
}

#[test]
fn time_does_not_go_back() {
    let mut bench = Bench::new("", &["a"]);
    bench.job.handle_timeout(1000);
    bench.comes("b");
    assert_eq!(bench.job.poll_timeout(), Some(1000 + HOUR));
}

#[test]
fn models_that_were_not_asked_for_are_none() {
    let mut bench = Bench::new("", &["a", "b"]);
    for round in 0..3 {
        bench.job.handle_averaged(0, round);
        bench.job.handle_average_failed(0, round, "what?");
    }
    bench.job.handle_model_ready(0);
    bench.job.handle_model_failed(0, "what?");
    let status = bench.status();
    assert_eq!((status.phase, status.last), (Phase::Running, 0));
    assert_eq!(bench.job.poll_command(), None);
}

#[test]
fn fewer_results_than_are_wanted_close_a_round_once_nobody_is_left_to_ask() {
    let mut bench = Bench::new("min_results = 3", &["a", "b", "c"]);
    bench.answers("a");
    bench.answers("b");
    bench.until(1000);
    bench.leaves("c");
    assert!(bench.status().reason.contains("where min_results is 3"));
    bench.until(60_999);
    assert_eq!(bench.closed(1), None);
    bench.until(61_000);
    assert_eq!(bench.closed(1).unwrap().0, ["a", "b"]);
}

#[test]
fn who_failed_is_asked_again_for_the_results_that_are_wanted() {
    let mut bench = Bench::new("min_results = 3", &["a", "b", "c"]);
    bench.fails("c");
    bench.answers("a");
    bench.answers("b");
    for attempt in 2..=3 {
        assert_eq!(bench.task("c").attempt, attempt);
        bench.fails("c");
    }
    let reason = bench.status().reason;
    assert!(reason.contains("c has failed 3 times in a row"), "{reason}");
    bench.until(60_000);
    assert_eq!(bench.closed(1).unwrap().0, ["a", "b"]);
}

#[test]
fn a_late_answer_to_a_task_that_failed_takes_no_place() {
    let mut bench = Bench::new("", &["a", "b"]);
    let first = bench.task("a");
    bench.fails("a");
    let second = bench.task("a");
    assert_eq!((first.attempt, second.attempt), (1, 2));
    let result = |sha256: &str| {
        let mut result = TaskResult::new(Some(Weight::ONE), Kind::Full);
        result.sha256 = Some(sha256.to_owned());
        result
    };
    assert_eq!(bench.job.verdict(&second), None);
    assert!(matches!(
        bench.job.verdict(&first),
        Some(Verdict::Refused(_))
    ));
    let verdict = bench.job.handle_result(0, &second, result("02"));
    assert_eq!(verdict, Verdict::Counted);
    bench.drain();
    let refusal = bench.job.handle_result(0, &first, result("01"));
    assert_eq!(refused(refusal), "another attempt of this task counts");
    bench.restart(0);
    assert_eq!(bench.job.verdict(&second), Some(Verdict::Again));
    assert!(matches!(
        bench.job.verdict(&first),
        Some(Verdict::Refused(_))
    ));
    bench.comes("b");
    bench.answers("b");
    let counted = bench.commands.iter().find_map(|it| match it {
        Command::Average { results, .. } => Some(results[0].clone()),
        _ => None,
    });
    let counted = counted.unwrap();
    assert_eq!((counted.site.as_str(), counted.attempt), ("a", 2));
    assert_eq!(counted.sha256.as_deref(), Some("02"));
}

#[test]
fn a_result_that_counted_is_known_some_rounds_later_and_after_the_end() {
    let mut bench = Bench::new("", &["a", "b"]);
    let first = bench.task("a");
    for _ in 0..3 {
        bench.answers("a");
        bench.answers("b");
    }
    bench.answers("a");
    let last = bench.task("a");
    assert_eq!(bench.job.abort(0, "alice"), Ok(()));
    bench.drain();
    for _ in 0..2 {
        assert_eq!(bench.job.verdict(&first), Some(Verdict::Again));
        assert_eq!(bench.job.verdict(&last), Some(Verdict::Again));
        assert!(matches!(
            bench.job.verdict(&bench.task("b")),
            Some(Verdict::Refused(_))
        ));
        bench.restart(0);
    }
}

#[test]
fn a_long_outage_leaves_nobody_out() {
    for lines in ["", "min_results = 2"] {
        let mut bench = Bench::new(lines, &["a", "b", "c"]);
        bench.answers("a");
        bench.answers("b");
        bench.restart(5 * HOUR);
        assert_eq!(bench.closed(1), None, "{lines}");
        assert_eq!(bench.job.poll_timeout(), Some(5 * HOUR + 60_000));
        bench.comes("c");
        assert_eq!(bench.answers("c"), Verdict::Counted);
        assert_eq!(bench.closed(1).unwrap().0, ["a", "b", "c"], "{lines}");
    }
    let mut bench = Bench::new("", &["a", "b", "c"]);
    bench.answers("a");
    bench.answers("b");
    bench.restart(5 * HOUR);
    bench.until(5 * HOUR + 60_000);
    assert_eq!(bench.closed(1).unwrap().0, ["a", "b"]);
}

#[test]
fn a_clock_that_was_wrong_keeps_no_round_open() {
    let mut bench = Bench::new("", &["a", "b"]);
    let now = bench.now;
    bench.until(1000 * HOUR);
    // Nobody missed this one: the clock jumped.
    assert!(bench.job.poll_timeout().unwrap() > 1000 * HOUR);
    bench.restart(now);
    assert_eq!(bench.job.poll_timeout(), Some(HOUR));
    assert_eq!(bench.status().deadline, Some(HOUR));
}

#[test]
fn a_site_that_was_given_up_is_asked_again_after_a_restart() {
    let mut bench = Bench::new("", &["a", "b"]);
    for _ in 0..3 {
        bench.fails("a");
    }
    assert!(bench.job.is_stalled());
    bench.restart(0);
    bench.comes("a");
    bench.comes("b");
    assert_eq!(bench.task("a").attempt, 4);
    assert_eq!(bench.status().given_up.len(), 0);
}

#[test]
fn models_are_judged_with_one_measure() {
    let mut bench = Bench::new("rounds = 1", &["a", "b"]);
    bench.answers_with("a", &[("accuracy", 0.5)]);
    bench.answers_with("b", &[("accuracy", 0.5)]);
    let task = bench.task("a");
    assert_eq!(task.kind, TaskKind::Validate);
    let weight = Weight::new(1000.0).unwrap();
    let mut result = TaskResult::new(Some(weight), Kind::Full);
    result.metrics.insert("accuracy".to_owned(), 1.0);
    bench.job.handle_result(0, &task, result.clone());
    let task = bench.task("b");
    result.weight = None;
    result.metrics.insert("accuracy".to_owned(), 0.0);
    bench.job.handle_result(0, &task, result);
    bench.drain();
    assert_eq!(bench.job.scores()[&1], 0.5);
}

#[test]
fn a_job_without_a_model_trains_from_nothing() {
    let mut bench = Bench::new("rounds = 2\nmodel = \"none\"", &["a", "b"]);
    let brought = |bench: &Bench| {
        let assigned = |command: &Command| match command {
            Command::Assign(task) => Some(task.model),
            _ => None,
        };
        bench.commands.iter().rev().find_map(assigned).unwrap()
    };
    assert_eq!(brought(&bench), None);
    bench.answers_with("a", &[("accuracy", 0.5)]);
    bench.answers_with("b", &[("accuracy", 0.5)]);
    assert_eq!(brought(&bench), Some(1));
    assert!(bench.job.scores().is_empty(), "there was no model to judge");
}

#[test]
fn a_site_is_told_its_own_configuration() {
    let bench = Bench::new("config = { lr = 1 }\n[site.b.config]\nlr = 2", &["a", "b"]);
    let lr = |site: &str| {
        let of_site = |command: &Command| match command {
            Command::Assign(task) if task.id.site == site => task.config["lr"].as_i64(),
            _ => None,
        };
        bench.commands.iter().find_map(of_site)
    };
    assert_eq!((lr("a"), lr("b")), (Some(1), Some(2)));
}

#[test]
fn records_of_another_job_are_refused() {
    let planned = |round| Record::Planned {
        round,
        kind: TaskKind::Train,
        sites: vec!["a".to_owned()],
        deadline: 1,
    };
    let ended = || {
        Record::Ended(Ended {
            outcome: Outcome::Done,
            reason: String::new(),
            at: 0,
        })
    };
    let task = || TaskId::new(1, TaskKind::Train, "b", 1);
    for (records, number) in [
        (vec![planned(1)], 1),
        (vec![Record::ModelReady, Record::ModelReady], 2),
        (vec![Record::ModelReady, planned(2)], 2),
        (vec![Record::ModelReady, planned(1), planned(1)], 3),
        (
            vec![
                Record::ModelReady,
                planned(1),
                Record::Averaged { round: 1 },
            ],
            3,
        ),
        (
            vec![
                Record::ModelReady,
                planned(1),
                Record::TaskFailed {
                    task: task(),
                    reason: String::new(),
                },
            ],
            3,
        ),
        (vec![ended(), Record::ModelReady], 2),
    ] {
        let fault = Job::restore(0, job_file(""), records).unwrap_err();
        assert_eq!(fault.number, number);
    }
}

#[test]
fn what_a_site_says_is_bounded() {
    let mut bench = Bench::new("", &["a", "b", "c"]);
    let task = bench.task("a");
    bench.job.handle_failure(0, &task, &"é".repeat(MAX_REASON));
    assert_eq!(bench.status().failed["a"], "é".repeat(MAX_REASON / 2));
    let metrics = |count: usize, name: &str| {
        let mut result = TaskResult::new(Some(Weight::ONE), Kind::Full);
        result.metrics = (0..count).map(|it| (format!("{name}{it}"), 0.5)).collect();
        result
    };
    let task = bench.task("b");
    let refusal = bench
        .job
        .handle_result(0, &task, metrics(MAX_METRICS + 1, "m"));
    assert_eq!(refused(refusal), "more than 1000 metrics");
    let task = bench.task("c");
    let refusal = bench
        .job
        .handle_result(0, &task, metrics(1, &"m".repeat(MAX_METRIC_NAME)));
    assert_eq!(
        refused(refusal),
        "a metric's name is longer than 1024 bytes"
    );
}

#[test]
fn after_a_restart_between_rounds_sites_are_waited_for_but_not_for_ever() {
    let mut bench = Bench::new("min_sites = 1\nwait = \"30s\"", &["a", "b"]);
    bench.answers("a");
    bench.answers("b");
    let records = bench.commands.iter().filter_map(|command| match command {
        Command::Record { record, .. } => Some(record.clone()),
        _ => None,
    });
    let between = records.take_while(|it| !matches!(it, Record::Planned { round: 2, .. }));
    bench.job = Job::restore(1000, bench.job.file().clone(), between.collect::<Vec<_>>()).unwrap();
    bench.now = 1000;
    bench.comes("a");
    let status = bench.status();
    assert_eq!((status.phase, status.last), (Phase::Waiting, 1));
    assert_eq!(status.reason, "for sites to come back after a restart: b");
    assert_eq!(bench.job.poll_timeout(), Some(31_000));
    bench.until(31_000);
    assert_eq!(bench.status().pending, ["a"]);
}
