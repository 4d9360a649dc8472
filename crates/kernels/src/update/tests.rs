//! Every instruction set against one weight at a time in `f64`.

use super::*;

/// Lengths around the edges of blocks.
const LENGTHS: [usize; 9] = [0, 1, 7, 15, 16, 17, 32, 33, 300];

/// Relative gap between `f32` loops and the `f64` twin after one step.
const CLOSE: f64 = 2e-6;

const RULES: [Rule; 6] = [
    Rule::Sgd(Sgd { lr: 0.1 }),
    Rule::Momentum(Momentum { lr: 0.1, momentum: 0.9, from_gradient: 0.0, from_buffer: 1.0 }),
    Rule::Momentum(Momentum { lr: 0.1, momentum: 0.9, from_gradient: 1.0, from_buffer: 0.9 }),
    Rule::Adam(Adam { step_size: 0.01, mean_step: 0.1, square_step: 0.01, eps: 1e-8, keep: 0.9 }),
    Rule::RmsProp(RMS),
    Rule::RmsPropMomentum(RmsPropMomentum { step: RMS, momentum: 0.5 }),
];

const RMS: RmsProp = RmsProp { lr: 0.01, square_step: 0.01, eps: 1e-8 };

/// A tensor with everything an update touches; zeros among the weights, some of them dead.
#[derive(Clone)]
struct Tensor {
    weights: Vec<f32>,
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    mask: Option<Vec<bool>>,
}

impl Tensor {
    fn new(len: usize, masked: bool) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ len as u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        };
        let mut slice = |scale: f32| (0..len).map(|_| draw() * scale).collect::<Vec<_>>();
        let mut weights = slice(0.5);
        weights.iter_mut().step_by(5).for_each(|w| *w = 0.0);
        let second = slice(0.1).iter().map(|v| v.abs()).collect();
        let first = slice(0.1).iter().map(|v| v.abs()).collect();
        let mask = masked.then(|| slice(1.0).iter().map(|x| *x > 0.0).collect());
        Self { weights, gradient: slice(2.0), first, second, mask }
    }

    fn chunk(&mut self) -> Chunk<'_> {
        Chunk {
            weights: &mut self.weights,
            gradient: &self.gradient,
            gradient_scale: 0.75,
            first: &mut self.first,
            second: &mut self.second,
            mask: self.mask.as_deref(),
        }
    }

    /// The same step, a weight at a time, from the formulas of each method.
    fn twin(&self, rule: &Rule, term: impl Fn(usize, f64) -> f64) -> Vec<f64> {
        let step = |i: usize| {
            let w = f64::from(self.weights[i]);
            let g = 0.75 * f64::from(self.gradient[i]) + term(i, w);
            let (a, b) = (f64::from(self.first[i]), f64::from(self.second[i]));
            if self.mask.as_ref().is_some_and(|mask| !mask[i]) {
                return 0.0;
            }
            match *rule {
                Rule::Sgd(Sgd { lr }) => w - f64::from(lr) * g,
                Rule::Momentum(r) => {
                    let buffer = f64::from(r.momentum) * a + g;
                    let nesterov = g + f64::from(r.momentum) * buffer;
                    let step = if r.from_gradient == 0.0 { buffer } else { nesterov };
                    w - f64::from(r.lr) * step
                }
                Rule::Adam(r) => {
                    let mean = (1.0 - f64::from(r.mean_step)) * a + f64::from(r.mean_step) * g;
                    let square = f64::from(r.square_step);
                    let root = ((1.0 - square) * b + square * g * g).sqrt() + f64::from(r.eps);
                    f64::from(r.keep) * w - f64::from(r.step_size) * mean / root
                }
                Rule::RmsProp(r) => w - f64::from(r.lr) * rms(r, a, g),
                Rule::RmsPropMomentum(r) => {
                    let buffer = f64::from(r.momentum) * b + rms(r.step, a, g);
                    w - f64::from(r.step.lr) * buffer
                }
            }
        };
        (0..self.weights.len()).map(step).collect()
    }
}

fn rms(r: RmsProp, v: f64, g: f64) -> f64 {
    let square = f64::from(r.square_step);
    g / (((1.0 - square) * v + square * g * g).sqrt() + f64::from(r.eps))
}

fn sign(w: f64) -> f64 {
    if w == 0.0 { 0.0 } else { w.signum() }
}

fn element_terms() -> [Term<'static>; 3] {
    [
        Term::Scale { scale: 0.3 },
        Term::Sign { sign: 0.2, scale: -0.3 },
        Term::Saturating { sign: 0.2, scale: 0.1 },
    ]
}

/// Gradient of a term of [`element_terms`] at `w`, and what it sums.
fn element_twin(kind: usize, w: f64) -> (f64, f64) {
    let [f3, f2, f1] = [0.3_f32, 0.2, 0.1].map(f64::from);
    match kind {
        0 => (f3 * w, 0.0),
        1 => (f2 * sign(w) - f3 * w, w.abs()),
        _ => (f2 * sign(w) / (1.0 + w.abs()).powi(2) + f1 * w, w.abs() / (1.0 + w.abs())),
    }
}

fn assert_close(got: impl IntoIterator<Item = f64>, want: &[f64], what: &str) {
    let got: Vec<f64> = got.into_iter().collect();
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= CLOSE * want.abs().max(1.0), "{what}: {got} {want} at {i}");
    }
}

/// Every length, rule and mask.
fn cases() -> impl Iterator<Item = (Tensor, Rule)> {
    let tensors = LENGTHS.into_iter().flat_map(|n| [Tensor::new(n, false), Tensor::new(n, true)]);
    tensors.flat_map(|tensor| RULES.map(|rule| (tensor.clone(), rule)))
}

#[test]
fn every_instruction_set_updates_as_the_formulas_say() {
    for (tensor, rule) in cases() {
        for (isa, kind) in Isa::here().flat_map(|isa| [(isa, 0), (isa, 1), (isa, 2)]) {
            let [a, b, c] = element_terms();
            let term = [a, b, c].into_iter().nth(kind).unwrap();
            let what = format!("{isa:?} {rule:?} {term:?}, {} weights", tensor.weights.len());
            let want = tensor.twin(&rule, |_, w| element_twin(kind, w).0);
            let mut tensor = tensor.clone();
            let sums = update_on(isa, tensor.chunk(), &rule, term);
            assert_close(tensor.weights.iter().map(|w| f64::from(*w)), &want, &what);
            let magnitude = want.iter().map(|w| element_twin(kind, *w).1).sum::<f64>();
            let squares = if kind == 0 { 0.0 } else { want.iter().map(|w| w * w).sum::<f64>() };
            assert_close([sums.magnitude, sums.squares], &[magnitude, squares], &what);
        }
    }
}

/// Factors of 6 rows and of their columns, and room for the sums.
struct Factors {
    width: usize,
    rows: Vec<f32>,
    columns: Vec<Block>,
    row_squares: Vec<f64>,
    column_squares: Vec<Block>,
}

impl Factors {
    fn new(width: usize) -> Self {
        let blocks = width.div_ceil(LANES);
        let factor = |i: usize| ((i * 37) % 11) as f32 / 11.0;
        let block = |b: usize| std::array::from_fn(|l| factor(b * LANES + l + 3));
        Self {
            width,
            rows: (0..6).map(factor).collect(),
            columns: (0..blocks).map(block).collect(),
            row_squares: vec![f64::NAN; 6],
            column_squares: vec![[f32::NAN; LANES]; blocks],
        }
    }

    fn term(&mut self) -> Term<'_> {
        Term::Groups(Groups {
            width: self.width,
            rows: &self.rows,
            columns: &self.columns,
            row_squares: &mut self.row_squares,
            column_squares: &mut self.column_squares,
        })
    }

    fn columns_gathered(&self) -> Vec<f64> {
        self.column_squares.as_flattened().iter().map(|x| f64::from(*x)).collect()
    }
}

#[test]
fn rows_and_columns_are_updated_and_gathered_as_the_formulas_say() {
    for (width, masked) in [1, 9, 16, 25, 50].into_iter().flat_map(|w| [(w, false), (w, true)]) {
        for (isa, rule) in Isa::here().flat_map(|isa| RULES.map(|rule| (isa, rule))) {
            let what = format!("{isa:?} {rule:?} width {width}");
            let (mut tensor, mut factors) = (Tensor::new(6 * width, masked), Factors::new(width));
            let want = tensor.twin(&rule, |i, w| {
                let column = factors.columns.as_flattened()[i % width];
                (f64::from(factors.rows[i / width]) + f64::from(column)) * w
            });
            let sums = update_on(isa, tensor.chunk(), &rule, factors.term());
            assert_close(tensor.weights.iter().map(|w| f64::from(*w)), &want, &what);
            let rows: Vec<f64> =
                want.chunks(width).map(|row| row.iter().map(|w| w * w).sum()).collect();
            let mut columns = vec![0.0; width.next_multiple_of(LANES)];
            want.iter().enumerate().for_each(|(i, w)| columns[i % width] += w * w);
            assert_close(factors.row_squares.iter().copied(), &rows, &what);
            assert_close(factors.columns_gathered(), &columns, &what);
            assert_close([sums.magnitude, sums.squares], &[0.0, rows.iter().sum()], &what);
        }
    }
}

#[test]
fn instruction_sets_with_fused_multiply_add_agree_to_the_bit() {
    let fused: Vec<Isa> = Isa::here().filter(|isa| *isa != Isa::Portable).collect();
    for pair in fused.windows(2) {
        for (tensor, rule) in cases() {
            let [(a, sums_a), (b, sums_b)] = [pair[0], pair[1]].map(|isa| {
                let mut tensor = tensor.clone();
                let term = Term::Sign { sign: 0.2, scale: -0.3 };
                let sums = update_on(isa, tensor.chunk(), &rule, term);
                (tensor, sums)
            });
            assert_eq!(sums_a, sums_b);
            assert_eq!(
                (a.weights, a.first, a.second),
                (b.weights, b.first, b.second),
                "{pair:?} {rule:?}"
            );
        }
    }
}

#[test]
fn measuring_gives_the_sums_of_the_update_to_the_bit() {
    for (tensor, rule) in cases() {
        for isa in Isa::here() {
            for kind in 0..3 {
                let mut tensor = tensor.clone();
                let term = || element_terms().into_iter().nth(kind).unwrap();
                let sums = update_on(isa, tensor.chunk(), &rule, term());
                assert_eq!(sums, measure_on(isa, &tensor.weights, term()));
            }
        }
    }
}

#[test]
fn measuring_rows_and_columns_gives_those_of_the_update_to_the_bit() {
    for (isa, width) in Isa::here().flat_map(|isa| [1, 9, 16, 25, 50].map(|w| (isa, w))) {
        let (mut tensor, mut updated) = (Tensor::new(6 * width, true), Factors::new(width));
        let mut measured = Factors::new(width);
        let sums = update_on(isa, tensor.chunk(), &RULES[3], updated.term());
        assert_eq!(sums, measure_on(isa, &tensor.weights, measured.term()));
        assert_eq!(updated.row_squares, measured.row_squares);
        assert_eq!(updated.column_squares, measured.column_squares);
    }
}

#[test]
fn dead_weights_and_their_state_become_zero_even_from_nan() {
    for (isa, rule) in Isa::here().flat_map(|isa| RULES.map(|rule| (isa, rule))) {
        let mut tensor = Tensor::new(37, true);
        let dead = |tensor: &Tensor| {
            let mask = tensor.mask.clone().unwrap();
            (0..37).filter(move |i| !mask[*i]).collect::<Vec<_>>()
        };
        for i in dead(&tensor) {
            tensor.gradient[i] = f32::NAN;
            tensor.weights[i] = f32::INFINITY;
        }
        assert!(dead(&tensor).len() > 5);
        let sums = update_on(isa, tensor.chunk(), &rule, Term::Sign { sign: 1.0, scale: 1.0 });
        assert!(sums.magnitude.is_finite() && sums.squares.is_finite());
        for i in dead(&tensor) {
            assert_eq!(tensor.weights[i].to_bits(), 0, "{isa:?} {rule:?}");
            assert!(rule.states() < 1 || tensor.first[i].to_bits() == 0, "{isa:?} {rule:?}");
            assert!(rule.states() < 2 || tensor.second[i].to_bits() == 0, "{isa:?} {rule:?}");
        }
    }
}

#[test]
fn a_living_nan_shows_in_the_sums() {
    let mut tensor = Tensor::new(100, false);
    tensor.gradient[61] = f32::NAN;
    let sums = update(tensor.chunk(), &RULES[3], Term::Sign { sign: 1.0, scale: 0.0 });
    assert!(sums.magnitude.is_nan() && sums.squares.is_nan());
}

#[test]
fn a_zero_weight_gets_no_penalty_gradient() {
    for isa in Isa::here() {
        for term in
            [Term::Sign { sign: 1.0, scale: 1.0 }, Term::Saturating { sign: 1.0, scale: 1.0 }]
        {
            let mut weights = [0.0, -0.0];
            let chunk = Chunk {
                weights: &mut weights,
                gradient: &[0.0; 2],
                gradient_scale: 1.0,
                first: &mut [],
                second: &mut [],
                mask: None,
            };
            update_on(isa, chunk, &RULES[0], term);
            assert_eq!(weights, [0.0, 0.0]);
        }
    }
}

#[test]
fn squares_of_long_slices_lose_little() {
    let x: Vec<f32> = (0..100_003_u32).map(|i| (i as f32).sin()).collect();
    let want: f64 = x.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    assert!((squares(&x) / want - 1.0).abs() < 1e-6);
}

#[test]
#[should_panic(expected = "one gradient for each weight")]
fn a_gradient_of_another_length_is_refused() {
    let mut tensor = Tensor::new(20, false);
    tensor.gradient.pop();
    update(tensor.chunk(), &RULES[0], Term::Scale { scale: 0.0 });
}

#[test]
#[should_panic(expected = "a chunk is a stack of whole rows")]
fn half_a_row_is_refused() {
    update(Tensor::new(45, false).chunk(), &RULES[0], Factors::new(8).term());
}
