//! Which buffer each value lives in: values that are never alive together share one.
//!
//! A value is alive from the step that writes it to the last step that reads it. Buffers are plain vectors,
//! made once; a free buffer of the nearest size is taken first.
//! Invariant: two values alive at the same step never share a buffer, but for an input computed in place.

/// A value as the planner sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// Elements.
    pub(crate) len: usize,
    /// The step that writes it; 0 for inputs.
    pub(crate) born: usize,
    /// The last step that reads it; `usize::MAX` if it is kept.
    pub(crate) dies: usize,
    /// The value (an index into the same list) whose buffer it takes over, if that dies at its birth.
    pub(crate) takes_over: Option<usize>,
}

/// Where values live.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Buffer of each value.
    pub(crate) buffer: Vec<usize>,
    /// Size of each buffer.
    pub(crate) sizes: Vec<usize>,
}

/// Assigns buffers to values, given in order of birth.
pub(crate) fn lay_out(lives: &[Life]) -> Layout {
    let mut layout = Layout::default();
    let mut busy_until: Vec<usize> = Vec::new();
    for life in lives {
        let taken = life.takes_over.map(|other| layout.buffer[other]);
        let at = taken.or_else(|| best_free(&layout.sizes, &busy_until, life));
        let at = at.unwrap_or_else(|| {
            layout.sizes.push(0);
            busy_until.push(0);
            layout.sizes.len() - 1
        });
        layout.sizes[at] = layout.sizes[at].max(life.len);
        busy_until[at] = life.dies;
        layout.buffer.push(at);
    }
    layout
}

/// The smallest free buffer that is large enough, or else the largest that must grow.
fn best_free(sizes: &[usize], busy_until: &[usize], life: &Life) -> Option<usize> {
    let free = (0..sizes.len()).filter(|&i| busy_until[i] < life.born);
    free.min_by_key(|&i| (sizes[i] < life.len, sizes[i].abs_diff(life.len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(len: usize, born: usize, dies: usize) -> Life {
        Life { len, born, dies, takes_over: None }
    }

    #[test]
    fn values_alive_together_never_share() {
        let mut numbers = hoyer_graph::check::Numbers(7);
        for _ in 0..200 {
            let lives: Vec<Life> = (0..30)
                .map(|born| life(numbers.index(100), born, born + numbers.index(6)))
                .collect();
            let layout = lay_out(&lives);
            for i in 0..lives.len() {
                assert!(layout.sizes[layout.buffer[i]] >= lives[i].len);
                for j in 0..i {
                    let together = lives[j].dies >= lives[i].born;
                    assert!(!together || layout.buffer[i] != layout.buffer[j], "{i} and {j}");
                }
            }
        }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let lives: Vec<Life> = (0..10).map(|i| life(8, i, i + 1)).collect();
        assert_eq!(lay_out(&lives).sizes, [8, 8]);
    }
}
