//! Element-wise arithmetic with broadcasting, in place where an input dies.

use crate::kernel::{Call, Kernel, Site};
use hoyer_graph::Op;
use hoyer_kernels::broadcast::Broadcast;

struct Arithmetic {
    op: Op,
    operands: Broadcast,
}

#[expect(clippy::unnecessary_wraps, reason = "every op's maker may decline")]
pub(crate) fn kernel(site: &Site<'_>) -> Option<Box<dyn Kernel>> {
    let operands = Broadcast::new([&site.inputs[0], &site.inputs[1]], &site.outputs[0]);
    Some(Box::new(Arithmetic { op: site.op().clone(), operands }))
}

impl Kernel for Arithmetic {
    fn run(&self, call: &mut Call<'_, '_>) {
        match self.op {
            Op::Add(_) => self.map(call, |a, b| a + b),
            Op::Sub(_) => self.map(call, |a, b| a - b),
            Op::Mul(_) => self.map(call, |a, b| a * b),
            _ => self.map(call, |a, b| a / b),
        }
    }
}

impl Arithmetic {
    fn map(&self, call: &mut Call<'_, '_>, f: impl Fn(f32, f32) -> f32 + Sync) {
        self.operands.run(call.pool, (call.input(0), call.input(1)), call.outputs[0], f);
    }
}
