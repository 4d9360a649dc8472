//! A compiled network says what its graph means, whatever is chosen and however many threads there are.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::{Choice, Format, Inference};
use std::sync::Arc;

fn clock() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

/// A builder of networks with random weights of which most are zero.
struct Net {
    g: Graph,
    numbers: Numbers,
}

impl Net {
    fn new(seed: u64) -> Self {
        Self { g: Graph::new("net"), numbers: Numbers(seed) }
    }

    fn input(&mut self, shape: &[usize]) -> ValueId {
        let dims = shape.iter().map(|&n| Dim::from(n));
        let shape = Shape(std::iter::once(Dim::symbol("batch")).chain(dims).collect());
        self.g.input("x", Type::f32(shape))
    }

    fn weight(&mut self, name: &str, shape: &[usize]) -> ValueId {
        let mut w = self.numbers.tensor(shape);
        for x in w.data_mut() {
            *x = if self.numbers.index(10) < 7 { 0.0 } else { *x };
        }
        self.g.param(name, Role::Weight, w).unwrap()
    }

    fn conv(&mut self, name: &str, x: ValueId, shape: [usize; 4], window: Window) -> ValueId {
        let w = self.weight(&format!("{name}.weight"), &shape);
        let channels = self.g.value(x).kind.shape.0[1].fixed().unwrap();
        let conv = Conv { window, group: channels / shape[1] };
        self.g.add(name, conv, &[x, w]).unwrap()
    }

    fn norm(&mut self, name: &str, x: ValueId) -> ValueId {
        let channels = self.g.value(x).kind.shape.0[1].fixed().unwrap();
        let mut inputs = vec![x];
        for (part, role) in [
            ("scale", Role::NormScale),
            ("shift", Role::NormShift),
            ("mean", Role::Statistic),
            ("var", Role::Statistic),
        ] {
            let mut tensor = self.numbers.tensor(&[channels]);
            tensor.data_mut().iter_mut().for_each(|x| *x = x.abs() + 0.2);
            inputs.push(self.g.param(&format!("{name}.{part}"), role, tensor).unwrap());
        }
        self.g.add(&format!("{name}.norm"), BatchNormalization::default(), &inputs).unwrap()
    }

    fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        self.g.add(name, op, inputs).unwrap()
    }

    fn linear(&mut self, name: &str, x: ValueId, shape: [usize; 2]) -> ValueId {
        let w = self.weight(&format!("{name}.weight"), &shape);
        let tensor = self.numbers.tensor(&shape[..1]);
        let b = self.g.param(&format!("{name}.bias"), Role::Bias, tensor).unwrap();
        self.g.add(name, Gemm::linear(), &[x, w, b]).unwrap()
    }

    fn finish(mut self, y: ValueId) -> Graph {
        self.g.outputs.push(y);
        self.g
    }
}

/// Two residual blocks, one of which halves the image with a convolution of its own on the way around.
fn residual() -> Graph {
    let mut n = Net::new(1);
    let x = n.input(&[3, 12, 12]);
    let same = || Window::square(3, 1, 1);
    let y = n.conv("stem", x, [6, 3, 3, 3], same());
    let y = n.norm("stem", y);
    let short = n.add("stem.relu", Relu, &[y]);
    let y = n.conv("a1", short, [6, 6, 3, 3], same());
    let y = n.norm("a1", y);
    let y = n.add("a1.relu", Relu, &[y]);
    let y = n.conv("a2", y, [6, 6, 3, 3], same());
    let y = n.norm("a2", y);
    let y = n.add("a.sum", Add, &[y, short]);
    let x = n.add("a.relu", Relu, &[y]);
    let y = n.conv("b1", x, [8, 6, 3, 3], Window::square(3, 2, 1));
    let y = n.norm("b1", y);
    let y = n.add("b1.relu", Relu, &[y]);
    let y = n.conv("b2", y, [8, 8, 3, 3], same());
    let y = n.norm("b2", y);
    let short = n.conv("b.short", x, [8, 6, 1, 1], Window::square(1, 2, 0));
    let short = n.norm("b.short", short);
    let y = n.add("b.sum", Add, &[y, short]);
    let y = n.add("b.relu", Relu, &[y]);
    let y = n.add("mean", GlobalAveragePool, &[y]);
    let y = n.add("flat", Flatten { axis: 1 }, &[y]);
    let y = n.linear("fc", y, [10, 8]);
    n.finish(y)
}

/// The shortcut is cut and padded, as in the first residual networks, and the sum is not the last reader.
fn sliced() -> Graph {
    let mut n = Net::new(2);
    let x = n.input(&[4, 8, 8]);
    let y = n.conv("stem", x, [4, 4, 3, 3], Window::square(3, 1, 1));
    let x = n.add("stem.relu", Relu, &[y]);
    let y = n.conv("a", x, [6, 4, 3, 3], Window::square(3, 2, 1));
    let halves =
        Slice { starts: vec![0; 2], ends: vec![i64::MAX; 2], axes: vec![2, 3], steps: vec![2; 2] };
    let short = n.add("halve", halves, &[x]);
    let short = n.add("widen", Pad::zeros(&[0, 1, 0, 0, 0, 1, 0, 0]), &[short]);
    let y = n.add("sum", Add, &[short, y]);
    let z = n.add("relu", Relu, &[y]);
    let both = n.add("both", Mul, &[y, z]);
    n.finish(both)
}

/// Limits that limit nothing before a sum whose other side comes later.
fn limited() -> Graph {
    let mut n = Net::new(4);
    let x = n.input(&[3, 8, 8]);
    let y = n.conv("a", x, [4, 3, 3, 3], Window::square(3, 1, 1));
    let y = n.add("open", Clip { min: None, max: None }, &[y]);
    let other = n.conv("b", x, [4, 3, 3, 3], Window::square(3, 1, 1));
    let other = n.add("curve", Sigmoid, &[other]);
    let y = n.add("sum", Add, &[y, other]);
    let y = n.add("relu", Relu, &[y]);
    n.finish(y)
}

/// Convolutions without padding between pools, and linear layers behind them.
fn pooled() -> Graph {
    let mut n = Net::new(3);
    let x = n.input(&[1, 20, 20]);
    let y = n.conv("c1", x, [5, 1, 5, 5], Window::square(5, 1, 0));
    let y = n.add("p1", MaxPool::new(Window::square(2, 2, 0)), &[y]);
    let y = n.conv("c2", y, [7, 5, 3, 3], Window::square(3, 1, 0));
    let y = n.add("r2", Relu, &[y]);
    let y = n.add("p2", MaxPool::new(Window::square(2, 2, 0)), &[y]);
    let y = n.add("flat", Flatten { axis: 1 }, &[y]);
    let y = n.linear("fc1", y, [30, 63]);
    let y = n.add("fc1.relu", Relu, &[y]);
    let y = n.linear("fc2", y, [10, 30]);
    n.finish(y)
}

/// Depthwise and 1x1 convolutions with limits at 6.
fn separable() -> Graph {
    let mut n = Net::new(4);
    let x = n.input(&[3, 15, 15]);
    let mut y = n.conv("stem", x, [8, 3, 3, 3], Window::square(3, 2, 1));
    for (i, stride) in [1, 2].into_iter().enumerate() {
        let name = format!("dw{i}");
        y = n.conv(&name, y, [8, 1, 3, 3], Window::square(3, stride, 1));
        y = n.norm(&name, y);
        y = n.add(&format!("{name}.6"), Clip { min: Some(0.0), max: Some(0.6) }, &[y]);
        y = n.conv(&format!("pw{i}"), y, [8, 8, 1, 1], Window::square(1, 1, 0));
        y = n.norm(&format!("pw{i}"), y);
        y = n.add(&format!("pw{i}.6"), Clip { min: Some(0.0), max: Some(0.6) }, &[y]);
    }
    let y = n.add("sigmoid", Sigmoid, &[y]);
    n.finish(y)
}

/// Layers over the same pixels of which one could read copies and the others could not.
fn near_and_far() -> Graph {
    let mut n = Net::new(5);
    let mut y = n.input(&[1, 16, 16]);
    for (i, channels) in [1, 16, 16].into_iter().enumerate() {
        y = n.conv(&format!("c{i}"), y, [16, channels, 3, 3], Window::square(3, 1, 1));
        y = n.add(&format!("r{i}"), Relu, &[y]);
    }
    let y = n.add("pool", GlobalAveragePool, &[y]);
    n.finish(y)
}

/// A dense depthwise layer without padding between sparse ones, over few pixels.
fn few_pixels() -> Graph {
    let mut n = Net::new(6);
    let mut y = n.input(&[64, 6, 6]);
    for (i, depthwise) in [false, true, false].into_iter().enumerate() {
        let (shape, side) = if depthwise { ([64, 1, 3, 3], 3) } else { ([64, 64, 1, 1], 1) };
        y = n.conv(&format!("c{i}"), y, shape, Window::square(side, 1, 0));
        let weights = n.g.params.last_mut().unwrap().tensor.data_mut();
        match depthwise {
            true => weights.iter_mut().for_each(|w| *w += 0.1),
            false => weights.iter_mut().enumerate().for_each(|(i, w)| {
                *w = if i % 7 == 0 { *w } else { 0.0 };
            }),
        }
    }
    let y = n.add("sigmoid", Sigmoid, &[y]);
    n.finish(y)
}

fn answers(g: &Graph, x: &Array, choice: Choice, threads: usize) -> (Vec<f32>, Inference) {
    let sizes = Bindings::from([("batch".to_owned(), x.shape[0])]);
    let mut net = Inference::compile(g, &sizes, &Arc::new(Pool::new(threads)), choice).unwrap();
    // Twice, as buffers are used again.
    for _ in 0..2 {
        net.input_mut(0).iter_mut().zip(&x.data).for_each(|(to, x)| *to = *x as f32);
        net.run();
    }
    (net.output(0).to_vec(), net)
}

#[test]
fn networks_say_what_they_mean_whatever_is_chosen() {
    for g in [residual(), sliced(), pooled(), separable(), near_and_far(), few_pixels(), limited()]
    {
        for batch in [1, 2, 9] {
            let shape: Vec<usize> = std::iter::once(batch)
                .chain(g.value(g.inputs[0]).kind.shape.0[1..].iter().map(|d| d.fixed().unwrap()))
                .collect();
            let mut numbers = Numbers(8);
            let x = Array::from(&numbers.tensor(&shape));
            let want = evaluate(&g, std::slice::from_ref(&x), &g.outputs, 0).unwrap();
            for choice in [Choice::Model, Choice::Dense, Choice::Sparse, Choice::Measure(clock)] {
                let (got, net) = answers(&g, &x, choice, 1);
                for (got, want) in got.iter().zip(&want[0].data) {
                    let gap = (f64::from(*got) - want).abs() / want.abs().max(1.0);
                    assert!(gap < 2e-5, "{choice:?}: {got}, need {want}\n{}", net.plan());
                }
                if !matches!(choice, Choice::Measure(_)) {
                    assert!(got == answers(&g, &x, choice, 2).0, "two threads change a bit");
                }
            }
        }
    }
}

#[test]
fn layers_melt_into_one_another() {
    let x = Array::zeros(&[1, 3, 12, 12]);
    let (_, net) = answers(&residual(), &x, Choice::Sparse, 1);
    let steps: Vec<String> = net.plan().steps.iter().map(|step| step.ops.join(" ")).collect();
    let conv = |rest: &str| format!("Conv{rest}");
    assert_eq!(
        steps,
        [
            conv(" Relu"),
            conv(" Relu"),
            conv(" Add Relu"),
            conv(" Relu"),
            conv(""),
            conv(" Add Relu"),
            "GlobalAveragePool".into(),
            "Gemm".into(),
        ]
    );
}

#[test]
fn the_plan_says_what_was_chosen_and_measures() {
    let x = Array::zeros(&[1, 1, 20, 20]);
    let (_, mut net) = answers(&pooled(), &x, Choice::Sparse, 1);
    net.measure(5, clock);
    let step = &net.plan().steps[0];
    assert_eq!((step.format, step.weights), (Format::Sparse, 125));
    assert!(step.nonzero < 125 && step.measured_us.unwrap() > 0.0);
    let text = net.plan().to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("c2+Relu") && text.lines().last().unwrap().starts_with("all"), "{text}");
}

#[test]
fn a_shortcut_without_weights_is_a_layer_of_ones() {
    let (_, net) = answers(&sliced(), &Array::zeros(&[1, 4, 8, 8]), Choice::Sparse, 1);
    let ops = |step: &hoyer_run::PlanStep| (step.ops.join(" "), step.weights, step.nonzero);
    let steps: Vec<_> = net.plan().steps.iter().map(ops).collect();
    assert!(steps.contains(&("Conv".into(), 24, 4)), "{steps:?}");
    assert!(steps.iter().all(|(ops, ..)| !ops.contains("Slice")), "{steps:?}");
}
