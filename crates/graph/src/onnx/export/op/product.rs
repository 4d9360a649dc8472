//! Products of matrices.

use crate::Result;
use crate::onnx::export::attribute::{flag, float};
use crate::onnx::export::writer::Draft;
use crate::op::Gemm;

pub(crate) fn gemm(op: &Gemm, to: &mut Draft<'_, '_>) -> Result<()> {
    to.with(vec![
        float("alpha", op.alpha),
        float("beta", op.beta),
        flag("transA", op.trans_a),
        flag("transB", op.trans_b),
    ])
}
