//! Parameters alone, by name: `.safetensors` files.
//!
//! Every parameter is a tensor of its name, 32-bit floats; dead weights are zeros. What is read must have every parameter
//! and nothing else, in its shape; half and double precision become single.
//!
//! Invariants: the same parameters give the same bytes; no bytes panic.
//! Not here: the network they belong to (`container`, `onnx`).

use crate::graph::Graph;
use crate::onnx::stored::{from_bfloat, from_half};
use crate::tensor::Tensor;
use crate::{Error, Result};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize};
use std::path::Path;

/// The bytes of a `.safetensors` file with all parameters of a network.
///
/// # Errors
/// [`Error::Safetensors`] if a parameter has a name that the format cannot hold (`__metadata__`).
///
/// # Example
/// ```
/// use hoyer_graph::weights::{from_safetensors, to_safetensors};
/// use hoyer_graph::{Graph, Role, Tensor};
///
/// let mut g = Graph::new("net");
/// g.param("fc.weight", Role::Weight, Tensor::full(&[3, 2], 0.5))?;
/// let bytes = to_safetensors(&g)?;
/// g.params[0].tensor.data_mut()[0] = 7.0;
/// from_safetensors(&mut g, &bytes)?;
/// assert_eq!(g.params[0].tensor.data(), [0.5; 6]);
/// # Ok::<(), hoyer_graph::Error>(())
/// ```
pub fn to_safetensors(graph: &Graph) -> Result<Vec<u8>> {
    if graph.params.iter().any(|param| param.name == "__metadata__") {
        return Err(unusable("no tensor may be called `__metadata__`"));
    }
    let bytes = |tensor: &Tensor| -> Vec<u8> {
        tensor.data().iter().flat_map(|x| x.to_le_bytes()).collect()
    };
    let data: Vec<Vec<u8>> = graph.params.iter().map(|param| bytes(&param.tensor)).collect();
    let mut views = Vec::new();
    for (param, data) in graph.params.iter().zip(&data) {
        let shape = param.tensor.shape().to_vec();
        let view = TensorView::new(Dtype::F32, shape, data).map_err(unusable)?;
        views.push((param.name.as_str(), view));
    }
    serialize(views, None).map_err(unusable)
}

/// Gives a network the parameters in the bytes of a `.safetensors` file. A mask stays where all its dead weights are zero
/// in the file too, and is dropped elsewhere.
///
/// # Errors
/// - [`Error::Safetensors`] if the bytes are no whole, consistent file, or a tensor holds no floating-point numbers
/// - [`Error::Weights`] if a tensor is missing, is none of the network's parameters, or has another shape; nothing is
///   changed then
pub fn from_safetensors(graph: &mut Graph, bytes: &[u8]) -> Result<()> {
    let file = SafeTensors::deserialize(bytes).map_err(unusable)?;
    let unfit = |what| Err(Error::Weights { what });
    let net = &graph.name;
    let mut names = file.names();
    names.sort_unstable();
    if let Some(extra) = names.iter().find(|name| graph.param_named(name).is_err()) {
        return unfit(format!("tensor `{extra}` is no parameter of `{net}`"));
    }
    let mut tensors = Vec::new();
    for param in &graph.params {
        let Ok(view) = file.tensor(&param.name) else {
            return unfit(format!("there is no tensor for parameter `{}` of `{net}`", param.name));
        };
        let (got, need) = (view.shape(), param.tensor.shape());
        if got != need {
            let name = &param.name;
            return unfit(format!("tensor `{name}` has shape {got:?}, `{net}` needs {need:?}"));
        }
        tensors.push(Tensor::new(need, numbers(&param.name, &view)?)?);
    }
    for (param, tensor) in graph.params.iter_mut().zip(tensors) {
        let dead =
            |mask: &[bool]| mask.iter().zip(tensor.data()).all(|(live, x)| *live || *x == 0.0);
        param.mask = param.mask.take().filter(|mask| dead(mask));
        param.tensor = tensor;
    }
    Ok(())
}

/// As [`from_safetensors`], from a file.
///
/// # Errors
/// - [`Error::Read`] if the file cannot be read
/// - [`Error::File`] around what is wrong with it
pub fn load(graph: &mut Graph, path: &Path) -> Result<()> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
    from_safetensors(graph, &bytes)
        .map_err(|source| Error::File { path: path.into(), source: Box::new(source) })
}

fn numbers(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>> {
    fn split<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| f(*chunk)).collect()
    }
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(split(bytes, f32::from_le_bytes)),
        Dtype::F64 => Ok(split(bytes, |b| f64::from_le_bytes(b) as f32)),
        Dtype::F16 => Ok(split(bytes, |b| from_half(u16::from_le_bytes(b)))),
        Dtype::BF16 => Ok(split(bytes, |b| from_bfloat(u16::from_le_bytes(b)))),
        other => {
            Err(unusable(format!("tensor `{name}` has type {other:?}, need F32, F64, F16 or BF16")))
        }
    }
}

fn unusable(what: impl ToString) -> Error {
    Error::Safetensors { what: what.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Role;

    fn net(shape: &[usize], names: &[&str]) -> Graph {
        let mut g = Graph::new("net");
        for name in names {
            g.param(name, Role::Weight, Tensor::full(shape, 0.5)).unwrap();
        }
        g
    }

    #[test]
    fn what_does_not_belong_to_the_network_is_refused_by_name_and_changes_nothing() {
        let bytes = to_safetensors(&net(&[3, 2], &["a", "b"])).unwrap();
        let refused = |g: Graph| {
            let mut tried = g.clone();
            let error = from_safetensors(&mut tried, &bytes).unwrap_err();
            assert_eq!(tried, g);
            error.to_string()
        };
        let text = refused(net(&[3, 2], &["a"]));
        assert_eq!(text, "tensor `b` is no parameter of `net`");
        let text = refused(net(&[3, 2], &["a", "b", "c"]));
        assert_eq!(text, "there is no tensor for parameter `c` of `net`");
        let text = refused(net(&[2, 3], &["a", "b"]));
        assert_eq!(text, "tensor `a` has shape [3, 2], `net` needs [2, 3]");
    }

    #[test]
    fn other_precisions_become_single_and_integers_are_refused() {
        let read = |dtype, bytes: &[u8]| {
            let view = TensorView::new(dtype, vec![2], bytes).unwrap();
            let mut g = net(&[2], &["a"]);
            let read = from_safetensors(&mut g, &serialize([("a", view)], None).unwrap());
            read.map(|()| g.params[0].tensor.data().to_vec())
        };
        assert_eq!(read(Dtype::F16, &[0, 0x3c, 0, 0xc0]).unwrap(), [1.0, -2.0]);
        assert_eq!(read(Dtype::BF16, &[0x80, 0x3f, 0, 0xc0]).unwrap(), [1.0, -2.0]);
        let doubles: Vec<u8> = [0.1f64, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(read(Dtype::F64, &doubles).unwrap(), [0.1, 2.0]);
        let error = read(Dtype::I32, &[0; 8]).unwrap_err().to_string();
        assert!(error.ends_with("tensor `a` has type I32, need F32, F64, F16 or BF16"), "{error}");
    }

    #[test]
    fn a_mask_stays_where_its_dead_weights_are_zero() {
        let mut g = net(&[2], &["a"]);
        g.params[0].tensor.data_mut()[1] = 0.0;
        g.params[0].mask = Some(vec![true, false]);
        let same = to_safetensors(&g).unwrap();
        from_safetensors(&mut g, &same).unwrap();
        assert_eq!(g.params[0].mask, Some(vec![true, false]));
        let dense = to_safetensors(&net(&[2], &["a"])).unwrap();
        from_safetensors(&mut g, &dense).unwrap();
        assert_eq!(g.params[0].mask, None);
    }

    #[test]
    fn damaged_files_are_refused_and_never_panic() {
        let bytes = to_safetensors(&net(&[3, 2], &["a", "b"])).unwrap();
        let mut g = net(&[3, 2], &["a", "b"]);
        for length in 0..bytes.len() {
            assert!(from_safetensors(&mut g, &bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let _ = from_safetensors(&mut g, &bytes);
            }
        }
        let error = from_safetensors(&mut g, b"no").unwrap_err().to_string();
        assert!(error.starts_with("not a usable .safetensors file: "), "{error}");
    }
}
