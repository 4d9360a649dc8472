//! What an optimizer does to one weight: gradient and state in, new weight and state out.
//!
//! ```text
//! Sgd              w -= η g
//! Momentum         b = μ b + g                          w -= η (p g + q b)
//! Adam             m += (1-β₁)(g - m)   v += (1-β₂)(g² - v)   w = κ w - η₁ m / (√v + ε₁)
//! RmsProp          v += (1-α)(g² - v)                   w -= η g / (√v + ε)
//! RmsPropMomentum  v as above   b = μ b + g / (√v + ε)   w -= η b
//! ```
//!
//! Invariants: a zero weight with zero gradient and zero state stays zero.
//! Not here: hyper-parameters and their ranges, bias corrections (`hoyer_learn::optimizer`).

use super::vector::Vector;

/// One optimizer's arithmetic, with `STATES` numbers kept for each weight.
pub(super) trait Rule<const STATES: usize>: Copy {
    /// New weights and state from weights, their gradient and their state.
    fn apply<V: Vector>(self, w: V, g: V, state: [V; STATES]) -> (V, [V; STATES]);
}

/// Plain gradient descent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate `η`.
    pub lr: f32,
}

/// Gradient descent with momentum, dampening 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Momentum {
    /// Learning rate `η`.
    pub lr: f32,
    /// Share `μ` of the buffer that survives a step.
    pub momentum: f32,
    /// Weight `p` of the gradient in the step: 0 for plain momentum, 1 for Nesterov's.
    pub from_gradient: f32,
    /// Weight `q` of the buffer in the step: 1 for plain momentum, `μ` for Nesterov's.
    pub from_buffer: f32,
}

/// Adam and `AdamW`; bias corrections are folded into the step size and `eps`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Step size `η₁ = η s / (1 - β₁ᵗ)`, with `s = √(1 - β₂ᵗ)`.
    pub step_size: f32,
    /// `1 - β₁`.
    pub mean_step: f32,
    /// `1 - β₂`.
    pub square_step: f32,
    /// `ε₁ = ε s`, added outside of the root.
    pub eps: f32,
    /// Share `κ = 1 - η·decay` of the weight that survives decoupled decay; 1 without.
    pub keep: f32,
}

/// Gradient over the root of its running mean square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsProp {
    /// Learning rate `η`.
    pub lr: f32,
    /// `1 - α`.
    pub square_step: f32,
    /// `ε`, added outside of the root.
    pub eps: f32,
}

/// [`RmsProp`] whose steps are gathered in a momentum buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsPropMomentum {
    /// The step without momentum.
    pub step: RmsProp,
    /// Share `μ` of the buffer that survives a step.
    pub momentum: f32,
}

impl Rule<0> for Sgd {
    #[inline(always)]
    fn apply<V: Vector>(self, w: V, g: V, state: [V; 0]) -> (V, [V; 0]) {
        (g.mul_add(V::splat(-self.lr), w), state)
    }
}

impl Rule<1> for Momentum {
    #[inline(always)]
    fn apply<V: Vector>(self, w: V, g: V, [b]: [V; 1]) -> (V, [V; 1]) {
        let b = V::splat(self.momentum).mul_add(b, g);
        let step = V::splat(self.from_gradient).mul_add(g, V::splat(self.from_buffer) * b);
        (step.mul_add(V::splat(-self.lr), w), [b])
    }
}

impl Rule<2> for Adam {
    #[inline(always)]
    fn apply<V: Vector>(self, w: V, g: V, [m, v]: [V; 2]) -> (V, [V; 2]) {
        let m = V::splat(self.mean_step).mul_add(g - m, m);
        let v = V::splat(self.square_step).mul_add(g * g - v, v);
        let step = V::splat(self.step_size) * m / (v.sqrt() + V::splat(self.eps));
        (V::splat(self.keep) * w - step, [m, v])
    }
}

impl Rule<1> for RmsProp {
    #[inline(always)]
    fn apply<V: Vector>(self, w: V, g: V, [v]: [V; 1]) -> (V, [V; 1]) {
        let v = V::splat(self.square_step).mul_add(g * g - v, v);
        (w - V::splat(self.lr) * g / (v.sqrt() + V::splat(self.eps)), [v])
    }
}

impl Rule<2> for RmsPropMomentum {
    #[inline(always)]
    fn apply<V: Vector>(self, w: V, g: V, [v, b]: [V; 2]) -> (V, [V; 2]) {
        let v = V::splat(self.step.square_step).mul_add(g * g - v, v);
        let step = g / (v.sqrt() + V::splat(self.step.eps));
        let b = V::splat(self.momentum).mul_add(b, step);
        (b.mul_add(V::splat(-self.step.lr), w), [v, b])
    }
}
