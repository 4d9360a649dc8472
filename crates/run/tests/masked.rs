//! A network that trains under masks takes the steps that it takes without them: the same numbers, less work.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Format, Plan, Program, Wanted};
use std::sync::Arc;

/// A network with a loss, and its gradients.
struct Net {
    g: Graph,
    numbers: Numbers,
    trained: Vec<ValueId>,
}

/// What a step leaves: the loss, and the gradients.
struct Training {
    g: Graph,
    x: ValueId,
    labels: ValueId,
    loss: ValueId,
    gradients: Vec<(ParamId, ValueId)>,
}

const BATCH: usize = 9;
const CLASSES: usize = 4;

impl Net {
    fn new(sample: &[usize]) -> (Self, ValueId) {
        let mut net = Self { g: Graph::new("net"), numbers: Numbers(5), trained: Vec::new() };
        let shape: Vec<usize> = [BATCH].iter().chain(sample).copied().collect();
        let x = net.g.input("x", Type::f32(shape.as_slice()));
        (net, x)
    }

    fn param(&mut self, name: &str, role: Role, tensor: Tensor) -> ValueId {
        let id = self.g.param(name, role, tensor).unwrap();
        self.trained.push(id);
        id
    }

    /// A weight of which this share lives.
    fn weight(&mut self, name: &str, shape: &[usize], density: f64) -> ValueId {
        let mut tensor = self.numbers.tensor(shape);
        let dies = |_: &f32| self.numbers.index(1000) as f64 >= 1000.0 * density;
        let mask: Vec<bool> = tensor.data().iter().map(dies).map(|dies| !dies).collect();
        let masked = tensor.data_mut().iter_mut().zip(&mask).filter(|(_, live)| !**live);
        masked.for_each(|(w, _)| *w = 0.0);
        let id = self.param(name, Role::Weight, tensor);
        self.g.params.last_mut().unwrap().mask = Some(mask);
        id
    }

    fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        self.g.add(name, op, inputs).unwrap()
    }

    fn norm(&mut self, name: &str, x: ValueId) -> ValueId {
        let channels = self.g.value(x).kind.shape.fixed().unwrap()[1];
        let mut inputs = vec![x];
        for (part, role, value) in [
            ("scale", Role::NormScale, 1.0),
            ("shift", Role::NormShift, 0.0),
            ("mean", Role::Statistic, 0.0),
            ("var", Role::Statistic, 1.0),
        ] {
            let tensor = Tensor::full(&[channels], value);
            let id = self.g.param(&format!("{name}.{part}"), role, tensor).unwrap();
            if role.is_trained() {
                self.trained.push(id);
            }
            inputs.push(id);
        }
        self.add(&format!("{name}.norm"), BatchNormalization::default(), &inputs)
    }

    fn linear(&mut self, name: &str, x: ValueId, shape: [usize; 2], density: f64) -> ValueId {
        let w = self.weight(&format!("{name}.weight"), &shape, density);
        let tensor = self.numbers.tensor(&shape[..1]);
        let b = self.param(&format!("{name}.bias"), Role::Bias, tensor);
        self.add(name, Gemm::linear(), &[x, w, b])
    }

    fn finish(self, logits: ValueId) -> Training {
        let x = self.g.inputs[0];
        let mut g = training(&self.g).unwrap();
        let labels = g.input("labels", Type::i64([BATCH]));
        let loss = g.add("loss", SoftmaxCrossEntropyLoss, &[logits, labels]).unwrap();
        let gradients = gradient(&mut g, loss, &self.trained).unwrap();
        let params = self.trained.iter().map(|id| g.param_of(*id).unwrap());
        let gradients = params.zip(gradients).collect();
        Training { g, x, labels, loss, gradients }
    }
}

/// Convolutions with bias and pools, then linear layers.
fn plain(density: f64) -> Training {
    let (mut n, x) = Net::new(&[1, 18, 18]);
    let pool = || MaxPool::new(Window { strides: vec![2, 2], ..Window::new(&[2, 2]) });
    let w = n.weight("conv1.weight", &[6, 1, 5, 5], density);
    let b = n.param("conv1.bias", Role::Bias, Tensor::full(&[6], 0.1));
    let y = n.add("conv1", Conv::new(Window::new(&[5, 5])), &[x, w, b]);
    let y = n.add("relu1", Relu, &[y]);
    let y = n.add("pool1", pool(), &[y]);
    let w = n.weight("conv2.weight", &[8, 6, 3, 3], density);
    let b = n.param("conv2.bias", Role::Bias, Tensor::full(&[8], 0.1));
    let y = n.add("conv2", Conv::new(Window::new(&[3, 3])), &[y, w, b]);
    let y = n.add("relu2", Relu, &[y]);
    let y = n.add("flatten", Flatten { axis: 1 }, &[y]);
    let y = n.linear("fc1", y, [20, 8 * 25], density);
    let y = n.add("relu3", Relu, &[y]);
    let y = n.linear("fc2", y, [CLASSES, 20], density);
    n.finish(y)
}

/// A residual block that halves the image, batch normalization, groups, and a last layer.
fn residual(density: f64) -> Training {
    let (mut n, x) = Net::new(&[3, 16, 16]);
    let conv = |n: &mut Net, name: &str, x, shape: [usize; 4], window, group| {
        let w = n.weight(&format!("{name}.weight"), &shape, density);
        let y = n.add(name, Conv { window, group }, &[x, w]);
        n.norm(name, y)
    };
    let y = conv(&mut n, "stem", x, [8, 3, 3, 3], Window::square(3, 1, 1), 1);
    let x = n.add("stem.relu", Relu, &[y]);
    let y = conv(&mut n, "a1", x, [12, 8, 3, 3], Window::square(3, 2, 1), 1);
    let y = n.add("a1.relu", Relu, &[y]);
    let y = conv(&mut n, "a2", y, [12, 6, 3, 3], Window::square(3, 1, 1), 2);
    let short = conv(&mut n, "short", x, [12, 8, 1, 1], Window::square(1, 2, 0), 1);
    let y = n.add("sum", Add, &[y, short]);
    let y = n.add("sum.relu", Relu, &[y]);
    let y = n.add("mean", GlobalAveragePool, &[y]);
    let y = n.add("flatten", Flatten { axis: 1 }, &[y]);
    let y = n.linear("fc", y, [CLASSES, 12], density);
    n.finish(y)
}

impl Training {
    fn outputs(&self) -> Vec<ValueId> {
        [self.loss].into_iter().chain(self.gradients.iter().map(|(_, id)| *id)).collect()
    }

    fn masked(&self, threads: usize, choice: Choice) -> (Program, Plan) {
        let outputs = self.outputs();
        let wanted = Wanted { outputs: &outputs, gradients: &self.gradients };
        let pool = Arc::new(Pool::new(threads));
        Program::masked(&self.g, &Bindings::new(), wanted, &pool, choice).unwrap()
    }

    fn plain(&self) -> Program {
        let pool = Arc::new(Pool::new(1));
        Program::compile(&self.g, &Bindings::new(), &self.outputs(), &pool).unwrap()
    }

    /// Ten steps of gradient descent: the losses, and the parameters in the end.
    fn learn(&self, mut program: Program) -> (Vec<f32>, Vec<f32>) {
        let mut params = self.g.params.clone();
        let mut numbers = Numbers(8);
        let mut losses = Vec::new();
        for step in 0..10 {
            program.input_mut(self.x).fill_with(|| numbers.number() as f32);
            let classes = (0..BATCH).map(|i| ((i + step) % CLASSES) as i64);
            program.labels_mut(self.labels).iter_mut().zip(classes).for_each(|(to, l)| *to = l);
            program.run(&mut params, step as u64);
            losses.push(program.value(self.loss)[0]);
            for (param, id) in &self.gradients {
                let Param { tensor, mask, .. } = &mut params[param.0];
                let steps = tensor.data_mut().iter_mut().zip(program.value(*id));
                for (i, (w, gradient)) in steps.enumerate() {
                    let lives = mask.as_ref().is_none_or(|mask| mask[i]);
                    *w -= if lives { 0.05 * gradient } else { 0.0 };
                }
            }
        }
        (losses, params.iter().flat_map(|param| param.tensor.data().to_vec()).collect())
    }
}

fn close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let gap = (got - want).abs() / want.abs().max(1.0);
        assert!(gap <= 1e-5, "{what} at {i}: {got}, need {want}");
    }
}

#[test]
fn ten_steps_are_those_of_the_program_without_masks() {
    for (name, make) in [("plain", plain as fn(f64) -> Training), ("residual", residual)] {
        for density in [0.0, 0.03, 0.3, 1.0] {
            let net = make(density);
            let (losses, weights) = net.learn(net.plain());
            assert!(losses.iter().all(|loss| loss.is_finite()));
            for choice in [Choice::Model, Choice::Sparse, Choice::Dense] {
                let what = format!("{name} {density} {choice:?}");
                let (got_losses, got_weights) = net.learn(net.masked(2, choice).0);
                close(&got_losses, &losses, &format!("{what}: losses"));
                close(&got_weights, &weights, &format!("{what}: weights"));
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    for net in [plain(0.2), residual(0.2)] {
        let one = net.learn(net.masked(1, Choice::Sparse).0);
        for threads in [2, 3] {
            assert!(one == net.learn(net.masked(threads, Choice::Sparse).0), "{threads} threads");
        }
    }
}

#[test]
fn a_gradient_is_computed_where_weights_live_and_is_zero_elsewhere() {
    let net = residual(0.2);
    let (mut program, plan) = net.masked(2, Choice::Sparse);
    let sparse = plan.steps.iter().filter(|step| step.format == Format::Sparse).count();
    assert_eq!((sparse, plan.summary().as_str()), (5, "5 of 5 masked layers run sparse"));
    program.input_mut(net.x).fill(1.0);
    program.run(&mut net.g.params.clone(), 0);
    for (param, id) in &net.gradients {
        let Some(mask) = &net.g.param_at(*param).mask else { continue };
        let dead = program.value(*id).iter().zip(mask).filter(|(_, live)| !**live);
        assert!(dead.into_iter().all(|(gradient, _)| *gradient == 0.0));
    }
}

#[test]
fn a_mask_that_loses_more_after_the_compilation_is_respected() {
    let net = plain(0.5);
    let (mut program, _) = net.masked(1, Choice::Sparse);
    let mut g = net.g.clone();
    for param in g.params.iter_mut().filter(|param| param.mask.is_some()) {
        let mask = param.mask.as_mut().unwrap().iter_mut().zip(param.tensor.data_mut());
        mask.step_by(3).for_each(|(live, w)| (*live, *w) = (false, 0.0));
    }
    let cut = Training { g, ..plain(0.5) };
    let (mut fresh, _) = cut.masked(1, Choice::Sparse);
    let mut losses = Vec::new();
    for program in [&mut program, &mut fresh] {
        program.input_mut(net.x).fill(0.5);
        program.run(&mut cut.g.params.clone(), 0);
        losses.push(program.value(net.loss)[0]);
    }
    close(&losses[..1], &losses[1..], "loss");
}

#[test]
fn a_plan_says_what_runs_dense_and_why() {
    let dense = plain(1.0).masked(1, Choice::Model).1.summary();
    assert!(dense.contains("; dense: conv1 (sparse takes "), "{dense}");
    let sparse = plain(0.01).masked(1, Choice::Model).1.summary();
    assert!(sparse.contains("masked layers run sparse") && !sparse.starts_with('0'), "{sparse}");
    let mut none = plain(0.1);
    none.g.params.iter_mut().for_each(|param| param.mask = None);
    assert_eq!(none.masked(1, Choice::Sparse).1.summary(), "no layer has a mask");
}

#[test]
fn a_weight_that_two_layers_share_runs_dense() {
    let (mut n, x) = Net::new(&[6]);
    let w = n.weight("w", &[6, 6], 0.3);
    let y = n.add("first", Gemm::linear(), &[x, w]);
    let y = n.add("second", Gemm::linear(), &[y, w]);
    let y = n.linear("fc", y, [CLASSES, 6], 0.5);
    let net = n.finish(y);
    let (program, plan) = net.masked(1, Choice::Sparse);
    assert_eq!(plan.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["fc"]);
    close(&net.learn(program).1, &net.learn(net.plain()).1, "weights");
}
