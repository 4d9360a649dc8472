//! Whole networks in training form: the gradient by every parameter against central differences.

use hoyer_graph::check::{self, Numbers};
use hoyer_graph::*;

/// A graph under construction with seeded parameters.
struct Builder {
    graph: Graph,
    numbers: Numbers,
}

impl Builder {
    fn param(&mut self, name: &str, role: Role, shape: &[usize]) -> Result<ValueId> {
        let mut tensor = self.numbers.tensor(shape);
        match role {
            Role::Statistic => tensor.data_mut().iter_mut().for_each(|x| *x = x.abs()),
            _ => tensor.data_mut().iter_mut().for_each(|x| *x *= 0.5),
        }
        self.graph.param(name, role, tensor)
    }

    /// Convolution and batch normalization.
    fn block(&mut self, name: &str, x: ValueId, conv: Conv, shape: &[usize]) -> Result<ValueId> {
        let w = self.param(&format!("{name}.weight"), Role::Weight, shape)?;
        let y = self.graph.add(&format!("{name}.conv"), conv, &[x, w])?;
        let mut inputs = vec![y];
        for (part, role) in [
            ("scale", Role::NormScale),
            ("shift", Role::NormShift),
            ("mean", Role::Statistic),
            ("var", Role::Statistic),
        ] {
            inputs.push(self.param(&format!("{name}.{part}"), role, &shape[..1])?);
        }
        self.graph.add(&format!("{name}.norm"), BatchNormalization::default(), &inputs)
    }

    fn linear(&mut self, name: &str, x: ValueId, shape: [usize; 2]) -> Result<ValueId> {
        let w = self.param(&format!("{name}.weight"), Role::Weight, &shape)?;
        let b = self.param(&format!("{name}.bias"), Role::Bias, &shape[..1])?;
        self.graph.add(name, Gemm::linear(), &[x, w, b])
    }
}

fn image_input(graph: &mut Graph) -> ValueId {
    let dims = [Dim::symbol("batch"), Dim::from(2), Dim::from(7), Dim::from(6)];
    graph.input("image", Type::f32(Shape(dims.to_vec())))
}

/// A residual block with a strided option-A shortcut (slice and pad), a depthwise convolution, both pools,
/// dropout and a classifier.
fn residual(seed: u64) -> Result<Graph> {
    let mut b = Builder { graph: Graph::new("residual"), numbers: Numbers(seed) };
    let x = image_input(&mut b.graph);
    let y = b.block("stem", x, Conv::new(Window::square(3, 1, 1)), &[3, 2, 3, 3])?;
    let stem = b.graph.add("stem.act", LeakyRelu { alpha: 0.1 }, &[y])?;
    let y = b.block("down", stem, Conv::new(Window::square(3, 2, 1)), &[4, 3, 3, 3])?;
    let every_second =
        Slice { starts: vec![0, 0], ends: vec![i64::MAX; 2], axes: vec![2, 3], steps: vec![2, 2] };
    let short = b.graph.add("short.slice", every_second, &[stem])?;
    let short = b.graph.add("short.pad", Pad::zeros(&[0, 0, 0, 0, 0, 1, 0, 0]), &[short])?;
    let y = b.graph.add("sum", Add, &[y, short])?;
    let y = b.graph.add("sum.act", Tanh, &[y])?;
    let depthwise = Conv { group: 4, ..Conv::new(Window::square(3, 1, 1)) };
    let y = b.block("depthwise", y, depthwise, &[4, 1, 3, 3])?;
    let y = b.graph.add("pool", AveragePool::new(Window::square(2, 1, 0)), &[y])?;
    let y = b.graph.add("dropout", Dropout::new(0.3, 5), &[y])?;
    let y = b.graph.add("global", GlobalAveragePool, &[y])?;
    let y = b.graph.add("flatten", Flatten { axis: 1 }, &[y])?;
    let y = b.linear("fc", y, [3, 4])?;
    b.graph.outputs.push(y);
    Ok(b.graph)
}

/// A network of the teacher's kind with a maximum pool and a hidden layer.
fn plain(seed: u64) -> Result<Graph> {
    let mut b = Builder { graph: Graph::new("plain"), numbers: Numbers(seed) };
    let x = image_input(&mut b.graph);
    let w = b.param("conv.weight", Role::Weight, &[4, 2, 3, 3])?;
    let y = b.graph.add("conv", Conv::new(Window::square(3, 1, 0)), &[x, w])?;
    let y = b.graph.add("pool", MaxPool::new(Window::square(2, 2, 0)), &[y])?;
    let y = b.graph.add("flatten", Flatten { axis: 1 }, &[y])?;
    let y = b.linear("fc1", y, [5, 16])?;
    let y = b.graph.add("act", Sigmoid, &[y])?;
    let y = b.linear("fc2", y, [3, 5])?;
    b.graph.outputs.push(y);
    Ok(b.graph)
}

/// Five images and their labels.
fn batch() -> [Array; 2] {
    let mut numbers = Numbers(77);
    let image = Array::from(&numbers.tensor(&[5, 2, 7, 6]));
    [image, Array::from_fn(&[5], |i| (i % 3) as f64)]
}

/// The worst error over all trained parameters, of cross-entropy or of distillation from a teacher.
fn error_of(net: &Graph, teacher: Option<&Graph>) -> Result<f64> {
    let mut graph = training(net)?;
    let wrt = trained(&graph);
    let labels = graph.input("labels", Type::i64(Shape(vec![Dim::symbol("batch")])));
    let (logits, image) = (graph.outputs[0], graph.inputs[0]);
    let loss = match teacher {
        None => loss::cross_entropy(&mut graph, logits, labels)?,
        Some(teacher) => {
            let taught = append(&mut graph, teacher, "teacher", &[image])?[0];
            let settings = loss::Distillation { temperature: 2.0, weight: 0.6 };
            loss::distillation(&mut graph, logits, taught, labels, settings)?
        }
    };
    check::graph_gradient(&graph, loss, &wrt, &batch(), 9)
}

#[test]
fn gradients_of_whole_networks_match_central_differences() -> Result<()> {
    for seed in 0..4 {
        let (residual, plain) = (residual(seed)?, plain(seed)?);
        for (net, teacher) in [(&residual, None), (&plain, None), (&residual, Some(&plain))] {
            let error = error_of(net, teacher)?;
            assert!(error < 1e-6, "{} is off by {error:e} at seed {seed}", net.name);
        }
    }
    Ok(())
}

#[test]
fn a_training_graph_lists_the_statistics_of_every_normalization() -> Result<()> {
    let graph = training(&residual(0)?)?;
    let names: Vec<_> =
        graph.updates.iter().map(|u| graph.param_at(u.param).name.as_str()).collect();
    let expected =
        ["stem.mean", "stem.var", "down.mean", "down.var", "depthwise.mean", "depthwise.var"];
    assert_eq!(names, expected);
    Ok(())
}
