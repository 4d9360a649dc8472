//! Shapes that nodes read: numbers, or, where a size is a symbol, computed from the shapes of the inputs.

use super::attribute::{flag, int};
use super::writer::Draft;
use crate::Result;
use crate::onnx::messages::AttributeProto;
use crate::shape::Dim;

impl Draft<'_, '_> {
    /// What a Reshape to these dimensions reads, and its attributes. A symbol is copied from the input (0) where it stands
    /// at the same place, or is what is left (−1), once; other symbols are computed.
    pub(crate) fn target(
        &mut self,
        from: &[Dim],
        dims: &[Dim],
    ) -> Result<(String, Vec<AttributeProto>)> {
        let mut listed = Vec::new();
        for (axis, dim) in dims.iter().enumerate() {
            listed.push(match number(dim) {
                Some(size) if size > 0 => size,
                _ if from.get(axis) == Some(dim) => 0,
                _ => -1,
            });
        }
        let left = listed.iter().filter(|&&extent| extent == -1).count();
        if left == 0 || (left == 1 && !dims.iter().any(|dim| dim.fixed() == Some(0))) {
            return Ok((self.ints("shape", &listed), Vec::new()));
        }
        Ok((self.extents(dims)?, vec![flag("allowzero", true)]))
    }

    /// The name of a line of integers that are these dimensions when the network runs.
    pub(crate) fn extents(&mut self, dims: &[Dim]) -> Result<String> {
        if let Some(numbers) = dims.iter().map(number).collect::<Option<Vec<i64>>>() {
            return Ok(self.ints("shape", &numbers));
        }
        let mut parts = Vec::new();
        for dim in dims {
            parts.push(match number(dim) {
                Some(number) => self.ints("size", &[number]),
                None => self.extent(dim)?,
            });
        }
        if let [one] = parts.as_slice() {
            return Ok(one.clone());
        }
        Ok(self.step("Concat", parts, vec![int("axis", 0)]))
    }

    /// A size with symbols: a product of sizes of the inputs.
    fn extent(&mut self, dim: &Dim) -> Result<String> {
        let inputs = &self.graph().inputs;
        let places = inputs.iter().enumerate().flat_map(|(at, id)| {
            let dims = self.graph().value(*id).kind.shape.0.iter().enumerate();
            dims.map(move |(axis, size)| (at, axis, size))
        });
        let fits = |(at, axis, size): (usize, usize, &Dim)| {
            if size.fixed().is_some() {
                return None;
            }
            Some((at, axis, dim.divided_by(size)?))
        };
        let Some((at, axis, rest)) = places.into_iter().find_map(fits) else {
            return self.refuse(format!("its shape needs the size {dim}, which no input has"));
        };
        let input = self.input_name(at);
        let bounds = vec![int("start", axis as i64), int("end", axis as i64 + 1)];
        let size = self.step("Shape", vec![input], bounds);
        if rest.is_one() {
            return Ok(size);
        }
        let other = match number(&rest) {
            Some(number) => self.ints("factor", &[number]),
            None => self.extent(&rest)?,
        };
        Ok(self.step("Mul", vec![size, other], Vec::new()))
    }
}

/// The number of a dimension without symbols.
pub(crate) fn number(dim: &Dim) -> Option<i64> {
    dim.fixed().and_then(|size| i64::try_from(size).ok())
}
