//! Memory that begins at a cache line.

use std::ops::{Deref, DerefMut};

/// Elements of a cache line.
pub const LINE: usize = 16;
/// Lines of a page: addresses a page apart look alike to the load and store units.
const LINES: usize = 64;

/// f32 that begin at a cache line; a vector of its own begins where the allocator likes, large ones a quarter into a line.
///
/// # Example
/// ```
/// let numbers = hoyer_kernels::aligned::Aligned::zeros(100, 3);
/// assert_eq!((numbers.len(), numbers.as_ptr().align_offset(64)), (100, 0));
/// ```
#[derive(Debug, Default)]
pub struct Aligned {
    data: Vec<f32>,
    start: usize,
}

impl Aligned {
    /// So many zeros. Pieces of different `number` begin at different places of a page, so that a kernel that reads one and writes another
    /// at the same index does not make the machine take one for the other.
    pub fn zeros(len: usize, number: usize) -> Self {
        // An odd number of lines apart, so that all places of a page come up.
        let lines = number * 13 % LINES;
        let mut data = vec![0.0; len + (lines + 1) * LINE];
        // Where a machine cannot tell, any start is right.
        let aligned = data.as_ptr().align_offset(4 * LINE).min(LINE);
        let start = aligned % LINE + lines * LINE;
        // Shorter in place: the memory does not move.
        data.truncate(start + len);
        Self { data, start }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.start..]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..]
    }
}

/// A length in whole lines, so that what follows begins at one.
pub fn whole_lines(len: usize) -> usize {
    len.next_multiple_of(LINE)
}
