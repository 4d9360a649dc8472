//! Batch normalization, with the batch's statistics (training) or with stored ones (inference).
//!
//! ```text
//! x̂ = (x − mean) · inv_std      inv_std = 1 / √(var + epsilon)      y = scale · x̂ + B        per channel
//! training: mean, var of this batch (var = mean of squares of x − mean), and
//!   running = momentum · running + (1 − momentum) · batch
//!   dB = Σ dy    dscale = Σ dy · x̂    dx = scale · inv_std · (dy − dB / count − x̂ · dscale / count)
//! inference:
//!   dB, dscale as above    dx = scale · inv_std · dy    dmean = −Σ dx    dvar = −½ scale · dscale / (var + epsilon)
//! ```
//! Source: Ioffe & Szegedy (2015), <https://arxiv.org/abs/1502.03167>, section 3; ONNX BatchNormalization-15.
//! As in ONNX, the running variance takes the batch's biased variance (divided by the count); PyTorch takes
//! the unbiased one (divided by the count − 1) and calls 1 − momentum its momentum.

use super::{Rule, UpdateRule, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::{Add, Div, Mul, Op, ReduceSum};
use crate::tensor::{Array, Tensor};
use crate::{Error, Mismatch, Result};
use serde::{Deserialize, Serialize};

/// Normalization of every channel over `(X, scale, B, mean, var)`.
///
/// # Shapes
/// - `X`: `[batch, channels, …]`; the others `[channels]`
/// - inference gives `Y`, shaped like `X`
/// - training gives `Y`, `running_mean`, `running_var`, and, for the gradient, `saved_mean` and
///   `saved_inv_std` of this batch
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchNormalization {
    /// Added to the variance; at least 0.
    pub epsilon: f32,
    /// Share that the running statistics keep at every step, in [0, 1].
    pub momentum: f32,
    /// Whether the batch's own statistics are used (ONNX's `training_mode`).
    pub training: bool,
}

/// The gradient of the training form over `(dy, x, scale, saved_mean, saved_inv_std)`: `dx`, `dscale`, `dB`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchNormalizationGradient;

/// The gradient of the inference form over `(dy, x, scale, mean, var)`: `dx`, `dscale`, `dB`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchNormalizationInferenceGradient {
    /// Added to the variance.
    pub epsilon: f32,
}

impl Default for BatchNormalization {
    /// ONNX's defaults: epsilon 1e-5, momentum 0.9, inference.
    fn default() -> Self {
        Self { epsilon: 1e-5, momentum: 0.9, training: false }
    }
}

/// Refuses inputs other than one `[batch, channels, …]` at `x` and `[channels]` from `x + 1` on.
fn check_inputs(op: &'static str, inputs: &[Type], x: usize) -> Result<(), Mismatch> {
    expect_inputs(op, inputs, 5..=5, "5")?;
    for kind in inputs {
        expect_f32(op, "an input", kind)?;
    }
    let shape = &inputs[x].shape;
    if shape.rank() < 2 {
        return Err(bad_shape(op, "X", shape, "[batch, channels, …]"));
    }
    for kind in &inputs[x + 1..] {
        if kind.shape.0 != shape.0[1..2] {
            return Err(bad_shape(op, "an input", &kind.shape, format!("[{}]", shape.0[1])));
        }
    }
    Ok(())
}

/// Refuses a negative or infinite epsilon.
fn check_epsilon(op: &'static str, epsilon: f32) -> Result<(), Mismatch> {
    if epsilon >= 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    let (attribute, got, need) = ("epsilon", epsilon.to_string(), "[0, inf)".to_owned());
    Err(Mismatch::Attribute { op, attribute, got, need })
}

/// The output types of both gradients over `(dy, x, scale, …)`.
fn infer_gradient(op: &'static str, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
    expect_inputs(op, inputs, 5..=5, "5")?;
    expect_f32(op, "dy", &inputs[0])?;
    check_inputs(op, &[&inputs[1..], &inputs[4..]].concat(), 0)?;
    if inputs[0].shape != inputs[1].shape {
        return Err(bad_shape(op, "dy", &inputs[0].shape, inputs[1].shape.to_string()));
    }
    Ok(vec![inputs[1].clone(), inputs[2].clone(), inputs[2].clone()])
}

/// `Σ f(i)` over the elements `i` of every channel.
fn channel_sums(shape: &[usize], f: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; shape[1]];
    let channel = channel_of(shape);
    for i in 0..shape.iter().product() {
        sums[channel(i)] += f(i);
    }
    sums
}

/// The channel of the element at a place.
fn channel_of(shape: &[usize]) -> impl Fn(usize) -> usize + use<> {
    let (channels, space) = (shape[1], shape[2..].iter().product::<usize>());
    move |i| i / space % channels
}

/// How many elements a channel has.
fn channel_count(shape: &[usize]) -> f64 {
    (shape[0] * shape[2..].iter().product::<usize>()) as f64
}

/// Mean and (biased) variance of every channel.
fn statistics(x: &Array) -> (Vec<f64>, Vec<f64>) {
    let (count, channel) = (channel_count(&x.shape), channel_of(&x.shape));
    let mean: Vec<f64> =
        channel_sums(&x.shape, |i| x.data[i]).iter().map(|sum| sum / count).collect();
    let squares = channel_sums(&x.shape, |i| (x.data[i] - mean[channel(i)]).powi(2));
    (mean, squares.iter().map(|sum| sum / count).collect())
}

fn inverse_deviations(var: &[f64], epsilon: f32) -> Vec<f64> {
    var.iter().map(|var| 1.0 / (var + f64::from(epsilon)).sqrt()).collect()
}

impl BatchNormalization {
    /// `scale · x̂ + B` with these statistics.
    fn normalize(inputs: &[&Array], mean: &[f64], inv_std: &[f64]) -> Array {
        let (x, scale, shift) = (inputs[0], inputs[1], inputs[2]);
        let channel = channel_of(&x.shape);
        Array::from_fn(&x.shape, |i| {
            let c = channel(i);
            scale.data[c] * (x.data[i] - mean[c]) * inv_std[c] + shift.data[c]
        })
    }

    /// The inference form's gradients by its stored statistics, from those by `x` and `scale`.
    fn statistics_gradients(
        &self,
        back: &mut Backward<'_>,
        node: &Node,
        dx: crate::ValueId,
        dscale: crate::ValueId,
    ) -> Result<()> {
        let (scale, mean, var) = (node.inputs[1], node.inputs[3], node.inputs[4]);
        if back.needs(mean) {
            let rank = back.shape(dx).rank() as i64;
            let axes = (0..rank).filter(|&axis| axis != 1).collect();
            let sum = back.add(node, ReduceSum { axes, keepdims: false }, &[dx])?;
            let dmean = back.scaled(node, sum, -1.0)?;
            back.accumulate(mean, dmean)?;
        }
        if back.needs(var) {
            let name = format!("{}.epsilon", node.name);
            let epsilon = back.constant(&name, Tensor::full(&[], self.epsilon))?;
            let shifted = back.add(node, Add, &[var, epsilon])?;
            let product = back.add(node, Mul, &[scale, dscale])?;
            let quotient = back.add(node, Div, &[product, shifted])?;
            let dvar = back.scaled(node, quotient, -0.5)?;
            back.accumulate(var, dvar)?;
        }
        Ok(())
    }
}

impl Rule for BatchNormalization {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "BatchNormalization";
        check_epsilon(OP, self.epsilon)?;
        if !(0.0..=1.0).contains(&self.momentum) {
            let (got, need) = (self.momentum.to_string(), "[0, 1]".to_owned());
            return Err(Mismatch::Attribute { op: OP, attribute: "momentum", got, need });
        }
        check_inputs(OP, inputs, 0)?;
        let mut outputs = vec![inputs[0].clone()];
        if self.training {
            outputs.extend(vec![inputs[1].clone(); 4]);
        }
        Ok(outputs)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::PerChannel
    }

    fn evaluate(&self, inputs: &[&Array], _: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (mean, var) = (&inputs[3].data, &inputs[4].data);
        if !self.training {
            let inv_std = inverse_deviations(var, self.epsilon);
            return vec![Self::normalize(inputs, mean, &inv_std)];
        }
        let (batch_mean, batch_var) = statistics(inputs[0]);
        let inv_std = inverse_deviations(&batch_var, self.epsilon);
        let keep = f64::from(self.momentum);
        let blend = |running: &[f64], batch: &[f64]| -> Vec<f64> {
            running.iter().zip(batch).map(|(r, b)| keep * r + (1.0 - keep) * b).collect()
        };
        let y = Self::normalize(inputs, &batch_mean, &inv_std);
        let per_channel =
            [blend(mean, &batch_mean), blend(var, &batch_var), batch_mean.clone(), inv_std];
        let shape = &inputs[1].shape;
        std::iter::once(y).chain(per_channel.map(|data| Array::new(shape, data))).collect()
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        if (1..node.outputs.len()).any(|output| back.output_gradient(node, output).is_ok()) {
            let (name, op) = (node.name.clone(), node.op.name());
            return Err(Error::NoGradient { node: name, op, why: " through its statistics" });
        }
        let (x, scale, shift) = (node.inputs[0], node.inputs[1], node.inputs[2]);
        let gradients = if self.training {
            let inputs = [dy, x, scale, node.outputs[3], node.outputs[4]];
            back.add_all(node, BatchNormalizationGradient, &inputs)?
        } else {
            let op = BatchNormalizationInferenceGradient { epsilon: self.epsilon };
            back.add_all(node, op, &[dy, x, scale, node.inputs[3], node.inputs[4]])?
        };
        for (value, gradient) in [x, scale, shift].into_iter().zip(&gradients) {
            back.accumulate(value, *gradient)?;
        }
        if self.training {
            return Ok(());
        }
        self.statistics_gradients(back, node, gradients[0], gradients[1])
    }

    fn training(&self) -> Option<Op> {
        (!self.training).then(|| Self { training: true, ..self.clone() }.into())
    }

    fn updates(&self) -> &'static [UpdateRule] {
        const RUNNING: [UpdateRule; 2] =
            [UpdateRule { input: 3, output: 1 }, UpdateRule { input: 4, output: 2 }];
        if self.training { &RUNNING } else { &[] }
    }
}

/// `(dscale, dB)` of every channel.
fn affine_gradients(dy: &Array, x: &Array, mean: &[f64], inv_std: &[f64]) -> [Vec<f64>; 2] {
    let channel = channel_of(&x.shape);
    let normalized = |i: usize| (x.data[i] - mean[channel(i)]) * inv_std[channel(i)];
    let dscale = channel_sums(&x.shape, |i| dy.data[i] * normalized(i));
    [dscale, channel_sums(&x.shape, |i| dy.data[i])]
}

impl Rule for BatchNormalizationGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        infer_gradient("BatchNormalizationGradient", inputs)
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, x, scale) = (inputs[0], inputs[1], &inputs[2].data);
        let (mean, inv_std) = (&inputs[3].data, &inputs[4].data);
        let [dscale, dshift] = affine_gradients(dy, x, mean, inv_std);
        let (count, channel) = (channel_count(&x.shape), channel_of(&x.shape));
        let dx = Array::from_fn(&x.shape, |i| {
            let c = channel(i);
            let normalized = (x.data[i] - mean[c]) * inv_std[c];
            let centered = dy.data[i] - dshift[c] / count - normalized * dscale[c] / count;
            scale[c] * inv_std[c] * centered
        });
        vec![dx, Array::new(&outputs[1], dscale), Array::new(&outputs[2], dshift)]
    }
}

impl Rule for BatchNormalizationInferenceGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        check_epsilon("BatchNormalizationInferenceGradient", self.epsilon)?;
        infer_gradient("BatchNormalizationInferenceGradient", inputs)
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, x, scale) = (inputs[0], inputs[1], &inputs[2].data);
        let inv_std = inverse_deviations(&inputs[4].data, self.epsilon);
        let [dscale, dshift] = affine_gradients(dy, x, &inputs[3].data, &inv_std);
        let channel = channel_of(&x.shape);
        let slope = |i: usize| scale[channel(i)] * inv_std[channel(i)];
        let dx = Array::from_fn(&x.shape, |i| slope(i) * dy.data[i]);
        vec![dx, Array::new(&outputs[1], dscale), Array::new(&outputs[2], dshift)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, Numbers};
    use crate::graph::{Graph, Role};

    fn types(x: &[usize]) -> Vec<Type> {
        let mut types = vec![Type::f32(x)];
        types.extend(vec![Type::f32(&x[1..2]); 4]);
        types
    }

    const SHAPES: [&[usize]; 4] = [&[5, 3], &[2, 3, 5], &[1, 2, 3, 3], &[3, 1, 1, 5]];

    #[test]
    fn training_gradients_match_central_differences() {
        for x in SHAPES {
            let op = BatchNormalization { training: true, epsilon: 0.1, momentum: 0.9 };
            check::op_gradient(op, &types(x), 8);
        }
    }

    #[test]
    fn inference_gradients_match_central_differences() {
        for (seed, x) in SHAPES.into_iter().enumerate() {
            let mut numbers = Numbers(seed as u64);
            let mut values: Vec<Tensor> = types(x)
                .iter()
                .map(|kind| numbers.tensor(&kind.shape.fixed().unwrap()))
                .collect();
            values[4].data_mut().iter_mut().for_each(|var| *var = var.abs() + 0.5);
            let op = BatchNormalization { epsilon: 0.1, ..Default::default() };
            let error = check::op_gradient_error_at(&op.into(), &values, seed as u64).unwrap();
            assert!(error < 1e-6, "off by {error:e} at {x:?}");
        }
    }

    #[test]
    fn training_normalizes_the_batch_and_moves_the_running_statistics() {
        let x = Array::new(&[4, 1], vec![1.0, 3.0, 5.0, 7.0]);
        let [scale, shift, mean, var] =
            [2.0, 10.0, 100.0, 200.0].map(|value| Array::new(&[1], vec![value]));
        let op = BatchNormalization { epsilon: 0.0, momentum: 0.5, training: true };
        let inputs = [&x, &scale, &shift, &mean, &var];
        let y = op.evaluate(&inputs, &[], 0);
        let deviation = 5f64.sqrt(); // of 1, 3, 5, 7 around 4
        let expected = [-3.0, -1.0, 1.0, 3.0].map(|d| 10.0 + 2.0 * d / deviation);
        for (got, want) in y[0].data.iter().zip(expected) {
            assert!((got - want).abs() < 1e-12);
        }
        assert_eq!(y[1].data, [0.5 * 100.0 + 0.5 * 4.0]);
        assert_eq!(y[2].data, [0.5 * 200.0 + 0.5 * 5.0]);
    }

    #[test]
    fn a_loss_through_the_running_statistics_is_refused() {
        let mut g = Graph::new("g");
        let inputs: Vec<_> = types(&[4, 2])
            .iter()
            .enumerate()
            .map(|(i, kind)| {
                let tensor = Tensor::full(&kind.shape.fixed().unwrap(), 1.0);
                g.param(&format!("p{i}"), Role::Weight, tensor).unwrap()
            })
            .collect();
        let op = BatchNormalization { training: true, ..Default::default() };
        let outputs = g.add_all("norm", op, &inputs).unwrap();
        let both = g.add("both", Add, &outputs[..2]).unwrap();
        let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[both]).unwrap();
        let error = crate::gradient(&mut g, loss, &inputs).unwrap_err();
        let text = "node `norm`: BatchNormalization has no gradient through its statistics";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn malformed_attributes_and_shapes_are_refused() {
        let op = || BatchNormalization::default();
        for bad in [
            BatchNormalization { epsilon: -1.0, ..op() },
            BatchNormalization { epsilon: f32::NAN, ..op() },
            BatchNormalization { momentum: 1.5, ..op() },
            BatchNormalization { momentum: f32::NAN, ..op() },
        ] {
            assert!(bad.infer(&types(&[4, 2])).is_err(), "{bad:?}");
        }
        assert!(op().infer(&types(&[4, 2])[..4]).is_err());
        let mut wrong = types(&[4, 2]);
        wrong[3] = Type::f32([3]);
        assert!(op().infer(&wrong).is_err());
        assert!(op().infer(&vec![Type::f32([0; 0]); 5]).is_err());
        assert!(BatchNormalizationGradient.infer(&vec![Type::f32([0; 0]); 5]).is_err());
        assert!(BatchNormalizationGradient.infer(&types(&[4, 2])).is_err());
    }
}
