//! Maximum over windows.
//!
//! ```text
//! y[o]  = max over the window's taps inside the input of x[place(o, tap)]
//! dx[i] = Σ of dy[o] over the windows o whose first maximum, in row-major order, lies at i
//! ```
//! Padding counts as −∞. Where several elements of a window are largest, the whole gradient goes to the
//! first, as in PyTorch. A NaN counts as largest, so that it is never hidden.
//! Not here: where windows lie (`window`).

use super::window::Rounding;
use super::{Rule, Window, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::Coupling;
use crate::tensor::Array;
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// The largest element of every window.
///
/// # Shapes
/// - input: `[batch, channels, spatial…]`
/// - output: `[batch, channels, spatial after the window…]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaxPool {
    /// How the windows lie.
    #[serde(flatten)]
    pub window: Window,
    /// Whether a last window that hangs over the end counts.
    pub ceil_mode: bool,
}

/// The gradient of [`MaxPool`] over `(dy, x, y)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaxPoolGradient {
    /// The pool.
    #[serde(flatten)]
    pub pool: MaxPool,
}

impl MaxPool {
    /// A pool over windows that fit whole.
    pub fn new(window: Window) -> Self {
        Self { window, ceil_mode: false }
    }

    fn output(&self, op: &'static str, x: &Type) -> Result<Type, Mismatch> {
        self.window.pool(op, x, Rounding::of(self.ceil_mode))
    }
}

/// The first of the largest elements among `places`, in their order; a NaN is larger than any number.
fn first_maximum(x: &[f64], places: &[usize]) -> Option<usize> {
    let larger = |best: usize, i: usize| {
        if x[i] > x[best] || (x[i].is_nan() && !x[best].is_nan()) { i } else { best }
    };
    places.iter().copied().reduce(larger)
}

impl Rule for MaxPool {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("MaxPool", inputs, 1..=1, "1")?;
        Ok(vec![self.output("MaxPool", &inputs[0])?])
    }

    fn coupling(&self, _: &[Type]) -> Coupling {
        Coupling::PerChannel
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (x, mut y) = (inputs[0], Array::zeros(&outputs[0]));
        self.window.for_each_window(&x.shape, &outputs[0], |o, places| {
            y.data[o] = first_maximum(&x.data, places).map_or(f64::NEG_INFINITY, |i| x.data[i]);
        });
        vec![y]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x, y) = (back.output_gradient(node, 0)?, node.inputs[0], node.outputs[0]);
        let dx = back.add(node, MaxPoolGradient { pool: self.clone() }, &[dy, x, y])?;
        back.accumulate(x, dx)
    }
}

impl Rule for MaxPoolGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "MaxPoolGradient";
        expect_inputs(OP, inputs, 3..=3, "3")?;
        let need = self.pool.output(OP, &inputs[1])?;
        for (kind, what) in [(&inputs[0], "dy"), (&inputs[2], "y")] {
            expect_f32(OP, what, kind)?;
            if kind.shape != need.shape {
                return Err(bad_shape(OP, what, &kind.shape, need.shape.to_string()));
            }
        }
        Ok(vec![inputs[1].clone()])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, x, mut dx) = (inputs[0], inputs[1], Array::zeros(&outputs[0]));
        self.pool.window.for_each_window(&x.shape, &dy.shape, |o, places| {
            if let Some(winner) = first_maximum(&x.data, places) {
                dx.data[winner] += dy.data[o];
            }
        });
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    fn cases() -> Vec<(MaxPool, Vec<usize>)> {
        let square = |kernel, stride, pad| MaxPool::new(Window::square(kernel, stride, pad));
        let ceil = |pool: MaxPool| MaxPool { ceil_mode: true, ..pool };
        let uneven = Window {
            kernel_shape: vec![3, 2],
            strides: vec![2, 1],
            pads: vec![1, 0, 2, 1],
            dilations: vec![1, 2],
        };
        vec![
            (square(2, 2, 0), vec![2, 3, 5, 4]),
            (ceil(square(2, 2, 0)), vec![2, 1, 5, 7]),
            (square(3, 2, 1), vec![1, 2, 7, 5]),
            (ceil(square(3, 2, 1)), vec![1, 2, 6, 5]),
            (square(3, 1, 1), vec![1, 1, 2, 1]),
            (MaxPool::new(uneven), vec![2, 2, 5, 6]),
            (MaxPool::new(Window { strides: vec![3], ..Window::new(&[2]) }), vec![1, 2, 9]),
        ]
    }

    #[test]
    fn gradients_match_central_differences() {
        for (pool, x) in cases() {
            check::op_gradient(pool, &[Type::f32(x.as_slice())], 8);
        }
    }

    fn run(pool: &MaxPool, x: &[f64], shape: &[usize], dy: &[f64]) -> [Vec<f64>; 2] {
        let x = Array::new(shape, x.to_vec());
        let kinds = pool.infer(&[Type::f32(shape)]).unwrap();
        let out = kinds[0].shape.fixed().unwrap();
        let y = pool.evaluate(&[&x], std::slice::from_ref(&out), 0).remove(0);
        let gradient = MaxPoolGradient { pool: pool.clone() };
        let dy = Array::new(&out, dy.to_vec());
        let dx = gradient.evaluate(&[&dy, &x, &y], &[shape.to_vec()], 0).remove(0);
        [y.data, dx.data]
    }

    #[test]
    fn the_first_of_equal_maxima_gets_the_whole_gradient() {
        let pool = MaxPool::new(Window::square(2, 1, 0));
        let [y, dx] = run(&pool, &[1., 4., 4., 4., 4., 0.], &[1, 1, 2, 3], &[10.0, 1.0]);
        assert_eq!((y, dx), (vec![4.0, 4.0], vec![0.0, 11.0, 0.0, 0.0, 0.0, 0.0]));
        let [_, dx] = run(&pool, &[0.0; 4], &[1, 1, 2, 2], &[1.0]);
        assert_eq!(dx, [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn padding_never_wins() {
        let pool = MaxPool::new(Window::square(2, 2, 1));
        let [y, dx] = run(&pool, &[-3.0, -4.0, -5.0, -6.0], &[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((y, dx), (vec![-3.0, -4.0, -5.0, -6.0], vec![1.0, 2.0, 3.0, 4.0]));
    }

    #[test]
    fn a_nan_is_not_hidden() {
        let pool = MaxPool::new(Window::square(2, 1, 0));
        let [y, dx] = run(&pool, &[9.0, f64::NAN, f64::NAN, 9.0], &[1, 1, 2, 2], &[1.0]);
        assert!(y[0].is_nan());
        assert_eq!(dx, [0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn gradients_of_another_shape_are_refused() {
        let gradient = MaxPoolGradient { pool: MaxPool::new(Window::square(2, 2, 0)) };
        let t = |shape: &[usize]| Type::f32(shape);
        let [x, y] = [t(&[1, 2, 5, 5]), t(&[1, 2, 2, 2])];
        assert!(gradient.infer(&[y.clone(), x.clone(), y.clone()]).is_ok());
        assert!(gradient.infer(&[y.clone(), y.clone(), y.clone()]).is_err());
        assert!(gradient.infer(&[x.clone(), x.clone(), y]).is_err());
        assert!(gradient.infer(&[t(&[]), t(&[]), t(&[])]).is_err());
    }
}
