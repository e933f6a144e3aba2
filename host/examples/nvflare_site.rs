//! A site of an NVFlare federation in one thread, without a runtime: it registers with the
//! kit that it is given, takes part in every job, and adds one to each number of a model of
//! `float32` arrays.
//!
//! ```sh
//! cargo run --package fedlink-host --features nvflare --example nvflare_site -- KIT
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fedlink::message::{Outcome, Payload, Properties};
use fedlink::nvflare::{Array, Model};
use fedlink::{ClientAction, Task};
use fedlink_host::blocking::BlockingClient;
use fedlink_host::nvflare::Kit;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("give the folder of a start-up kit")?;
    let kit = Kit::read(&folder)?;
    let config = Arc::new(kit.client_config());
    let mut host = BlockingClient::new(config, kit.identity(), kit.connect()?)?;
    host.call(|client, now| client.register(now))?;
    while !host.is_closed() {
        match host.next_action(Duration::from_secs(1))? {
            Some(ClientAction::SetAuth(_)) => println!("registered as {}", kit.name),
            Some(ClientAction::StartJobs(jobs)) => {
                for job in jobs {
                    host.call(|client, now| client.job_started(now, job))?;
                    host.call(|client, now| client.pull_task(now, job))?;
                }
            }
            Some(ClientAction::TaskAssigned(task)) => {
                println!(
                    "{}, round {:?}",
                    task.name,
                    task.headers.get("current_round")
                );
                let (outcome, result) = match train(&task) {
                    Ok(result) => (Outcome::Ok, result),
                    Err(error) => {
                        println!("failed: {error}");
                        (Outcome::Failed, Payload::new(""))
                    }
                };
                let headers = Properties::new();
                host.call(|client, now| client.submit(now, task.id, outcome, headers, result))?;
                host.call(|client, now| client.pull_task(now, task.job))?;
            }
            Some(ClientAction::ResultAccepted { bytes, .. }) => println!("sent {bytes} bytes"),
            Some(ClientAction::RunEnded { job }) => {
                host.call(|client, now| client.job_ended(now, job))?;
            }
            Some(ClientAction::AbortJobs(jobs)) => {
                for job in jobs {
                    host.call(|client, now| client.job_ended(now, job))?;
                }
            }
            Some(ClientAction::Rejected(rejection)) => return Err(rejection.message.into()),
            Some(ClientAction::Retry { reason, .. }) => println!("tries again: {reason:?}"),
            _ => {}
        }
    }
    Ok(())
}

/// Work that is over at once. Longer work belongs into another thread.
fn train(task: &Task) -> Result<Payload, Box<dyn Error>> {
    let given = Model::read(task.payload.bytes())?;
    let mut model = Model::new();
    for (name, array) in given.arrays() {
        let values = array.values::<f32>()?.into_iter().map(|value| value + 1.0);
        model.insert(name, Array::new(array.shape().to_vec(), values)?);
    }
    Ok(model.to_payload()?)
}
