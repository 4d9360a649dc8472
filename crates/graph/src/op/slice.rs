//! A part of every axis, forwards or backwards.
//!
//! ```text
//! y[i] = x[start + step · i] along every axis        dx = dy at those places, else 0
//! ```
//! Starts and ends follow ONNX (and NumPy): negative ones count from the end, those beyond an end are cut to
//! it. A dimension with a symbol can only be taken whole.

use super::window::sized;
use super::{Op, Rule, axis_of, bad_shape, expect_f32, expect_inputs};
use crate::gradient::Backward;
use crate::graph::{Node, Type};
use crate::groups::{Coupling, Narrowing};
use crate::shape::{Dim, Shape};
use crate::tensor::{Array, for_each_index, strides};
use crate::{Mismatch, Result};
use serde::{Deserialize, Serialize};

/// A part of the input along some axes; one entry per sliced axis in all four lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Where each part begins.
    pub starts: Vec<i64>,
    /// Where each part ends, exclusive.
    pub ends: Vec<i64>,
    /// Which axes are sliced, each at most once; negative ones count from the end.
    pub axes: Vec<i64>,
    /// From one element to the next; not 0.
    pub steps: Vec<i64>,
}

/// The gradient of [`Slice`] over `dy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceGradient {
    /// The slice.
    #[serde(flatten)]
    pub slice: Slice,
    /// The shape of the slice's input.
    pub shape: Shape,
}

/// The elements of one axis: `start`, `start + step`, … , `count` of them.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: usize,
    step: i64,
    count: usize,
}

impl Part {
    fn whole(count: usize) -> Self {
        Self { start: 0, step: 1, count }
    }

    /// ONNX's reading of start, end and step over `size` elements.
    fn new(start: i64, end: i64, step: i64, size: usize) -> Self {
        let size = size as i128;
        let from_front = |at: i64| i128::from(at) + if at < 0 { size } else { 0 };
        // Backwards, the place before the front is a possible end.
        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let [start, end] = [start, end].map(|at| from_front(at).clamp(low.min(high), high));
        let (length, stride) = ((end - start) * i128::from(step.signum()), i128::from(step).abs());
        let count = if length > 0 { (length + stride - 1) / stride } else { 0 };
        Self { start: start.max(0) as usize, step, count: count as usize }
    }

    fn place(self, i: usize) -> usize {
        (self.start as i128 + i128::from(self.step) * i as i128) as usize
    }
}

impl Slice {
    /// A contiguous part of one axis.
    pub fn along(axis: usize, range: std::ops::Range<i64>) -> Self {
        let axes = vec![axis as i64];
        Self { starts: vec![range.start], ends: vec![range.end], axes, steps: vec![1] }
    }

    /// Where in the lists each of `rank` axes stands, if it is sliced.
    fn entries(&self, op: &'static str, rank: usize) -> Result<Vec<Option<usize>>, Mismatch> {
        let bad = |attribute, list: &[i64], need: &str| {
            let (got, need) = (format!("{list:?}"), need.to_owned());
            Err(Mismatch::Attribute { op, attribute, got, need })
        };
        for (name, list) in [("starts", &self.starts), ("ends", &self.ends), ("steps", &self.steps)] {
            if list.len() != self.axes.len() {
                return bad(name, list, &format!("{} numbers", self.axes.len()));
            }
        }
        if self.steps.contains(&0) {
            return bad("steps", &self.steps, "steps other than 0");
        }
        let mut entries = vec![None; rank];
        for (entry, &axis) in self.axes.iter().enumerate() {
            if entries[axis_of(op, axis, rank)?].replace(entry).is_some() {
                return bad("axes", &self.axes, "every axis at most once");
            }
        }
        Ok(entries)
    }

    /// Whether an entry takes all of an axis, however long: exporters write the end as some number beyond any batch.
    fn takes_all(&self, entry: usize) -> bool {
        let endless = 1_000_000_000;
        self.starts[entry] == 0 && self.ends[entry] >= endless && self.steps[entry] == 1
    }

    fn output(&self, op: &'static str, shape: &Shape) -> Result<Shape, Mismatch> {
        let entries = self.entries(op, shape.rank())?;
        let dim = |(dim, entry): (&Dim, &Option<usize>)| match (dim.fixed(), *entry) {
            (_, None) => Ok(dim.clone()),
            (Some(size), Some(entry)) => Ok(Dim::from(self.part(entry, size).count)),
            (None, Some(entry)) if self.takes_all(entry) => Ok(dim.clone()),
            (None, _) => Err(bad_shape(op, "the input", shape, "numbers where it is sliced")),
        };
        shape.0.iter().zip(&entries).map(dim).collect::<Result<_, _>>().map(Shape)
    }

    fn part(&self, entry: usize, size: usize) -> Part {
        Part::new(self.starts[entry], self.ends[entry], self.steps[entry], size)
    }

    /// Where in an input of this shape every element of the output lies.
    fn places(&self, shape: &[usize]) -> Vec<usize> {
        let entries = self.entries("Slice", shape.len()).expect("checked by infer");
        let part = |(&size, entry): (&usize, &Option<usize>)| {
            entry.map_or(Part::whole(size), |entry| self.part(entry, size))
        };
        let parts: Vec<Part> = shape.iter().zip(&entries).map(part).collect();
        let counts: Vec<usize> = parts.iter().map(|part| part.count).collect();
        let (steps, mut places) = (strides(shape), Vec::new());
        for_each_index(&counts, |i| {
            let along = i.iter().zip(&parts).zip(&steps);
            places.push(along.map(|((&i, part), step)| part.place(i) * step).sum());
        });
        places
    }
}

impl Rule for Slice {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        expect_inputs("Slice", inputs, 1..=1, "1")?;
        let shape = self.output("Slice", &inputs[0].shape)?;
        Ok(vec![Type { dtype: inputs[0].dtype, shape }])
    }

    fn coupling(&self, inputs: &[Type]) -> Coupling {
        let rank = inputs[0].shape.rank();
        let strided = self.axes.iter().zip(&self.steps).filter(|(_, step)| **step != 1);
        let rigid = strided.filter_map(|(axis, _)| axis_of("Slice", *axis, rank).ok()).collect();
        Coupling::Moved { rigid }
    }

    fn narrowed(&self, narrowing: Narrowing<'_>) -> Option<Op> {
        let (read, made) = (narrowing.inputs[0].as_ref()?, narrowing.outputs[0].as_ref()?);
        let mut slice = self.clone();
        let is_it = |axis: &i64| axis_of("Slice", *axis, read.rank) == Ok(read.axis);
        let at = slice.axes.iter().position(is_it)?;
        let part = Part::new(slice.starts[at], slice.ends[at], 1, read.keep.len());
        let start = read.before(part.start);
        (slice.starts[at], slice.ends[at]) = (start as i64, (start + made.count()) as i64);
        Some(Op::Slice(slice))
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let x = inputs[0];
        let data = self.places(&x.shape).into_iter().map(|place| x.data[place]).collect();
        vec![Array::new(&outputs[0], data)]
    }

    fn gradient(&self, back: &mut Backward<'_>, node: &Node) -> Result<()> {
        let (dy, x) = (back.output_gradient(node, 0)?, node.inputs[0]);
        let op = SliceGradient { slice: self.clone(), shape: back.shape(x).clone() };
        let dx = back.add(node, op, &[dy])?;
        back.accumulate(x, dx)
    }
}

impl Rule for SliceGradient {
    fn infer(&self, inputs: &[Type]) -> Result<Vec<Type>, Mismatch> {
        const OP: &str = "SliceGradient";
        expect_inputs(OP, inputs, 1..=1, "1")?;
        expect_f32(OP, "dy", &inputs[0])?;
        let need = self.slice.output(OP, &self.shape)?;
        if inputs[0].shape != need {
            return Err(bad_shape(OP, "dy", &inputs[0].shape, need.to_string()));
        }
        Ok(vec![sized(OP, self.shape.clone())?])
    }

    fn evaluate(&self, inputs: &[&Array], outputs: &[Vec<usize>], _: u64) -> Vec<Array> {
        let (dy, mut dx) = (inputs[0], Array::zeros(&outputs[0]));
        for (place, dy) in self.slice.places(&outputs[0]).into_iter().zip(&dy.data) {
            dx.data[place] += dy;
        }
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    fn line(start: i64, end: i64, step: i64) -> Slice {
        Slice { steps: vec![step], ..Slice::along(0, start..end) }
    }

    fn of_five(slice: &Slice) -> Vec<f64> {
        let x = Array::from_fn(&[5], |i| i as f64);
        let out = slice.infer(&[Type::f32([5])]).unwrap()[0].shape.fixed().unwrap();
        slice.evaluate(&[&x], &[out], 0).remove(0).data
    }

    #[test]
    fn starts_ends_and_steps_mean_what_numpy_means() {
        let (low, high) = (i64::MIN, i64::MAX);
        for (start, end, step, expected) in [
            (1, 4, 1, &[1.0, 2.0, 3.0][..]),
            (0, high, 2, &[0.0, 2.0, 4.0]),
            (-3, -1, 1, &[2.0, 3.0]),
            (-9, 2, 1, &[0.0, 1.0]),
            (low, high, high, &[0.0]),
            (3, 1, 1, &[]),
            (7, 9, 1, &[]),
            (-1, low, -1, &[4.0, 3.0, 2.0, 1.0, 0.0]),
            (high, low, -2, &[4.0, 2.0, 0.0]),
            (3, 0, -2, &[3.0, 1.0]),
            (3, -9, -3, &[3.0, 0.0]),
            (high, low, low, &[4.0]),
            (0, 3, -1, &[]),
            (low, high, -1, &[]),
        ] {
            assert_eq!(of_five(&line(start, end, step)), expected, "{start}:{end}:{step}");
        }
    }

    #[test]
    fn an_empty_axis_stays_empty() {
        for step in [1, -1, i64::MIN] {
            let slice = line(0, i64::MAX, step);
            let out = slice.infer(&[Type::f32([0])]).unwrap();
            assert_eq!(out[0].shape, Shape::from([0]));
            assert!(slice.places(&[0]).is_empty());
        }
    }

    #[test]
    fn gradients_match_central_differences() {
        let slice = |starts: [i64; 2], ends: [i64; 2], axes: [i64; 2], steps: [i64; 2]| Slice {
            starts: starts.to_vec(),
            ends: ends.to_vec(),
            axes: axes.to_vec(),
            steps: steps.to_vec(),
        };
        for op in [
            Slice::along(1, 0..2),
            slice([1, -1], [3, i64::MIN], [0, 2], [1, -2]),
            slice([0, 4], [i64::MAX, 0], [-2, -1], [2, -1]),
        ] {
            check::op_gradient(op, &[Type::f32([3, 3, 5])], 4);
        }
    }

    #[test]
    fn a_symbol_can_only_be_taken_whole() {
        let kind = || Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(4)]));
        let other_axis = Slice::along(1, 1..3).infer(&[kind()]).unwrap();
        assert_eq!(other_axis[0].shape.to_string(), "[batch, 2]");
        assert_eq!(line(0, i64::MAX, 1).infer(&[kind()]).unwrap()[0], kind());
        for part in [line(0, 3, 1), line(1, i64::MAX, 1), line(0, i64::MAX, 2), line(0, -1, 1)] {
            assert!(part.infer(&[kind()]).is_err());
        }
    }

    #[test]
    fn malformed_slices_are_refused() {
        let ok = || line(0, 2, 1);
        for bad in [
            line(0, 2, 0),
            Slice { starts: vec![], ..ok() },
            Slice { ends: vec![1, 2], ..ok() },
            Slice { steps: vec![], ..ok() },
            Slice { axes: vec![1], ..ok() },
            Slice { axes: vec![i64::MIN], ..ok() },
            Slice { starts: vec![0; 2], ends: vec![1; 2], axes: vec![0, -1], steps: vec![1; 2] },
        ] {
            assert!(bad.infer(&[Type::f32([5])]).is_err(), "{bad:?}");
        }
        let gradient = SliceGradient { slice: ok(), shape: Shape::from([5]) };
        assert!(gradient.infer(&[Type::f32([2])]).is_ok());
        assert!(gradient.infer(&[Type::f32([3])]).is_err());
    }
}
