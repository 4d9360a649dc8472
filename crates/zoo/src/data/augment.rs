//! Varying images as they are drawn: a shift with black borders, a horizontal flip, and small moves by parts of a pixel.
//!
//! ```text
//! shifted[r][c] = image[r + dy][c + dx], 0 where that is outside;   dy, dx uniform in −crop..=crop
//! flipped[r][c] = shifted[r][columns − 1 − c], for half of the draws
//! ```
//!
//! Padding by `crop` pixels and cutting a window of the old size out at random is this shift.
//! The border is a stored 0 (black), normalized like any pixel.
//! With `rotate`, `scale` or `move`, all of these and the shift are one reading of the image (`warp`), then mirrored.
//! Invariants: a draw is a pure function of (seed, epoch, sample); all channels move alike.
//! Not here: choosing samples ([`super::loader`]).

use serde::{Deserialize, Serialize};

use super::draw;
use super::normalize::Affine;
use super::warp::{Pixel, Warp};
use crate::{Dataset, Error, Result};

/// How training images are varied.
///
/// | field | default | range | unit | meaning |
/// | --- | --- | --- | --- | --- |
/// | `crop` | 0 | 0 to the smaller side of the image − 1 | pixels | largest shift, in each direction |
/// | `flip` | false | – | – | mirror left and right in half of the draws |
/// | `rotate` | 0 | [0, 180] | degrees | largest turn, in each direction |
/// | `scale` | 0 | [0, 1) | share | images get up to so much larger or smaller |
/// | `move` | 0 | [0, 1] | pixels | largest shift by a part of a pixel, in each direction |
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the table above has one row per field")]
pub struct Augmentation {
    pub crop: usize,
    pub flip: bool,
    pub rotate: f64,
    pub scale: f64,
    #[serde(rename = "move")]
    pub shift: f64,
}

impl Augmentation {
    /// Samples stay as they are.
    pub const NONE: Self = Self { crop: 0, flip: false, rotate: 0.0, scale: 0.0, shift: 0.0 };

    /// Whether this leaves every sample as it is.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that the samples of `dataset` can be varied this way.
    pub(crate) fn check(&self, dataset: &Dataset) -> Result<()> {
        if self.is_none() {
            return Ok(());
        }
        let Some([_, rows, columns]) = dataset.image() else {
            return Err(Error::Range {
                name: "augmentation",
                value: format!("{self:?}"),
                need: format!("none, because samples of shape {:?} are no images", dataset.shape),
            });
        };
        for (name, value, need, allowed) in [
            ("augmentation.rotate", self.rotate, "[0, 180]", (0.0..=180.0).contains(&self.rotate)),
            ("augmentation.scale", self.scale, "[0, 1)", (0.0..1.0).contains(&self.scale)),
            ("augmentation.move", self.shift, "[0, 1]", (0.0..=1.0).contains(&self.shift)),
        ] {
            if !allowed {
                return Err(Error::Range { name, value: value.to_string(), need: need.into() });
            }
        }
        let most = rows.min(columns).saturating_sub(1);
        if self.crop <= most {
            return Ok(());
        }
        Err(Error::Range {
            name: "augmentation.crop",
            value: self.crop.to_string(),
            need: format!("0 to {most}, for images of {rows} x {columns}"),
        })
    }

    /// What the random `bits` say about one sample.
    pub(crate) fn draw(&self, bits: u64) -> Variation {
        let span = 2 * self.crop as u64 + 1;
        // 24 bits each: the excess of some shifts over others is below span / 2^24.
        let shift = |bits: u64| (((bits & 0xff_ffff) * span) >> 24) as isize - self.crop as isize;
        let mirrored = self.flip && bits >> 63 == 1;
        let mut variation =
            Variation { dy: shift(bits), dx: shift(bits >> 24), mirrored, warp: None };
        if self.rotate > 0.0 || self.scale > 0.0 || self.shift > 0.0 {
            variation.warp = Some(self.warp(variation, draw::key(bits, 1)));
        }
        variation
    }

    /// What further random bits say: four numbers of 16 bits, each even over its range.
    fn warp(&self, shift: Variation, bits: u64) -> Warp {
        let even = |place: u32| f64::from((bits >> place) as u16) / 32_767.5 - 1.0;
        let (sin, cos) = (self.rotate.to_radians() * even(0)).sin_cos();
        let scale = 1.0 + self.scale * even(16);
        let moved = |shift: isize, place: u32| (shift as f64 + self.shift * even(place)) as f32;
        Warp {
            along: (cos / scale) as f32,
            across: (sin / scale) as f32,
            dy: moved(shift.dy, 32),
            dx: moved(shift.dx, 48),
        }
    }
}

/// One draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Variation {
    dy: isize,
    dx: isize,
    mirrored: bool,
    /// Takes the shift in.
    warp: Option<Warp>,
}

/// Converts a plane of `rows` x `columns` features to inputs.
pub(crate) fn convert<T: Copy + Into<f32>>(plane: &[T], map: Affine, out: &mut [f32]) {
    for (input, &feature) in out.iter_mut().zip(plane) {
        // Not `mul_add`: without FMA in the target that is a call per element.
        *input = feature.into() * map.factor + map.offset;
    }
}

impl Variation {
    /// Converts a plane of `columns` columns to inputs, varied.
    pub(crate) fn convert<T: Pixel>(
        self,
        plane: &[T],
        columns: usize,
        map: Affine,
        out: &mut [f32],
    ) {
        match self.warp {
            Some(warp) => warp.convert(plane, columns, map, out),
            None => self.shifted(plane, columns, map, out),
        }
        if self.mirrored {
            out.chunks_exact_mut(columns).for_each(<[f32]>::reverse);
        }
    }

    /// A shift moves a row-major plane as one run of memory: the run is converted in one pass, and the columns that wrapped
    /// around into a neighboring row are then painted as border.
    fn shifted<T: Copy + Into<f32>>(
        self,
        plane: &[T],
        columns: usize,
        map: Affine,
        out: &mut [f32],
    ) {
        let border = map.offset;
        let rows = Span::new(out.len() / columns, self.dy);
        let inner = Span::new(columns, self.dx);
        let (first, end) = (rows.from * columns + inner.from, (rows.to - 1) * columns + inner.to);
        let source = first.wrapping_add_signed(self.dy * columns as isize + self.dx);
        convert(&plane[source..source + (end - first)], map, &mut out[first..end]);
        out[..first].fill(border);
        out[end..].fill(border);
        for row in out[rows.from * columns..rows.to * columns].chunks_exact_mut(columns) {
            row[..inner.from].fill(border);
            row[inner.to..].fill(border);
        }
    }
}

/// The positions along one axis whose source, `shift` further on, is inside: `from..to`.
#[derive(Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
}

impl Span {
    fn new(length: usize, shift: isize) -> Self {
        let from = (-shift).max(0) as usize;
        let to = length - shift.max(0) as usize;
        Self { from, to }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAP: Affine = Affine { factor: 0.5, offset: -3.0 };

    /// The definition, pixel by pixel.
    fn by_definition(plane: &[u8], [rows, columns]: [usize; 2], v: Variation) -> Vec<f32> {
        let at = |r: isize, c: isize| {
            let inside = (0..rows as isize).contains(&r) && (0..columns as isize).contains(&c);
            if inside { plane[r as usize * columns + c as usize] } else { 0 }
        };
        let mut out = Vec::new();
        for r in 0..rows {
            for c in 0..columns {
                let c = if v.mirrored { columns - 1 - c } else { c };
                let stored = at(r as isize + v.dy, c as isize + v.dx);
                out.push(f32::from(stored) * MAP.factor + MAP.offset);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn shift_and_flip_are_their_definition(
            rows in 1usize..9, columns in 1usize..9, crop in 0usize..9, flip: bool, bits: u64,
        ) {
            let crop = crop.min(rows.min(columns) - 1);
            let plane: Vec<u8> = (0..rows * columns).map(|i| (i * 37 + 11) as u8).collect();
            let variation = Augmentation { crop, flip, ..Augmentation::default() }.draw(bits);
            let mut out = vec![f32::NAN; plane.len()];
            variation.convert(&plane, columns, MAP, &mut out);
            prop_assert_eq!(out, by_definition(&plane, [rows, columns], variation));
        }
    }

    #[test]
    fn every_shift_and_both_mirrorings_are_equally_likely() {
        let augmentation = Augmentation { crop: 1, flip: true, ..Augmentation::default() };
        let key = super::super::draw::key(5, 0);
        let mut counts = std::collections::HashMap::new();
        for sample in 0..18_000 {
            let v = augmentation.draw(super::super::draw::bits(key, sample));
            *counts.entry((v.dy, v.dx, v.mirrored)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 18);
        // 1,000 expected each; 5 standard deviations are 154.
        assert!(counts.values().all(|n| (846..=1154).contains(n)), "{counts:?}");
    }

    #[test]
    fn small_moves_are_even_over_their_ranges() {
        let how = Augmentation { rotate: 90.0, scale: 0.5, shift: 1.0, ..Augmentation::default() };
        let key = super::super::draw::key(5, 0);
        let draws = (0..10_000).map(|i| how.draw(super::super::draw::bits(key, i)).warp.unwrap());
        let (mut angle, mut scale, mut dy, mut dx) = (0.0, 0.0, 0.0, 0.0);
        for warp in draws {
            let size = 1.0 / warp.along.hypot(warp.across);
            assert!((0.499..=1.501).contains(&size) && warp.dy.abs() <= 1.0, "{warp:?}");
            angle += f64::from(warp.across.atan2(warp.along)).to_degrees().abs() / 10_000.0;
            scale += f64::from(size) / 10_000.0;
            dy += f64::from(warp.dy) / 10_000.0;
            dx += f64::from(warp.dx.abs()) / 10_000.0;
        }
        // Five standard deviations of the means.
        let near = |x: f64, mean: f64, range: f64| (x - mean).abs() < 0.05 * range;
        assert!(near(angle, 45.0, 26.0) && near(scale, 1.0, 0.29), "{angle} {scale}");
        assert!(near(dy, 0.0, 0.58) && near(dx, 0.5, 0.29), "{dy} {dx}");
    }

    #[test]
    fn unknown_settings_are_refused_and_missing_ones_are_off() {
        let parse = toml::from_str::<Augmentation>;
        let one = Augmentation { crop: 1, ..Augmentation::default() };
        assert_eq!(parse("crop = 1").unwrap(), one);
        assert_eq!(parse("move = 0.5").unwrap().shift, 0.5);
        assert!(parse("corp = 1").is_err());
    }
}
