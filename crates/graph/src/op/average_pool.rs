//! Mean over windows.
//!
//! ```text
//! y[o]  = Σ over the window's taps inside the input of x[place(o, tap)] / divisor(o)
//! dx[i] = Σ of dy[o] / divisor(o) over the windows o that see i
//! ```
//! The divisor counts the taps inside the input, with `count_include_pad` those in the padding too; what
//! hangs over the end of the padding in ceil mode never counts, as in PyTorch.
//! Not here: where windows lie (`window`).

use super::window::{Rounding, sized};
use super::{Rule, Window, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::shape::{Dim, Shape};
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The mean of every window.
///
/// # Shapes
/// - input: `[batch, channels, spatial…]`
/// - output: `[batch, channels, spatial after the window…]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AveragePool {
    /// How the windows lie.
    #[serde(flatten)]
    pub window: Window,
    /// Whether a last window that hangs over the end counts.
    pub ceil_mode: bool,
    /// Whether padding counts as zeros; if not, it does not count at all.
    pub count_include_pad: bool,
}

/// The gradient of [`AveragePool`] over `dy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AveragePoolGradient {
    /// The pool.
    #[serde(flatten)]
    pub pool: AveragePool,
    /// The spatial dimensions of the pool's input, which a stride leaves open.
    pub spatial: Vec<Dim>,
}

impl AveragePool {
    /// A pool over windows that fit whole, in which padding does not count.
    pub fn new(window: Window) -> Self {
        Self { window, ceil_mode: false, count_include_pad: false }
    }

    fn output(&self, op: &'static str, x: &Type) -> Result<Type, Mismatch> {
        self.window.pool(op, x, Rounding::of(self.ceil_mode))
    }

    /// Calls `f(o, places, divisor)` for every window.
    fn for_each_window(&self, x: &[usize], y: &[usize], mut f: impl FnMut(usize, &[usize], f64)) {
        let padded = self.window.padded_taps(&x[2..], &y[2..]);
        self.window.for_each_window(x, y, |o, places| {
            let counted =
                if self.count_include_pad { padded[o % padded.len()] } else { places.len() };
            f(o, places, counted as f64);
        });
    }
}

impl Rule for AveragePool {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("AveragePool", inputs, 1..=1, "1")?;
        Ok(vec![self.output("AveragePool", &inputs[0])?])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::PerChannel
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (x, mut y) = (inputs[0], Array::zeros(&outputs[0]));
        self.for_each_window(&x.shape, &outputs[0], |o, places, divisor| {
            y.data[o] = places.iter().map(|&i| x.data[i]).sum::<f64>() / divisor;
        });
        vec![y]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        let spatial = back.shape(x).0[2..].to_vec();
        let dx = back.add(node, AveragePoolGradient { pool: self.clone(), spatial }, &[dy])?;
        back.accumulate(x, dx)
    }
}

impl Rule for AveragePoolGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "AveragePoolGradient";
        expect_inputs(OP, inputs, 1..=1, "1")?;
        expect_f32(OP, "dy", &inputs[0])?;
        let dy = &inputs[0].shape;
        let lead = dy.0.iter().take(2);
        let x = sized(OP, Shape(lead.chain(&self.spatial).cloned().collect()))?;
        if self.pool.output(OP, &x)?.shape != *dy {
            return Err(bad_shape(OP, "dy", dy, format!("one that belongs to {}", x.shape)));
        }
        Ok(vec![x])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, mut dx) = (inputs[0], Array::zeros(&outputs[0]));
        self.pool.for_each_window(&outputs[0], &dy.shape, |o, places, divisor| {
            places.iter().for_each(|&i| dx.data[i] += dy.data[o] / divisor);
        });
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn gradients_match_central_differences() {
        let uneven = Window {
            kernel_shape: vec![3, 2],
            strides: vec![2, 1],
            pads: vec![1, 0, 2, 1],
            dilations: vec![1, 2],
        };
        for (window, x) in [
            (Window::square(2, 2, 0), vec![2, 3, 5, 4]),
            (Window::square(3, 2, 1), vec![1, 2, 6, 5]),
            (Window::square(3, 1, 1), vec![1, 1, 2, 1]),
            (uneven, vec![2, 2, 5, 6]),
            (Window { strides: vec![3], ..Window::new(&[2]) }, vec![1, 2, 9]),
        ] {
            for (ceil_mode, count_include_pad) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let pool = AveragePool { window: window.clone(), ceil_mode, count_include_pad };
                check::op_gradient(pool, &[Type::f32(x.as_slice())], 2);
            }
        }
    }

    fn of_ones(pool: &AveragePool, shape: &[usize]) -> Vec<f64> {
        let out = pool.infer(&[Type::f32(shape)]).unwrap()[0].shape.fixed().unwrap();
        let ones = Array::from_fn(shape, |_| 1.0);
        pool.evaluate(&[&ones], &[out], 0).remove(0).data
    }

    #[test]
    fn the_mean_of_ones_is_one_unless_padding_counts() {
        let pool = AveragePool::new(Window::square(3, 2, 1));
        assert_eq!(of_ones(&pool, &[1, 1, 3, 3]), [1.0; 4]);
        let counting = AveragePool { count_include_pad: true, ..pool };
        assert_eq!(of_ones(&counting, &[1, 1, 3, 3]), [4.0 / 9.0; 4]);
    }

    #[test]
    fn what_hangs_over_the_padding_never_counts() {
        let window = Window { strides: vec![2], ..Window::new(&[2]) };
        let pool = AveragePool { window, ceil_mode: true, count_include_pad: true };
        assert_eq!(of_ones(&pool, &[1, 1, 3]), [1.0, 1.0]);
    }

    #[test]
    fn gradients_of_another_shape_are_refused() {
        let pool = AveragePool::new(Window::square(2, 2, 0));
        let op = |size: usize| AveragePoolGradient { pool: pool.clone(), spatial: vec![size.into(); 2] };
        assert!(op(5).infer(&[Type::f32([1, 2, 2, 2])]).is_ok());
        assert!(op(6).infer(&[Type::f32([1, 2, 2, 2])]).is_err());
        assert!(op(5).infer(&[Type::f32([2])]).is_err());
        assert!(op(usize::MAX).infer(&[Type::f32([1, 2, 2, 2])]).is_err());
    }
}
