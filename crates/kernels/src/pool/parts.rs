//! How slices are cut into parts that tasks may change at the same time.
//!
//! Invariants: parts of different tasks never overlap.

use std::marker::PhantomData;

/// A way to give every task its own part of something.
///
/// # Safety
/// If `covers(tasks)` is true, `part(task)` must be sound for all `task < tasks`, each asked for once.
pub unsafe trait Parts: Sync {
    /// What a task gets.
    type Part;

    /// Whether there is a part for every task.
    fn covers(&self, tasks: usize) -> bool;

    /// The part of this task.
    ///
    /// # Safety
    /// `covers` must have held for a larger number, and each task must be asked for once.
    unsafe fn part(&self, task: usize) -> Self::Part;
}

/// A slice cut into chunks of equal length (the last may be shorter), one per task.
#[derive(Debug)]
pub struct Chunks<'a, T> {
    start: *mut T,
    len: usize,
    chunk: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: this is a `&mut [T]` cut in pieces; sharing it hands out disjoint pieces, which needs `T: Send`.
unsafe impl<T: Send> Sync for Chunks<'_, T> {}

impl<'a, T> Chunks<'a, T> {
    /// Cuts `slice` into chunks of `chunk` elements; 0 counts as 1.
    pub fn new(slice: &'a mut [T], chunk: usize) -> Self {
        let chunk = chunk.max(1);
        Self { start: slice.as_mut_ptr(), len: slice.len(), chunk, life: PhantomData }
    }
}

// SAFETY: chunk `task` is `[task · chunk, (task + 1) · chunk)` cut at the end of the slice: disjoint.
unsafe impl<'a, T: Send> Parts for Chunks<'a, T> {
    type Part = &'a mut [T];

    fn covers(&self, tasks: usize) -> bool {
        tasks == 0 || (tasks - 1).checked_mul(self.chunk).is_some_and(|start| start < self.len)
    }

    unsafe fn part(&self, task: usize) -> &'a mut [T] {
        let from = task * self.chunk;
        let len = self.chunk.min(self.len - from);
        // SAFETY: `covers` held, so `from < len` of the slice; chunks of different tasks are disjoint.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}

// SAFETY: there is nothing to share.
unsafe impl Parts for () {
    type Part = ();

    fn covers(&self, _: usize) -> bool {
        true
    }

    unsafe fn part(&self, _: usize) {}
}

macro_rules! tuple_of_parts {
    ($($T:ident $i:tt),+) => {
        // SAFETY: every member keeps its own promise.
        unsafe impl<$($T: Parts),+> Parts for ($($T,)+) {
            type Part = ($($T::Part,)+);

            fn covers(&self, tasks: usize) -> bool {
                $(self.$i.covers(tasks))&&+
            }

            unsafe fn part(&self, task: usize) -> Self::Part {
                // SAFETY: the caller's promise is passed on.
                unsafe { ($(self.$i.part(task),)+) }
            }
        }
    };
}
tuple_of_parts!(A 0, B 1);
tuple_of_parts!(A 0, B 1, C 2);
tuple_of_parts!(A 0, B 1, C 2, D 3);
