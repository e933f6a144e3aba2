//! `fedlink try`: anybody's training, in a whole federation inside this process.

mod error;
mod federation;
mod plan;
mod report;

pub use error::TryError;

use fedlink::Joined;
use fedlink::identity::Name;

use crate::interrupt::{Hangup, Interrupt};
use crate::jobs::{Coordinator, JobFolder};
use crate::options::TryOptions;
use crate::output;
use federation::Federation;
use plan::Plan;
use report::Report;

/// Runs the job and prints how it ended. False if it is not done.
///
/// # Errors
/// When it cannot begin, or its folder cannot be written.
pub fn run(options: &TryOptions) -> Result<bool, TryError> {
    let interrupt = Interrupt::listen(Hangup::Ends)?;
    let plan = Plan::read(options)?;
    let runtime = tokio::runtime::Runtime::new().map_err(TryError::Runtime)?;
    let report = runtime.block_on(job(options, plan, interrupt))?;
    output::report(&report, options.json)?;
    Ok(report.is_done())
}

async fn job(options: &TryOptions, plan: Plan, interrupt: Interrupt) -> Result<Report, TryError> {
    let project = Name::new(federation::PROJECT)?;
    let (folder, id) = JobFolder::create(&options.out, &plan.file)?;
    output::tell(
        options.quiet,
        format!(
            "{}: {} sites, {} rounds, in {}",
            plan.file.name,
            plan.sites.len(),
            plan.file.rounds,
            folder.path().display()
        ),
    );
    let mut report = Report::new(options.quiet, &folder, plan.file.rounds);
    let mut federation = Federation::start(&project, &plan, &folder, options).await?;
    let driven = async {
        let joined = federation.all_joined().await?;
        let server = federation.server().clone();
        let Plan { file, model, .. } = plan;
        let job = Coordinator::start(server, &project, id, folder, file, model).await?;
        drive(job, joined, &mut federation, &mut report, interrupt).await
    };
    let ended = driven.await;
    let left = federation.finish().await;
    ended?;
    left?;
    Ok(report)
}

/// Goes on until the job has ended, one way or another.
async fn drive(
    mut job: Coordinator,
    joined: Vec<Joined>,
    federation: &mut Federation,
    report: &mut Report,
    mut interrupt: Interrupt,
) -> Result<(), TryError> {
    for site in joined {
        job.joined(&site).await?;
    }
    loop {
        while let Some(entry) = job.poll_entry() {
            report.take(&entry);
        }
        if job.ended().is_some() {
            report.end(&job);
            return Ok(());
        }
        if job.is_stalled() {
            // Nobody else will come.
            let waits = job.status().reason;
            job.abort(&format!("fedlink try, which would wait for ever: {waits}"))
                .await?;
            continue;
        }
        tokio::select! {
            action = federation.next() => {
                let action = action.ok_or(TryError::Gone)?;
                job.handle(action).await?;
            }
            () = job.due() => job.proceed().await?,
            () = interrupt.wait() => job.abort("Ctrl-C").await?,
        }
    }
}
