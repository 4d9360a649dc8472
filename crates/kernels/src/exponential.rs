//! The exponential function and its kin in plain arithmetic, so that loops over them vectorize.
//!
//! ```text
//! eˣ = 2ⁿ · eʳ        n = round(x / ln 2)        |r| ≤ ½ ln 2        eʳ − 1 by its Taylor sum up to r⁷
//! ```
//! Relative errors stay below 3e-7 (tested against f64) where results are normal numbers. A NaN gives a NaN.

/// `ln 2` in two parts; `n` times the first is exact for `|n| < 2¹⁵`.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Adding this to a small number rounds it to an integer, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;
/// Beyond these the result is infinite or zero.
const LIMITS: [f32; 2] = [-104.0, 89.0];

/// `n` and `eʳ − 1` for `x = n · ln 2 + r`.
#[inline(always)]
fn reduce(x: f32) -> (i32, f32) {
    let x = if x < LIMITS[0] { LIMITS[0] } else { x };
    let x = if x > LIMITS[1] { LIMITS[1] } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let whole = shifted - ROUND;
    let r = (x - whole * LN_2[0]) - whole * LN_2[1];
    let tail = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let tail = 0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * tail));
    (n, r + r * r * tail)
}

/// `2ⁿ` for a normal result.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `eˣ`.
///
/// # Example
/// ```
/// use hoyer_kernels::exponential::exp;
/// assert_eq!(exp(0.0), 1.0);
/// assert_eq!(exp(-200.0), 0.0);
/// assert!((exp(1.0) - std::f32::consts::E).abs() < 1e-6);
/// ```
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let (n, less_one) = reduce(x);
    // Two steps: 2ⁿ itself may be too large or too small where the result is not.
    let half = n >> 1;
    (1.0 + less_one) * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `tanh x = −t / (2 + t)` with `t = e^(−2|x|) − 1`, which keeps its digits near 0.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let size = x.abs();
    // Beyond 20 the result is 1 in f32, and 2ⁿ stays normal.
    let size = if size > 20.0 { 20.0 } else { size };
    let (n, less_one) = reduce(-2.0 * size);
    let scale = power_of_two(n);
    let t = scale * less_one + (scale - 1.0);
    (-t / (2.0 + t)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest relative error over a fine grid.
    fn worst(f: fn(f32) -> f32, meaning: fn(f64) -> f64, limit: f32) -> f64 {
        let x = |i: i32| limit * (i as f32 / 100_000.0);
        let error = |x: f32| (f64::from(f(x)) / meaning(f64::from(x)) - 1.0).abs();
        (-100_000..=100_000).filter(|&i| i != 0).map(|i| error(x(i))).fold(0.0, f64::max)
    }

    #[test]
    fn errors_are_below_three_in_ten_million() {
        assert!(worst(exp, f64::exp, 87.0) < 3e-7, "{:e}", worst(exp, f64::exp, 87.0));
        assert!(worst(exp, f64::exp, 1e-3) < 3e-7);
        for limit in [87.0, 5.0, 1e-4] {
            let sigmoid = worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), limit);
            let tanh = worst(tanh, f64::tanh, limit);
            assert!(sigmoid < 3e-7 && tanh < 3e-7, "{limit}: {sigmoid:e}, {tanh:e}");
        }
    }

    #[test]
    fn extremes_keep_their_meaning() {
        assert_eq!(
            [exp(f32::INFINITY), exp(f32::NEG_INFINITY), exp(-0.0)],
            [f32::INFINITY, 0.0, 1.0]
        );
        assert!((exp(88.7) / 88.7_f32.exp() - 1.0).abs() < 1e-6);
        assert_eq!([sigmoid(200.0), sigmoid(-200.0)], [1.0, 0.0]);
        assert_eq!([tanh(1e9), tanh(f32::NEG_INFINITY), tanh(0.0)], [1.0, -1.0, 0.0]);
        assert!([exp(f32::NAN), sigmoid(f32::NAN), tanh(f32::NAN)].iter().all(|y| y.is_nan()));
    }
}
