//! Convolution, over any number of spatial axes.
//!
//! ```text
//! y[n, m, o]  = B[m] + Σ_c Σ_tap x[n, g·C/group + c, place(o, tap)] · W[m, c, tap]     g = group of m
//! dx[place]  += dy · W        dW[tap] += dy · x[place]        dB = Σ over n, o of dy
//! ```
//! The three products run over the same triples of places; each op sums into another of the three.
//! Not here: where windows lie (`window`); `auto_pad`, which is resolved when a file is read.

use super::window::{Rounding, sized};
use super::{Op, Rule, Window, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type, ValueId};
use crate::groups::{Coupling, Narrowing};
use crate::op::ReduceSum;
use crate::shape::{Dim, Shape};
use crate::tensor::{Array, elements};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// Convolution over `(X, W)` or `(X, W, B)`.
///
/// # Shapes
/// - `X`: `[batch, in, spatial…]`
/// - `W`: `[out, in / group, kernel…]`
/// - `B`: `[out]`
/// - output: `[batch, out, spatial after the window…]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conv {
    /// How the kernel slides; its size repeats that of `W`.
    #[serde(flatten)]
    pub window: Window,
    /// Into how many groups the channels are split, in their order.
    pub group: usize,
}

/// The gradient of [`Conv`] by `X`, over `(dy, W)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvInputGradient {
    /// The convolution.
    #[serde(flatten)]
    pub conv: Conv,
    /// The spatial dimensions of `X`, which a stride leaves open.
    pub spatial: Vec<Dim>,
}

/// The gradient of [`Conv`] by `W`, over `(dy, X)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvWeightGradient {
    /// The convolution.
    #[serde(flatten)]
    pub conv: Conv,
}

impl Conv {
    /// A convolution of all channels with all.
    pub fn new(window: Window) -> Self {
        Self { window, group: 1 }
    }

    /// The output's shape over inputs of these shapes.
    fn output(&self, op: &'static str, x: &Shape, w: &Shape) -> Result<Shape, Mismatch> {
        let spatial = self.window.output(op, x, Rounding::Floor)?;
        let kernel = Shape::from(self.window.kernel_shape.as_slice());
        if w.rank() != x.rank() || w.0[2..] != kernel.0 {
            let need = format!("[out, in / group] and the kernel {kernel}");
            return Err(bad_shape(op, "W", w, need));
        }
        let group = Dim::from(self.group);
        if self.group == 0 || x.0[1].divided_by(&group).is_none() {
            let (attribute, got) = ("group", self.group.to_string());
            let need = format!("a divisor of {} channels", x.0[1]);
            return Err(Mismatch::Attribute { op, attribute, got, need });
        }
        let splits = w.0[0].divided_by(&group).is_some();
        if !splits || w.0[1].times(&group).as_ref() != Some(&x.0[1]) {
            let need = format!("one that fits {} channels in {} groups", x.0[1], self.group);
            return Err(bad_shape(op, "W", w, need));
        }
        let lead = [x.0[0].clone(), w.0[0].clone()];
        Ok(Shape(lead.into_iter().chain(spatial).collect()))
    }

    /// Calls `f(x, w, y)` with the places of every product `y[..] += x[..] · w[..]`, over an input and
    /// an output of these shapes.
    fn for_each_product(&self, x: &[usize], y: &[usize], mut f: impl FnMut(usize, usize, usize)) {
        let taps = self.window.taps(&x[2..], &y[2..]);
        let size = |dims: &[usize]| elements(dims).expect("part of an array that exists");
        let (space_x, space_y) = (size(&x[2..]), size(&y[2..]));
        let kernel = size(&self.window.kernel_shape);
        let (in_group, out_group) = (x[1] / self.group, y[1] / self.group);
        for (n, m) in (0..y[0]).flat_map(|n| (0..y[1]).map(move |m| (n, m))) {
            for c in 0..in_group {
                let x_at = (n * x[1] + m / out_group * in_group + c) * space_x;
                let w_at = (m * in_group + c) * kernel;
                let y_at = (n * y[1] + m) * space_y;
                for (o, taps) in taps.iter().enumerate() {
                    for &[tap, place] in taps {
                        f(x_at + place, w_at + tap, y_at + o);
                    }
                }
            }
        }
    }

    /// One multiplication per output element, input channel of its group, and tap.
    fn macs(&self, y: &Shape, in_channels: &Dim) -> Dim {
        let taps = elements(&self.window.kernel_shape).map(Dim::from);
        let per_output = in_channels.divided_by(&Dim::from(self.group));
        let all = y.elements().zip(taps).and_then(|(y, taps)| y.times(&taps)).zip(per_output);
        all.and_then(|(all, channels)| all.times(&channels)).unwrap_or(Dim::from(usize::MAX))
    }
}

impl Rule for Conv {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Conv", inputs, 2..=3, "2 or 3")?;
        for (kind, what) in inputs.iter().zip(["X", "W", "B"]) {
            expect_f32("Conv", what, kind)?;
        }
        let y = self.output("Conv", &inputs[0].shape, &inputs[1].shape)?;
        if let Some(b) = inputs.get(2)
            && b.shape.0 != y.0[1..2]
        {
            return Err(bad_shape("Conv", "B", &b.shape, format!("[{}]", y.0[1])));
        }
        Ok(vec![sized("Conv", y)?])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::Convolution { group: self.group, transposed: false }
    }

    /// Whole groups go.
    fn narrowed(&self, narrowing: Narrowing<'_>) -> Option<Op> {
        let read = narrowing.inputs[0].as_ref().filter(|_| self.group > 1)?;
        let group = self.group * read.count() / read.keep.len().max(1);
        Some(Op::Conv(Self { group, ..self.clone() }))
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (x, w, shape) = (inputs[0], inputs[1], &outputs[0]);
        let space = elements(&shape[2..]).expect("checked by infer");
        let bias = |at: usize| inputs.get(2).map_or(0.0, |b| b.data[at / space % shape[1]]);
        let mut y = Array::from_fn(shape, bias);
        self.for_each_product(&x.shape, shape, |i, j, o| y.data[o] += x.data[i] * w.data[j]);
        vec![y]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let (x, w, conv) = (node.inputs[0], node.inputs[1], self.clone());
        if back.needs(x) {
            let spatial = back.shape(x).0[2..].to_vec();
            let op = ConvInputGradient { conv: conv.clone(), spatial };
            let dx = back.add(node, op, &[dy, w])?;
            back.accumulate(x, dx)?;
        }
        if back.needs(w) {
            let dw = back.add(node, ConvWeightGradient { conv }, &[dy, x])?;
            back.accumulate(w, dw)?;
        }
        bias_gradient(back, node, self.window.rank(), dy)
    }

    fn macs(&self, inputs: &[Type], outputs: &[Type]) -> Dim {
        Conv::macs(self, &outputs[0].shape, &inputs[0].shape.0[1])
    }
}

impl Rule for ConvInputGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "ConvInputGradient";
        expect_inputs(OP, inputs, 2..=2, "2")?;
        expect_f32(OP, "dy", &inputs[0])?;
        expect_f32(OP, "W", &inputs[1])?;
        let (dy, w) = (&inputs[0].shape, &inputs[1].shape);
        let unfit = || bad_shape(OP, "dy", dy, format!("one that belongs to {:?}", self.spatial));
        if dy.rank() < 2 || w.rank() < 2 {
            return Err(unfit());
        }
        let channels = w.0[1].times(&Dim::from(self.conv.group)).ok_or_else(unfit)?;
        let lead = [dy.0[0].clone(), channels];
        let x = Shape(lead.into_iter().chain(self.spatial.iter().cloned()).collect());
        if self.conv.output(OP, &x, w)? != *dy {
            return Err(unfit());
        }
        Ok(vec![sized(OP, x)?])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, w, mut dx) = (inputs[0], inputs[1], Array::zeros(&outputs[0]));
        let sum = |i: usize, j: usize, o: usize| dx.data[i] += dy.data[o] * w.data[j];
        self.conv.for_each_product(&outputs[0], &dy.shape, sum);
        vec![dx]
    }

    fn macs(&self, inputs: &[Type], outputs: &[Type]) -> Dim {
        Conv::macs(&self.conv, &inputs[0].shape, &outputs[0].shape.0[1])
    }
}

impl Rule for ConvWeightGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "ConvWeightGradient";
        expect_inputs(OP, inputs, 2..=2, "2")?;
        expect_f32(OP, "dy", &inputs[0])?;
        expect_f32(OP, "X", &inputs[1])?;
        let (dy, x) = (&inputs[0].shape, &inputs[1].shape);
        let unfit = || bad_shape(OP, "dy", dy, format!("one that belongs to X {x}"));
        let channels = x.0.get(1).and_then(|c| c.divided_by(&Dim::from(self.conv.group)));
        let lead = [dy.0.get(1).cloned().ok_or_else(unfit)?, channels.ok_or_else(unfit)?];
        let kernel = self.conv.window.kernel_shape.iter().map(|&k| Dim::from(k));
        let w = Shape(lead.into_iter().chain(kernel).collect());
        if self.conv.output(OP, x, &w)? != *dy {
            return Err(unfit());
        }
        Ok(vec![sized(OP, w)?])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, x, mut dw) = (inputs[0], inputs[1], Array::zeros(&outputs[0]));
        let sum = |i: usize, j: usize, o: usize| dw.data[j] += dy.data[o] * x.data[i];
        self.conv.for_each_product(&x.shape, &dy.shape, sum);
        vec![dw]
    }

    fn macs(&self, inputs: &[Type], _: &[Type]) -> Dim {
        Conv::macs(&self.conv, &inputs[0].shape, &inputs[1].shape.0[1])
    }
}

/// Adds the gradient of a convolution's bias, if there is one that needs it: the sum of `dy` over all but its channels.
pub(super) fn bias_gradient(
    back: &mut Backward<'_>,
    node: &Node,
    spatial: usize,
    dy: ValueId,
) -> Result<()> {
    match node.inputs.get(2) {
        Some(&b) if back.needs(b) => {
            let axes = std::iter::once(0).chain(2..2 + spatial as i64).collect();
            let db = back.add(node, ReduceSum { axes, keepdims: false }, &[dy])?;
            back.accumulate(b, db)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::graph::{Graph, Role};
    use crate::tensor::Tensor;

    fn conv(kernel: &[usize], strides: &[usize], pads: &[usize], dilations: &[usize]) -> Conv {
        Conv::new(Window {
            kernel_shape: kernel.to_vec(),
            strides: strides.to_vec(),
            pads: pads.to_vec(),
            dilations: dilations.to_vec(),
        })
    }

    /// A convolution, its input's shape, and how many outputs it has.
    fn cases() -> Vec<(Conv, Vec<usize>, usize)> {
        let square = |kernel, stride, pad| Conv::new(Window::square(kernel, stride, pad));
        vec![
            (square(3, 1, 1), vec![2, 3, 5, 4], 2),
            (square(3, 2, 1), vec![1, 2, 7, 6], 3),
            // 1x1, dense and strided.
            (square(1, 1, 0), vec![3, 5, 3, 1], 2),
            (square(1, 2, 0), vec![1, 3, 5, 4], 2),
            // The kernel is larger than the input, and than what is left of it at the end.
            (square(5, 3, 2), vec![1, 2, 3, 2], 3),
            (square(3, 3, 0), vec![2, 1, 8, 5], 2),
            // Uneven everything.
            (conv(&[3, 2], &[2, 1], &[1, 0, 2, 3], &[1, 2]), vec![2, 3, 6, 5], 2),
            // Groups, depthwise, depthwise with two outputs per channel.
            (Conv { group: 2, ..square(3, 1, 1) }, vec![1, 4, 3, 3], 6),
            (Conv { group: 3, ..square(3, 2, 1) }, vec![2, 3, 5, 5], 3),
            (Conv { group: 3, ..square(2, 1, 0) }, vec![1, 3, 3, 4], 6),
            // One and three spatial axes.
            (conv(&[3], &[2], &[2, 1], &[2]), vec![2, 2, 9], 3),
            (conv(&[2, 1, 2], &[1, 2, 1], &[0, 0, 1, 0, 0, 0], &[1; 3]), vec![1, 2, 3, 3, 2], 2),
        ]
    }

    fn types(conv: &Conv, x: &[usize], outputs: usize) -> [Type; 3] {
        let w = [&[outputs, x[1] / conv.group], conv.window.kernel_shape.as_slice()].concat();
        [Type::f32(x), Type::f32(w.as_slice()), Type::f32([outputs])]
    }

    #[test]
    fn gradients_match_central_differences() {
        for (conv, x, outputs) in cases() {
            let types = types(&conv, &x, outputs);
            check::op_gradient(conv.clone(), &types, 2);
            check::op_gradient(conv, &types[..2], 1);
        }
    }

    #[test]
    fn a_convolution_over_a_symbolic_batch_has_it_in_its_output() {
        let mut g = Graph::new("g");
        let shape = Shape(["batch", "3", "32", "32"].map(|d| {
            d.parse().map_or_else(|_| Dim::symbol(d), |n: usize| Dim::from(n))
        }).to_vec());
        let x = g.input("x", Type::f32(shape));
        let w = g.param("w", Role::Weight, Tensor::full(&[16, 3, 3, 3], 0.1)).unwrap();
        let y = g.add("conv", Conv::new(Window::square(3, 2, 1)), &[x, w]).unwrap();
        assert_eq!(g.value(y).kind.shape.to_string(), "[batch, 16, 16, 16]");
        let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[y]).unwrap();
        let dx = crate::gradient(&mut g, loss, &[x]).unwrap()[0];
        assert_eq!(g.value(dx).kind.shape, g.value(x).kind.shape);
        let conv = g.node(crate::NodeId(0));
        let kinds = |ids: &[crate::ValueId]| -> Vec<Type> {
            ids.iter().map(|&id| g.value(id).kind.clone()).collect()
        };
        let macs = conv.op.rule().macs(&kinds(&conv.inputs), &kinds(&conv.outputs));
        assert_eq!(macs.to_string(), format!("{}*batch", 16 * 16 * 16 * 3 * 9));
    }

    #[test]
    fn the_gradients_cost_as_much_as_the_convolution() {
        for (conv, x, outputs) in cases() {
            let [x, w, _] = types(&conv, &x, outputs);
            let y = conv.infer(&[x.clone(), w.clone()]).unwrap();
            let forward = Rule::macs(&conv, &[x.clone(), w.clone()], &y);
            let spatial = x.shape.0[2..].to_vec();
            let by_x = ConvInputGradient { conv: conv.clone(), spatial };
            let by_w = ConvWeightGradient { conv };
            assert_eq!(by_x.macs(&[y[0].clone(), w.clone()], std::slice::from_ref(&x)), forward);
            assert_eq!(by_w.macs(&[y[0].clone(), x], &[w]), forward);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let t = |shape: &[usize]| Type::f32(shape);
        let conv = |group| Conv { window: Window::square(3, 1, 0), group };
        let refuses = |op: Conv, types: &[Type]| assert!(op.infer(types).is_err(), "{op:?}");
        refuses(conv(1), &[t(&[1, 3, 5, 5])]);
        refuses(conv(1), &[t(&[1, 3, 5, 5]), t(&[4, 2, 3, 3])]);
        refuses(conv(1), &[t(&[1, 3, 5, 5]), t(&[4, 3, 3])]);
        refuses(conv(1), &[t(&[1, 3, 5, 5]), t(&[4, 3, 3, 2])]);
        refuses(conv(1), &[t(&[1, 3, 5, 5]), t(&[4, 3, 3, 3]), t(&[5])]);
        refuses(conv(1), &[t(&[3, 5, 5]), t(&[4, 3, 3, 3])]);
        refuses(conv(1), &[t(&[]), t(&[])]);
        refuses(conv(0), &[t(&[1, 0, 5, 5]), t(&[4, 3, 3, 3])]);
        refuses(conv(3), &[t(&[1, 3, 5, 5]), t(&[4, 1, 3, 3])]);
        refuses(conv(2), &[t(&[1, 3, 5, 5]), t(&[4, 1, 3, 3])]);
        refuses(conv(usize::MAX), &[t(&[1, 3, 5, 5]), t(&[4, 3, 3, 3])]);
        let huge = 1 << 40;
        let wide = Conv::new(Window::square(1, 1, huge));
        refuses(wide, &[t(&[1, 1, 1, 1]), t(&[1, 1, 1, 1])]);
        refuses(conv(1), &[t(&[huge, 1, 3, huge]), t(&[1, 1, 3, 3])]);
    }

    #[test]
    fn gradients_of_another_shape_are_refused() {
        let conv = || Conv::new(Window::square(3, 2, 1));
        let by_x = |size: usize| ConvInputGradient { conv: conv(), spatial: vec![size.into(); 2] };
        let (dy, w) = (Type::f32([1, 4, 3, 3]), Type::f32([4, 2, 3, 3]));
        assert!(by_x(5).infer(&[dy.clone(), w.clone()]).is_ok());
        assert!(by_x(6).infer(&[dy.clone(), w.clone()]).is_ok());
        assert!(by_x(7).infer(&[dy.clone(), w.clone()]).is_err());
        assert!(by_x(6).infer(&[Type::f32([4]), w]).is_err());
        let by_w = ConvWeightGradient { conv: conv() };
        assert!(by_w.infer(&[dy.clone(), Type::f32([1, 2, 6, 5])]).is_ok());
        assert!(by_w.infer(&[dy.clone(), Type::f32([2, 2, 6, 5])]).is_err());
        assert!(by_w.infer(&[dy, Type::f32([1])]).is_err());
        let ungrouped = ConvWeightGradient { conv: Conv { group: 0, ..conv() } };
        assert!(ungrouped.infer(&[Type::f32([1, 4, 3, 3]), Type::f32([1, 2, 6, 5])]).is_err());
    }

    #[test]
    fn attributes_survive_json() {
        let conv = Conv::new(Window::square(3, 2, 1));
        let by_x = ConvInputGradient { conv, spatial: vec![Dim::from(6); 2] };
        let op = crate::Op::from(by_x);
        let text = serde_json::to_string(&op).unwrap();
        assert_eq!(serde_json::from_str::<crate::Op>(&text).unwrap(), op, "{text}");
    }
}
