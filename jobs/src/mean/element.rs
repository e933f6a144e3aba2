//! Elements of arrays as numbers, and numbers as elements.

use half::{bf16, f16};
use safetensors::Dtype;

/// How the mean of a type's elements is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// In f64.
    Float,
    /// In whole numbers, without rounding.
    Whole {
        /// Whether there are negative ones.
        signed: bool,
    },
    /// By the majority.
    Bool,
}

/// How the mean of a type's elements is computed; `None` if they have none.
pub(super) fn class(dtype: Dtype) -> Option<Class> {
    use Dtype::{BF16, BOOL, C64, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    Some(match dtype {
        F16 | BF16 | F32 | F64 | C64 => Class::Float,
        I8 | I16 | I32 | I64 => Class::Whole { signed: true },
        U8 | U16 | U32 | U64 => Class::Whole { signed: false },
        BOOL => Class::Bool,
        _ => return None,
    })
}

/// How many bytes a number of this type takes. Elements of C64 are two numbers.
pub(super) fn width(dtype: Dtype) -> usize {
    match dtype {
        Dtype::C64 => 4,
        other => other.bitsize() / 8,
    }
}

/// The largest number of a floating-point type.
pub(super) fn largest(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F16 => f16::MAX.to_f64(),
        Dtype::BF16 => bf16::MAX.to_f64(),
        Dtype::F32 | Dtype::C64 => f32::MAX.into(),
        _ => f64::MAX,
    }
}

/// Calls `see` with each number of a floating-point type, and what stands beside it.
pub(super) fn floats<T>(
    dtype: Dtype,
    bytes: &[u8],
    beside: impl Iterator<Item = T>,
    mut see: impl FnMut(T, f64),
) {
    match dtype {
        Dtype::F16 => each(bytes, beside, |at, it| {
            see(at, f16::from_le_bytes(it).to_f64())
        }),
        Dtype::BF16 => each(bytes, beside, |at, it| {
            see(at, bf16::from_le_bytes(it).to_f64())
        }),
        Dtype::F32 | Dtype::C64 => each(bytes, beside, |at, it| {
            see(at, f32::from_le_bytes(it).into())
        }),
        Dtype::F64 => each(bytes, beside, |at, it| see(at, f64::from_le_bytes(it))),
        _ => {}
    }
}

/// Calls `see` with each number of a whole or logical type, and what stands beside it.
pub(super) fn wholes<T>(
    dtype: Dtype,
    bytes: &[u8],
    beside: impl Iterator<Item = T>,
    mut see: impl FnMut(T, i128),
) {
    match dtype {
        Dtype::U8 | Dtype::BOOL => each(bytes, beside, |at, it| {
            see(at, u8::from_le_bytes(it).into())
        }),
        Dtype::I8 => each(bytes, beside, |at, it| {
            see(at, i8::from_le_bytes(it).into())
        }),
        Dtype::U16 => each(bytes, beside, |at, it| {
            see(at, u16::from_le_bytes(it).into())
        }),
        Dtype::I16 => each(bytes, beside, |at, it| {
            see(at, i16::from_le_bytes(it).into())
        }),
        Dtype::U32 => each(bytes, beside, |at, it| {
            see(at, u32::from_le_bytes(it).into())
        }),
        Dtype::I32 => each(bytes, beside, |at, it| {
            see(at, i32::from_le_bytes(it).into())
        }),
        Dtype::U64 => each(bytes, beside, |at, it| {
            see(at, u64::from_le_bytes(it).into())
        }),
        Dtype::I64 => each(bytes, beside, |at, it| {
            see(at, i64::from_le_bytes(it).into())
        }),
        _ => {}
    }
}

fn each<const N: usize, T>(
    bytes: &[u8],
    beside: impl Iterator<Item = T>,
    mut see: impl FnMut(T, [u8; N]),
) {
    let (numbers, _) = bytes.as_chunks();
    for (number, beside) in numbers.iter().zip(beside) {
        see(beside, *number);
    }
}

/// Appends a number, rounded half to even; `false` if the type has no finite one for it.
pub(super) fn push_float(dtype: Dtype, number: f64, bytes: &mut Vec<u8>) -> bool {
    match dtype {
        Dtype::F64 => bytes.extend(number.to_le_bytes()),
        Dtype::F32 | Dtype::C64 => {
            let rounded = number as f32;
            bytes.extend(rounded.to_le_bytes());
            return rounded.is_finite();
        }
        Dtype::F16 => {
            let rounded = f16::from_bits(narrow(number, 5, 10));
            bytes.extend(rounded.to_le_bytes());
            return rounded.is_finite();
        }
        Dtype::BF16 => {
            let rounded = bf16::from_bits(narrow(number, 8, 7));
            bytes.extend(rounded.to_le_bytes());
            return rounded.is_finite();
        }
        _ => return false,
    }
    number.is_finite()
}

/// Appends a number; `false` if the type has none for it.
pub(super) fn push_whole(dtype: Dtype, number: i128, bytes: &mut Vec<u8>) -> bool {
    macro_rules! push {
        ($type:ty) => {
            match <$type>::try_from(number) {
                Ok(number) => bytes.extend(number.to_le_bytes()),
                Err(_) => return false,
            }
        };
    }
    match dtype {
        Dtype::U8 | Dtype::BOOL => push!(u8),
        Dtype::I8 => push!(i8),
        Dtype::U16 => push!(u16),
        Dtype::I16 => push!(i16),
        Dtype::U32 => push!(u32),
        Dtype::I32 => push!(i32),
        Dtype::U64 => push!(u64),
        Dtype::I64 => push!(i64),
        _ => return false,
    }
    true
}

/// The bits of the nearest number with so many bits of exponent and fraction, half to even.
///
/// `half` rounds twice on some processors and drops bits on others, so that the same mean would
/// not have the same bytes everywhere.
fn narrow(number: f64, exponent_bits: u32, fraction_bits: u32) -> u16 {
    let bits = number.to_bits();
    let sign = ((bits >> 63) as u16) << (exponent_bits + fraction_bits);
    let infinite = ((1 << exponent_bits) - 1) << fraction_bits;
    if number.is_nan() {
        return sign | infinite | 1 << (fraction_bits - 1);
    }
    let bias = (1 << (exponent_bits - 1)) - 1;
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1023 + bias;
    if exponent >= (1 << exponent_bits) - 1 {
        return sign | infinite;
    }
    // Numbers below the least normal one lose a bit of their fraction with each power of two.
    let lost = 52 - fraction_bits as i32 + (1 - exponent).max(0);
    if lost > 54 {
        return sign;
    }
    let fraction = bits & ((1 << 52) - 1) | 1 << 52;
    let kept = fraction >> lost;
    let rest = fraction & ((1 << lost) - 1);
    let half = 1 << (lost - 1);
    let up = rest > half || rest == half && kept & 1 == 1;
    // The leading one, and a carry out of the fraction, count into the exponent.
    let magnitude = ((exponent.max(1) as u64 - 1) << fraction_bits) + kept + u64::from(up);
    sign | magnitude as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The nearest of all numbers of a type, by comparing with each of them.
    fn nearest(number: f64, all: &[(f64, u16)]) -> u16 {
        let at = all.partition_point(|(it, _)| *it < number);
        let (Some(above), Some(below)) = (all.get(at), all.get(at.wrapping_sub(1))) else {
            return all[at.min(all.len() - 1)].1;
        };
        match (above.0 - number).total_cmp(&(number - below.0)) {
            std::cmp::Ordering::Less => above.1,
            std::cmp::Ordering::Greater => below.1,
            std::cmp::Ordering::Equal => {
                [above, below]
                    .into_iter()
                    .find(|it| it.1 & 1 == 0)
                    .unwrap()
                    .1
            }
        }
    }

    fn positive(value: fn(u16) -> f64) -> Vec<(f64, u16)> {
        let all = (0..0x8000).map(|bits| (value(bits), bits));
        all.filter(|(value, _)| value.is_finite()).collect()
    }

    fn halves() -> Vec<(f64, u16)> {
        positive(|bits| f16::from_bits(bits).to_f64())
    }

    fn brains() -> Vec<(f64, u16)> {
        positive(|bits| bf16::from_bits(bits).to_f64())
    }

    #[test]
    fn each_number_and_each_middle_is_rounded_to_the_nearest() {
        for (all, exponent, fraction) in [(halves(), 5, 10), (brains(), 8, 7)] {
            for pair in all.windows(2) {
                let middle = (pair[0].0 + pair[1].0) / 2.0;
                for number in [pair[0].0, middle, middle.next_down(), middle.next_up()] {
                    assert_eq!(
                        narrow(number, exponent, fraction),
                        nearest(number, &all),
                        "{number}"
                    );
                    assert_eq!(
                        narrow(-number, exponent, fraction),
                        0x8000 | nearest(number, &all)
                    );
                }
            }
            let (largest, bits) = all[all.len() - 1];
            let (before, _) = all[all.len() - 2];
            let middle = largest + (largest - before) / 2.0;
            assert_eq!(narrow(middle.next_down(), exponent, fraction), bits);
            assert_eq!(narrow(middle, exponent, fraction), bits + 1, "infinite");
            assert_eq!(narrow(f64::MAX, exponent, fraction), bits + 1);
            assert_eq!(narrow(f64::INFINITY, exponent, fraction), bits + 1);
            assert!(narrow(f64::NAN, exponent, fraction) > bits + 1);
            assert_eq!(narrow(f64::MIN_POSITIVE, exponent, fraction), 0);
            assert_eq!(narrow(5e-324, exponent, fraction), 0);
        }
    }

    proptest! {
        #[test]
        fn any_number_is_rounded_to_the_nearest(number in -70000.0..70000.0f64, scale in -30..0i32) {
            let number = number * 2f64.powi(scale);
            let sign = u16::from(number.is_sign_negative()) << 15;
            if number.abs() < 65520.0 {
                prop_assert_eq!(narrow(number, 5, 10), sign | nearest(number.abs(), &halves()));
            }
            prop_assert_eq!(narrow(number, 8, 7), sign | nearest(number.abs(), &brains()));
        }
    }
}
