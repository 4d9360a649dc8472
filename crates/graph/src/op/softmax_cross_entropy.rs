//! Cross-entropy from logits against class labels, averaged over the samples.
//!
//! ```text
//! L    = −(1/N) Σ_n log softmax(z_n)[label_n]
//! dz_n = dL/N · (softmax(z_n) − onehot(label_n))
//! ```
//! A label out of range makes the loss and its row of the gradient NaN, so that it is never hidden.
//! Not here: soft targets, which are written with `LogSoftmax`, `Mul` and `ReduceSum`.

use super::{Rule, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::shape::Shape;
use crate::tensor::{Array, DType};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// Mean cross-entropy over `(logits, labels)`, in nats.
///
/// # Shapes
/// - `logits`: `[samples, classes]`
/// - `labels`: `[samples]`, i64 in `0..classes`
/// - output: one number
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoftmaxCrossEntropyLoss;

/// The gradient of [`SoftmaxCrossEntropyLoss`] over `(logits, labels, dL)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoftmaxCrossEntropyLossGradient;

fn check(op: &'static str, logits: &Type, labels: &Type) -> Result<(), Mismatch> {
    expect_f32(op, "the logits", logits)?;
    if labels.dtype != DType::I64 {
        let (what, got, need) = ("the labels", labels.dtype, DType::I64);
        return Err(Mismatch::Type { op, what, got, need });
    }
    if logits.shape.rank() != 2 {
        return Err(bad_shape(op, "the logits", &logits.shape, "[samples, classes]"));
    }
    if labels.shape.0 != logits.shape.0[..1] {
        let need = format!("[{}]", logits.shape.0[0]);
        return Err(bad_shape(op, "the labels", &labels.shape, need));
    }
    Ok(())
}

/// The logits of one sample.
fn row(logits: &Array, sample: usize) -> &[f64] {
    &logits.data[sample * logits.shape[1]..][..logits.shape[1]]
}

/// The class that a label names, if there is one.
fn class_of(label: f64, classes: usize) -> Option<usize> {
    (label >= 0.0 && label < classes as f64).then_some(label as usize)
}

/// `log Σ exp` of a row, without overflow.
fn log_sum_exp(row: &[f64]) -> f64 {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + row.iter().map(|z| (z - max).exp()).sum::<f64>().ln()
}

impl Rule for SoftmaxCrossEntropyLoss {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("SoftmaxCrossEntropyLoss", inputs, 2..=2, "2")?;
        check("SoftmaxCrossEntropyLoss", &inputs[0], &inputs[1])?;
        Ok(vec![Type::f32(Shape::scalar())])
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (logits, labels) = (inputs[0], inputs[1]);
        let loss = |(n, &label): (usize, &f64)| {
            let row = row(logits, n);
            class_of(label, row.len()).map_or(f64::NAN, |class| log_sum_exp(row) - row[class])
        };
        let total: f64 = labels.data.iter().enumerate().map(loss).sum();
        vec![Array::new(&[], vec![total / labels.data.len() as f64])]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let (logits, labels) = (node.inputs[0], node.inputs[1]);
        let dx = back.add(node, SoftmaxCrossEntropyLossGradient, &[logits, labels, dy])?;
        back.accumulate(logits, dx)
    }
}

impl Rule for SoftmaxCrossEntropyLossGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("SoftmaxCrossEntropyLossGradient", inputs, 3..=3, "3")?;
        check("SoftmaxCrossEntropyLossGradient", &inputs[0], &inputs[1])?;
        expect_f32("SoftmaxCrossEntropyLossGradient", "dL", &inputs[2])?;
        if inputs[2].shape.rank() > 0 {
            let (op, dl) = ("SoftmaxCrossEntropyLossGradient", &inputs[2].shape);
            return Err(bad_shape(op, "dL", dl, "[]"));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (logits, labels) = (inputs[0], inputs[1]);
        let (samples, classes) = (logits.shape[0], logits.shape[1]);
        let scale = inputs[2].data[0] / samples as f64;
        let element = |at: usize| {
            let (n, class) = (at / classes, at % classes);
            let (row, label) = (row(logits, n), class_of(labels.data[n], classes));
            let target = label.map_or(f64::NAN, |label| f64::from(u8::from(label == class)));
            scale * ((row[class] - log_sum_exp(row)).exp() - target)
        };
        vec![Array::from_fn(&logits.shape, element)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradient_matches_central_differences() {
        check::op_gradient(SoftmaxCrossEntropyLoss, &[Type::f32([5, 3]), Type::i64([5])], 8);
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_classes() {
        let (z, labels) = (Array::zeros(&[2, 10]), Array::new(&[2], vec![3.0, 9.0]));
        let loss = SoftmaxCrossEntropyLoss.evaluate(&[&z, &labels], &[vec![]], 0);
        assert!((loss[0].data[0] - 10f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn a_label_out_of_range_is_not_hidden() {
        let (z, dl) = (Array::zeros(&[1, 3]), Array::new(&[], vec![1.0]));
        for label in [-1.0, 3.0] {
            let labels = Array::new(&[1], vec![label]);
            let loss = SoftmaxCrossEntropyLoss.evaluate(&[&z, &labels], &[vec![]], 0);
            assert!(loss[0].data[0].is_nan());
            let op = SoftmaxCrossEntropyLossGradient;
            let dz = op.evaluate(&[&z, &labels, &dl], &[vec![1, 3]], 0);
            assert!(dz[0].data.iter().all(|dz| dz.is_nan()));
        }
    }
}
