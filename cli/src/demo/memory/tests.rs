use super::*;
use crate::demo::audit::Traffic;
use crate::demo::screen::Screen;
use crate::options::{DemoOptions, SuiteOption};
use crate::training::{Model, Share, federate};

const OPTIONS: DemoOptions = DemoOptions {
    sites: 3,
    rounds: 4,
    payload_mib: 2,
    seed: 9,
    transport: crate::options::DemoTransport::Memory,
    suite: SuiteOption::Plain,
    quiet: true,
    json: false,
};

fn run() -> (Model, Vec<Traffic>) {
    let setup = Setup::new(&OPTIONS).unwrap();
    let mut stage = Stage::new(&setup, Screen::new(true, &[], OPTIONS.rounds));
    let mut world = World::new(&setup, &mut stage).unwrap();
    while !world.is_over() {
        world.step().unwrap();
    }
    world.close();
    (stage.model().unwrap(), stage.audit.sites().to_vec())
}

#[test]
fn through_all_faults_sites_train_what_they_would_train_in_one_place() {
    let setup = Setup::new(&OPTIONS).unwrap();
    let shares: Vec<Share> = setup.shares.iter().map(|share| share.to_vec()).collect();
    let (model, traffic) = run();
    assert_eq!(model, federate(&shares, OPTIONS.rounds));
    assert_eq!(run(), (model, traffic), "a seed gives the same run");
}
