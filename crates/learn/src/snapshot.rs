//! The numbers and masks of a network's parameters, apart from its graph.

use hoyer_graph::{Graph, Param, Role};

/// One parameter.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Kept {
    pub(crate) values: Vec<f32>,
    pub(crate) mask: Option<Vec<bool>>,
}

/// All parameters, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Snapshot(pub(crate) Vec<Kept>);

impl Snapshot {
    /// The first `count` of these parameters.
    pub(crate) fn of(params: &[Param], count: usize) -> Self {
        let kept =
            |param: &Param| Kept { values: param.tensor.data().to_vec(), mask: param.mask.clone() };
        Self(params[..count].iter().map(kept).collect())
    }

    /// Puts the numbers and masks back.
    pub(crate) fn put(&self, params: &mut [Param]) {
        for (param, kept) in params.iter_mut().zip(&self.0) {
            param.tensor.data_mut().copy_from_slice(&kept.values);
            param.mask.clone_from(&kept.mask);
        }
    }

    /// Whether it belongs to a network with these parameters.
    pub(crate) fn fits(&self, params: &[Param]) -> bool {
        let fits = |(kept, param): (&Kept, &Param)| {
            let len = param.tensor.data().len();
            kept.values.len() == len && kept.mask.as_ref().is_none_or(|mask| mask.len() == len)
        };
        self.0.len() == params.len() && self.0.iter().zip(params).all(fits)
    }

    /// `graph` with these numbers.
    pub(crate) fn in_graph(&self, graph: &Graph) -> Graph {
        let mut graph = graph.clone();
        self.put(&mut graph.params);
        graph
    }
}

/// Convolution and linear weights that are not exactly zero.
pub(crate) fn weights_left(params: &[Param]) -> u64 {
    weights(params).map(|param| param.nonzero() as u64).sum()
}

/// All convolution and linear weights.
pub(crate) fn weights_total(params: &[Param]) -> u64 {
    weights(params).map(|param| param.tensor.data().len() as u64).sum()
}

fn weights(params: &[Param]) -> impl Iterator<Item = &Param> {
    params.iter().filter(|param| param.role == Role::Weight)
}

/// Which parameters are pruned and penalized: weights, and biases if they are `included`.
pub(crate) fn prunable(params: &[Param], included: Biases) -> Vec<usize> {
    let is = |param: &Param| match param.role {
        Role::Weight => true,
        Role::Bias => included == Biases::Included,
        _ => false,
    };
    (0..params.len()).filter(|&i| is(&params[i])).collect()
}

/// Whether biases are treated like weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Biases {
    Included,
    LeftAlone,
}

/// Sets to zero and masks what `keep` does not keep.
pub(crate) fn mask(param: &mut Param, keep: &[bool]) {
    let mask = param.mask.get_or_insert_with(|| vec![true; keep.len()]);
    for ((live, weight), keep) in mask.iter_mut().zip(param.tensor.data_mut()).zip(keep) {
        *live &= *keep;
        if !*live {
            *weight = 0.0;
        }
    }
}
