//! The coordinator dies after each thing it does, and each result counts once.

use std::collections::BTreeMap;

use super::world::{Behaviour, World};
use super::*;

const THREE: &[(&str, f64, Behaviour)] = &[
    ("a", 1.0, Behaviour::Trains),
    ("b", 2.0, Behaviour::Trains),
    ("c", 4.0, Behaviour::Trains),
];

const ONE_DIES: &[(&str, f64, Behaviour)] = &[
    ("a", 1.0, Behaviour::Trains),
    ("b", 2.0, Behaviour::DiesIn(&[2])),
    ("c", 4.0, Behaviour::Trains),
];

/// What records say of who is in which model, with no result twice and none out of nowhere.
fn names(records: &[Record]) -> BTreeMap<u32, Vec<String>> {
    let mut counted = Vec::new();
    let mut names = BTreeMap::new();
    for record in records {
        match record {
            Record::Result { task, .. } => {
                let key = (task.round, task.kind, task.site.clone());
                assert!(!counted.contains(&key), "{key:?} counts twice");
                counted.push(key);
            }
            Record::Closed { round, sites, .. } => {
                for site in sites {
                    assert!(
                        counted
                            .iter()
                            .any(|(of, _, name)| of == round && name == site)
                    );
                }
            }
            Record::Averaged { round } => {
                let closed = records.iter().rev().find_map(|it| match it {
                    Record::Closed {
                        round: of, sites, ..
                    } if of == round => Some(sites),
                    _ => None,
                });
                assert!(!closed.unwrap().is_empty(), "a round without names");
                names.insert(*round, closed.unwrap().clone());
            }
            _ => {}
        }
    }
    names
}

/// The coordinator dies once, after each step, and twice.
fn dies_anywhere(lines: &str, sites: &[(&'static str, f64, Behaviour)]) {
    let mut undisturbed = World::new(lines, sites, &[]);
    let ended = undisturbed.run();
    let expected = names(&undisturbed.records());
    let steps = undisturbed.steps;
    let twice = (0..steps).flat_map(|first| {
        let second = first * 7 % steps + 1;
        [
            vec![first + 1],
            vec![first + 1, first + 1 + second],
            vec![first + 1, first + 2],
        ]
    });
    for deaths in twice {
        let mut world = World::new(lines, sites, &deaths);
        let again = world.run();
        assert_eq!(again.reason, ended.reason, "{deaths:?}");
        assert_eq!(names(&world.records()), expected, "{deaths:?}");
        assert_eq!(world.disk.models, undisturbed.disk.models, "{deaths:?}");
        assert_eq!(
            world.disk.published, undisturbed.disk.published,
            "{deaths:?}"
        );
        assert_eq!(world.refused, undisturbed.refused, "{deaths:?}");
        // Who counts was told so, at least once.
        for record in world.records() {
            if let Record::Result { task, .. } = record {
                assert!(world.taken.contains(&task), "{deaths:?}: {task:?}");
            }
        }
    }
}

#[test]
fn a_coordinator_that_dies_makes_the_same_models() {
    dies_anywhere("rounds = 3\nmin_sites = 3", THREE);
}

#[test]
fn nobody_is_left_out_because_of_a_restart() {
    dies_anywhere("rounds = 3\nmin_sites = 1\nkeep = 2", THREE);
}

#[test]
fn a_site_that_fails_is_left_out_of_its_round_alone() {
    let lines = "rounds = 3\nmin_sites = 2";
    dies_anywhere(lines, ONE_DIES);
    let mut world = World::new(lines, ONE_DIES, &[]);
    let ended = world.run();
    assert_eq!(ended.outcome, Outcome::Done);
    assert_eq!(ended.reason, "3 rounds; in the last model: a, b, c");
    assert_eq!(names(&world.records())[&2], ["a", "c"]);
    let why = world.records().into_iter().find_map(|it| match it {
        Record::Closed {
            round: 2, without, ..
        } => Some(without),
        _ => None,
    });
    assert_eq!(why.unwrap()["b"], "died (signal 9)");
}

#[test]
fn a_site_makes_the_initial_model() {
    dies_anywhere("rounds = 2\nmodel = \"ask:b\"", THREE);
    let mut world = World::new("rounds = 1\nmodel = \"ask:b\"", THREE, &[]);
    world.run();
    assert_eq!(world.disk.models[&0], 2.0);
}

#[test]
fn sites_are_drawn_alike_after_a_restart() {
    dies_anywhere("rounds = 4\nsample = 2", THREE);
    let mut world = World::new("rounds = 9\nsample = 2", THREE, &[]);
    world.run();
    let drawn = names(&world.records());
    assert!(drawn.values().all(|sites| sites.len() == 2));
    assert!(drawn.values().any(|sites| *sites != drawn[&1]), "{drawn:?}");
}

#[test]
fn the_best_model_is_published_and_the_last_one_judged() {
    let mut world = World::new("rounds = 5\nkeep = 3", THREE, &[]);
    world.run();
    // Each round adds 3, so that model 2 is 7 and model 5 is 16.
    assert_eq!(
        world.disk.published,
        BTreeMap::from([("best", 7.0), ("last", 16.0)])
    );
    let kept: Vec<_> = world.disk.models.keys().copied().collect();
    assert_eq!(kept, [0, 3, 5]);
    let validated = world.records().into_iter().any(|it| {
        matches!(
            it,
            Record::Planned {
                kind: TaskKind::Validate,
                round: 5,
                ..
            }
        )
    });
    assert!(validated);
}

#[test]
fn records_are_read_back_to_the_last_bit() {
    let weight = Weight::new(0.1 + 0.2).unwrap();
    let metrics = BTreeMap::from([("loss".to_owned(), 1.0 / 3.0), ("x".to_owned(), 5e-324)]);
    for value in [0.1 + 0.2, f64::MIN_POSITIVE.next_down(), 9007199254740.99] {
        let mut metrics = metrics.clone();
        metrics.insert("y".to_owned(), value);
        let record = Record::Result {
            task: TaskId::new(1, TaskKind::Train, "a", 1),
            weight,
            unweighted: false,
            form: Kind::Diff,
            sha256: Some("0f".to_owned()),
            metrics,
            at: u64::MAX,
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
