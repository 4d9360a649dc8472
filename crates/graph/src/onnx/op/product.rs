//! Products of matrices.

use crate::Result;
use crate::graph::{Role, ValueId};
use crate::onnx::context::Context;
use crate::op::{Gemm, MatMul};
use crate::shape::Dim;

/// Before opset 11 `C` must be given; before 7 its broadcasting was another, and such files are refused earlier.
pub(crate) fn gemm(cx: &mut Context<'_>) -> Result<ValueId> {
    let op = Gemm {
        alpha: cx.float("alpha", 1.0)?,
        beta: cx.float("beta", 1.0)?,
        trans_a: cx.flag("transA")?,
        trans_b: cx.flag("transB")?,
    };
    let mut inputs = vec![cx.value(0)?, cx.param(1, Role::Weight)?];
    if cx.input(2).is_some() {
        inputs.push(cx.param(2, Role::Bias)?);
    }
    cx.add(op, &inputs)
}

/// A vector is a matrix of one row (left) or one column (right), whose axis is dropped again.
pub(crate) fn matmul(cx: &mut Context<'_>) -> Result<ValueId> {
    let (mut a, mut b) = (cx.value(0)?, cx.param(1, Role::Weight)?);
    let (row, column) = (cx.rank(a) == 1, cx.rank(b) == 1);
    if row {
        let dims = [vec![Dim::from(1)], cx.shape(a).0].concat();
        a = cx.reshape(a, dims)?;
    }
    if column {
        let dims = [cx.shape(b).0, vec![Dim::from(1)]].concat();
        b = cx.reshape(b, dims)?;
    }
    let y = cx.add(MatMul, &[a, b])?;
    let mut dims = cx.shape(y).0;
    if column {
        dims.pop();
    }
    if row {
        dims.remove(dims.len() - usize::from(!column) - 1);
    }
    cx.reshape(y, dims)
}
