//! `Einsum`: sums of products named by letters, as sums, transposes and products of matrices.
//!
//! ```text
//! bij,bjk->bik    letters of both operands and the output stay in front, those of both alone are summed
//! ```
//! More than two operands are taken from left to right. Not here: a letter twice in one operand (a diagonal).

use crate::Result;
use crate::graph::ValueId;
use crate::onnx::context::Context;
use crate::op::{MatMul, ReduceSum, Transpose};
use crate::shape::{Dim, Shape};

/// More operands than any sum of products has.
const MAX_TERMS: usize = 16;

/// What an axis is called: a letter, or a place in the ellipsis counted from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Rest(usize),
    Letter(char),
}

/// A value whose axes have names.
#[derive(Debug, Clone)]
struct Operand {
    value: ValueId,
    labels: Vec<Label>,
}

pub(crate) fn einsum(cx: &mut Context<'_>) -> Result<ValueId> {
    let equation: String = cx.text("equation", "")?.split_whitespace().collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != cx.node.input.len() || terms.len() > MAX_TERMS {
        return cx.refuse(format!("has equation {equation} over {} inputs", cx.node.input.len()));
    }
    let mut operands = Vec::new();
    for (at, term) in terms.iter().enumerate() {
        let value = cx.value(at)?;
        let labels = labels(cx, &equation, term, cx.rank(value))?;
        if labels.iter().enumerate().any(|(i, label)| labels[..i].contains(label)) {
            return cx.refuse(format!("with a diagonal, {term}, is not supported"));
        }
        operands.push(Operand { value, labels });
    }
    let output = match right {
        Some(right) => {
            let rest = rest_of(&operands);
            let letters = right.chars().filter(|c| c.is_alphabetic()).count();
            let rank = letters + if right.contains('.') { rest } else { 0 };
            labels(cx, &equation, right, rank)?
        }
        None => implied(&operands),
    };
    let known = |label: &Label| operands.iter().any(|operand| operand.labels.contains(label));
    let hides = rest_of(&operands) > 0 && !output.iter().any(|l| matches!(l, Label::Rest(_)));
    let twice = output.iter().enumerate().any(|(i, label)| output[..i].contains(label));
    if twice || hides || !output.iter().all(known) {
        return cx.refuse(format!("has equation {equation}, whose output does not fit"));
    }
    contract(cx, operands, &output)
}

/// The axes of the longest ellipsis.
fn rest_of(operands: &[Operand]) -> usize {
    let rest = |label: &Label| if let Label::Rest(place) = label { place + 1 } else { 0 };
    operands.iter().flat_map(|operand| operand.labels.iter().map(rest)).max().unwrap_or(0)
}

/// The names of a term's axes, over a value of this rank.
fn labels(cx: &Context<'_>, equation: &str, term: &str, rank: usize) -> Result<Vec<Label>> {
    let unfit = || cx.refuse(format!("has equation {equation}, whose term {term} does not fit"));
    let letters = |text: &str| text.chars().map(Label::Letter).collect::<Vec<_>>();
    let (front, back) = match term.split_once("...") {
        Some((front, back)) => (letters(front), Some(letters(back))),
        None => (letters(term), None),
    };
    let is_letter = |label: &Label| matches!(label, Label::Letter(c) if c.is_alphabetic());
    if !front.iter().chain(back.iter().flatten()).all(is_letter) {
        return unfit();
    }
    let named = front.len() + back.as_ref().map_or(0, Vec::len);
    match (rank.checked_sub(named), back) {
        (Some(0), None) => Ok(front),
        (Some(rest), Some(back)) => {
            let rest = (0..rest).rev().map(Label::Rest);
            Ok(front.into_iter().chain(rest).chain(back).collect())
        }
        _ => unfit(),
    }
}

/// Without an arrow: the ellipsis, then every letter that comes once, in the order of the alphabet.
fn implied(operands: &[Operand]) -> Vec<Label> {
    let all = || operands.iter().flat_map(|operand| &operand.labels);
    let mut once: Vec<char> = all()
        .filter_map(|label| match label {
            Label::Letter(c) if all().filter(|other| *other == label).count() == 1 => Some(*c),
            _ => None,
        })
        .collect();
    once.sort_unstable();
    let rest = (0..rest_of(operands)).rev().map(Label::Rest);
    rest.chain(once.into_iter().map(Label::Letter)).collect()
}

fn contract(cx: &mut Context<'_>, operands: Vec<Operand>, output: &[Label]) -> Result<ValueId> {
    let mut waiting = operands.into_iter();
    let Some(mut done) = waiting.next() else { return cx.refuse("has no inputs") };
    while let Some(next) = waiting.next() {
        // A letter stays as long as anybody asks for it.
        let asked = |label: &Label| {
            output.contains(label) || waiting.as_slice().iter().any(|o| o.labels.contains(label))
        };
        let kept: Vec<Label> = done
            .labels
            .iter()
            .chain(next.labels.iter().filter(|label| !done.labels.contains(label)))
            .filter(|label| asked(label))
            .copied()
            .collect();
        done = product(cx, done, next, &kept)?;
    }
    let done = sum_others(cx, done, output)?;
    let done = order(cx, done, output)?;
    Ok(done.value)
}

/// Sums over all axes that are not among `kept`.
fn sum_others(cx: &mut Context<'_>, mut x: Operand, kept: &[Label]) -> Result<Operand> {
    let gone = |label: &Label| !kept.contains(label);
    let axes = (0..).zip(&x.labels).filter(|(_, label)| gone(label)).map(|(axis, _)| axis);
    let axes: Vec<i64> = axes.collect();
    if !axes.is_empty() {
        x.value = cx.add(ReduceSum { axes, keepdims: false }, &[x.value])?;
        x.labels.retain(|label| !gone(label));
    }
    Ok(x)
}

/// Transposes so that the axes come in this order; all are among them.
fn order(cx: &mut Context<'_>, x: Operand, wanted: &[Label]) -> Result<Operand> {
    let place = |label: &Label| x.labels.iter().position(|other| other == label);
    let perm: Vec<usize> = wanted.iter().filter_map(place).collect();
    if perm.len() != x.labels.len() {
        return cx.refuse("has an output that does not fit");
    }
    let labels = perm.iter().map(|&axis| x.labels[axis]).collect();
    let still = perm.iter().enumerate().all(|(to, from)| to == *from);
    let value = if still { x.value } else { cx.add(Transpose { perm }, &[x.value])? };
    Ok(Operand { value, labels })
}

/// The labels of a product by what becomes of them.
struct Roles {
    /// Of both operands, or of the ellipsis: a stack of products.
    stack: Vec<Label>,
    /// Of one operand alone.
    rows: Vec<Label>,
    columns: Vec<Label>,
    /// Of both, and summed.
    summed: Vec<Label>,
}

/// Multiplies two operands, summing over what is not kept.
fn product(cx: &mut Context<'_>, a: Operand, b: Operand, kept: &[Label]) -> Result<Operand> {
    let both: Vec<Label> = a.labels.iter().copied().filter(|l| b.labels.contains(l)).collect();
    let needed: Vec<Label> = [kept, both.as_slice()].concat();
    let (a, b) = (sum_others(cx, a, &needed)?, sum_others(cx, b, &needed)?);
    let all = || a.labels.iter().chain(&b.labels).copied();
    let mut rest: Vec<Label> = all().filter(|label| matches!(label, Label::Rest(_))).collect();
    rest.sort_by_key(|label| if let Label::Rest(place) = label { usize::MAX - place } else { 0 });
    rest.dedup();
    let letter = |label: &&Label| matches!(label, Label::Letter(_));
    let alone = |x: &Operand| {
        x.labels.iter().filter(letter).filter(|l| !both.contains(l)).copied().collect()
    };
    let shared = both.iter().filter(letter);
    let (stack, summed): (Vec<Label>, Vec<Label>) = shared.partition(|label| kept.contains(label));
    let roles =
        Roles { stack: [rest, stack].concat(), rows: alone(&a), columns: alone(&b), summed };
    let left = matrices(cx, a, (&roles.stack, &roles.rows, &roles.summed))?;
    let right = matrices(cx, b, (&roles.stack, &roles.summed, &roles.columns))?;
    let y = cx.add(MatMul, &[left.0, right.0])?;
    let stacked = cx.shape(y).0[..roles.stack.len()].to_vec();
    let value = cx.reshape(y, [stacked, left.1, right.2].concat())?;
    let labels = [roles.stack, roles.rows, roles.columns].concat();
    sum_others(cx, Operand { value, labels }, kept)
}

/// A stack of matrices `[stack…, rows, columns]`, and the dimensions that rows and columns are made of. An axis of the
/// stack that the operand does not have has size 1.
fn matrices(
    cx: &mut Context<'_>,
    x: Operand,
    (stack, rows, columns): (&[Label], &[Label], &[Label]),
) -> Result<(ValueId, Vec<Dim>, Vec<Dim>)> {
    let own: Vec<Label> = stack.iter().copied().filter(|l| x.labels.contains(l)).collect();
    let x = order(cx, x, &[&own, rows, columns].concat())?;
    let shape = cx.shape(x.value).0;
    let dims = |labels: &[Label]| -> Vec<Dim> {
        let at = |label: &Label| x.labels.iter().position(|other| other == label);
        labels.iter().map(|label| at(label).map_or(Dim::from(1), |at| shape[at].clone())).collect()
    };
    let (row_dims, column_dims) = (dims(rows), dims(columns));
    let sides = [&row_dims, &column_dims].map(|dims| Shape(dims.clone()).elements());
    let [Some(height), Some(width)] = sides else {
        return cx.refuse("has too many elements");
    };
    let value = cx.reshape(x.value, [dims(stack), vec![height, width]].concat())?;
    Ok((value, row_dims, column_dims))
}
