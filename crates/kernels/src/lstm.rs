//! Long short-term memory: products over all steps at once where they can be, then step by step.
//!
//! ```text
//! i, o, f = σ(W x + R h + B)        g = tanh(W x + R h + B)        c' = f · c + i · g        h' = o · tanh c'
//! ```
//! Rows of weights are those of i, o, f, g. For the backward pass, the forward pass keeps gates and cells.
//! A step is one call of the pool either way: a task multiplies what some samples remember with the weights of some units, and takes these
//! units through their cells at once.

mod forward;
mod gradient;

pub use forward::Forward;
pub use gradient::Gradient;

use crate::recurrent::strips::STRIP;

/// Units that are taken at once: a strip holds them once for each gate.
const UNITS: usize = STRIP / 4;

/// The first numbers, zeros behind them.
#[inline(always)]
fn part_of(x: &[f32], count: usize) -> [f32; UNITS] {
    match x.first_chunk() {
        Some(all) if count == UNITS => *all,
        _ => {
            let mut taken = [0.0; UNITS];
            taken[..count].copy_from_slice(&x[..count]);
            taken
        }
    }
}

/// Writes as many of the numbers as there is room for.
#[inline(always)]
fn put(x: &[f32; UNITS], to: &mut [f32]) {
    match to.first_chunk_mut() {
        Some(all) => *all = *x,
        None => to.copy_from_slice(&x[..to.len()]),
    }
}

/// What a layer reads; shapes are ONNX's.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// `[steps, batch, input]`
    pub x: &'a [f32],
    /// `[directions, 4 · hidden, input]`
    pub w: &'a [f32],
    /// `[directions, 4 · hidden, hidden]`
    pub r: &'a [f32],
    /// `[directions, 8 · hidden]`
    pub b: &'a [f32],
    /// Hidden units and cells to start with, `[directions, batch, hidden]`; zeros if there are none.
    pub initial: Option<[&'a [f32]; 2]>,
}

/// What the forward pass keeps for the backward pass.
#[derive(Debug)]
pub struct Keep<'a> {
    /// The gates after their activations, `[directions, steps, batch, 4 · hidden]`.
    pub gates: &'a mut [f32],
    /// The cells after every step, `[directions, steps, batch, hidden]`.
    pub cells: &'a mut [f32],
}

/// What the forward pass computed.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The outputs at all steps, `[steps, directions, batch, hidden]`.
    pub y: &'a [f32],
    /// As in [`Keep`].
    pub gates: &'a [f32],
    /// As in [`Keep`].
    pub cells: &'a [f32],
}

/// Gradients by a layer's outputs, as far as there are any.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByOutputs<'a> {
    /// By all steps.
    pub y: Option<&'a [f32]>,
    /// By the hidden units after the last step.
    pub h: Option<&'a [f32]>,
    /// By the cells after the last step.
    pub c: Option<&'a [f32]>,
}

/// Gradients by a layer's inputs.
#[derive(Debug)]
pub struct ByInputs<'a> {
    /// By the features, if anybody asks.
    pub x: Option<&'a mut [f32]>,
    /// By the weights of the features.
    pub w: &'a mut [f32],
    /// By the weights of the hidden units.
    pub r: &'a mut [f32],
    /// By both biases.
    pub b: &'a mut [f32],
    /// By the initial states.
    pub initial: Option<[&'a mut [f32]; 2]>,
}
