//! Modules that name each other. A module and its parent may: the parent is made of it.
//! Modules side by side, each with all below it, may not.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Modules, Place};

/// Which module names which, of those that are side by side.
type Names = BTreeMap<Place, BTreeSet<Place>>;

/// Modules side by side that name each other, directly or through others of them, by their
/// common parent and own names; and for each two of them an example.
pub(crate) type Circles = BTreeMap<BTreeSet<String>, Vec<String>>;

/// The circles of a crate.
pub(crate) fn find(modules: &Modules) -> Circles {
    let mut names = Names::new();
    let mut examples = BTreeMap::new();
    for place in modules.places() {
        for known in modules.needed_by(place) {
            if let Some((from, to)) = side_by_side(place, &known) {
                names.entry(from.clone()).or_default().insert(to.clone());
                let example = format!("{} names {}", place.join("::"), known.join("::"));
                examples.entry((from, to)).or_insert(example);
            }
        }
    }
    let mut circles = Circles::new();
    for ((from, to), example) in examples {
        if reaches(&names, &to, &from) {
            let both_ways = |it: &&Place| reaches(&names, it, &from) && reaches(&names, &from, it);
            let members = names.keys().filter(both_ways);
            let members = members.map(|it| it.join("::")).collect();
            circles.entry(members).or_default().push(example);
        }
    }
    circles
}

/// The modules around two places that have the same parent.
fn side_by_side(one: &[String], other: &[String]) -> Option<(Place, Place)> {
    let shared = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let around = |place: &[String]| place.get(..=shared).map(<[_]>::to_vec);
    Some((around(one)?, around(other)?))
}

fn reaches(names: &Names, from: &Place, to: &Place) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut left = vec![from];
    while let Some(next) = left.pop() {
        if next == to {
            return true;
        }
        let named = names.get(next).into_iter().flatten();
        left.extend(named.filter(|it| seen.insert(it)));
    }
    false
}

#[test]
fn a_circle_is_found_through_what_lies_below_and_through_what_is_given_on() {
    let modules = Modules::parse(
        "mod a { mod below { use crate::b; } }
         mod b { fn f() { super::given::g() } }
         mod given { pub use super::c::g; }
         mod c { pub fn g() { crate::a::h() } }
         mod aside { use super::a; }",
    );
    let circles = find(&modules);
    let members = ["a", "b", "c"].map(str::to_owned).into();
    let examples = ["a::below names b", "b names c", "c names a"].map(str::to_owned);
    assert_eq!(circles, BTreeMap::from([(members, examples.to_vec())]));
}

#[test]
fn a_parent_and_its_children_are_no_circle() {
    let modules = Modules::parse(
        "mod a { mod one { use super::Shared; } mod two { use super::one::X; } pub use one::X; }
         mod b { use crate::a::X; }",
    );
    assert_eq!(find(&modules), Circles::new());
}
