//! Threads that wait for work by spinning, so that a kernel of a few microseconds can be split.
//!
//! [`Pool::for_each`] runs numbered tasks over disjoint parts of slices. Which thread runs a task never
//! matters to the result: the parts are cut by the caller, not by the number of threads.
//! Not here: how a kernel cuts its work (each kernel's own file).

mod columns;
mod parts;

pub use columns::{ColumnPart, Columns};
pub use parts::{Chunks, Parts};

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, RwLock};
use std::thread::{JoinHandle, Thread};

/// How often an idle worker looks for work before it sleeps: about a quarter of a millisecond.
const SPINS_BEFORE_SLEEP: u32 = 20_000;
/// After this many looks a waiting thread lets others have the core in between.
const SPINS_BEFORE_YIELD: u32 = 4_000;

/// After this many looks, about a microsecond, a waiting worker looks for spare work: no kernel is coming at once.
const SPINS_BEFORE_SPARE: u32 = 64;

/// A fixed set of threads that work together on one call at a time.
///
/// # Example
/// ```
/// use hoyer_kernels::pool::{Chunks, Pool};
///
/// let pool = Pool::new(2);
/// let mut squares = vec![0; 10];
/// pool.for_each(5, Chunks::new(&mut squares, 2), |task, part| {
///     part.iter_mut().enumerate().for_each(|(i, x)| *x = (2 * task + i).pow(2));
/// });
/// assert_eq!(squares[9], 81);
/// ```
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held during a call; whoever finds it taken runs its tasks alone.
    busy: Mutex<()>,
}

/// A call's body: `body(worker)` takes tasks until none is left.
type Body<'a> = dyn Fn(usize) + Sync + 'a;
/// Does a piece of work that can wait, and says whether there was one.
type Spare<'a> = dyn Fn() -> bool + Sync + 'a;

#[derive(Debug)]
struct Shared {
    /// Number of the current call; a change is the signal to start.
    call: AtomicUsize,
    /// Workers inside the current call, and whether it is over ([`CLOSED`]). Who comes too late to a call
    /// stays out, so nobody waits for a worker that the system has put aside for other work.
    door: AtomicUsize,
    stop: AtomicBool,
    body: BodyCell,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: Vec<Sleeper>,
    spare: SpareCell,
}

/// What workers do while they wait. Held for reading by whoever is at it.
#[derive(Default)]
struct SpareCell(RwLock<Option<&'static Spare<'static>>>);

impl std::fmt::Debug for SpareCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpareCell")
    }
}

/// The mark of a door that lets nobody in.
const CLOSED: usize = 1 << (usize::BITS - 1);

struct BodyCell(UnsafeCell<Option<*const Body<'static>>>);

impl std::fmt::Debug for BodyCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BodyCell")
    }
}

// SAFETY: the cell is written only by the thread that holds `busy`, while the door is closed and nobody is
// inside, and read by workers only inside.
unsafe impl Sync for BodyCell {}
// SAFETY: the body is `Sync`, so calling it from other threads is fine; it is never dropped through the cell.
unsafe impl Send for BodyCell {}

#[derive(Debug, Default)]
struct Sleeper {
    asleep: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Pool {
    /// A pool of this many threads, the caller's own among them; 0 counts as 1. All of them are up when this
    /// returns: what a thread allocates to start is behind it.
    ///
    /// # Panics
    /// If the system grants no thread.
    pub fn new(threads: usize) -> Self {
        let others = threads.max(1) - 1;
        let shared = Arc::new(Shared {
            call: AtomicUsize::new(0),
            door: AtomicUsize::new(CLOSED),
            stop: AtomicBool::new(false),
            body: BodyCell(UnsafeCell::new(None)),
            panic: Mutex::new(None),
            sleepers: (0..others).map(|_| Sleeper::default()).collect(),
            spare: SpareCell::default(),
        });
        let started = Arc::new(Barrier::new(others + 1));
        let start = |i: usize| {
            let (shared, started) = (Arc::clone(&shared), Arc::clone(&started));
            let work = move || {
                shared.sign_in(i);
                started.wait();
                shared.serve(i);
            };
            let builder = std::thread::Builder::new().name(format!("hoyer-{}", i + 1));
            builder.spawn(work).expect("the system grants a thread")
        };
        let workers = (0..others).map(start).collect();
        started.wait();
        Self { shared, workers, busy: Mutex::new(()) }
    }

    /// How many threads work on a call.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `body`; meanwhile threads of the pool that wait for a call do pieces of `spare`, which says whether there was one to do.
    /// Nobody waits for a piece: a call goes on without the thread that is at it. With one thread there is nobody to do any.
    ///
    /// # Panics
    /// If `body` panics; if a piece panics, the next call that is shared does.
    ///
    /// # Example
    /// ```
    /// use hoyer_kernels::pool::Pool;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let (pool, left) = (Pool::new(2), AtomicUsize::new(3));
    /// let take = |n: usize| n.checked_sub(1);
    /// let piece = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
    /// pool.with_spare(&piece, || while left.load(Ordering::Relaxed) > 0 { pool.for_each(2, (), |_, ()| ()) });
    /// ```
    pub fn with_spare<R>(&self, spare: &Spare<'_>, body: impl FnOnce() -> R) -> R {
        /// Puts back what was there, also when the body panics.
        struct Guard<'a>(&'a SpareCell, Option<&'static Spare<'static>>);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.0.replace(self.1);
            }
        }
        // SAFETY: only the lifetime is erased. The guard takes the reference out before this function is left either way, and
        // workers use it only while they hold the lock, so taking it out waits for them.
        let spare = unsafe { std::mem::transmute::<&Spare<'_>, &'static Spare<'static>>(spare) };
        let _guard = Guard(&self.shared.spare, self.shared.spare.replace(Some(spare)));
        body()
    }

    /// Runs `f(task, part)` once for every task in `0..tasks`, each with its own part.
    ///
    /// # Panics
    /// If `parts` has too few parts, or `f` panics.
    pub fn for_each<P: Parts>(&self, tasks: usize, parts: P, f: impl Fn(usize, P::Part) + Sync) {
        self.for_each_with(tasks, parts, &mut [], |task, part, _| f(task, part));
    }

    /// As [`Self::for_each`]; every thread also has an equal share of `scratch` for itself.
    ///
    /// # Panics
    /// If `parts` has too few parts, or `f` panics.
    pub fn for_each_with<P: Parts>(
        &self,
        tasks: usize,
        parts: P,
        scratch: &mut [f32],
        f: impl Fn(usize, P::Part, &mut [f32]) + Sync,
    ) {
        assert!(parts.covers(tasks), "every task has a part");
        let share = scratch.len() / self.threads();
        let scratch = Scratch(scratch.as_mut_ptr());
        let run = |task: usize, worker: usize| {
            // SAFETY: the shares of different workers are disjoint parts of one mutable borrow, and a worker
            // runs one task at a time.
            let own = unsafe {
                std::slice::from_raw_parts_mut(scratch.start().add(worker * share), share)
            };
            // SAFETY: `covers` held and each task is claimed once.
            f(task, unsafe { parts.part(task) }, own);
        };
        let split = tasks > 1 && !self.workers.is_empty();
        let Some(_busy) = split.then(|| self.busy.try_lock().ok()).flatten() else {
            (0..tasks).for_each(|task| run(task, 0));
            return;
        };
        let queue = Queue::new(tasks, self.threads());
        self.broadcast(&|worker| queue.drain(worker, |task| run(task, worker)));
    }

    /// Runs `body` on this thread and on every worker that comes before this thread is through, and waits for
    /// those.
    fn broadcast(&self, body: &Body<'_>) {
        // SAFETY: only the lifetime is erased; this function returns after the door was closed and everybody
        // has left, and workers touch the body only inside.
        let body_static = unsafe { std::mem::transmute::<&Body<'_>, &Body<'static>>(body) };
        // SAFETY: `busy` is held by the caller and the door is closed, so nobody else looks.
        unsafe { *self.shared.body.0.get() = Some(std::ptr::from_ref(body_static)) };
        self.shared.door.fetch_and(!CLOSED, Ordering::SeqCst);
        self.shared.call.fetch_add(1, Ordering::SeqCst);
        self.shared.wake();
        let own = catch_unwind(AssertUnwindSafe(|| body(0)));
        self.shared.door.fetch_or(CLOSED, Ordering::SeqCst);
        let mut spins = 0;
        while self.shared.door.load(Ordering::SeqCst) != CLOSED {
            relax(&mut spins);
        }
        let theirs = self.shared.panic.lock().map(|mut slot| slot.take()).unwrap_or_default();
        if let Some(panic) = own.err().or(theirs) {
            resume_unwind(panic);
        }
    }
}

impl SpareCell {
    fn replace(&self, spare: Option<&'static Spare<'static>>) -> Option<&'static Spare<'static>> {
        // No holder panics, so a lock that says so still guards what it should.
        let mut cell = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::replace(&mut *cell, spare)
    }

    /// A piece, if there is one; what it panicked with otherwise.
    fn piece(&self) -> std::thread::Result<bool> {
        let Ok(cell) = self.0.try_read() else { return Ok(false) };
        let Some(spare) = *cell else { return Ok(false) };
        catch_unwind(AssertUnwindSafe(spare))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.call.fetch_add(1, Ordering::SeqCst);
        self.shared.wake();
        for worker in self.workers.drain(..) {
            // A worker catches every panic of a task, so there is nothing to hear from it here.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn wake(&self) {
        for sleeper in &self.sleepers {
            if sleeper.asleep.load(Ordering::SeqCst)
                && let Ok(thread) = sleeper.thread.lock()
                && let Some(thread) = thread.as_ref()
            {
                thread.unpark();
            }
        }
    }

    /// Leaves this thread's handle where [`Self::wake`] finds it.
    fn sign_in(&self, index: usize) {
        if let Ok(mut slot) = self.sleepers[index].thread.lock() {
            *slot = Some(std::thread::current());
        }
    }

    fn serve(&self, index: usize) {
        let mut seen = 0;
        loop {
            seen = self.next_call(index, seen);
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            if self.door.fetch_add(1, Ordering::SeqCst) & CLOSED == 0 {
                self.work(index + 1);
            }
            self.door.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Runs the body of the current call; the caller is inside.
    fn work(&self, worker: usize) {
        // SAFETY: the body was written before the door opened, and stays until everybody has left.
        let body = unsafe { (*self.body.0.get()).map(|body| &*body) };
        let body = body.expect("a call comes with a body");
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(worker)))
            && let Ok(mut slot) = self.panic.lock()
        {
            *slot = Some(panic);
        }
    }

    /// Does a piece of spare work, if there is one; a panic is kept for the next call.
    fn did_spare(&self) -> bool {
        match self.spare.piece() {
            Ok(did) => did,
            Err(panic) => {
                if let Ok(mut slot) = self.panic.lock() {
                    *slot = Some(panic);
                }
                false
            }
        }
    }

    /// Waits until the call number differs from `seen`, and gives it.
    fn next_call(&self, index: usize, seen: usize) -> usize {
        let mut spins = 0;
        loop {
            let call = self.call.load(Ordering::SeqCst);
            if call != seen {
                return call;
            }
            if spins >= SPINS_BEFORE_SPARE && self.did_spare() {
                continue;
            }
            if spins < SPINS_BEFORE_SLEEP {
                relax(&mut spins);
                continue;
            }
            let asleep = &self.sleepers[index].asleep;
            asleep.store(true, Ordering::SeqCst);
            if self.call.load(Ordering::SeqCst) == seen {
                std::thread::park();
            }
            asleep.store(false, Ordering::SeqCst);
        }
    }
}

fn relax(spins: &mut u32) {
    *spins += 1;
    if *spins > SPINS_BEFORE_YIELD && spins.is_multiple_of(64) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// Where scratch memory starts; each worker uses its own share of it.
struct Scratch(*mut f32);

impl Scratch {
    fn start(&self) -> *mut f32 {
        self.0
    }
}

// SAFETY: the pointer is used only for disjoint shares of one mutable borrow.
unsafe impl Sync for Scratch {}

/// Tasks in one share per worker; whoever has finished its share takes from the others'.
///
/// Shares keep a task on the same core from one kernel to the next, where its data still lies in the cache.
struct Queue {
    next: [PaddedCounter; MAX_SHARES],
    tasks: usize,
    shares: usize,
}

#[repr(align(64))]
struct PaddedCounter(AtomicUsize);

const MAX_SHARES: usize = 64;

impl Queue {
    fn new(tasks: usize, workers: usize) -> Self {
        let shares = workers.min(MAX_SHARES);
        let start = |i: usize| if i < shares { i * tasks / shares } else { tasks };
        Self {
            next: std::array::from_fn(|i| PaddedCounter(AtomicUsize::new(start(i)))),
            tasks,
            shares,
        }
    }

    fn drain(&self, worker: usize, run: impl Fn(usize)) {
        for i in 0..self.shares {
            let share = (worker + i) % self.shares;
            let end = (share + 1) * self.tasks / self.shares;
            loop {
                let task = self.next[share].0.fetch_add(1, Ordering::Relaxed);
                if task >= end {
                    break;
                }
                run(task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_whatever_the_number_of_threads() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 5, 64, 1000] {
                let mut counts = vec![0; tasks];
                pool.for_each(tasks, Chunks::new(&mut counts, 1), |_, part| part[0] += 1);
                assert!(counts.iter().all(|&n| n == 1), "{threads} threads, {tasks} tasks");
            }
        }
    }

    #[test]
    fn a_panic_of_a_task_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        let run = || pool.for_each(8, (), |task, ()| assert_ne!(task, 7, "task 7 fails"));
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        let mut ones = vec![0; 8];
        pool.for_each(8, Chunks::new(&mut ones, 1), |_, part| part[0] = 1);
        assert_eq!(ones, [1; 8]);
    }

    #[test]
    fn a_call_inside_a_task_runs_alone_and_finishes() {
        let pool = Pool::new(2);
        let sum = AtomicUsize::new(0);
        pool.for_each(4, (), |_, ()| {
            pool.for_each(4, (), |_, ()| {
                sum.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.into_inner(), 16);
    }

    #[test]
    fn waiting_threads_do_spare_work_until_there_is_none_and_none_afterwards() {
        let pool = Pool::new(3);
        let (left, done) = (AtomicUsize::new(500), AtomicUsize::new(0));
        let piece = || {
            let take = |n: usize| n.checked_sub(1);
            let took = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
            done.fetch_add(usize::from(took), Ordering::SeqCst);
            took
        };
        pool.with_spare(&piece, || {
            while done.load(Ordering::SeqCst) < 500 {
                let mut ones = vec![0; 100];
                pool.for_each(100, Chunks::new(&mut ones, 1), |_, part| part[0] = 1);
                assert_eq!(ones.iter().sum::<i32>(), 100);
            }
        });
        left.store(5, Ordering::SeqCst);
        pool.for_each(100, (), |_, ()| ());
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert_eq!((left.into_inner(), done.into_inner()), (5, 500));
    }

    #[test]
    fn a_panic_of_a_piece_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        let panics = || -> bool { panic!("a piece fails") };
        let run = || {
            pool.with_spare(&panics, || {
                // The worker needs its time to come by.
                for _ in 0..10_000 {
                    pool.for_each(2, (), |_, ()| ());
                    std::thread::yield_now();
                }
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        // Another piece may have panicked before the guard took it away.
        let _ = catch_unwind(AssertUnwindSafe(|| pool.for_each(2, (), |_, ()| ())));
        let mut ones = vec![0; 8];
        pool.for_each(8, Chunks::new(&mut ones, 1), |_, part| part[0] = 1);
        assert_eq!(ones, [1; 8]);
    }

    #[test]
    fn a_worker_that_slept_wakes_up() {
        let pool = Pool::new(2);
        std::thread::sleep(std::time::Duration::from_millis(50));
        let mut ones = vec![0; 100];
        pool.for_each(100, Chunks::new(&mut ones, 1), |_, part| part[0] = 1);
        assert_eq!(ones.iter().sum::<i32>(), 100);
    }
}
