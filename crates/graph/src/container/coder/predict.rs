//! The chance of the next bit: what was seen in several contexts, mixed by weights that learn.
//!
//! ```text
//! each context   p ← p + (bit − p) / (n + 1.5),  n ← min(n + 1, 255)                       begins at p = ½, n = 0
//! mixed          p = squash(Σ wᵢ stretch(pᵢ)),   wᵢ ← wᵢ + η (bit − p) stretch(pᵢ)         begins at w = 2 / (N + 1)
//! ```
//! with `stretch(p) = ln(p / (1 − p))` and `squash` its inverse. All in integers, so that every machine has the same
//! chances: `stretch` has 8 bits after the point, chances of contexts 22, of bits 16, weights 16.
//!
//! Not here: which contexts (`mask`, `values`).
//!
//! # Source
//! Mahoney, "Adaptive weighing of context models for lossless data compression" (2005), TR CS-2005-16.

use super::range::Coder;

/// `65536 / (1 + exp(-x / 2))` for x = -20 to 20, rounded.
const SQUASH: [i32; 41] = [
    3, 5, 8, 13, 22, 36, 60, 98, 162, 267, 439, 720, 1_179, 1_921, 3_108, 4_971, 7_812, 11_955,
    17_625, 24_743, 32_768, 40_793, 47_911, 53_581, 57_724, 60_565, 62_428, 63_615, 64_357, 64_816,
    65_097, 65_269, 65_374, 65_438, 65_476, 65_500, 65_514, 65_523, 65_528, 65_531, 65_533,
];
/// Largest stretched chance: 10 with 8 bits after the point.
const MOST: i32 = 2_560;
/// How far an error moves weights: they change by `error · stretch / 2^RATE`.
const RATE: u32 = 14;

/// The chance in 1 / 65536 of a stretched one, by straight lines between the numbers of the table.
fn squash(x: i32) -> i32 {
    let x = x.clamp(-MOST, MOST) + MOST;
    let (at, part) = ((x >> 7) as usize, x & 127);
    let above = SQUASH[(at + 1).min(40)];
    (SQUASH[at] * (128 - part) + above * part + 64) >> 7
}

/// The inverse of `squash`: entry i holds the least x with `squash(x) >= 16 i + 8`.
fn stretch_table() -> Vec<i16> {
    let mut x = -MOST;
    let entry = |i: i32| {
        while x < MOST && squash(x) < 16 * i + 8 {
            x += 1;
        }
        x as i16
    };
    (0..4_096).map(entry).collect()
}

/// What was seen in one context.
#[derive(Clone, Copy)]
struct Seen {
    /// Chance of a 1, in 1 / 2²².
    chance: i32,
    count: i32,
}

impl Seen {
    fn learn(&mut self, bit: bool) {
        let target = if bit { (1 << 22) - 1 } else { 0 };
        self.chance += (target - self.chance) * 2 / (2 * self.count + 3);
        self.count = (self.count + 1).min(255);
    }
}

/// Predicts bits of one kind from `N` contexts each.
pub(super) struct Predictor<const N: usize> {
    seen: [Vec<Seen>; N],
    weights: Vec<[i32; N]>,
    stretch: std::rc::Rc<Vec<i16>>,
}

impl<const N: usize> Predictor<N> {
    /// # Shapes
    /// - `sizes`: how many contexts there are of each kind
    /// - `sets`: how many sets of weights
    pub(super) fn new(sizes: [usize; N], sets: usize, stretch: &Stretch) -> Self {
        let fresh = Seen { chance: 1 << 21, count: 0 };
        let weights = vec![[2 * 65_536 / (N as i32 + 1); N]; sets];
        Self { seen: sizes.map(|size| vec![fresh; size]), weights, stretch: stretch.0.clone() }
    }

    /// Writes or reads a bit, and learns from it.
    pub(super) fn code(
        &mut self,
        coder: &mut impl Coder,
        bit: bool,
        contexts: [usize; N],
        set: usize,
    ) -> bool {
        let mut inputs = [0_i32; N];
        let mut sum = 0_i64;
        for i in 0..N {
            let chance = self.seen[i][contexts[i]].chance;
            inputs[i] = i32::from(self.stretch[(chance >> 10) as usize]);
            sum += i64::from(inputs[i]) * i64::from(self.weights[set][i]);
        }
        let x = (sum >> 16).clamp(-i64::from(MOST), i64::from(MOST)) as i32;
        let chance = squash(x);
        let bit = coder.code(bit, chance as u32);
        let error = if bit { 65_536 - chance } else { -chance };
        for i in 0..N {
            let weight = &mut self.weights[set][i];
            *weight = (*weight + ((inputs[i] * error) >> RATE)).clamp(-(1 << 20), 1 << 20);
            self.seen[i][contexts[i]].learn(bit);
        }
        bit
    }
}

/// The table that predictors share.
pub(super) struct Stretch(std::rc::Rc<Vec<i16>>);

impl Stretch {
    pub(super) fn new() -> Self {
        Self(std::rc::Rc::new(stretch_table()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::range::Writer;
    use super::*;

    #[test]
    fn the_table_of_squash_is_what_its_comment_says() {
        for (i, &entry) in SQUASH.iter().enumerate() {
            let exact = 65_536.0 / (1.0 + (-(i as f64 - 20.0) / 2.0).exp());
            assert!((f64::from(entry) - exact).abs() <= 0.51, "{i}: {entry}, need {exact}");
        }
    }

    #[test]
    fn stretch_undoes_squash() {
        let table = stretch_table();
        assert!(table.windows(2).all(|pair| pair[0] <= pair[1]));
        for x in (-1_500..=1_500).step_by(50) {
            let back = i32::from(table[(squash(x) >> 4) as usize]);
            assert!((back - x).abs() <= 40, "{x} came back as {back}");
        }
    }

    #[test]
    fn the_context_that_knows_wins() {
        let cost = |knows: bool| {
            let mut predictor = Predictor::new([1, 2, 3], 1, &Stretch::new());
            let mut writer = Writer::new(Vec::new());
            for i in 0_usize..4_000 {
                let bit = i * i % 7 % 2 == 1;
                let known = if knows { usize::from(bit) } else { 0 };
                predictor.code(&mut writer, bit, [0, known, i % 3], 0);
            }
            writer.finish(0).len()
        };
        assert!(cost(true) < 20 && cost(false) > 350, "{} and {}", cost(true), cost(false));
    }
}
