//! A penalty over channels that run through several layers.
//!
//! ```text
//! z_c = Σ_m s_cm / T_m        s_cm = Σ w² of channel c in member m      T_m = Σ_c s_cm, or 1
//! R   = Σ_groups R(z)
//! ∂R/∂w = 2 w / T_m (r_c - Σ_c' r_c' s_c'm / T_m)    r_c = ∂R/∂z_c       without T: 2 w r_c
//! ```
//! Summed over the members that `w` belongs to: the output channel and the input channel of a layer. All of that is a factor
//! of a row or a column of the layer, as [`Term::Groups`](hoyer_kernels::update::Term) takes it.
//!
//! Invariants: a channel that is empty, and a member that is, get no gradient.
//! Not here: which channels there are (`hoyer_graph::groups`), `R` itself (`penalty`).

use super::slot::Slot;
use crate::penalty::{EMPTY_SQUARES, Factors, OverChannels, Sums};

/// Channels that live or die together, as far as they lie in tensors of the optimizer.
///
/// # Shapes
/// - every member has as many places as the group has channels
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coupled {
    /// Where the channels lie.
    pub members: Vec<Member>,
}

/// Where the channels of a group lie in one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which tensor.
    pub tensor: usize,
    /// Along which of its axes.
    pub side: Side,
    /// The indices of each channel.
    pub places: Vec<Vec<usize>>,
}

/// An axis of a tensor's [`View`](crate::penalty::View).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `out`.
    Outputs,
    /// `inp`.
    Inputs,
}

/// A penalty of coupled channels at work.
#[derive(Debug)]
pub(super) struct Coupling {
    over: OverChannels,
    groups: Vec<Coupled>,
    /// `z` and `r` of the group at hand.
    squares: Vec<f64>,
    slopes: Vec<f64>,
    value: f64,
}

impl Side {
    fn of(self, sums: &Sums) -> &[f64] {
        match self {
            Self::Outputs => &sums.outputs,
            Self::Inputs => &sums.inputs,
        }
    }

    fn of_mut(self, factors: &mut Factors) -> &mut [f64] {
        match self {
            Self::Outputs => &mut factors.outputs,
            Self::Inputs => &mut factors.inputs,
        }
    }
}

impl Coupling {
    pub(super) fn new(over: OverChannels, groups: Vec<Coupled>) -> Self {
        let most = groups.iter().map(Coupled::channels).max().unwrap_or(0);
        let (squares, slopes) = (Vec::with_capacity(most), Vec::with_capacity(most));
        Self { over, groups, squares, slopes, value: f64::NAN }
    }

    /// `R` of the weights that the sums were taken of.
    pub(super) fn value(&self) -> f64 {
        self.value
    }

    pub(super) fn forget(&mut self) {
        self.value = f64::NAN;
    }

    /// Takes `R` from the sums.
    pub(super) fn gather(&mut self, slots: &[Slot]) {
        self.value = 0.0;
        for group in &self.groups {
            group.look(self.over.shares, slots, &mut self.squares);
            self.slopes.resize(self.squares.len(), 0.0);
            self.value += (self.over.value)(&self.squares, &mut self.slopes);
        }
    }

    /// Turns the sums into the factors of the next step.
    pub(super) fn prepare(&mut self, lambda: f64, slots: &mut [Slot]) {
        for tracker in slots.iter_mut().filter_map(|slot| slot.tracker.as_mut()) {
            tracker.factors.outputs.fill(0.0);
            tracker.factors.inputs.fill(0.0);
        }
        for group in &self.groups {
            group.look(self.over.shares, slots, &mut self.squares);
            self.slopes.resize(self.squares.len(), 0.0);
            (self.over.value)(&self.squares, &mut self.slopes);
            for member in &group.members {
                let Some(tracker) = &mut slots[member.tensor].tracker else { continue };
                let Some(total) = member.total(self.over.shares, &tracker.sums) else { continue };
                let sums = member.side.of(&tracker.sums);
                let of = |places: &[usize]| places.iter().map(|at| sums[*at]).sum::<f64>();
                let fall = if self.over.shares {
                    let parts = member.places.iter().zip(&self.slopes);
                    parts.map(|(places, slope)| slope * of(places) / total).sum()
                } else {
                    0.0
                };
                let factors = member.side.of_mut(&mut tracker.factors);
                for (places, slope) in member.places.iter().zip(&self.slopes) {
                    let factor = 2.0 * lambda / total * (slope - fall);
                    places.iter().for_each(|at| factors[*at] += factor);
                }
            }
        }
    }
}

impl Coupled {
    fn channels(&self) -> usize {
        self.members.first().map_or(0, |member| member.places.len())
    }

    /// Puts `z` of every channel into `squares`.
    fn look(&self, shares: bool, slots: &[Slot], squares: &mut Vec<f64>) {
        squares.clear();
        squares.resize(self.channels(), 0.0);
        for member in &self.members {
            let Some(tracker) = &slots[member.tensor].tracker else { continue };
            let Some(total) = member.total(shares, &tracker.sums) else { continue };
            let sums = member.side.of(&tracker.sums);
            for (square, places) in squares.iter_mut().zip(&member.places) {
                *square += places.iter().map(|at| sums[*at]).sum::<f64>() / total;
            }
        }
    }
}

impl Member {
    /// What squares are divided by; none if there are none.
    fn total(&self, shares: bool, sums: &Sums) -> Option<f64> {
        if !shares {
            return Some(1.0);
        }
        let sums = self.side.of(sums);
        let total: f64 = self.places.iter().flatten().map(|at| sums[*at]).sum();
        (total >= EMPTY_SQUARES).then_some(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::{Config, Optimizer, Pace, Parameter, SgdConfig, Tensor, one_by_one};
    use crate::penalty::{GroupHoyerSquare, GroupLasso, Penalty, View};
    use hoyer_graph::Role;
    use hoyer_graph::check::gradient_error;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A convolution of 4 channels, one that keeps them, and a linear layer that reads 2 positions of each.
    const VIEWS: [View; 3] = [
        View { out: 4, inp: 3, taps: 9 },
        View { out: 4, inp: 4, taps: 1 },
        View { out: 5, inp: 8, taps: 1 },
    ];

    fn groups() -> Vec<Coupled> {
        let single = |n: usize| (0..n).map(|c| vec![c]).collect::<Vec<_>>();
        let member = |tensor, side, places| Member { tensor, side, places };
        let pairs = (0..4).map(|c| vec![2 * c, 2 * c + 1]).collect();
        vec![
            Coupled {
                members: vec![
                    member(0, Side::Outputs, single(4)),
                    member(1, Side::Outputs, single(4)),
                    member(1, Side::Inputs, single(4)),
                    member(2, Side::Inputs, pairs),
                ],
            },
            Coupled { members: vec![member(0, Side::Inputs, single(3))] },
            // Only some of the outputs, and not in order.
            Coupled { members: vec![member(2, Side::Outputs, vec![vec![4], vec![0]])] },
        ]
    }

    fn point(seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let all = VIEWS.iter().map(|view| view.len()).sum();
        let sign = |flip: bool| if flip { -1.0 } else { 1.0 };
        (0..all).map(|_| rng.random_range(0.1..1.0) * sign(rng.random())).collect()
    }

    fn split<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
        let mut rest = all;
        VIEWS.map(|view| rest.split_off(..view.len()).unwrap().to_vec()).to_vec()
    }

    /// The formula of the module, read plainly.
    fn value(penalty: &dyn Penalty, weights: &[f64]) -> f64 {
        let tensors = split(weights);
        let square = |member: &Member, place: usize| {
            let view = VIEWS[member.tensor];
            let is_in = |at: usize| match member.side {
                Side::Outputs => at / view.width() == place,
                Side::Inputs => at / view.taps % view.inp == place,
            };
            let of = tensors[member.tensor].iter().enumerate();
            of.filter(|(at, _)| is_in(*at)).map(|(_, w)| w * w).sum::<f64>()
        };
        let over = penalty.over_channels().unwrap();
        let of_group = |group: &Coupled| {
            let mut z = vec![0.0; group.channels()];
            for member in &group.members {
                let squares =
                    |places: &Vec<usize>| places.iter().map(|at| square(member, *at)).sum();
                let s: Vec<f64> = member.places.iter().map(squares).collect();
                let total = if over.shares { s.iter().sum() } else { 1.0 };
                z.iter_mut().zip(s).for_each(|(z, s)| *z += s / total);
            }
            let sum: f64 = z.iter().map(|z| z.sqrt()).sum();
            if over.shares { sum * sum / z.iter().sum::<f64>() } else { sum }
        };
        groups().iter().map(of_group).sum()
    }

    fn fused(penalty: &'static dyn Penalty, weights: &[f64]) -> (f64, Vec<f64>) {
        let parameter = |view| Parameter { view, role: Role::Weight, penalty: Some(penalty) };
        let descent = Config::Sgd(SgdConfig { momentum: 0.0, ..SgdConfig::default() });
        let mut optimizer =
            Optimizer::coupled(descent.build().unwrap(), &VIEWS.map(parameter), groups()).unwrap();
        let start: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
        let (mut now, zeros) = (split(&start), vec![0.0; start.len()]);
        assert!(optimizer.must_look());
        optimizer.look(now.iter().map(Vec::as_slice));
        let value = optimizer.penalty();
        let tensors = now.iter_mut().map(|weights| {
            let gradient = &zeros[..weights.len()];
            Tensor { weights, gradient, mask: None }
        });
        let pace = Pace { lr: 1.0, lambda: 1.0, gradient_scale: 1.0 };
        optimizer.step(pace, tensors, one_by_one).unwrap();
        let difference = |(a, b): (&f32, &f32)| f64::from(*a) - f64::from(*b);
        (value, start.iter().zip(now.iter().flatten()).map(difference).collect())
    }

    #[test]
    fn the_fused_gradient_is_that_of_the_plain_formula() {
        for penalty in [&GroupHoyerSquare as &'static dyn Penalty, &GroupLasso] {
            for seed in 0..8 {
                let weights = point(seed);
                let (fused_value, gradient) = fused(penalty, &weights);
                let plain = value(penalty, &weights);
                assert!((fused_value / plain - 1.0).abs() < 1e-5, "{fused_value} {plain}");
                // Single precision of the step leaves its rounding in the gradient.
                let error = gradient_error(|w| value(penalty, w), &weights, &gradient);
                assert!(error < 1e-5, "{penalty:?} {error:e}");
            }
        }
    }

    #[test]
    fn the_check_sees_a_wrong_gradient() {
        let weights = point(0);
        let (_, mut gradient) = fused(&GroupHoyerSquare, &weights);
        gradient[5] += 1e-2;
        let error = gradient_error(|w| value(&GroupHoyerSquare, w), &weights, &gradient);
        assert!(error > 1e-4, "{error:e}");
    }

    #[test]
    fn hoyer_square_of_channels_counts_them_and_ignores_the_scale_of_layers() {
        let mut weights = vec![1.0; point(0).len()];
        let same = value(&GroupHoyerSquare, &weights);
        assert!((same - (4.0 + 3.0 + 2.0)).abs() < 1e-9, "{same}");
        weights[..VIEWS[0].len()].fill(1e-3);
        assert!((value(&GroupHoyerSquare, &weights) - same).abs() < 1e-9);
        assert!((fused(&GroupHoyerSquare, &weights).0 - same).abs() < 1e-4);
    }

    #[test]
    fn a_step_before_a_look_is_refused() {
        let parameter =
            |view| Parameter { view, role: Role::Weight, penalty: Some(&GroupLasso as _) };
        let method = Config::default().build().unwrap();
        let mut optimizer = Optimizer::coupled(method, &VIEWS.map(parameter), groups()).unwrap();
        let pace = Pace { lr: 1.0, lambda: 1.0, gradient_scale: 1.0 };
        assert!(optimizer.step(pace, [], one_by_one).is_err());
        let plain = |view| Parameter { view, role: Role::Weight, penalty: None };
        let method = Config::default().build().unwrap();
        assert!(Optimizer::coupled(method, &VIEWS.map(plain), groups()).is_err());
    }
}
