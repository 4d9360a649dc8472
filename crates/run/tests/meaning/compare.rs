//! A program beside the plain meaning of its graph.

use std::sync::Arc;

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;

/// Compares `wanted` of the program with the graph's own evaluation, after two runs (buffers are reused), and
/// gives the bits.
pub(crate) fn compare(
    graph: &Graph,
    inputs: &[Array],
    wanted: &[ValueId],
    threads: usize,
) -> Vec<Vec<u32>> {
    let mut graph = graph.clone();
    let want = evaluate(&graph, inputs, wanted, 3).unwrap();
    let mut program =
        Program::compile(&graph, &sizes(&graph, inputs), wanted, &Arc::new(Pool::new(threads)))
            .unwrap();
    for _ in 0..2 {
        let mut params = graph.params.clone();
        for (id, array) in graph.inputs.iter().zip(inputs) {
            match graph.value(*id).kind.dtype {
                DType::F32 => {
                    let to = program.input_mut(*id).iter_mut();
                    to.zip(&array.data).for_each(|(to, x)| *to = *x as f32);
                }
                DType::I64 | DType::Bool => {
                    let to = program.labels_mut(*id).iter_mut();
                    to.zip(&array.data).for_each(|(to, x)| *to = *x as i64);
                }
            }
        }
        program.run(&mut params, 3);
        for (id, want) in wanted.iter().zip(&want) {
            let got = program.value(*id);
            assert_eq!(got.len(), want.data.len());
            for (i, (got, want)) in got.iter().zip(&want.data).enumerate() {
                let gap = (f64::from(*got) - want).abs() / want.abs().max(1.0);
                assert!(gap < 2e-4, "`{}` at {i}: {got}, need {want}", graph.value(*id).name);
            }
        }
    }
    graph.params.clear();
    wanted.iter().map(|id| program.value(*id).iter().map(|x| x.to_bits()).collect()).collect()
}

/// As [`compare`], on one and on two threads, which must agree to the bit.
pub(crate) fn compare_threads(graph: &Graph, inputs: &[Array], wanted: &[ValueId]) {
    let [one, two] = [1, 2].map(|threads| compare(graph, inputs, wanted, threads));
    assert!(one == two, "two threads change a bit");
}

pub(crate) fn sizes(graph: &Graph, inputs: &[Array]) -> Bindings {
    let mut sizes = Bindings::new();
    for (id, array) in graph.inputs.iter().zip(inputs) {
        for (dim, &size) in graph.value(*id).kind.shape.0.iter().zip(&array.shape) {
            if dim.fixed().is_none() {
                sizes.insert(dim.to_string(), size);
            }
        }
    }
    sizes
}

/// Runs one op over inputs of these types, with every output and every gradient.
pub(crate) fn op(op: impl Into<Op>, kinds: &[Type]) {
    let op = op.into();
    let mut numbers = Numbers(5);
    let mut g = Graph::new("op");
    let (mut arguments, mut given, mut wrt) = (Vec::new(), Vec::new(), Vec::new());
    for (i, kind) in kinds.iter().enumerate() {
        let shape = kind.shape.fixed().unwrap();
        let name = format!("x{i}");
        let tensor = numbers.tensor(&shape);
        if kind.dtype == DType::I64 {
            given.push(Array::from_fn(&shape, |_| numbers.index(3) as f64));
            arguments.push(g.input(&name, kind.clone()));
        } else if i == 0 {
            // Goes through a node, so that it may be computed in place.
            let x = g.param(&name, Role::Weight, tensor).unwrap();
            wrt.push(x);
            arguments.push(g.add("neg", Neg, &[x]).unwrap());
        } else {
            wrt.push(g.param(&name, Role::Weight, tensor).unwrap());
            arguments.push(wrt[wrt.len() - 1]);
        }
    }
    let outputs = g.add_all("op", op, &arguments).unwrap();
    let y = g.add("relu", Relu, &[outputs[0]]).unwrap();
    let shape = g.value(y).kind.shape.fixed().unwrap();
    let weighting = g.param("weighting", Role::Constant, numbers.tensor(&shape)).unwrap();
    let weighted = g.add("weighted", Mul, &[y, weighting]).unwrap();
    let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[weighted]).unwrap();
    let gradients = gradient(&mut g, loss, &wrt).unwrap();
    let wanted: Vec<ValueId> = gradients.into_iter().chain([y, loss]).collect();
    compare_threads(&g, &given, &wanted);
}

pub(crate) fn t<const N: usize>(shape: [usize; N]) -> Type {
    Type::f32(shape)
}
