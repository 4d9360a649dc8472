//! The loops that see a plane as one line, and those that write zeros between lines, on every instruction set.

use super::Numbers;
use crate::isa::Isa;
use crate::sparse::bands::Bands;
use crate::sparse::lines::{self, LineJob};
use crate::sparse::planes::Planes;
use crate::sparse::rows::Rows;
use crate::sparse::spmm::{self, Finish, Job, Placed};

#[test]
fn a_plane_as_one_line_is_computed_whatever_its_length_and_nothing_else_is_written() {
    let (rows, columns) = (3, 6);
    // In wide and in narrow vectors: every number of them that a tile may have, and one more.
    let lengths = (1..=13).flat_map(|n| [16 * n, 16 * n - 3, 8 * n, 8 * n + 1]);
    for pixels in lengths.chain([49, 196, 400]) {
        let mut numbers = Numbers(3);
        let w = numbers.weight(rows, columns, 0.6);
        let x = numbers.list(columns * pixels);
        let bias = numbers.list(rows);
        let list = Rows::new(&w, rows, |_, column| column * pixels);
        let to = Placed { start: 0, plane: pixels };
        let (size, limits) = ([1, pixels], [-0.5, 0.75]);
        let job = LineJob {
            rows: &list,
            range: 0..rows,
            from: 0,
            pitch: 0,
            size,
            to,
            bias: &bias,
            limits,
        };
        for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
            let mut y = vec![9.0; rows * pixels + 1];
            lines::multiply_on(isa, &job, &x, &mut y);
            assert_eq!(y.pop(), Some(9.0), "{isa:?} {pixels}: written behind the last pixel");
            for (i, y) in y.iter().enumerate() {
                let (o, q) = (i / pixels, i % pixels);
                let term = |t: usize| f64::from(w[o * columns + t]) * f64::from(x[t * pixels + q]);
                let sum: f64 = (0..columns).map(term).sum();
                let want = (sum + f64::from(bias[o])).clamp(-0.5, 0.75);
                assert!(
                    (f64::from(*y) - want).abs() < 1e-5,
                    "{isa:?} {pixels} {i}: {y}, need {want}"
                );
            }
        }
    }
}

#[test]
fn what_lies_between_lines_becomes_zero_even_where_it_is_no_number() {
    for size in [[5, 7], [8, 8], [9, 33]] {
        let planes = Planes::new(1, size, 1);
        let keep = planes.elements();
        let mut x = Numbers(5).list(keep.len());
        for (x, keep) in x.iter_mut().zip(&keep) {
            *x = if *keep == 0 { f32::NAN } else { *x };
        }
        let list = Rows::new(&[2.0], 1, |_, _| 0);
        let (bias, limits) = (&[0.5][..], [f32::NEG_INFINITY, f32::INFINITY]);
        let finish = Finish { bias, residual: None, limits, keep: &keep };
        let to = Placed { start: 0, plane: keep.len() };
        let pixels = (size[0] - 1) * planes.row() + size[1];
        let job = Job { rows: &list, bands: Bands::ONE, range: 0..1, from: 0, to, pixels, finish };
        for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
            let mut y = vec![9.0; keep.len()];
            spmm::multiply_on(isa, &job, &x, &mut y);
            for (at, y) in y.iter().enumerate().take(pixels) {
                let is_pixel = at % planes.row() < size[1];
                let want = if is_pixel { 2.0 * x[at] + 0.5 } else { 0.0 };
                assert!((y - want).abs() < 1e-6, "{isa:?} {size:?} {at}: {y}, need {want}");
            }
        }
    }
}
