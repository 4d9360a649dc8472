//! Shapes with symbols: a dimension is a number times named sizes that are bound later.
//!
//! ```text
//! Dim = factor · s₁ · s₂ · …      16, batch, 207·batch
//! ```
//!
//! Invariants: symbols are sorted, so that equal products compare equal; a factor of 0 has no symbols.
//! Not here: the rules of the ops (`op`), element types ([`crate::DType`]).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Sizes for symbols, such as `batch = 64`.
pub type Bindings = BTreeMap<String, usize>;

/// One dimension: a number times the product of named sizes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dim {
    factor: usize,
    /// Shared, as shapes are copied often.
    symbols: Arc<[String]>,
}

impl Dim {
    /// A named size that is bound when the graph is compiled or evaluated.
    pub fn symbol(name: &str) -> Self {
        Self { factor: 1, symbols: [name.to_owned()].into() }
    }

    /// The number, if no symbol is left in it.
    pub fn fixed(&self) -> Option<usize> {
        self.symbols.is_empty().then_some(self.factor)
    }

    /// Whether this is the number 1, which broadcasts.
    pub fn is_one(&self) -> bool {
        self.fixed() == Some(1)
    }

    /// The product of two dimensions; `None` if the number overflows, or the symbols are too many to be stored.
    pub fn times(&self, other: &Dim) -> Option<Dim> {
        let factor = self.factor.checked_mul(other.factor)?;
        if factor == 0 {
            return Some(Dim::from(0));
        }
        let letters = |dim: &Dim| dim.symbols.iter().map(|symbol| symbol.len() + 1).sum::<usize>();
        if letters(self) + letters(other) > MAX_SYMBOL_BYTES {
            return None;
        }
        let mut symbols = [&*self.symbols, &*other.symbols].concat();
        symbols.sort();
        Some(Self { factor, symbols: symbols.into() })
    }

    /// The sum of two dimensions with the same symbols; `None` if they differ or the number overflows.
    pub fn plus(&self, other: &Dim) -> Option<Dim> {
        match (self.factor, other.factor) {
            (0, _) => Some(other.clone()),
            (_, 0) => Some(self.clone()),
            (a, b) if self.symbols == other.symbols => {
                Some(Self { factor: a.checked_add(b)?, symbols: self.symbols.clone() })
            }
            _ => None,
        }
    }

    /// This dimension divided by another, if that leaves a whole dimension.
    pub fn divided_by(&self, other: &Dim) -> Option<Dim> {
        if other.factor == 0 || !self.factor.is_multiple_of(other.factor) {
            return None;
        }
        let mut symbols = self.symbols.to_vec();
        for symbol in other.symbols.iter() {
            let at = symbols.iter().position(|s| s == symbol)?;
            symbols.remove(at);
        }
        Some(Self { factor: self.factor / other.factor, symbols: symbols.into() })
    }

    /// The number this becomes under `bindings`, or the first symbol that has none.
    ///
    /// # Errors
    /// The symbol without a size, or, if the number overflows, the whole dimension as text.
    pub fn bind(&self, bindings: &Bindings) -> Result<usize, String> {
        self.symbols.iter().try_fold(self.factor, |product, symbol| {
            let size = bindings.get(symbol).ok_or_else(|| symbol.clone())?;
            product.checked_mul(*size).ok_or_else(|| self.to_string())
        })
    }
}

impl From<usize> for Dim {
    fn from(factor: usize) -> Self {
        Self { factor, symbols: Arc::default() }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.symbols.is_empty() {
            return write!(f, "{}", self.factor);
        }
        if self.factor != 1 {
            write!(f, "{}*", self.factor)?;
        }
        write!(f, "{}", self.symbols.join("*"))
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Longer stored dimensions are refused: products of many symbols cost time that grows faster than they do.
const MAX_TEXT_BYTES: usize = 256;

/// What symbols may take of that beside the number, which has at most 20 digits.
const MAX_SYMBOL_BYTES: usize = MAX_TEXT_BYTES - 20;

/// Text (`16`, `batch`, `207*batch`) is the stored form.
impl Serialize for Dim {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dim {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > MAX_TEXT_BYTES {
            let len = text.len();
            return Err(serde::de::Error::custom(format!(
                "a dimension of {len} bytes is no dimension"
            )));
        }
        let mut dim = Dim::from(1);
        for part in text.split('*') {
            let term = match part.parse::<usize>() {
                Ok(number) => Dim::from(number),
                Err(_) if is_symbol(part) => Dim::symbol(part),
                Err(_) => {
                    return Err(serde::de::Error::custom(format!("`{text}` is no dimension")));
                }
            };
            dim = dim.times(&term).ok_or_else(|| {
                serde::de::Error::custom(format!("dimension `{text}` is too large"))
            })?;
        }
        Ok(dim)
    }
}

fn is_symbol(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && letters.all(|c| c.is_alphanumeric() || c == '_' || c == '.')
}

/// The dimensions of a value, outermost first.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// The shape of one number.
    pub fn scalar() -> Self {
        Self::default()
    }

    /// How many dimensions there are.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The numbers, if no symbol is left.
    pub fn fixed(&self) -> Option<Vec<usize>> {
        self.0.iter().map(Dim::fixed).collect()
    }

    /// The number of elements as a dimension; `None` if it overflows.
    pub fn elements(&self) -> Option<Dim> {
        self.0.iter().try_fold(Dim::from(1), |product, dim| product.times(dim))
    }

    /// The numbers under `bindings`, or the first symbol that has none.
    ///
    /// # Errors
    /// The symbol without a size.
    pub fn bind(&self, bindings: &Bindings) -> Result<Vec<usize>, String> {
        self.0.iter().map(|dim| dim.bind(bindings)).collect()
    }

    /// The shape of an element-wise result under ONNX (NumPy) broadcasting, if the two fit.
    pub fn broadcast(&self, other: &Shape) -> Option<Shape> {
        let rank = self.rank().max(other.rank());
        let one = Dim::from(1);
        let at = |shape: &Shape, i: usize| {
            (i + shape.rank()).checked_sub(rank).map_or(one.clone(), |i| shape.0[i].clone())
        };
        let dims = (0..rank).map(|i| match (at(self, i), at(other, i)) {
            (a, b) if a == b || b.is_one() => Some(a),
            (a, b) if a.is_one() => Some(b),
            _ => None,
        });
        dims.collect::<Option<_>>().map(Shape)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.0.iter().map(Dim::to_string).collect();
        write!(f, "[{}]", dims.join(", "))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self(dims.iter().map(|&d| Dim::from(d)).collect())
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self::from(dims.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Dim {
        Dim::symbol("batch")
    }

    #[test]
    fn products_of_symbols_do_not_depend_on_their_order() {
        let nodes = Dim::symbol("nodes");
        assert_eq!(batch().times(&nodes), nodes.times(&batch()));
        assert_eq!(batch().times(&Dim::from(3)).unwrap().to_string(), "3*batch");
    }

    #[test]
    fn sums_need_the_same_symbols() {
        let three = batch().times(&Dim::from(3)).unwrap();
        assert_eq!(three.plus(&batch()).unwrap().to_string(), "4*batch");
        assert_eq!(three.plus(&Dim::from(0)), Some(three.clone()));
        assert_eq!(Dim::from(0).plus(&three), Some(three.clone()));
        assert_eq!(three.plus(&Dim::from(1)), None);
        assert_eq!(Dim::from(usize::MAX).plus(&Dim::from(1)), None);
    }

    #[test]
    fn division_undoes_multiplication_and_refuses_remainders() {
        let product = batch().times(&Dim::from(12)).unwrap();
        assert_eq!(product.divided_by(&Dim::from(4)).unwrap().to_string(), "3*batch");
        assert_eq!(product.divided_by(&batch()), Some(Dim::from(12)));
        assert_eq!(product.divided_by(&Dim::from(5)), None);
        assert_eq!(Dim::from(12).divided_by(&batch()), None);
    }

    #[test]
    fn broadcasting_stretches_ones_and_refuses_the_rest() {
        let a = Shape(vec![batch(), Dim::from(1), Dim::from(3)]);
        assert_eq!(a.broadcast(&Shape::from([4, 1])).unwrap().to_string(), "[batch, 4, 3]");
        assert_eq!(a.broadcast(&Shape::from([2])), None);
        assert_eq!(a.broadcast(&Shape::scalar()), Some(a.clone()));
    }

    #[test]
    fn binding_names_the_symbol_without_a_size() {
        let shape = Shape(vec![batch(), Dim::from(3)]);
        assert_eq!(shape.bind(&Bindings::from([("batch".into(), 2)])), Ok(vec![2, 3]));
        assert_eq!(shape.bind(&Bindings::new()), Err("batch".into()));
    }

    #[test]
    fn dimensions_survive_json_and_nonsense_is_refused() {
        let shape = Shape(vec![batch().times(&Dim::from(207)).unwrap(), Dim::from(3)]);
        let text = serde_json::to_string(&shape).unwrap();
        assert_eq!(text, r#"["207*batch","3"]"#);
        assert_eq!(serde_json::from_str::<Shape>(&text).unwrap(), shape);
        for bad in [r#"["-1"]"#, r#"[""]"#, r#"["99999999999*99999999999"]"#] {
            assert!(serde_json::from_str::<Shape>(bad).is_err(), "{bad}");
        }
        let long = format!(r#"["{}a"]"#, "a*".repeat(200));
        assert!(serde_json::from_str::<Shape>(&long).is_err());
    }
}
