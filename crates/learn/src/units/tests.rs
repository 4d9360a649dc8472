//! Dead units in whole networks: the answers stay.

use hoyer_graph::{
    Array, Conv, Flatten, Gemm, MaxPool, Relu, Role, Tensor, Type, Window, evaluate,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// conv 1→4, pool, relu, conv 4→5 (padded by `pad`), relu, flatten, linear to 6, relu, linear to 3.
fn net(pad: usize) -> Graph {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut g = Graph::new("net");
    let mut param = |g: &mut Graph, name: &str, shape: &[usize]| {
        let len = shape.iter().product();
        let data = (0..len).map(|_| rng.random_range(-1.0_f32..1.0)).collect();
        let role = if shape.len() == 1 { Role::Bias } else { Role::Weight };
        g.param(name, role, Tensor::new(shape, data).unwrap()).unwrap()
    };
    let x = g.input("x", Type::f32([2, 1, 8, 8]));
    let (w, b) = (param(&mut g, "w0", &[4, 1, 3, 3]), param(&mut g, "b0", &[4]));
    let y = g.add("conv0", Conv::new(window(3, 1, 0)), &[x, w, b]).unwrap();
    let y = g.add("pool", MaxPool::new(window(2, 2, 0)), &[y]).unwrap();
    let y = g.add("relu0", Relu, &[y]).unwrap();
    let (w, b) = (param(&mut g, "w1", &[5, 4, 2, 2]), param(&mut g, "b1", &[5]));
    let y = g.add("conv1", Conv::new(window(2, 1, pad)), &[y, w, b]).unwrap();
    let y = g.add("relu1", Relu, &[y]).unwrap();
    let y = g.add("flatten", Flatten { axis: 1 }, &[y]).unwrap();
    let columns = g.value(y).kind.shape.fixed().unwrap()[1];
    let (w, b) = (param(&mut g, "w2", &[6, columns]), param(&mut g, "b2", &[6]));
    let y = g.add("fc2", Gemm::linear(), &[y, w, b]).unwrap();
    let y = g.add("relu2", Relu, &[y]).unwrap();
    let (w, b) = (param(&mut g, "w3", &[3, 6]), param(&mut g, "b3", &[3]));
    let y = g.add("fc3", Gemm::linear(), &[y, w, b]).unwrap();
    g.outputs.push(y);
    g
}

fn window(size: usize, stride: usize, pad: usize) -> Window {
    Window {
        kernel_shape: vec![size; 2],
        strides: vec![stride; 2],
        pads: vec![pad; 4],
        dilations: vec![1; 2],
    }
}

fn answers(g: &Graph) -> Vec<f64> {
    let x = Array::from_fn(&[2, 1, 8, 8], |i| ((i * 37) % 19) as f64 / 9.0 - 1.0);
    evaluate(g, &[x], &g.outputs, 0).unwrap().remove(0).data
}

/// Zeroes the weights into and out of some units.
fn cut(g: &mut Graph, param: &str, keep: impl Fn(usize) -> bool) {
    let id = g.param_named(param).unwrap();
    for (at, w) in g.params[id.0].tensor.data_mut().iter_mut().enumerate() {
        if !keep(at) {
            *w = 0.0;
        }
    }
}

fn gap(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |gap, (a, b)| gap.max((a - b).abs()))
}

#[test]
fn a_network_without_dead_units_stays_as_it_is() {
    let mut g = net(0);
    let before = g.clone();
    assert_eq!(Units::of(&g).remove_dead(&mut g.params), 0);
    assert_eq!(g, before);
    assert_eq!(Units::of(&g).0.len(), 3);
}

#[test]
fn answers_stay_when_units_without_inputs_are_folded_away() {
    let mut g = net(0);
    for channel in 0..4 {
        g.params[1].tensor.data_mut()[channel] = 0.5;
    }
    // Channel 2 of the first convolution, channel 1 of the second, unit 4 of the linear layer.
    cut(&mut g, "w0", |at| at / 9 != 2);
    cut(&mut g, "w1", |at| at / 16 != 1);
    let row = g.params[4].tensor.data().len() / 6;
    cut(&mut g, "w2", |at| at / row != 4);
    let before = answers(&g);
    assert_eq!(Units::of(&g).remove_dead(&mut g.params), 3);
    assert!(gap(&answers(&g), &before) < 1e-5);
    let masked = |param: &Param| param.mask.iter().flatten().filter(|live| !**live).count();
    // Outgoing weights of channel 2: 5 · 4; the reading block of channel 1: 6 of (row / 5) each.
    assert_eq!(masked(&g.params[2]), 20);
    assert_eq!(masked(&g.params[4]), 6 * row / 5);
    assert_eq!(masked(&g.params[6]), 3);
}

#[test]
fn answers_stay_when_units_nobody_reads_are_removed_with_what_fed_them() {
    let mut g = net(1);
    // Nobody reads units 0 and 5; then nobody reads channel 3, and nobody channel 0 of the first.
    cut(&mut g, "w3", |at| at % 6 != 0 && at % 6 != 5);
    let row = g.params[4].tensor.data().len() / 6;
    cut(&mut g, "w2", |at| at % row / (row / 5) != 3 || matches!(at / row, 0 | 5));
    cut(&mut g, "w1", |at| at % 16 / 4 != 0 || at / 16 == 3);
    let before = answers(&g);
    assert_eq!(Units::of(&g).remove_dead(&mut g.params), 4);
    assert!(gap(&answers(&g), &before) < 1e-9);
    assert_eq!(g.params[0].nonzero(), 27);
    assert_eq!(g.params[1].tensor.data()[0], 0.0);
}

#[test]
fn a_constant_that_meets_a_border_of_zeros_is_not_folded() {
    let mut g = net(1);
    cut(&mut g, "w0", |at| at / 9 != 2);
    g.params[1].tensor.data_mut()[2] = 0.5;
    let before = g.clone();
    assert_eq!(Units::of(&g).remove_dead(&mut g.params), 0);
    assert_eq!(g, before);
    g.params[1].tensor.data_mut()[2] = -0.5;
    let before = answers(&g);
    assert_eq!(Units::of(&g).remove_dead(&mut g.params), 1);
    assert!(gap(&answers(&g), &before) < 1e-9);
}

#[test]
fn what_a_unit_always_says_is_not_put_where_a_bias_is_dead() {
    let mut g = net(0);
    cut(&mut g, "w2", |at| at >= g_columns());
    let before = answers(&g);
    let at = g.param_named("b3").unwrap().0;
    let bias = &mut g.params[at];
    bias.tensor.data_mut()[1] = 0.0;
    bias.mask = Some(vec![true, false, true]);
    let dead = answers(&g);
    let b2 = g.param_named("b2").unwrap().0;
    g.params[b2].tensor.data_mut()[0] = 0.5;
    let says = answers(&g);
    Units::of(&g).remove_dead(&mut g.params);
    assert_eq!(g.params[at].tensor.data()[1], 0.0);
    assert_eq!(answers(&g), says);
    assert!(before != dead && dead != says);
}

/// Weights of a row of `w2`.
fn g_columns() -> usize {
    let g = net(0);
    g.params[g.param_named("w2").unwrap().0].tensor.data().len() / 6
}
