//! Channels that must live or die together: disjoint sets, and why a set must live.

/// Disjoint sets of channels; a set may be frozen, which means that it stays.
#[derive(Debug, Clone, Default)]
pub(super) struct Units {
    parent: Vec<usize>,
    /// At the root of a set: why it stays.
    frozen: Vec<Option<String>>,
    /// At the root of a set: what joined channels that were apart before, in order.
    because: Vec<Vec<String>>,
}

impl Units {
    /// So many new channels, each alone.
    pub(super) fn fresh(&mut self, count: usize) -> Vec<usize> {
        let first = self.parent.len();
        self.parent.extend(first..first + count);
        self.frozen.resize(first + count, None);
        self.because.resize(first + count, Vec::new());
        (first..first + count).collect()
    }

    /// The channel that stands for this one's set.
    pub(super) fn root(&mut self, mut unit: usize) -> usize {
        while self.parent[unit] != unit {
            self.parent[unit] = self.parent[self.parent[unit]];
            unit = self.parent[unit];
        }
        unit
    }

    /// Makes one set of two.
    pub(super) fn join(&mut self, a: usize, b: usize, because: &str) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        let (root, other) = (a.min(b), a.max(b));
        self.parent[other] = root;
        let theirs = (self.frozen[other].take(), std::mem::take(&mut self.because[other]));
        self.frozen[root] = self.frozen[root].take().or(theirs.0);
        for reason in theirs.1.into_iter().chain([because.to_owned()]) {
            if !self.because[root].contains(&reason) {
                self.because[root].push(reason);
            }
        }
    }

    /// Joins channels pair by pair.
    pub(super) fn join_pairs(&mut self, a: &[usize], b: &[usize], because: &str) {
        a.iter().zip(b).for_each(|(a, b)| self.join(*a, *b, because));
    }

    /// Joins all of these.
    pub(super) fn join_all(&mut self, units: &[usize], because: &str) {
        units.windows(2).for_each(|pair| self.join(pair[0], pair[1], because));
    }

    /// From now on these stay.
    pub(super) fn freeze(&mut self, units: &[usize], why: &str) {
        for unit in units {
            let root = self.root(*unit);
            self.frozen[root].get_or_insert_with(|| why.to_owned());
        }
    }

    /// Why the set with this root stays, if it does.
    pub(super) fn frozen(&self, root: usize) -> Option<&str> {
        self.frozen[root].as_deref()
    }

    /// What joined the set with this root.
    pub(super) fn because(&self, root: usize) -> &[String] {
        &self.because[root]
    }
}
