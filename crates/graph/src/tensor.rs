//! Numbers with a shape: f32 [`Tensor`]s are stored, f64 [`Array`]s define what every op means.
//!
//! Invariants: the data fills the shape, row-major.
//! Not here: symbolic shapes (`shape`), fast kernels (crate `hoyer-kernels`).

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The type of the elements of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// 32-bit floating point.
    F32,
    /// 64-bit signed integers: labels and indices.
    I64,
    /// Truth values, held as the integers 0 and 1.
    Bool,
}

/// An f32 tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    /// The elements, row-major. Their number never changes.
    data: Vec<f32>,
}

impl Tensor {
    /// A tensor of this shape over these elements.
    ///
    /// # Errors
    /// [`Error::TensorLength`] if the data does not fill the shape.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Result<Self> {
        let need = elements(shape).unwrap_or(usize::MAX);
        if data.len() != need {
            let (name, shape, got) = (String::new(), shape.to_vec(), data.len());
            return Err(Error::TensorLength { name, shape, got, need });
        }
        Ok(Self { shape: shape.to_vec(), data })
    }

    /// A tensor with every element equal to `value`.
    ///
    /// # Panics
    /// If the number of elements overflows.
    pub fn full(shape: &[usize], value: f32) -> Self {
        let len = elements(shape).expect("a tensor's size fits in memory");
        Self { shape: shape.to_vec(), data: vec![value; len] }
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The elements, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// How many elements are not exactly zero.
    pub fn nonzero(&self) -> usize {
        self.data.iter().filter(|x| **x != 0.0).count()
    }
}

/// An f64 array, row-major: what the reference evaluation computes with. Integers are held exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: Vec<f64>,
}

impl Array {
    /// An array of this shape over these elements.
    ///
    /// # Panics
    /// If the data does not fill the shape.
    pub fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(elements(shape), Some(data.len()), "the data must fill the shape {shape:?}");
        Self { shape: shape.to_vec(), data }
    }

    /// An array of zeros.
    ///
    /// # Panics
    /// If the number of elements overflows.
    pub fn zeros(shape: &[usize]) -> Self {
        let len = elements(shape).expect("an array's size fits in memory");
        Self { shape: shape.to_vec(), data: vec![0.0; len] }
    }

    /// An array of this shape whose element at index `i` (row-major) is `f(i)`.
    ///
    /// # Panics
    /// If the number of elements overflows.
    pub fn from_fn(shape: &[usize], f: impl FnMut(usize) -> f64) -> Self {
        let len = elements(shape).expect("an array's size fits in memory");
        Self { shape: shape.to_vec(), data: (0..len).map(f).collect() }
    }

    /// This array with every element mapped.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().map(|&x| f(x)).collect() }
    }
}

impl From<&Tensor> for Array {
    fn from(tensor: &Tensor) -> Self {
        Self {
            shape: tensor.shape.clone(),
            data: tensor.data.iter().map(|&x| f64::from(x)).collect(),
        }
    }
}

/// The number of elements of a shape; `None` if it overflows.
pub fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim))
}

/// Row-major strides of a shape, in elements.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// Strides that read an array of shape `from` as if it had the broadcast shape `to`.
///
/// # Panics
/// If `from` has more dimensions than `to`.
pub fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<usize> {
    let lead = to.len().checked_sub(from.len()).expect("a broadcast never drops dimensions");
    let own = strides(from);
    let stretched = |i: usize| if from[i] == 1 { 0 } else { own[i] };
    (0..to.len()).map(|i| i.checked_sub(lead).map_or(0, stretched)).collect()
}

/// Calls `f` with every index of `shape`, in row-major order.
pub fn for_each_index(shape: &[usize], mut f: impl FnMut(&[usize])) {
    let mut index = vec![0; shape.len()];
    for _ in 0..elements(shape).unwrap_or(0) {
        f(&index);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Where an index lands under these strides.
pub fn offset(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_does_not_fill_the_shape_is_refused() {
        let error = Tensor::new(&[2, 3], vec![0.0; 5]).unwrap_err();
        assert!(error.to_string().contains("5 values"), "{error}");
    }

    #[test]
    fn strides_walk_memory_in_order() {
        let shape = [2, 3, 4];
        let mut seen = Vec::new();
        for_each_index(&shape, |i| seen.push(offset(i, &strides(&shape))));
        assert_eq!(seen, (0..24).collect::<Vec<_>>());
    }

    #[test]
    fn broadcast_strides_repeat_what_has_size_one() {
        assert_eq!(broadcast_strides(&[3, 1], &[2, 3, 4]), [0, 1, 0]);
    }
}
