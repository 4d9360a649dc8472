//! Which weights are left, row by row, and where each reads.
//!
//! ```text
//! row o:  (offset, value) (offset, value) …        offset = where the weight reads, before the pixel is added
//! ```
//! Made from a dense weight; later values are taken over without looking for zeros again ([`Rows::refresh`]), and a new
//! pattern without allocating if there is room ([`Rows::set`], [`Rows::reserve`]). So training can use it too.
//! Invariant: `reach` is the largest offset, so whoever has room for `reach` and a run of pixels may skip all checks.

/// One weight: 8 bytes, read front to back.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct Entry {
    pub(crate) offset: u32,
    pub(crate) value: f32,
}

/// A weight that is left, before its row is put together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight {
    pub(crate) row: usize,
    pub(crate) offset: usize,
    /// Where it stands in the dense weight.
    pub(crate) place: usize,
}

/// The weights that are left of a matrix `[rows, columns]`.
///
/// # Example
/// ```
/// use hoyer_kernels::sparse::Rows;
///
/// let w = [0.0, 2.0, 0.0, 0.0, 0.0, 3.0];
/// let mut rows = Rows::new(&w, 2, |_, column| 10 * column);
/// assert_eq!((rows.len(), rows.nonzero(), rows.of(1)), (2, 2, vec![(20, 3.0)]));
/// rows.refresh(&[9.0, 4.0, 9.0, 9.0, 9.0, 9.0]);
/// assert_eq!(rows.of(0), [(10, 4.0)]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Where each row starts among the entries, and their number.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    /// Where each entry stands in the dense weight.
    places: Vec<u32>,
    reach: usize,
}

impl Rows {
    /// Takes what is not exactly zero of a row-major matrix with so many rows; a weight at `(row, column)` reads at
    /// `offset(row, column)`.
    ///
    /// # Panics
    /// As [`Self::set`].
    pub fn new(w: &[f32], rows: usize, offset: impl Fn(usize, usize) -> usize) -> Self {
        let mut made = Self::default();
        made.set(w, rows, offset);
        made
    }

    /// Makes room for so many rows and weights.
    pub fn reserve(&mut self, rows: usize, weights: usize) {
        self.starts.reserve((rows + 1).saturating_sub(self.starts.len()));
        self.entries.reserve(weights.saturating_sub(self.entries.len()));
        self.places.reserve(weights.saturating_sub(self.places.len()));
    }

    /// As [`Self::new`], in place; allocates only where there is less room than needed.
    ///
    /// # Panics
    /// If the rows do not divide the weights, or a place or an offset is beyond `u32`.
    pub fn set(&mut self, w: &[f32], rows: usize, offset: impl Fn(usize, usize) -> usize) {
        assert!(w.len().is_multiple_of(rows.max(1)), "{} weights are not {rows} rows", w.len());
        let columns = w.len() / rows.max(1);
        let narrow = |n: usize| u32::try_from(n).expect("places and offsets are below 2^32");
        self.starts.clear();
        self.entries.clear();
        self.places.clear();
        self.starts.push(0);
        self.reach = 0;
        for row in 0..rows {
            for (column, &value) in w[row * columns..][..columns].iter().enumerate() {
                if value != 0.0 {
                    let at = offset(row, column);
                    self.reach = self.reach.max(at);
                    self.entries.push(Entry { offset: narrow(at), value });
                    self.places.push(narrow(row * columns + column));
                }
            }
            self.starts.push(narrow(self.entries.len()));
        }
    }

    /// Takes weights in any order: of each its row, where it reads, and its place in the dense weight. Their values are zero
    /// until [`Self::refresh`]; the weights of a row keep their order.
    ///
    /// # Panics
    /// If a row is none of `rows`, or a place or an offset is beyond `u32`.
    pub(crate) fn gather(rows: usize, weights: &[Weight]) -> Self {
        let narrow = |n: usize| u32::try_from(n).expect("places and offsets are below 2^32");
        let mut starts = vec![0; rows + 1];
        weights.iter().for_each(|weight| starts[weight.row + 1] += 1);
        (0..rows).for_each(|row| starts[row + 1] += starts[row]);
        let mut next = starts.clone();
        let mut entries = vec![Entry { offset: 0, value: 0.0 }; weights.len()];
        let (mut places, mut reach) = (vec![0; weights.len()], 0);
        for weight in weights {
            let at = next[weight.row] as usize;
            next[weight.row] += 1;
            entries[at].offset = narrow(weight.offset);
            places[at] = narrow(weight.place);
            reach = reach.max(weight.offset);
        }
        Self { starts, entries, places, reach }
    }

    /// Takes new values for the same weights from the dense matrix.
    ///
    /// # Panics
    /// If `w` is shorter than the matrix was.
    pub fn refresh(&mut self, w: &[f32]) {
        for (entry, &place) in self.entries.iter_mut().zip(&self.places) {
            entry.value = w[place as usize];
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many weights are left.
    pub fn nonzero(&self) -> usize {
        self.entries.len()
    }

    /// The largest offset.
    pub(crate) fn reach(&self) -> usize {
        self.reach
    }

    /// The weights of a row.
    #[inline]
    pub(crate) fn row(&self, row: usize) -> &[Entry] {
        &self.entries[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    /// Where the weights of a row stand among all that are left.
    #[inline]
    pub(crate) fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.starts[row] as usize..self.starts[row + 1] as usize
    }

    /// Where each weight that is left stands in the dense weight.
    pub(crate) fn places(&self) -> &[u32] {
        &self.places
    }

    /// The weights of a row: where each reads, and its value.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn of(&self, row: usize) -> Vec<(usize, f32)> {
        self.row(row).iter().map(|entry| (entry.offset as usize, entry.value)).collect()
    }
}
