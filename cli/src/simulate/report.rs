//! The report of a simulation, for people and as JSON.

use std::fmt;

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::figures::Figures;
use super::plan::{Plan, Tick};

/// How soon all must be at work again.
const BACK_WITHIN: Tick = 60_000;

/// What a simulation came to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether all was as it should be.
    pub(super) ok: bool,
    complaints: Vec<String>,
    plan: Facts,
    /// With jitter, unless it was off.
    #[serde(flatten)]
    figures: Figures,
    /// The same storm without jitter.
    #[serde(skip_serializing_if = "Option::is_none")]
    without_jitter: Option<Figures>,
    /// What depends on the machine.
    real: Real,
}

/// What was simulated.
#[derive(Debug, Serialize)]
struct Facts {
    clients: u32,
    workers: u32,
    rounds: u32,
    join_ms: Tick,
    work_ms: Tick,
    heartbeat_ms: u64,
    loss: f64,
    latency_ms: Tick,
    seed: u64,
    suite: &'static str,
    signature_checks: &'static str,
    challenge_budget: u32,
    peer_budget: u32,
    registration_window_ms: u64,
    max_waiting: usize,
    max_clients: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    storm: Option<Costs>,
}

/// What the server's core is like in a storm.
#[derive(Debug, Serialize)]
struct Costs {
    downtime_ms: Tick,
    register_cost_us: u64,
    message_cost_us: u64,
}

/// Figures of the machine.
#[derive(Debug, Default, Serialize)]
pub(super) struct Real {
    pub(super) seconds: f64,
    /// Of these, in the server's machine.
    pub(super) server_seconds: f64,
    heartbeats_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_client: Option<u64>,
}

impl Report {
    pub(super) fn new(plan: &Plan, runs: Vec<Figures>, mut real: Real) -> Self {
        let heartbeats: u64 = runs.iter().map(|run| run.heartbeats).sum();
        real.heartbeats_per_second = heartbeats as f64 / real.seconds;
        real.peak_bytes = peak_memory();
        real.bytes_per_client = real.peak_bytes.map(|it| it / u64::from(plan.clients));
        let mut runs = runs.into_iter();
        let figures = runs.next().unwrap_or_default();
        let without_jitter = runs.next();
        let complaints = complaints(plan, &figures);
        Self {
            ok: complaints.is_empty(),
            complaints,
            plan: Facts::of(plan),
            figures,
            without_jitter,
            real,
        }
    }
}

impl Facts {
    fn of(plan: &Plan) -> Self {
        let server = &plan.server;
        Self {
            clients: plan.clients,
            workers: plan.workers,
            rounds: plan.rounds,
            join_ms: plan.join,
            work_ms: plan.work,
            heartbeat_ms: server.heartbeat_interval.as_millis() as u64,
            loss: plan.loss,
            latency_ms: plan.latency,
            seed: plan.seed,
            suite: "plain",
            signature_checks: "stubbed",
            challenge_budget: server.challenge_budget,
            peer_budget: server.peer_budget,
            registration_window_ms: server.registration_window.as_millis() as u64,
            max_waiting: server.max_waiting,
            max_clients: server.max_clients,
            storm: plan.storm.map(|storm| Costs {
                downtime_ms: storm.downtime,
                register_cost_us: storm.register_cost.as_micros() as u64,
                message_cost_us: storm.message_cost.as_micros() as u64,
            }),
        }
    }
}

/// What is not as it should be.
fn complaints(plan: &Plan, run: &Figures) -> Vec<String> {
    let mut all = Vec::new();
    let mut expect = |holds: bool, complaint: String| {
        if !holds {
            all.push(complaint);
        }
    };
    let missing = plan.clients - run.at_work;
    expect(missing == 0, format!("{missing} clients are not at work"));
    let gone = run.gone;
    expect(gone == 0, format!("{gone} clients were taken for dead"));
    let tasks = u64::from(plan.workers) * u64::from(plan.rounds);
    let results = run.results;
    expect(
        results == tasks,
        format!("{results} results of {tasks} arrived"),
    );
    let twice = run.results_twice;
    expect(twice == 0, format!("{twice} results arrived twice"));
    let (waited, limit) = (run.server.most_waiting, plan.server.max_waiting);
    expect(
        waited < limit,
        format!("{waited} outputs of the server waited: its limit is {limit}"),
    );
    if let Some(storm) = &run.storm {
        let back = storm.all_after.is_some_and(|after| after <= BACK_WITHIN);
        expect(back, "not all were at work again within 60 s".to_owned());
    }
    all
}

/// The most memory that this process ever had, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_plan(f)?;
        match &self.without_jitter {
            None => self.write_run(f)?,
            Some(without) => self.write_storm(f, without)?,
        }
        self.write_real(f)?;
        writeln!(f)?;
        if self.ok {
            return write!(f, "all is well, after {:.1} s", self.real.seconds);
        }
        write!(f, "not as it should be:")?;
        self.complaints
            .iter()
            .try_for_each(|complaint| write!(f, "\n  {complaint}"))
    }
}

impl Report {
    fn write_plan(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        writeln!(
            f,
            "{} clients join in {}, heartbeats every {}, {} % loss, {} on the way",
            HumanCount(plan.clients.into()),
            seconds(plan.join_ms),
            seconds(plan.heartbeat_ms as Tick),
            100.0 * plan.loss,
            seconds(plan.latency_ms),
        )?;
        writeln!(
            f,
            "one server of the plain suite: signature checks and encryption are stubbed"
        )?;
        writeln!(
            f,
            "its settings: challenge_budget {}, peer_budget {}, registration_window {}",
            HumanCount(plan.challenge_budget.into()),
            HumanCount(plan.peer_budget.into()),
            seconds(plan.registration_window_ms as Tick),
        )?;
        if let Some(costs) = &plan.storm {
            writeln!(
                f,
                "its core takes {} us for a registration, {} us for any other message; it was away {}",
                costs.register_cost_us,
                costs.message_cost_us,
                seconds(costs.downtime_ms)
            )?;
        }
        writeln!(f)
    }

    fn write_run(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = &self.figures;
        let lost = run.lost_to_server + run.lost_to_clients;
        row(f, "simulated", &seconds(run.ended_at))?;
        count(f, "joins", run.joins)?;
        count(f, "heartbeats", run.heartbeats)?;
        count(f, "messages", run.sent + run.answered)?;
        count(f, "lost", lost)?;
        count(f, "repeated", run.repeated)?;
        count(f, "tasks", run.tasks_assigned)?;
        let once = format!("{}, each once", HumanCount(run.results));
        row(f, "results", &once)?;
        count(f, "dropped: over budget", run.server.over_budget)?;
        count(f, "at work at the end", run.at_work.into())
    }

    fn write_storm(&self, f: &mut fmt::Formatter<'_>, without: &Figures) -> fmt::Result {
        let both = [&self.figures, without];
        let mut line = |name: &str, of: &dyn Fn(&Figures) -> String| {
            let [with, without] = both.map(of);
            writeln!(f, "{name:<30}{with:>14}{without:>18}")
        };
        let number = |it: u64| HumanCount(it).to_string();
        let storm = |run: &Figures| run.storm.clone().unwrap_or_default();
        let after = |it: Option<Tick>| it.map_or("never".to_owned(), seconds);
        line("", &|run| {
            let with = std::ptr::eq(run, both[0]);
            (if with {
                "with jitter"
            } else {
                "without jitter"
            })
            .to_owned()
        })?;
        line("half at work again after", &|run| {
            after(storm(run).half_after)
        })?;
        line("99 % at work again after", &|run| {
            after(storm(run).most_after)
        })?;
        line("all at work again after", &|run| {
            after(storm(run).all_after)
        })?;
        line("longest queue", &|run| number(storm(run).longest_queue))?;
        line("longest wait in it", &|run| {
            seconds((storm(run).longest_wait / 1000) as Tick)
        })?;
        line("peak load of the core", &|run| {
            format!("{:.0} %", 100.0 * storm(run).peak_load)
        })?;
        line("peak messages in a second", &|run| {
            number(storm(run).peak_messages)
        })?;
        line("dropped: over budget", &|run| {
            number(run.server.over_budget)
        })?;
        line("dropped: of no session", &|run| {
            number(run.server.no_session)
        })?;
        line("most outputs that waited", &|run| {
            number(run.server.most_waiting as u64)
        })?;
        line("joins", &|run| number(run.joins))?;
        line("heartbeats", &|run| number(run.heartbeats))?;
        line("messages", &|run| number(run.sent + run.answered))?;
        line("lost", &|run| {
            number(run.lost_to_server + run.lost_to_clients)
        })?;
        line("repeated", &|run| number(run.repeated))?;
        line("tasks", &|run| number(run.tasks_assigned))?;
        line("results, each once", &|run| number(run.results))
    }

    fn write_real(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let real = &self.real;
        writeln!(f)?;
        let share = 100.0 * real.server_seconds / real.seconds;
        row(
            f,
            "real time",
            &format!("{:.1} s, {share:.0} % in the server", real.seconds),
        )?;
        count(f, "heartbeats a second", real.heartbeats_per_second as u64)?;
        if let (Some(peak), Some(each)) = (real.peak_bytes, real.bytes_per_client) {
            let memory = format!("{}, {each} bytes a client", HumanBytes(peak));
            row(f, "peak memory", &memory)?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "{name:<24}{value}")
}

fn count(f: &mut fmt::Formatter<'_>, name: &str, value: u64) -> fmt::Result {
    row(f, name, &HumanCount(value).to_string())
}

/// Milliseconds as people write them.
fn seconds(span: Tick) -> String {
    if span < 1000 {
        format!("{span} ms")
    } else if span.is_multiple_of(1000) {
        format!("{} s", span / 1000)
    } else {
        format!("{:.1} s", f64::from(span) / 1000.0)
    }
}
