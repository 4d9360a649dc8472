//! Transposed convolution: the gradient of a convolution by its input, used forward.
//!
//! ```text
//! y  = Convᵀ(x, W) + B        size of y = stride · (size − 1) + output_padding + dilation · (kernel − 1) + 1 − pads
//! dx = Conv(dy, W)            dW = the weight gradient of that convolution        dB = Σ dy
//! ```
//! Not here: the products themselves (`conv`); `auto_pad` and `output_shape`, which are resolved when a file is read.

use super::conv::bias_gradient;
use super::{Rule, Window, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::op::{Conv, ConvInputGradient, ConvWeightGradient};
use crate::shape::{Dim, Shape};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// Transposed convolution over `(X, W)` or `(X, W, B)`.
///
/// # Shapes
/// - `X`: `[batch, in, spatial…]`, the spatial dimensions without symbols
/// - `W`: `[in, out / group, kernel…]`
/// - `B`: `[out]`
/// - output: `[batch, out, spatial…]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvTranspose {
    /// How the kernel slides over the output.
    #[serde(flatten)]
    pub window: Window,
    /// Into how many groups the channels are split.
    pub group: usize,
    /// Elements added at the end of each spatial axis; fewer than the stride.
    pub output_padding: Vec<usize>,
}

impl ConvTranspose {
    /// The convolution from the output back to `X`.
    fn conv(&self) -> Conv {
        Conv { window: self.window.clone(), group: self.group }
    }

    /// The op that computes the output without its bias, over an input of this shape.
    fn product(&self, x: &Shape) -> Result<ConvInputGradient, Mismatch> {
        let fitting = || bad_shape("ConvTranspose", "X", x, "one that the window can enlarge");
        let (window, rank) = (&self.window, self.window.kernel_shape.len());
        let lists = [&window.strides, &window.dilations, &self.output_padding];
        if lists.iter().any(|list| list.len() != rank)
            || window.pads.len() != 2 * rank
            || x.rank() != 2 + rank
        {
            return Err(fitting());
        }
        let size = |i: usize| {
            let steps = x.0[2 + i].fixed()?.checked_sub(1)?.checked_mul(window.strides[i])?;
            let reach = window.kernel_shape[i].checked_sub(1)?.checked_mul(window.dilations[i])?;
            let all = steps.checked_add(reach)?.checked_add(self.output_padding[i])?;
            let pads = window.pads[i].checked_add(window.pads[rank + i])?;
            all.checked_add(1)?.checked_sub(pads).map(Dim::from)
        };
        let spatial = (0..rank).map(size).collect::<Option<_>>().ok_or_else(fitting)?;
        Ok(ConvInputGradient { conv: self.conv(), spatial })
    }
}

impl Rule for ConvTranspose {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "ConvTranspose";
        expect_inputs(OP, inputs, 2..=3, "2 or 3")?;
        for (kind, what) in inputs.iter().zip(["X", "W", "B"]) {
            expect_f32(OP, what, kind)?;
        }
        let (x, w) = (&inputs[0].shape, &inputs[1].shape);
        let product = self.product(x)?;
        let unfit = |_| bad_shape(OP, "W", w, format!("[in, out / group, kernel…] that fits X {x}"));
        let y = product.infer(&inputs[..2]).map_err(unfit)?;
        if let Some(b) = inputs.get(2)
            && b.shape.0 != y[0].shape.0[1..2]
        {
            return Err(bad_shape(OP, "B", &b.shape, format!("[{}]", y[0].shape.0[1])));
        }
        Ok(y)
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        // Groups would have to shrink together, which `group` cannot always say.
        match self.group {
            1 => Coupling::Convolution { group: 1, transposed: true },
            _ => Coupling::Opaque,
        }
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], step: u64) -> Vec<Array> {
        let spatial = outputs[0][2..].iter().map(|&size| Dim::from(size)).collect();
        let product = ConvInputGradient { conv: self.conv(), spatial };
        let mut y = product.evaluate(&inputs[..2], outputs, step);
        if let Some(b) = inputs.get(2) {
            let space = outputs[0][2..].iter().product::<usize>().max(1);
            let bias = |i: usize| b.data[i / space % b.data.len()];
            y[0].data.iter_mut().enumerate().for_each(|(i, y)| *y += bias(i));
        }
        y
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let dy = back.output_gradient(node, 0)?;
        let (x, w) = (node.inputs[0], node.inputs[1]);
        if back.needs(x) {
            let dx = back.add(node, self.conv(), &[dy, w])?;
            back.accumulate(x, dx)?;
        }
        if back.needs(w) {
            let dw = back.add(node, ConvWeightGradient { conv: self.conv() }, &[x, dy])?;
            back.accumulate(w, dw)?;
        }
        bias_gradient(back, node, self.window.rank(), dy)
    }

    fn macs(&self, inputs: &[Type], outputs: &[Type]) -> Dim {
        match self.product(&inputs[0].shape) {
            Ok(product) => product.macs(&inputs[..2], outputs),
            Err(_) => Dim::from(usize::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    fn op(window: Window, group: usize, output_padding: &[usize]) -> ConvTranspose {
        ConvTranspose { window, group, output_padding: output_padding.to_vec() }
    }

    #[test]
    fn gradients_match_central_differences() {
        let t = |shape: &[usize]| Type::f32(shape);
        for (op, x, w, outputs) in [
            (op(Window::square(3, 1, 1), 1, &[0, 0]), [2, 3, 4, 3], [3, 2, 3, 3], 2),
            (op(Window::square(2, 2, 0), 1, &[0, 0]), [1, 2, 3, 2], [2, 3, 2, 2], 3),
            (op(Window::square(3, 2, 1), 1, &[1, 0]), [1, 2, 3, 4], [2, 3, 3, 3], 3),
            (op(Window::square(3, 2, 1), 2, &[0, 1]), [1, 4, 3, 2], [4, 3, 3, 3], 6),
        ] {
            let types = [t(&x), t(&w), t(&[outputs])];
            check::op_gradient(op.clone(), &types, 2);
            check::op_gradient(op, &types[..2], 1);
        }
    }

    #[test]
    fn a_stride_spreads_the_kernel_over_the_output() {
        let (x, w) = (Array::new(&[1, 1, 2], vec![1.0, 10.0]), Array::new(&[1, 1, 2], vec![1.0, 2.0]));
        let op = op(Window { strides: vec![2], ..Window::new(&[2]) }, 1, &[0]);
        let bias = Array::new(&[1], vec![0.5]);
        let y = op.evaluate(&[&x, &w, &bias], &[vec![1, 1, 4]], 0).remove(0);
        assert_eq!(y.data, [1.5, 2.5, 10.5, 20.5]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let t = |shape: &[usize]| Type::f32(shape);
        let good = || op(Window::square(3, 2, 1), 1, &[0, 0]);
        let (x, w) = (t(&[1, 2, 3, 3]), t(&[2, 3, 3, 3]));
        assert!(good().infer(&[x.clone(), w.clone()]).is_ok());
        assert!(good().infer(&[t(&[1, 2, 0, 3]), w.clone()]).is_err());
        assert!(good().infer(&[t(&[1, 3, 3, 3]), w.clone()]).is_err());
        assert!(good().infer(&[x.clone(), w.clone(), t(&[2])]).is_err());
        for bad in [
            op(Window::square(3, 2, 1), 0, &[0, 0]),
            op(Window::square(3, 2, 1), 1, &[0]),
            op(Window::square(3, 2, 1), 1, &[2, 0]),
            op(Window::square(3, 2, 9), 1, &[0, 0]),
            op(Window::square(3, usize::MAX, 1), 1, &[0, 0]),
            op(Window { pads: vec![], ..Window::square(3, 2, 1) }, 1, &[0, 0]),
        ] {
            assert!(bad.infer(&[x.clone(), w.clone()]).is_err(), "{bad:?}");
        }
    }
}
