//! Ops and their gradients against PyTorch: `oracle/ops.json`, made by `oracle/ops.py`.
#![expect(clippy::unwrap_used, reason = "clippy takes helpers of an integration test for code")]

use hoyer_graph::{Array, Graph, Mul, Op, ReduceSum, Role, Tensor, evaluate, gradient};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    op: Op,
    inputs: Vec<Numbers>,
    weighting: Numbers,
    outputs: Vec<Numbers>,
    gradients: Vec<Option<Numbers>>,
}

#[derive(Deserialize)]
struct Numbers {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Numbers {
    fn tensor(&self) -> Tensor {
        Tensor::new(&self.shape, self.data.iter().map(|&x| x as f32).collect()).unwrap()
    }

    /// The file has 13 digits; the rest is the order of sums.
    fn assert_is(&self, found: &Array, what: &str) {
        assert_eq!(self.shape, found.shape, "{what}");
        for (i, (want, got)) in self.data.iter().zip(&found.data).enumerate() {
            let gap = (want - got).abs() / want.abs().max(1.0);
            assert!(gap < 1e-11, "{what}[{i}]: PyTorch says {want}, we say {got}");
        }
    }
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../oracle/ops.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The outputs of the case's op and the gradients of their weighted sum by its inputs.
fn run(case: &Case) -> (Vec<Array>, Vec<Array>) {
    let mut g = Graph::new("case");
    let add = |(i, x): (usize, &Numbers)| g.param(&format!("x{i}"), Role::Weight, x.tensor());
    let inputs: Vec<_> = case.inputs.iter().enumerate().map(add).collect::<Result<_, _>>().unwrap();
    let outputs = g.add_all("op", case.op.clone(), &inputs).unwrap();
    let weighting = g.param("weighting", Role::Constant, case.weighting.tensor()).unwrap();
    let weighted = g.add("weighted", Mul, &[outputs[0], weighting]).unwrap();
    let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[weighted]).unwrap();
    let gradients = gradient(&mut g, loss, &inputs).unwrap();
    let all = evaluate(&g, &[], &[outputs.as_slice(), &gradients].concat(), 0).unwrap();
    let (outputs, gradients) = all.split_at(outputs.len());
    (outputs.to_vec(), gradients.to_vec())
}

#[test]
fn outputs_and_gradients_are_those_of_pytorch() {
    for (at, case) in golden().cases.iter().enumerate() {
        let name = format!("case {at}, {:?}", case.op);
        let (outputs, gradients) = run(case);
        assert_eq!(case.outputs.len(), outputs.len(), "{name}");
        for (i, (want, found)) in case.outputs.iter().zip(&outputs).enumerate() {
            want.assert_is(found, &format!("{name}: output {i}"));
        }
        for (i, (want, found)) in case.gradients.iter().zip(&gradients).enumerate() {
            let what = format!("{name}: gradient by input {i}");
            match want {
                Some(want) => want.assert_is(found, &what),
                None => assert!(skipped_by_pytorch(case, i), "{what} is missing"),
            }
        }
    }
}

/// PyTorch gives no gradients by a batch normalization's running statistics.
fn skipped_by_pytorch(case: &Case, input: usize) -> bool {
    matches!(case.op, Op::BatchNormalization(_)) && input >= 3
}

#[test]
fn the_file_covers_the_ops_whose_details_differ_between_frameworks() {
    let cases = golden().cases;
    for name in [
        "Conv",
        "MaxPool",
        "AveragePool",
        "BatchNormalization",
        "Softmax",
        "LogSoftmax",
        "ConvTranspose",
        "GroupNormalization",
    ] {
        assert!(cases.iter().filter(|case| case.op.name() == name).count() >= 3, "{name}");
    }
}
