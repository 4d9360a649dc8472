//! The next batch is made by threads that wait for a kernel while a step is taken, so that few steps wait for samples.
//!
//! Two batches go around: while a step reads one, the other is filled piece by piece in spare time; what is missing when the step is
//! over, all threads fill together. Samples are functions of their number, so what is learned does not depend on who makes them
//! when, and a run that stops leaves nothing behind.
//! Not here: what a sample is (`samples`), the step (`trainer`), spare time (`hoyer_kernels::pool`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hoyer_kernels::aligned::Aligned;
use hoyer_kernels::pool::{Chunks, Pool};

use crate::samples::Samples;

/// Numbers of a piece: some microseconds, so that a thread is back soon when a kernel comes.
const PIECE: usize = 4096;

/// A batch, filled or to be filled.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Number of its first sample.
    pub(crate) first: usize,
    /// The samples from the front; what lies behind them means nothing.
    pub(crate) input: Aligned,
    pub(crate) labels: Vec<i64>,
}

/// How large batches are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Samples.
    pub(crate) batch: usize,
    /// Elements of the memory that a program reads them from, at least as many as they have.
    pub(crate) buffer: usize,
}

/// Where batches come from while an epoch lasts.
pub(crate) struct Ahead<'a> {
    samples: &'a dyn Samples,
    pool: &'a Pool,
    next: &'a Next,
    /// Memory of the batch before.
    free: Option<Batch>,
    /// Time in which there was no batch.
    waited: Duration,
}

/// The batch that is being filled.
struct Next {
    filling: Mutex<Filling>,
    /// Whether there is nothing to do, for a look without the lock.
    is_full: AtomicBool,
}

struct Filling {
    batch: Batch,
    /// Samples that are there.
    filled: usize,
}

impl Batch {
    fn new(size: Size, number: usize) -> Self {
        Self { first: 0, input: Aligned::zeros(size.buffer, number), labels: vec![0; size.batch] }
    }
}

/// Samples of a piece.
fn piece(samples: &dyn Samples) -> usize {
    (PIECE / samples.sample_len().max(1)).max(1)
}

impl Next {
    fn lock(&self) -> MutexGuard<'_, Filling> {
        self.filling.lock().expect("no sample panicked")
    }

    /// Fills a piece, unless another thread is at it or nothing is left.
    fn fill_piece(&self, samples: &dyn Samples) -> bool {
        if self.is_full.load(Ordering::Acquire) {
            return false;
        }
        let Ok(mut filling) = self.filling.try_lock() else { return false };
        // Between the look and the lock, the last batch of the epoch may have been taken: behind it there are no samples.
        if self.is_full.load(Ordering::Acquire) {
            return false;
        }
        let Filling { batch, filled } = &mut *filling;
        let (len, end) = (samples.sample_len(), batch.labels.len().min(*filled + piece(samples)));
        if *filled < end {
            samples.fill_all(batch.first + *filled, &mut batch.input[*filled * len..end * len]);
            *filled = end;
        }
        self.is_full.store(end == batch.labels.len(), Ordering::Release);
        true
    }
}

impl Ahead<'_> {
    /// The next batch; back with it by [`Self::give_back`].
    pub(crate) fn next(&mut self) -> Batch {
        let clock = Instant::now();
        let mut filling = self.next.lock();
        let Filling { batch, filled } = &mut *filling;
        let (len, first) = (self.samples.sample_len(), batch.first);
        let (piece, from) = (piece(self.samples), *filled);
        let rest = &mut batch.input[from * len..batch.labels.len() * len];
        let tasks = (batch.labels.len() - from).div_ceil(piece);
        self.pool.for_each(tasks, Chunks::new(rest, piece * len), |i, part| {
            self.samples.fill_all(first + from + i * piece, part);
        });
        let labels = batch.labels.iter_mut().enumerate();
        labels.for_each(|(i, label)| *label = self.samples.label(first + i));
        let after = first + batch.labels.len();
        let mut other = self.free.take().expect("the batch before was given back");
        other.first = after;
        let next = std::mem::replace(batch, other);
        *filled = 0;
        // The last batch of an epoch has none after it.
        let is_over = after + next.labels.len() > self.samples.len();
        self.next.is_full.store(is_over, Ordering::Release);
        self.waited += clock.elapsed();
        next
    }

    /// Hands the memory of a batch back, to be filled anew.
    pub(crate) fn give_back(&mut self, batch: Batch) {
        self.free = Some(batch);
    }

    /// The time in which there was no batch so far.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }
}

/// Runs `steps`, which take batches of this epoch one after the other.
pub(crate) fn ahead<R>(
    samples: &dyn Samples,
    size: Size,
    pool: &Pool,
    steps: impl FnOnce(&mut Ahead<'_>) -> R,
) -> R {
    let filling = Mutex::new(Filling { batch: Batch::new(size, 0), filled: 0 });
    let next = Next { filling, is_full: AtomicBool::new(size.batch > samples.len()) };
    let free = Some(Batch::new(size, 1));
    let mut ahead = Ahead { samples, pool, next: &next, free, waited: Duration::ZERO };
    pool.with_spare(&|| next.fill_piece(samples), || steps(&mut ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sample n is n, n; its label n mod 3.
    struct Numbers;

    impl Samples for Numbers {
        fn start_epoch(&mut self, _: u64) {}

        fn len(&self) -> usize {
            100
        }

        fn sample_len(&self) -> usize {
            2
        }

        fn fill(&self, at: usize, input: &mut [f32]) {
            assert!(at < self.len(), "there is no sample {at}");
            input.fill(at as f32);
        }

        fn label(&self, at: usize) -> i64 {
            (at % 3) as i64
        }
    }

    const SIZE: Size = Size { batch: 4, buffer: 10 };

    #[test]
    fn batches_come_in_order_and_whole_for_any_number_of_threads() {
        for threads in [1, 2, 3] {
            let pool = Pool::new(threads);
            let seen = ahead(&Numbers, SIZE, &pool, |ahead| {
                let mut seen = Vec::new();
                for step in 0..25 {
                    let batch = ahead.next();
                    assert_eq!(batch.first, 4 * step);
                    // Some time to spare, on some of the steps.
                    std::thread::sleep(Duration::from_micros(step as u64 % 3 * 50));
                    let whole = batch.input[..8].as_chunks::<2>().0.iter().zip(&batch.labels);
                    for (sample, label) in whole {
                        assert_eq!(sample[0], sample[1]);
                        assert_eq!(*label, sample[0] as i64 % 3);
                        seen.push(sample[0] as usize);
                    }
                    ahead.give_back(batch);
                }
                seen
            });
            assert!(seen.into_iter().eq(0..100));
        }
    }

    #[test]
    fn steps_may_end_before_the_batches_do() {
        let pool = Pool::new(2);
        assert_eq!(ahead(&Numbers, SIZE, &pool, |ahead| ahead.next().first), 0);
        assert_eq!(ahead(&Numbers, SIZE, &pool, |_| 7), 7);
    }

    #[test]
    fn pieces_fill_a_batch_and_no_more() {
        let filling = Mutex::new(Filling { batch: Batch::new(SIZE, 0), filled: 0 });
        let next = Next { filling, is_full: AtomicBool::new(false) };
        assert!(next.fill_piece(&Numbers));
        assert!(!next.fill_piece(&Numbers));
        assert_eq!(next.lock().batch.input[..10], [0., 0., 1., 1., 2., 2., 3., 3., 0., 0.]);
    }
}
