//! First values of weights: a pure function of the seed and the parameter's name.
//!
//! ```text
//! PyTorch's default   w, b ~ U(−1/√fan_in, 1/√fan_in)      fan_in = inputs of one output
//! He, fan out         w ~ N(0, 2 / fan_out)                fan_out = outputs fed by one input
//! ```

use hoyer_graph::{Result, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// PyTorch's default for linear and convolution layers, weights and biases alike.
///
/// # Shapes
/// - `shape`: of the parameter
/// - `fan_in`: inputs of one output of the layer, at least 1
///
/// # Errors
/// Only if the shape overflows.
///
/// # Source
/// `torch.nn.Linear.reset_parameters`: He et al. (2015) with a = √5, which comes to this range.
pub fn uniform(seed: u64, name: &str, shape: &[usize], fan_in: usize) -> Result<Tensor> {
    let mut rng = stream(seed, name);
    let bound = 1.0 / (fan_in.max(1) as f32).sqrt();
    fill(shape, || rng.random_range(-bound..bound))
}

/// He's normal initialization that keeps the variance of gradients.
///
/// # Errors
/// Only if the shape overflows.
///
/// # Source
/// He et al. (2015), <https://doi.org/10.1109/ICCV.2015.123>, equation 14.
pub fn he_normal(seed: u64, name: &str, shape: &[usize], fan_out: usize) -> Result<Tensor> {
    let mut rng = stream(seed, name);
    let deviation = (2.0 / fan_out.max(1) as f64).sqrt();
    // Box and Muller (1958): two uniform numbers make a normal one.
    fill(shape, || {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        (deviation * radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
    })
}

fn fill(shape: &[usize], mut draw: impl FnMut() -> f32) -> Result<Tensor> {
    let len = hoyer_graph::elements(shape).unwrap_or(0);
    Tensor::new(shape, (0..len).map(|_| draw()).collect())
}

/// A stream of its own for every parameter, so that one layer's size does not change another's numbers.
fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    // FNV-1a over the name (Fowler, Noll, Vo).
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ChaCha8Rng::seed_from_u64(hash ^ seed.rotate_left(32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_name_give_the_same_numbers_and_others_do_not() {
        let draw = |seed, name| uniform(seed, name, &[4, 5], 5).unwrap();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }

    #[test]
    fn normal_numbers_have_the_variance_of_the_formula() {
        let w = he_normal(3, "w", &[200, 200], 50).unwrap();
        let square: f64 = w.data().iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 40_000.0;
        assert!((square - 0.04).abs() < 0.002, "{square}");
    }
}
