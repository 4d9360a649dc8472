//! Data sets: reading, splitting, augmenting and batching samples with a class each.
//!
//! ```text
//! name or path ─► [`load`] ─► Dataset ─► Split (train, validation) ─► Loader ─► Batch ─► f32, i64
//! ```
//!
//! Everything random is a pure function of a seed that is handed in, so that a run can be resumed
//! anywhere and any thread can make any sample. Bad files are refused by name, place and reason.
//! Not here: networks (`model`), training (`hoyer-learn`).

pub mod augment;
pub mod catalog;
pub mod cifar;
pub mod dataset;
pub mod digits;
mod draw;
pub mod fetch;
mod file;
pub mod idx;
mod layout;
pub mod loader;
pub mod lookup;
pub mod normalize;
pub mod npy;
pub mod npz;
pub mod split;
mod warp;

pub use augment::Augmentation;
pub use dataset::{Dataset, Features};
pub use loader::{Batch, Loader};
pub use lookup::load;
pub use normalize::Normalization;
pub use split::{Holdout, Parts, Split};
