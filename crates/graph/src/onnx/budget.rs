//! How much a file may make its reader compute: in proportion to what it stores.
//!
//! A node that computes while reading costs what it reads and gives; a chain of such nodes could else make a small file
//! large, or take long.

use super::context::Context;
use super::known::Known;
use super::names::{Names, Thing};
use crate::Result;

/// What a file without weights may compute, in elements.
const BASE: usize = 1 << 20;
/// How often every stored element may be moved.
const TIMES: usize = 16;
/// An integer may be a dimension with symbols, and is so much larger than a float.
const INTEGER: usize = 8;

/// Elements that may still be computed.
pub(crate) struct Budget(usize);

impl Budget {
    /// What these stored tensors allow.
    pub(crate) fn of(names: &Names) -> Self {
        let stored = names.things().map(|thing| match thing {
            Thing::Known(known) => elements(known),
            _ => 0,
        });
        Self(BASE.saturating_add(stored.sum::<usize>().saturating_mul(TIMES)))
    }

    /// Takes what a node reads that is known.
    pub(crate) fn read(&mut self, cx: &Context<'_>) -> Result<()> {
        let inputs = (0..cx.node.input.len()).filter_map(|at| cx.known(at));
        self.take(cx, inputs.map(elements).sum())
    }

    /// Takes what a node has computed; what it had stored is allowed for instead.
    pub(crate) fn made(&mut self, cx: &Context<'_>, known: &Known) -> Result<()> {
        if cx.op() == "Constant" {
            self.0 = self.0.saturating_add(elements(known).saturating_mul(TIMES));
            return Ok(());
        }
        self.take(cx, elements(known))
    }

    fn take(&mut self, cx: &Context<'_>, count: usize) -> Result<()> {
        match self.0.checked_sub(count) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => cx.refuse("computes more constants than the file has weights for"),
        }
    }
}

fn elements(known: &Known) -> usize {
    match known {
        Known::Floats(tensor) => tensor.data().len(),
        Known::Ints(ints) => ints.data.len().saturating_mul(INTEGER),
    }
}
