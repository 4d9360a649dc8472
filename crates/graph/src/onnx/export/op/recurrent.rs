//! Recurrent layers: an input between bias and states, the lengths of sequences, is left empty.

use crate::Result;
use crate::onnx::export::attribute::{flag, int, text};
use crate::onnx::export::writer::Draft;
use crate::op::{Direction, GRU, LSTM};

fn inputs(to: &Draft<'_, '_>) -> Vec<String> {
    let mut inputs = to.inputs();
    if inputs.len() > 4 {
        inputs.insert(4, String::new());
    }
    inputs
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Reverse => "reverse",
        Direction::Bidirectional => "bidirectional",
    }
}

pub(crate) fn lstm(op: &LSTM, to: &mut Draft<'_, '_>) -> Result<()> {
    let size = int("hidden_size", i64::try_from(op.hidden_size).unwrap_or(i64::MAX));
    to.last("LSTM", inputs(to), vec![size, text("direction", direction(op.direction))])
}

pub(crate) fn gru(op: &GRU, to: &mut Draft<'_, '_>) -> Result<()> {
    let size = int("hidden_size", i64::try_from(op.hidden_size).unwrap_or(i64::MAX));
    let reset = flag("linear_before_reset", op.linear_before_reset);
    to.last("GRU", inputs(to), vec![size, text("direction", direction(op.direction)), reset])
}
