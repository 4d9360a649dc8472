//! Contenders that take turns, and what their times say.
//!
//! Not here: who they are (`super`, `rival`).

use std::time::Instant;

use hoyer_run::Inference;

/// Time of a turn, in seconds.
const TURN: f64 = 0.04;

/// Someone who answers the same question again and again.
pub(super) trait Contender {
    /// Answers for so many seconds, at least once, and gives the time of each answer in microseconds.
    ///
    /// # Errors
    /// If it cannot.
    fn turn(&mut self, seconds: f64) -> anyhow::Result<Vec<f64>>;
}

impl Contender for Inference {
    fn turn(&mut self, seconds: f64) -> anyhow::Result<Vec<f64>> {
        again(seconds, || {
            self.run();
            Ok(())
        })
    }
}

/// Does something for so many seconds, at least once, and gives the time of each in microseconds.
///
/// # Errors
/// What it refuses.
pub(super) fn again(
    seconds: f64,
    mut what: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<f64>> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || start.elapsed().as_secs_f64() < seconds {
        let before = Instant::now();
        what()?;
        times.push(before.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}

/// Times of answers, in microseconds, ascending.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<f64>);

impl Times {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Half are faster.
    pub(super) fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// Half of them lie between.
    pub(super) fn quartiles(&self) -> [f64; 2] {
        [0.25, 0.75].map(|share| self.at(share))
    }

    /// One in a hundred is slower.
    pub(super) fn p99(&self) -> f64 {
        self.at(0.99)
    }

    fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

/// Lets everyone answer in turns until each has had so many seconds; the first turns, which warm up, do not count.
///
/// # Errors
/// If one cannot answer.
pub(super) fn take_turns(
    contenders: &mut [(String, &mut dyn Contender)],
    seconds: f64,
) -> anyhow::Result<Vec<(String, Times)>> {
    let turns = (seconds / TURN).ceil() as usize;
    let mut all: Vec<(String, Times)> =
        contenders.iter().map(|(name, _)| (name.clone(), Times::default())).collect();
    for turn in 0..=turns {
        for ((_, contender), (_, times)) in contenders.iter_mut().zip(&mut all) {
            let answered = contender.turn(TURN)?;
            if turn > 0 {
                times.0.extend(answered);
            }
        }
    }
    all.iter_mut().for_each(|(_, times)| times.0.sort_by(f64::total_cmp));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Clockwork(f64);

    impl Contender for Clockwork {
        fn turn(&mut self, _: f64) -> anyhow::Result<Vec<f64>> {
            self.0 += 1.0;
            Ok(vec![self.0])
        }
    }

    #[test]
    fn the_first_turn_does_not_count_and_everyone_has_as_many() {
        let (mut a, mut b) = (Clockwork(0.0), Clockwork(10.0));
        let mut all: Vec<(String, &mut dyn Contender)> =
            vec![("a".into(), &mut a), ("b".into(), &mut b)];
        let times = take_turns(&mut all, 3.0 * TURN).unwrap();
        assert_eq!(times[0].1.0, [2.0, 3.0, 4.0]);
        assert_eq!((times[1].1.len(), times[1].1.median()), (3, 13.0));
    }

    #[test]
    fn one_in_a_hundred_is_slower_and_half_lie_between_the_quartiles() {
        let times = Times((0..=100).map(f64::from).collect());
        assert_eq!((times.median(), times.p99()), (50.0, 99.0));
        assert_eq!(times.quartiles(), [25.0, 75.0]);
    }
}
