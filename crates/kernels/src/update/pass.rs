//! The one loop: read gradient, state and mask of a block, write its weights and state, gather.
//!
//! A tail shorter than a block is padded with dead weights, so that it goes the same way.
//! Not here: the arithmetic of a weight (`rule`), penalties and sums (`term`).

use std::ops::Range;

use super::LANES;
use super::rule::Rule;
use super::term::Term;
use super::vector::{Vector, first};

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
struct Blocks<V, const STATES: usize> {
    weights: V,
    gradient: V,
    states: [V; STATES],
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
        blocks: Blocks<V, STATES>,
        alive: Option<V::Alive>,
        term: &mut impl Term<V>,
    ) -> (V, [V; STATES])
    where
        R: Rule<STATES>,
    {
        let Blocks { weights, gradient, states } = blocks;
        let gradient = V::splat(self.gradient_scale) * gradient;
        let gradient = term.add_gradient(at, weights, gradient);
        let (mut weights, mut states) = self.rule.apply(weights, gradient, states);
        if let Some(alive) = alive {
            weights = weights.keep(alive);
            for s in 0..STATES {
                states[s] = states[s].keep(alive);
            }
        }
        term.gather(at, weights);
        (weights, states)
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
        let states = states.map(<[f32]>::as_chunks_mut);
        for i in 0..weights.len() {
            let (w, g) = (V::load(&weights[i]), V::load(&gradients[i]));
            let mut loaded = [w; STATES];
            for s in 0..STATES {
                loaded[s] = V::load(&states[s].0[i]);
            }
            let alive = masks.map(|masks| V::alive(&masks[i]));
            let blocks = Blocks { weights: w, gradient: g, states: loaded };
            let (w, new) = self.block(i, blocks, alive, term);
            w.store(&mut weights[i]);
            for s in 0..STATES {
                new[s].store(&mut states[s].0[i]);
            }
        }
        if !tail.is_empty() {
            let states = states.map(|state| state.1);
            let tails = Slices { weights: tail, gradient: gradient_tail, states, mask: mask_tail };
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
        let Slices { weights, gradient, states, mask } = tails;
        let (w, g) = (V::load_part(weights), V::load_part(gradient));
        let mut loaded = [w; STATES];
        for s in 0..STATES {
            loaded[s] = V::load_part(states[s]);
        }
        let mut alive = [false; LANES];
        match mask {
            Some(mask) => alive[..weights.len()].copy_from_slice(mask),
            None => alive = *first(weights.len()),
        }
        let blocks = Blocks { weights: w, gradient: g, states: loaded };
        let (w, new) = self.block(at, blocks, Some(V::alive(&alive)), term);
        w.store_part(weights);
        for (state, new) in states.into_iter().zip(new) {
            new.store_part(state);
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
        term.gather(blocks.len(), V::load_part(tail));
    }
}
