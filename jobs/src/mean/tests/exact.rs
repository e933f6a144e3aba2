//! The mean against exact rational numbers, and against its definition.

use half::{bf16, f16};
use num_bigint::BigInt;
use num_rational::Ratio;
use proptest::prelude::*;

use super::*;

type Exact = Ratio<BigInt>;

fn exact(number: f64) -> Exact {
    let bits = number.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1) | if exponent == 0 { 0 } else { 1 << 52 };
    let exponent = exponent.max(1) - 1075;
    let power = BigInt::from(1) << exponent.unsigned_abs();
    let magnitude = match exponent {
        0.. => Exact::from(BigInt::from(fraction) * power),
        _ => Exact::new(BigInt::from(fraction), power),
    };
    if number < 0.0 { -magnitude } else { magnitude }
}

fn exact_mean(weights: &[f64], values: impl Iterator<Item = Exact>) -> Exact {
    let zero = || Exact::from(BigInt::from(0));
    let total = weights
        .iter()
        .fold(zero(), |sum, weight| sum + exact(*weight));
    let sum = weights
        .iter()
        .zip(values)
        .fold(zero(), |sum, (weight, value)| sum + exact(*weight) * value);
    sum / total
}

/// The nearest whole number, the even one of two.
fn half_even(number: &Exact) -> BigInt {
    let (below, half) = (number.floor(), Ratio::new(BigInt::from(1), BigInt::from(2)));
    let whole = below.to_integer();
    let up = match (number - below).cmp(&half) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => whole.bit(0),
    };
    if up { whole + 1 } else { whole }
}

const SITES: [&str; 4] = ["site-1", "site-2", "ward 7", "zürich"];

fn results(weights: &[f64], files: impl Iterator<Item = Vec<u8>>) -> Vec<Returned> {
    let sites = SITES.iter().zip(weights);
    sites
        .zip(files)
        .map(|((site, weight), file)| full(site, *weight, file))
        .collect()
}

fn weights() -> impl Strategy<Value = Vec<f64>> {
    let whole = (0..53u32).prop_flat_map(|bits| (1..=1u64 << bits).prop_map(|it| it as f64));
    let fraction = (1e-3..1e6f64).boxed();
    let all_whole = prop::collection::vec(whole.clone(), 4);
    let mixed = prop::collection::vec(prop_oneof![whole, fraction], 4);
    prop_oneof![3 => all_whole, 1 => mixed]
}

/// Values of four sites of one type, as they are in the type.
fn floats() -> impl Strategy<Value = (Dtype, Vec<Vec<f64>>)> {
    let dtypes = prop::sample::select(vec![Dtype::F16, Dtype::BF16, Dtype::F32]);
    let values = prop::collection::vec(prop::collection::vec(-1000.0..1000.0f64, 5), 4);
    (dtypes, values).prop_map(|(dtype, mut values)| {
        for value in values.iter_mut().flatten() {
            *value = match dtype {
                Dtype::F16 => f16::from_f64(*value).to_f64(),
                Dtype::BF16 => bf16::from_f64(*value).to_f64(),
                _ => f64::from(*value as f32),
            };
        }
        (dtype, values)
    })
}

fn encode(dtype: Dtype, values: &[f64]) -> Vec<u8> {
    match dtype {
        Dtype::F16 => bytes(values, |it| f16::from_f64(it).to_le_bytes()),
        Dtype::BF16 => bytes(values, |it| bf16::from_f64(it).to_le_bytes()),
        _ => bytes(values, |it| (it as f32).to_le_bytes()),
    }
}

/// The value of each element, and those beside it.
fn neighbours(dtype: Dtype, elements: &[u8]) -> Vec<[f64; 3]> {
    let half = |value: fn(u16) -> f64| {
        move |it: &[u8; 2]| {
            let bits = u16::from_le_bytes(*it);
            let mut around = [value(bits.wrapping_sub(1)), value(bits), value(bits + 1)];
            if bits & 0x7fff == 0 {
                around[0] = -around[2];
            }
            around
        }
    };
    match dtype {
        Dtype::F16 => elements
            .as_chunks()
            .0
            .iter()
            .map(half(|it| f16::from_bits(it).to_f64()))
            .collect(),
        Dtype::BF16 => elements
            .as_chunks()
            .0
            .iter()
            .map(half(|it| bf16::from_bits(it).to_f64()))
            .collect(),
        _ => {
            let single = |it: &[u8; 4]| {
                let it = f32::from_le_bytes(*it);
                [it.next_down().into(), it.into(), it.next_up().into()]
            };
            elements.as_chunks().0.iter().map(single).collect()
        }
    }
}

proptest! {
    #[test]
    fn floats_are_within_one_step_of_the_exact_mean((dtype, values) in floats(), weights in weights()) {
        let files = values.iter().map(|it| single(dtype, encode(dtype, it)));
        let means = elements(None, &results(&weights, files)).unwrap();
        for (index, around) in neighbours(dtype, &means).into_iter().enumerate() {
            let expected = exact_mean(&weights, values.iter().map(|it| exact(it[index])));
            let [low, high] = [around[0].min(around[2]), around[0].max(around[2])].map(exact);
            prop_assert!(low <= expected && expected <= high, "{around:?}");
        }
    }

    #[test]
    fn whole_numbers_are_exact(
        values in prop::collection::vec(prop::collection::vec(prop_oneof![any::<i64>(), -3..3i64, Just(i64::MIN), Just(i64::MAX)], 6), 4),
        weights in prop_oneof![weights(), Just(vec![1.0; 4])],
    ) {
        let files = values.iter().map(|it| single(Dtype::I64, bytes(it, i64::to_le_bytes)));
        let means = elements(None, &results(&weights, files)).unwrap();
        for (index, mean) in means.as_chunks().0.iter().enumerate() {
            let column = values.iter().map(|it| Exact::from(BigInt::from(it[index])));
            let expected = half_even(&exact_mean(&weights, column));
            prop_assert_eq!(BigInt::from(i64::from_le_bytes(*mean)), expected);
        }
    }

    #[test]
    fn differences_of_whole_numbers_are_exact(
        model in prop::collection::vec(-1_000_000..1_000_000i32, 5),
        values in prop::collection::vec(prop::collection::vec(-1_000_000..1_000_000i32, 5), 4),
        kinds in prop::collection::vec(any::<bool>(), 4),
        weights in weights(),
    ) {
        let file = |it: &[i32]| single(Dtype::I32, bytes(it, i32::to_le_bytes));
        let mut returned = results(&weights, values.iter().map(|it| file(it)));
        for (it, difference) in returned.iter_mut().zip(&kinds) {
            it.kind = if *difference { Kind::Diff } else { Kind::Full };
        }
        let means = elements(Some(&file(&model)), &returned).unwrap();
        for (index, mean) in means.as_chunks().0.iter().enumerate() {
            let column = values.iter().zip(&kinds).map(|(it, difference)| {
                let base = if *difference { model[index] } else { 0 };
                Exact::from(BigInt::from(it[index]) + base)
            });
            let expected = half_even(&exact_mean(&weights, column));
            prop_assert_eq!(BigInt::from(i32::from_le_bytes(*mean)), expected);
        }
    }

    /// All types in one file, in 64 orders of arrival.
    #[test]
    fn the_order_of_arrival_changes_no_byte(
        values in prop::collection::vec(prop::collection::vec(-1e6..1e6f64, 7), 4),
        weights in weights(),
        orders in prop::collection::vec(Just([0, 1, 2, 3]).prop_shuffle(), 64),
    ) {
        let files = values.iter().map(|it| {
            let small: Vec<f64> = it.iter().map(|it| it / 1000.0).collect();
            file(&[
                ("f32", Dtype::F32, &[7], encode(Dtype::F32, it)),
                ("bf16", Dtype::BF16, &[7], encode(Dtype::BF16, it)),
                ("f16", Dtype::F16, &[7], encode(Dtype::F16, &small)),
                ("f64", Dtype::F64, &[7], bytes(it, f64::to_le_bytes)),
                ("i64", Dtype::I64, &[7], bytes(it, |it| (it as i64).to_le_bytes())),
                ("bool", Dtype::BOOL, &[7], bytes(it, |it| [u8::from(it > 0.0)])),
            ])
        });
        let returned = results(&weights, files);
        let expected = mean_of(None, &returned, false).unwrap();
        for order in orders {
            let shuffled: Vec<_> = order.iter().map(|index| returned[*index].clone()).collect();
            prop_assert_eq!(&mean_of(None, &shuffled, false).unwrap(), &expected);
        }
    }

    /// Written out as the definition has it: names within groups, groups by number.
    #[test]
    fn sums_are_those_of_the_definition(
        values in prop::collection::vec((-1e9..1e9f64, 1e-3..1e3f64), 1..40),
        model in -1e9..1e9f64,
        kind in prop::sample::select(vec![Kind::Full, Kind::Diff]),
    ) {
        let names: Vec<String> = (1..).map(|it| format!("site-{it}")).take(values.len()).collect();
        let (mut sum, mut total) = (0.0, 0.0);
        for number in 0..GROUPS {
            let mut inside: Vec<_> =
                names.iter().zip(&values).filter(|(name, _)| group("project", name) == number).collect();
            inside.sort_by_key(|(name, _)| *name);
            sum += inside.iter().map(|(_, (value, weight))| weight * value).fold(0.0, |a, b| a + b);
            total += inside.iter().map(|(_, (_, weight))| weight).fold(0.0, |a, b| a + b);
        }
        let expected = match kind {
            Kind::Full => sum / total,
            Kind::Diff => sum / total + model,
        };
        let file = |it: f64| single(Dtype::F64, it.to_le_bytes().to_vec());
        let returned: Vec<_> = names
            .iter()
            .zip(&values)
            .map(|(name, (value, weight))| Returned { kind, ..full(name, *weight, file(*value)) })
            .collect();
        let mean = elements(Some(&file(model)), &returned).unwrap();
        prop_assert_eq!(mean, expected.to_le_bytes());
    }
}

#[test]
fn groups_are_those_of_the_definition() {
    // int.from_bytes(hashlib.sha256(b"fedlink shard" + project + site).digest()[:8], "big") % 64
    for (project, site, number) in [
        ("wine", "site-1", 9),
        ("wine", "site-2", 37),
        ("project", "site-1", 62),
        ("", "", 46),
    ] {
        assert_eq!(group(project, site), number);
    }
}
