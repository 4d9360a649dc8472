//! The most that one thread of this machine can compute: what shares of the peak are shares of.
//!
//! Not here: a clock. The caller takes the time of [`multiply_adds`].

use crate::isa::vectorize;

/// Chains of multiply-adds that do not wait for one another, eight lanes each.
const CHAINS: usize = 12;
const STEPS: usize = 20_000;

/// Computes multiply-adds of numbers that stay in registers, and says how many floating-point operations these were.
///
/// # Example
/// ```
/// let start = std::time::Instant::now();
/// let flops = hoyer_kernels::peak::multiply_adds() as f64;
/// let gflops = flops / start.elapsed().as_secs_f64() / 1e9;
/// assert!(gflops > 0.0);
/// ```
pub fn multiply_adds() -> usize {
    let mut sums = std::hint::black_box([[1.0_f32; 8]; CHAINS]);
    vectorize(
        #[inline(always)]
        || {
            let mut chains = sums;
            for _ in 0..STEPS {
                for sum in chains.as_flattened_mut() {
                    *sum = sum.mul_add(0.999, 0.001);
                }
            }
            sums = std::hint::black_box(chains);
        },
    );
    2 * STEPS * CHAINS * 8
}
