//! Random numbers by position: a pure function of seed, epoch and sample.
//!
//! ```text
//! key(seed, epoch)  = m(m(seed) ⊕ epoch)
//! bits(key, sample) = m(key ⊕ sample)          m = the output function of SplitMix64
//! ```
//!
//! A stream would tie a sample's draw to the samples before it; this lets any thread make any
//! sample at any time. Good enough for augmentation and seeding, not for secrets.
//!
//! # Source
//! Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators",
//! <https://doi.org/10.1145/2660193.2660195>; constants of David Stafford's variant 13, as in
//! Vigna's `splitmix64.c`.

/// The key of an epoch under a seed.
pub(crate) fn key(seed: u64, epoch: u64) -> u64 {
    mix(mix(seed) ^ epoch)
}

/// 64 random bits for one sample under a key.
pub(crate) fn bits(key: u64, sample: u32) -> u64 {
    mix(key ^ u64::from(sample))
}

fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mix_gives_the_first_numbers_of_splitmix64_seeded_with_1234567() {
        // From the reference C program: its state advances by the golden gamma each call.
        let gamma = 0x9e37_79b9_7f4a_7c15_u64;
        let outputs: Vec<u64> =
            (0..3).map(|i| mix(1_234_567_u64.wrapping_add(gamma.wrapping_mul(i)))).collect();
        assert_eq!(
            outputs,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn neighbors_in_seed_epoch_and_sample_share_no_bits() {
        let here = bits(key(1, 2), 3);
        for there in [bits(key(2, 2), 3), bits(key(1, 3), 3), bits(key(1, 2), 4)] {
            let differing = (here ^ there).count_ones();
            assert!((16..=48).contains(&differing), "{differing} of 64 bits differ");
        }
    }
}
