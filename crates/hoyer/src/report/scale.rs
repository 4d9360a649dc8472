//! From a value to its place along an axis.
//!
//! ```text
//! place(v) = (t(v) − t(lo)) / (t(hi) − t(lo))
//! t(v) = v    linear,      log₁₀ v    logarithmic,      −log₁₀(1 − v)    towards one
//! ```
//!
//! An accuracy lives on the last one: 99 % to 99.9 % takes as much room as 90 % to 99 %.
//!
//! Invariants: `lo < hi`; places of values in `[lo, hi]` lie in `[0, 1]`; what has no place
//! (not finite, or not positive on a logarithmic axis) is `None`.
//! Not here: drawing (`chart`).

use super::ticks;

/// Closest that a place on [`Kind::TowardsOne`] comes to 1: 1 itself would be infinitely far.
const CLOSEST_TO_ONE: f64 = 1e-4;

/// How an axis stretches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Equal steps.
    Linear,
    /// Equal factors.
    Logarithmic,
    /// Equal factors of what is missing to 1.
    TowardsOne,
}

impl Kind {
    fn transform(self, value: f64) -> Option<f64> {
        let place = match self {
            Self::Linear => value,
            Self::Logarithmic => value.log10(),
            Self::TowardsOne => -(1.0 - value).max(CLOSEST_TO_ONE).log10(),
        };
        place.is_finite().then_some(place).filter(|_| value.is_finite())
    }
}

/// An axis: its kind and its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    kind: Kind,
    lo: f64,
    hi: f64,
}

impl Scale {
    /// An axis from `lo` to `hi`; `None` unless they have two different places.
    pub(super) fn between(kind: Kind, lo: f64, hi: f64) -> Option<Self> {
        let ends = kind.transform(lo).zip(kind.transform(hi))?;
        (ends.0 < ends.1).then_some(Self { kind, lo, hi })
    }

    /// An axis just wide enough for all values that have a place, with a little room at both
    /// ends; `None` if no value has one.
    pub(super) fn around(kind: Kind, values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut ends = None;
        for value in values.filter(|value| kind.transform(*value).is_some()) {
            let (lo, hi) = ends.unwrap_or((value, value));
            ends = Some((lo.min(value), hi.max(value)));
        }
        let (lo, hi) = ends?;
        match kind {
            Kind::Linear => {
                let room = 0.05 * (hi - lo).max(0.01 * hi.abs()).max(f64::MIN_POSITIVE);
                Self::between(kind, lo - room, hi + room)
            }
            Kind::Logarithmic => Self::between(kind, lo / 1.25, hi * 1.25),
            Kind::TowardsOne => {
                let (most, least) = (1.0 - lo, (1.0 - hi).max(CLOSEST_TO_ONE));
                Self::between(kind, 1.0 - most.max(CLOSEST_TO_ONE) * 1.25, 1.0 - least / 1.25)
                    .or_else(|| Self::between(kind, 1.0 - 2.0 * most.max(CLOSEST_TO_ONE), hi))
            }
        }
    }

    /// Place of `value` along the axis, 0 at `lo` and 1 at `hi`.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let transform = |value| self.kind.transform(value);
        let (lo, hi) = (transform(self.lo)?, transform(self.hi)?);
        Some((transform(value)? - lo) / (hi - lo))
    }

    /// Round values along the axis.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        match self.kind {
            Kind::Linear => ticks::linear(self.lo, self.hi, most),
            Kind::Logarithmic => ticks::logarithmic(self.lo, self.hi, most),
            Kind::TowardsOne => {
                let missing = ticks::logarithmic(1.0 - self.hi, 1.0 - self.lo, most);
                missing.into_iter().rev().map(|missing| 1.0 - missing).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 3] = [Kind::Linear, Kind::Logarithmic, Kind::TowardsOne];

    #[test]
    fn values_that_made_the_axis_lie_on_it() {
        let sets: [&[f64]; 6] = [
            &[0.5],
            &[0.1, 0.98, 0.984],
            &[0.9841, 0.9842],
            &[1.0],
            &[0.3, 1.0],
            &[f64::NAN, 0.2, f64::INFINITY],
        ];
        for (kind, set) in KINDS.into_iter().flat_map(|kind| sets.map(|set| (kind, set))) {
            let scale = Scale::around(kind, set.iter().copied()).unwrap();
            for value in set.iter().filter(|value| value.is_finite()) {
                let place = scale.place(*value).unwrap();
                assert!((-1e-9..=1.0 + 1e-9).contains(&place), "{kind:?} {set:?}: {place}");
            }
        }
    }

    #[test]
    fn places_rise_with_values() {
        for kind in KINDS {
            let scale = Scale::between(kind, 0.1, 0.99).unwrap();
            let places = [0.1, 0.5, 0.9, 0.95, 0.99].map(|value| scale.place(value).unwrap());
            assert!(places.windows(2).all(|w| w[0] < w[1]), "{kind:?}: {places:?}");
            assert!(places[0].abs() < 1e-12 && (places[4] - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn towards_one_each_nine_takes_the_same_room() {
        let scale = Scale::between(Kind::TowardsOne, 0.9, 0.999).unwrap();
        assert!((scale.place(0.99).unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn ticks_lie_on_the_axis() {
        for kind in KINDS {
            let scale = Scale::around(kind, [0.2, 0.9, 0.984].into_iter()).unwrap();
            let ticks = scale.ticks(5);
            assert!(ticks.len() >= 2, "{kind:?}: {ticks:?}");
            for tick in ticks {
                let place = scale.place(tick).unwrap();
                assert!((0.0..=1.0).contains(&place), "{kind:?}: {tick} at {place}");
            }
        }
    }

    #[test]
    fn nothing_to_show_makes_no_axis() {
        for kind in KINDS {
            assert_eq!(Scale::around(kind, std::iter::empty()), None);
            assert_eq!(Scale::around(kind, [f64::NAN].into_iter()), None);
        }
        assert_eq!(Scale::around(Kind::Logarithmic, [0.0, -1.0].into_iter()), None);
        let scale = Scale::between(Kind::Logarithmic, 1.0, 10.0).unwrap();
        assert_eq!((scale.place(0.0), scale.place(-3.0)), (None, None));
    }
}
