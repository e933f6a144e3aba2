//! Random lives of a federation whose server dies again and again.

use alloc::collections::BTreeSet;

use super::*;

const SITES: [&str; 3] = ["a", "b", "c"];

/// What the world outside of the server knows, which no restart takes away.
#[derive(Default)]
struct Outside {
    /// Tasks that each site holds and has not been told to drop.
    outbox: [BTreeSet<TaskId>; 3],
    last: [Option<TaskId>; 3],
    accepted: BTreeSet<TaskId>,
    new_results: BTreeSet<TaskId>,
    results: BTreeSet<TaskId>,
}

impl Outside {
    fn work(&mut self, world: &mut World, site: usize) {
        let to = world.ask(SITES[site], JOB, self.last[site]);
        self.settle(world, site, to);
    }

    fn deliver(&mut self, world: &mut World, site: usize) {
        for task in self.outbox[site].clone() {
            let payload = bytes(3, site);
            let to = world.send(
                SITES[site],
                result_of(task, &payload),
                payload.bytes().clone(),
            );
            self.settle(world, site, to);
            match world.submit_answer(to) {
                Some(SubmitReply::Accepted) => {
                    self.accepted.insert(task);
                    self.outbox[site].remove(&task);
                }
                Some(SubmitReply::Refused(_)) => {
                    self.outbox[site].remove(&task);
                }
                Some(SubmitReply::SendFrom(_) | SubmitReply::Later(_)) => panic!(),
                None => {}
            }
        }
    }

    /// Takes what a pull has brought, and what the host was given.
    fn settle(&mut self, world: &mut World, site: usize, to: ReplyTo) {
        if matches!(
            world.answers.iter().find(|answer| answer.to == to),
            Some(Answer {
                reply: Reply::PullTask(_),
                ..
            })
        ) {
            let reply = world.pull_answer(to);
            if let Some(task) = task_in(reply) {
                self.outbox[site].insert(task);
                self.last[site] = Some(task);
            }
        }
        self.receive(world);
    }

    fn receive(&mut self, world: &mut World) {
        for result in world.results() {
            self.results.insert(result.task);
            if !result.again {
                assert!(self.new_results.insert(result.task), "given twice as new");
            }
        }
    }
}

fn live(seed: u8) {
    let mut dice = Entropy::new(&mut [seed; 32]);
    let mut world = World::new();
    let mut outside = Outside::default();
    for step in 0..120 {
        let site = dice.between(0, 2) as usize;
        match dice.between(0, 9) {
            0 => {
                world.assign(SITES[site], &bytes(4, step % 3));
            }
            1 => {
                world.assign_anyone(&bytes(4, step % 3));
            }
            2 | 3 => outside.work(&mut world, site),
            4 | 5 => outside.deliver(&mut world, site),
            6 => {
                for _ in 0..dice.between(0, world.unstored.len() as u64) {
                    world.store_one();
                }
            }
            7 => {
                let tasks: Vec<_> = world.states().into_keys().collect();
                let at = dice.between(0, tasks.len() as u64) as usize;
                if let Some(task) = tasks.get(at) {
                    // It may be too late, which is what is tried here.
                    let _ = match dice.between(0, 2) {
                        0 => world.withdraw(*task),
                        1 => world.reassign(*task, SITES[site]).map(drop),
                        _ => world.taken(*task),
                    };
                }
            }
            8 => world.log = [world.snapshot()].concat(),
            _ => {
                for _ in 0..dice.between(0, world.unstored.len() as u64) {
                    let (_, record) = world.unstored.pop_front().unwrap();
                    world.log.push(record);
                }
                let entropy = core::mem::replace(&mut world.entropy, Entropy::new(&mut [0; 32]));
                world = World {
                    entropy,
                    requests: world.requests,
                    ..World::restored(world.log)
                };
            }
        }
        outside.receive(&mut world);
    }
    // The network heals: everything that is open is done.
    for _ in 0..300 {
        for site in 0..3 {
            world.store();
            outside.work(&mut world, site);
            world.store();
            outside.deliver(&mut world, site);
        }
    }
    world.store();
    outside.receive(&mut world);
    for (task, state) in world.states() {
        assert!(
            matches!(state, TaskState::Done | TaskState::Taken),
            "seed {seed}: {task} is {state:?}"
        );
        assert!(outside.results.contains(&task));
    }
    assert!(outside.outbox.iter().all(BTreeSet::is_empty));
    let lost: Vec<_> = outside.accepted.difference(&outside.results).collect();
    assert!(lost.is_empty(), "seed {seed}: {lost:?}");
}

#[test]
fn no_result_is_lost_and_none_is_given_twice_as_new() {
    for seed in 0..=255 {
        live(seed);
    }
}
