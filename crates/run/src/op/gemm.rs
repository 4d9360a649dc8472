//! The linear layer.

use crate::forecast::{Forecast, linear_us};
use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::Gemm;
use hoyer_kernels::aligned::Aligned;
use hoyer_kernels::gemm::{self, Activation, Epilogue, Sizes};

struct Product {
    kernel: gemm::Gemm,
    /// Rows, terms and columns.
    sizes: [usize; 3],
    activation: Activation,
    /// Weights that stay, from the start of a cache line on: one sample reads each of them once and little else.
    weights: Option<Aligned>,
}

/// Takes plain products, with a bias per column or none.
pub(crate) fn kernel(op: &Gemm, site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let (m, n) = (site.outputs[0][0], site.outputs[0][1]);
    let bias_fits = site.inputs.get(2).is_none_or(|c| c.as_slice() == [n]);
    let plain = op.alpha == 1.0 && (site.inputs.len() == 2 || op.beta == 1.0) && bias_fits;
    plain.then(|| {
        let k = site.inputs[0][usize::from(!op.trans_a)];
        let sizes = Sizes { m, n, k, trans_a: op.trans_a, trans_b: op.trans_b };
        let weights = site.constants[1].filter(|_| m == 1).map(|w| {
            let mut aligned = Aligned::zeros(w.len(), 0);
            aligned.copy_from_slice(w);
            aligned
        });
        let (kernel, activation) = (gemm::Gemm::new(sizes), site.activation);
        Box::new(Product { kernel, sizes: [m, k, n], activation, weights }) as Box<dyn Kernel>
    })
}

impl Kernel for Product {
    fn scratch_len(&self, _: usize) -> usize {
        self.kernel.scratch_len()
    }

    fn forecast(&self) -> Option<Forecast> {
        let macs = self.sizes.iter().product();
        Some(Forecast { way: "gemm", macs, us: linear_us(self.sizes) })
    }

    fn run(&self, call: &mut Call<'_, '_>) {
        let bias = (call.inputs.len() == 3).then(|| call.input(2));
        let epilogue = Epilogue { bias, activation: self.activation };
        let weights = self.weights.as_deref().unwrap_or_else(|| call.input(1));
        let operands = (call.input(0), weights);
        self.kernel.run(call.pool, operands, call.outputs[0], &epilogue, call.scratch);
    }
}
