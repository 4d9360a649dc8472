//! What a tensor's elements can be: multiples of a step, or numbers of a list.
//!
//! Nothing marks a tensor as quantized. One that has few different numbers is, and they are found here.
//!
//! Invariants: a level stands for exactly the number it was made of, bit for bit.

use std::collections::HashSet;

/// Longest list: 8 bits and zero.
const MOST_LEVELS: usize = 256;
/// Largest multiple of a step.
const MOST_STEPS: u64 = 1 << 15;

/// What levels stand for; 0 always stands for 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Levels {
    /// Multiples of a step.
    Steps(f32),
    /// The numbers below zero, the nearest to it first, and those above it, likewise.
    List { below: Vec<f32>, above: Vec<f32> },
}

impl Levels {
    /// The number of a level; none if it is not in the list.
    pub(super) fn number(&self, level: i32) -> Option<f32> {
        let at = |list: &[f32]| list.get(level.unsigned_abs() as usize - 1).copied();
        match self {
            _ if level == 0 => Some(0.0),
            Self::Steps(step) => Some(level as f32 * step),
            Self::List { below, .. } if level < 0 => at(below),
            Self::List { above, .. } => at(above),
        }
    }

    /// The level of a number that is one of these.
    pub(super) fn level(&self, number: f32) -> i32 {
        let at = |list: &[f32]| 1 + list.partition_point(|x| x.abs() < number.abs()) as i32;
        match self {
            _ if number == 0.0 => 0,
            Self::Steps(step) => (f64::from(number) / f64::from(*step)).round() as i32,
            Self::List { below, .. } if number < 0.0 => -at(below),
            Self::List { above, .. } => at(above),
        }
    }

    /// The numbers that have to be stored: the step, or the list.
    pub(super) fn stored(&self) -> Vec<f32> {
        match self {
            Self::Steps(step) => vec![*step],
            Self::List { below, above } => below.iter().chain(above).copied().collect(),
        }
    }
}

/// The levels of numbers, of either kind where they have it; none of what has a zero with a sign or is not finite.
pub(super) fn find(numbers: &[f32]) -> Vec<Levels> {
    let mut bits = HashSet::new();
    for x in numbers.iter().filter(|x| x.to_bits() != 0) {
        if !x.is_finite() || *x == 0.0 || bits.len() > 2 * MOST_STEPS as usize {
            return Vec::new();
        }
        bits.insert(x.to_bits());
    }
    let mut different: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
    different.sort_by(f32::total_cmp);
    let mut found = Vec::new();
    if let Some(step) = step(&different) {
        found.push(Levels::Steps(step));
    }
    if !different.is_empty() && different.len() <= MOST_LEVELS {
        let (mut below, above): (Vec<f32>, Vec<f32>) = different.iter().partition(|x| **x < 0.0);
        below.reverse();
        found.push(Levels::List { below, above });
    }
    found
}

/// The largest number that all of these are multiples of, if the multiples are small.
fn step(numbers: &[f32]) -> Option<f32> {
    let parts = |x: f32| {
        let bits = x.to_bits() & 0x7fff_ffff;
        let exponent = (bits >> 23).max(1);
        let mantissa = u64::from(bits & 0x7f_ffff | if bits >> 23 > 0 { 1 << 23 } else { 0 });
        (mantissa, exponent)
    };
    let least = numbers.iter().map(|&x| parts(x).1).min()?;
    let mut common = 0_u64;
    let mut largest = 0_u64;
    for &x in numbers {
        let (mantissa, exponent) = parts(x);
        let whole = mantissa.checked_shl(exponent - least).filter(|_| exponent - least < 40)?;
        (common, largest) = (divisor(common, whole), largest.max(whole));
    }
    // The step itself has to be an f32: its digits are those of a divisor of an f32's.
    let step = (common as f64 * 2_f64.powi(least as i32 - 150)) as f32;
    let exact = |&x: &f32| {
        let level = (f64::from(x) / f64::from(step)).round();
        level.abs() <= MOST_STEPS as f64 && (level as i32 as f32 * step).to_bits() == x.to_bits()
    };
    (largest / common <= MOST_STEPS && numbers.iter().all(exact)).then_some(step)
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_found_and_gives_every_number_back() {
        for step in [0.043_f32, 1.5e-40, 3.0, 0.1] {
            let step = f32::from_bits(step.to_bits() & 0xffff_0000);
            let numbers: Vec<f32> = [-9, 4, 6, 100, 7].iter().map(|&q| q as f32 * step).collect();
            let found = find(&numbers);
            if step == 0.0 {
                continue;
            }
            assert_eq!(found[0], Levels::Steps(step));
            for levels in found {
                for &x in &numbers {
                    assert_eq!(levels.number(levels.level(x)), Some(x), "{levels:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_without_a_step_have_a_list() {
        let numbers = [0.1, -0.37, 0.0, 0.1, -0.2];
        let list = Levels::List { below: vec![-0.2, -0.37], above: vec![0.1] };
        assert_eq!(find(&numbers), std::slice::from_ref(&list));
        assert_eq!([list.number(-2), list.number(2)], [Some(-0.37), None]);
        assert!(find(&[-0.0]).is_empty() && find(&[f32::NAN]).is_empty());
    }
}
