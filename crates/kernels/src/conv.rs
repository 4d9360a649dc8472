//! Two-dimensional convolutions, forward and both gradients, over planes in NCHW order.
//!
//! ```text
//! y[o, p]     = b[o] + Σ_t w[o, t] · x[t at p]          t = (channel, ky, kx), p = (oy, ox)
//! dw[o, t]    = Σ_n Σ_p dy[o, p] · x[t at p]
//! dx[t at p] += Σ_o w[o, t] · dy[o, p]
//! ```
//! Forward and input gradient are one product of a packed small matrix with vectors of pixels read where they lie
//! (`plane_product`): every stride is stride 1 over the pixels that it brings together (`phases`), and every width a row of
//! vectors (`sweep`). The weight gradient has two ways, for many channels and for few (`weight_gradient`). Where every channel is
//! a group of its own, there are loops over eight channels at a time (`depthwise`).
//! Samples are cut into pieces by the shape alone, so results do not depend on the number of threads.

mod depthwise;
mod forward;
mod input_gradient;
pub(crate) mod phases;
mod sweep;
mod weight_gradient;
mod winograd;

pub use forward::{Forward, Layer, Work};
pub use input_gradient::InputGradient;
pub use weight_gradient::WeightGradient;

use crate::pool::Pool;

/// The numbers of a two-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Samples.
    pub batch: usize,
    /// Input channels, of all groups.
    pub channels_in: usize,
    /// Output channels, of all groups.
    pub channels_out: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Input height and width.
    pub input: [usize; 2],
    /// Output height and width.
    pub output: [usize; 2],
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Steps between outputs, down and right.
    pub stride: [usize; 2],
    /// Distances between kernel elements, down and right.
    pub dilation: [usize; 2],
    /// Zeros above and left of the input.
    pub pad_begin: [usize; 2],
    /// Zeros below and right of the input.
    pub pad_end: [usize; 2],
}

impl Geometry {
    /// Input channels of one group.
    pub fn group_in(&self) -> usize {
        self.channels_in / self.groups
    }

    /// Output channels of one group.
    pub fn group_out(&self) -> usize {
        self.channels_out / self.groups
    }

    /// Terms of one output: channels of a group times kernel elements.
    pub fn taps(&self) -> usize {
        self.group_in() * self.kernel[0] * self.kernel[1]
    }

    /// Outputs of one channel.
    pub fn pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Elements of one input sample.
    pub fn sample_in(&self) -> usize {
        self.channels_in * self.input[0] * self.input[1]
    }

    /// Elements of one output sample.
    pub fn sample_out(&self) -> usize {
        self.channels_out * self.pixels()
    }

    pub(crate) fn is_padded(&self) -> bool {
        self.pad_begin != [0, 0] || self.pad_end != [0, 0]
    }

    /// Height and width of the input with its padding.
    fn padded(&self) -> [usize; 2] {
        std::array::from_fn(|i| self.input[i] + self.pad_begin[i] + self.pad_end[i])
    }

    /// Elements of one padded input sample.
    fn sample_padded(&self) -> usize {
        self.channels_in * self.padded()[0] * self.padded()[1]
    }

    /// Where tap `t` of a group lies in the padded planes, relative to the window's corner.
    fn tap_offset(&self, t: usize) -> usize {
        let [kh, kw] = self.kernel;
        let [ph, pw] = self.padded();
        let (channel, ky, kx) = (t / (kh * kw), t / kw % kh, t % kw);
        channel * ph * pw + ky * self.dilation[0] * pw + kx * self.dilation[1]
    }

    /// Checks that every window lies inside the padded input; the unsafe kernels rely on it.
    pub(crate) fn check(&self) {
        let padded = self.padded();
        let fits = (0..2).all(|i| {
            let reach = self.dilation[i] * (self.kernel[i] - 1) + 1;
            self.output[i] >= 1 && (self.output[i] - 1) * self.stride[i] + reach <= padded[i]
        });
        let positive = self.groups >= 1 && self.kernel.iter().chain(&self.stride).all(|&n| n >= 1);
        let divides = self.channels_in.is_multiple_of(self.groups.max(1))
            && self.channels_out.is_multiple_of(self.groups.max(1));
        assert!(fits && positive && divides, "{self:?} is no convolution");
    }
}

#[cfg(test)]
pub(crate) mod tests;
