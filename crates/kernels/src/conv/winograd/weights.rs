//! `G w Gᵀ`: kernels as they are multiplied, and `Gᵀ u G`: their gradient back again.
//!
//! ```text
//!     ⎡ 1   0   0 ⎤
//! G = ⎢ ½   ½   ½ ⎥
//!     ⎢ ½  −½   ½ ⎥
//!     ⎣ 0   0   1 ⎦
//! ```

use super::PLACES;
use super::product::{PANEL, Strides};

/// Kernels of a convolution from `[in, out]` channels.
#[derive(Debug, Clone, Copy)]
pub(in crate::conv) enum Kernels<'a> {
    /// `[out][in][3][3]`, as they are.
    Plain(&'a [f32]),
    /// `[in][out][3][3]`, to be turned by half a circle: those of the convolution whose input gradient this one is.
    Turned(&'a [f32]),
}

/// Packs them: for every place what a product reads.
pub(super) fn pack(kernels: Kernels<'_>, [terms, rows]: [usize; 2], packed: &mut [f32]) {
    let of_place = Strides::packed(rows, terms).place;
    for row in 0..rows.next_multiple_of(PANEL) {
        for term in 0..terms {
            let u = if row < rows {
                transform(&kernel(kernels, [terms, rows], row, term))
            } else {
                [0.0; PLACES]
            };
            let at = (row / PANEL * terms + term) * PANEL + row % PANEL;
            packed[at..].iter_mut().step_by(of_place).zip(u).for_each(|(to, u)| *to = u);
        }
    }
}

fn kernel(kernels: Kernels<'_>, [terms, rows]: [usize; 2], row: usize, term: usize) -> [f32; 9] {
    match kernels {
        Kernels::Plain(w) => w.as_chunks::<9>().0[row * terms + term],
        Kernels::Turned(w) => {
            let mut kernel = w.as_chunks::<9>().0[term * rows + row];
            kernel.reverse();
            kernel
        }
    }
}

/// `G w Gᵀ`.
fn transform(w: &[f32; 9]) -> [f32; PLACES] {
    let spread = |[a, b, c]: [f32; 3]| {
        let half = 0.5 * (a + c);
        [a, half + 0.5 * b, half - 0.5 * b, c]
    };
    let columns: [[f32; 4]; 3] = std::array::from_fn(|x| spread([w[x], w[3 + x], w[6 + x]]));
    let row = |y: usize| spread(columns.map(|column| column[y]));
    let rows: [[f32; 4]; 4] = std::array::from_fn(row);
    std::array::from_fn(|i| rows[i / 4][i % 4])
}

/// `Gᵀ u G`.
pub(super) fn gradient(u: &[f32; PLACES]) -> [f32; 9] {
    let gather = |[a, b, c, d]: [f32; 4]| {
        let (sum, half) = (0.5 * (b + c), 0.5 * (b - c));
        [a + sum, half, sum + d]
    };
    let columns: [[f32; 3]; 4] =
        std::array::from_fn(|x| gather([u[x], u[4 + x], u[8 + x], u[12 + x]]));
    let rows: [[f32; 3]; 3] = std::array::from_fn(|y| gather(columns.map(|column| column[y])));
    std::array::from_fn(|i| rows[i / 3][i % 3])
}
