//! Recurrent layers that become one node or more for every step.
use super::*;
use crate::Array;

const STEPS: usize = 4;

/// The layer over `[batch, STEPS, 3]` with two hidden units in both directions, and what it makes of numbers.
fn outputs(op: &str, gates: usize, more: &[&str], peephole: f32) -> Vec<Array> {
    let numbers = |seed, dims: &[usize]| Numbers(seed).tensor(dims).data().to_vec();
    let rows = 2 * gates;
    let stored = vec![
        floats("w", &[2, rows as i64, 3], numbers(1, &[2, rows, 3])),
        floats("r", &[2, rows as i64, 2], numbers(2, &[2, rows, 2])),
        floats("b", &[2, 2 * rows as i64], numbers(3, &[2, 2 * rows])),
        floats("p", &[2, 6], vec![peephole; 12]),
    ];
    let inputs = [&["x", "w", "r", "b"], more].concat();
    let mut layer = with_int(node(op, &inputs, "y"), "layout", 1);
    layer.output.push("last".into());
    let layer = with_text(with_int(layer, "hidden_size", 2), "direction", "bidirectional");
    let mut file = model(14, &[STEPS as i64, 3], vec![layer], stored);
    let last = ValueInfoProto { name: Some("last".into()), r#type: None };
    file.graph.as_mut().unwrap().output.push(last);
    let graph = read(&file).unwrap();
    let x = Array::from(&Numbers(4).tensor(&[2, STEPS, 3]));
    crate::evaluate(&graph, &[x], &graph.outputs, 0).unwrap()
}

#[test]
fn an_lstm_that_sees_nothing_through_its_peepholes_is_the_usual_one() {
    let usual = outputs("LSTM", 4, &[], 0.0);
    let through = ["", "", "", "p"];
    let same = outputs("LSTM", 4, &through, 0.0);
    for (usual, same) in usual.iter().zip(&same) {
        assert_eq!(usual.shape, same.shape);
        let close = usual.data.iter().zip(&same.data).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close, "{usual:?}, {same:?}");
    }
    assert_ne!(same, outputs("LSTM", 4, &through, 0.5));
}

#[test]
fn a_plain_recurrent_layer_walks_both_ways() {
    let [all, last]: [Array; 2] = outputs("RNN", 1, &[], 0.0).try_into().unwrap();
    assert_eq!((&all.shape[..], &last.shape[..]), (&[2, STEPS, 2, 2][..], &[2, 2, 2][..]));
    let [w, r, b] = [(1, vec![2, 2, 3]), (2, vec![2, 2, 2]), (3, vec![2, 4])]
        .map(|(seed, dims)| Array::from(&Numbers(seed).tensor(&dims)).data);
    let x = Array::from(&Numbers(4).tensor(&[2, STEPS, 3])).data;
    let product = |m: &[f64], x: &[f64]| m.iter().zip(x).map(|(m, x)| m * x).sum::<f64>();
    for (sample, direction) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut h = [0.0; 2];
        for i in 0..STEPS {
            let time = if direction == 1 { STEPS - 1 - i } else { i };
            let features = &x[(sample * STEPS + time) * 3..][..3];
            h = [0, 1].map(|unit| {
                let sum = product(&w[(direction * 2 + unit) * 3..][..3], features)
                    + product(&r[(direction * 2 + unit) * 2..][..2], &h);
                (sum + b[direction * 4 + unit] + b[direction * 4 + 2 + unit]).tanh()
            });
            let got = &all.data[((sample * STEPS + time) * 2 + direction) * 2..][..2];
            assert!(h.iter().zip(got).all(|(h, y)| (h - y).abs() < 1e-12), "{h:?}, {got:?}");
        }
        assert_eq!(last.data[(sample * 2 + direction) * 2], h[0]);
    }
}

#[test]
fn weights_of_other_shapes_are_refused() {
    let over = |w: &[i64], r: &[i64]| {
        let count = |dims: &[i64]| vec![0.0; dims.iter().product::<i64>() as usize];
        let stored = vec![floats("w", w, count(w)), floats("r", r, count(r))];
        let layer = with_int(node("RNN", &["x", "w", "r"], "y"), "layout", 1);
        let error = read(&model(14, &[2, 3], vec![layer], stored)).unwrap_err();
        format!("{error}: {}", std::error::Error::source(&error).unwrap())
    };
    let unfit = "node `y`: RNN: W has shape [], need [1, 2, 3]";
    assert_eq!(over(&[], &[1, 2, 2]), unfit);
    assert!(over(&[2, 2, 3], &[1, 2, 2]).contains("W has shape [2, 2, 3], need [1, 2, 3]"));
    assert!(over(&[1, 2, 3], &[1, 3, 2]).contains("R has shape [1, 3, 2], need [1, 2, 2]"));
}

#[test]
fn layers_over_very_many_steps_are_refused() {
    let stored = || vec![floats("w", &[1, 1, 3], vec![0.0; 3]), floats("r", &[1, 1, 1], vec![0.0])];
    let over = |steps, count: usize| {
        let layers = (0..count).map(|i| {
            let output = if i + 1 == count { "y".to_owned() } else { format!("y{i}") };
            with_int(node("RNN", &["x", "w", "r"], &output), "layout", 1)
        });
        refusal(&model(14, &[steps, 3], layers.collect(), stored()))
    };
    assert_eq!(
        over(1 << 40, 1),
        "node `y`: RNN of opset 14 over 1099511627776 steps is not supported"
    );
    assert!(over(0, 1).ends_with("over 0 steps is not supported"));
    assert!(over(1_000, 1_000).ends_with("RNN of opset 14 over 1000 steps is not supported"));
}
