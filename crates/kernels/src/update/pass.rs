//! The one loop: read gradient, state and mask of a block, write its weights and state, gather.
//!
//! A tail shorter than a block is padded with dead weights, so that it goes the same way.
//! Not here: the arithmetic of a weight (`rule`), penalties and sums (`term`).

use std::ops::Range;

use super::rule::Rule;
use super::term::Term;
use super::vector::Vector;
use super::{Block, LANES};

/// Equally long slices of one tensor: what a pass reads and writes.
pub(super) struct Slices<'a, const STATES: usize> {
    pub(super) weights: &'a mut [f32],
    pub(super) gradient: &'a [f32],
    pub(super) states: [&'a mut [f32]; STATES],
    pub(super) mask: Option<&'a [bool]>,
}

impl<const STATES: usize> Slices<'_, STATES> {
    /// The slices at `range`.
    #[inline(always)]
    pub(super) fn part(&mut self, range: Range<usize>) -> Slices<'_, STATES> {
        let states = self.states.each_mut().map(|state| &mut state[range.clone()]);
        Slices {
            weights: &mut self.weights[range.clone()],
            gradient: &self.gradient[range.clone()],
            states,
            mask: self.mask.map(|mask| &mask[range]),
        }
    }
}

/// One block of every slice.
struct Blocks<'a, const STATES: usize> {
    weights: &'a mut Block,
    gradient: &'a Block,
    states: [&'a mut Block; STATES],
    mask: Option<&'a [bool; LANES]>,
}

/// What happens to every weight.
#[derive(Clone, Copy)]
pub(super) struct Step<R> {
    pub(super) gradient_scale: f32,
    pub(super) rule: R,
}

impl<R> Step<R> {
    /// Updates the weights of block `at` and shows the new ones to `term`.
    #[inline(always)]
    fn block<const STATES: usize, V: Vector>(
        self,
        at: usize,
        blocks: Blocks<'_, STATES>,
        term: &mut impl Term<V>,
    ) where
        R: Rule<STATES>,
    {
        let w = V::load(blocks.weights);
        let gradient = V::splat(self.gradient_scale) * V::load(blocks.gradient);
        let gradient = term.add_gradient(at, w, gradient);
        let mut state = [w; STATES];
        for s in 0..STATES {
            state[s] = V::load(blocks.states[s]);
        }
        let (mut w, mut state) = self.rule.apply(w, gradient, state);
        if let Some(mask) = blocks.mask {
            let alive = V::alive(mask);
            w = w.keep(alive);
            for s in 0..STATES {
                state[s] = state[s].keep(alive);
            }
        }
        term.gather(at, w);
        w.store(blocks.weights);
        for s in 0..STATES {
            state[s].store(blocks.states[s]);
        }
    }

    /// Updates all weights of `slices` and shows the new ones to `term`.
    #[inline(always)]
    pub(super) fn slices<const STATES: usize, V: Vector>(
        self,
        slices: Slices<'_, STATES>,
        term: &mut impl Term<V>,
    ) where
        R: Rule<STATES>,
    {
        let Slices { weights, gradient, states, mask } = slices;
        let (weights, tail) = weights.as_chunks_mut();
        let (gradients, gradient_tail) = gradient.as_chunks();
        let (masks, mask_tail) = mask.map(<[bool]>::as_chunks).unzip();
        let mut states = states.map(<[f32]>::as_chunks_mut);
        for i in 0..weights.len() {
            let blocks = Blocks {
                weights: &mut weights[i],
                gradient: &gradients[i],
                states: states.each_mut().map(|state| &mut state.0[i]),
                mask: masks.map(|masks| &masks[i]),
            };
            self.block(i, blocks, term);
        }
        if !tail.is_empty() {
            let tails = Slices {
                weights: tail,
                gradient: gradient_tail,
                states: states.map(|state| state.1),
                mask: mask_tail,
            };
            self.tail(weights.len(), tails, term);
        }
    }

    /// Updates fewer weights than a block holds: those behind them are made up and dead.
    #[inline(always)]
    fn tail<const STATES: usize, V: Vector>(
        self,
        at: usize,
        tails: Slices<'_, STATES>,
        term: &mut impl Term<V>,
    ) where
        R: Rule<STATES>,
    {
        let len = tails.weights.len();
        let mut weights = padded(tails.weights);
        let mut states = tails.states.each_ref().map(|state| padded(state));
        let mut mask = [false; LANES];
        match tails.mask {
            Some(tail) => mask[..len].copy_from_slice(tail),
            None => mask[..len].fill(true),
        }
        let blocks = Blocks {
            weights: &mut weights,
            gradient: &padded(tails.gradient),
            states: states.each_mut(),
            mask: Some(&mask),
        };
        self.block(at, blocks, term);
        tails.weights.copy_from_slice(&weights[..len]);
        for (state, padded) in tails.states.into_iter().zip(&states) {
            state.copy_from_slice(&padded[..len]);
        }
    }
}

/// Shows the weights to `term` and changes nothing.
#[inline(always)]
pub(super) fn look<V: Vector>(weights: &[f32], term: &mut impl Term<V>) {
    let (blocks, tail) = weights.as_chunks();
    for (i, block) in blocks.iter().enumerate() {
        term.gather(i, V::load(block));
    }
    if !tail.is_empty() {
        term.gather(blocks.len(), V::load(&padded(tail)));
    }
}

/// A short tail as a block with zeros behind it.
#[inline(always)]
fn padded(tail: &[f32]) -> Block {
    let mut block = [0.0; LANES];
    block[..tail.len()].copy_from_slice(tail);
    block
}
