//! Networks that are hard to take channels out of, and to write to a file: the zoo of nasty graphs.
//!
//! One function and one row in [`ZOO`] each. Numbers are seeded, so that every build gives the same network.
#![allow(clippy::unwrap_used, reason = "a network of the zoo always fits")]

use hoyer_graph::check::Numbers;
use hoyer_graph::*;

/// What builds a network.
type Make = fn(Net) -> Graph;

/// Every network, by name.
pub(crate) const ZOO: &[(&str, Make)] = &[
    ("attention", attention),
    ("channel-shuffle", channel_shuffle),
    ("concat-three-scales", concat_three_scales),
    ("curves", curves),
    ("depthwise", depthwise),
    ("expand-over-batch", expand_over_batch),
    ("flatten-into-linear", flatten_into_linear),
    ("gated", gated),
    ("grouped", grouped),
    ("gru", gru),
    ("lstm", lstm),
    ("normalizations", normalizations),
    ("padded-pools", padded_pools),
    ("padded-with-ones", padded_with_ones),
    ("residual-projection", residual_projection),
    ("residual-slice-pad", residual_slice_pad),
    ("residual-squeeze-excite", residual_squeeze_excite),
    ("resized", resized),
    ("self-concat", self_concat),
    ("shared-weights", shared_weights),
    ("split-concat", split_concat),
    ("squeeze-excite", squeeze_excite),
    ("token-mixer", token_mixer),
    ("transposed", transposed),
    ("two-inputs", two_inputs),
    ("two-outputs", two_outputs),
];

/// A network under construction.
pub(crate) struct Net {
    g: Graph,
    numbers: Numbers,
}

/// The network with this name.
pub(crate) fn build(name: &str) -> Graph {
    let (name, make) = ZOO.iter().find(|(known, _)| *known == name).unwrap();
    make(Net { g: Graph::new(name), numbers: Numbers(7) })
}

fn dims(rest: &[usize]) -> Shape {
    let rest = rest.iter().map(|size| Dim::from(*size));
    Shape([Dim::symbol("batch")].into_iter().chain(rest).collect())
}

impl Net {
    fn input(&mut self, name: &str, rest: &[usize]) -> ValueId {
        self.g.input(name, Type::f32(dims(rest)))
    }

    fn param(&mut self, name: &str, role: Role, shape: &[usize]) -> ValueId {
        let tensor = self.numbers.tensor(shape);
        self.g.param(name, role, tensor).unwrap()
    }

    fn size(&self, x: ValueId, axis: usize) -> usize {
        self.g.value(x).kind.shape.0[axis].fixed().unwrap()
    }

    fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        self.g.add(name, op, inputs).unwrap()
    }

    /// A convolution whose kernel has this side, and padding that keeps the size.
    fn conv(&mut self, name: &str, x: ValueId, out: usize, [side, group]: [usize; 2]) -> ValueId {
        let w = [out, self.size(x, 1) / group, side, side];
        let w = self.param(&format!("{name}.weight"), Role::Weight, &w);
        let b = self.param(&format!("{name}.bias"), Role::Bias, &[out]);
        let conv = Conv { group, ..Conv::new(Window::square(side, 1, side / 2)) };
        self.add(name, conv, &[x, w, b])
    }

    /// A 1x1 convolution, so that a constant can be folded.
    fn point(&mut self, name: &str, x: ValueId, out: usize) -> ValueId {
        self.conv(name, x, out, [1, 1])
    }

    fn norm(&mut self, name: &str, x: ValueId) -> ValueId {
        let channels = self.size(x, 1);
        let [scale, shift, mean] =
            [("scale", Role::NormScale), ("shift", Role::NormShift), ("mean", Role::Statistic)]
                .map(|(part, role)| self.param(&format!("{name}.{part}"), role, &[channels]));
        let var = Tensor::full(&[channels], 0.7);
        let var = self.g.param(&format!("{name}.var"), Role::Statistic, var).unwrap();
        self.add(name, BatchNormalization::default(), &[x, scale, shift, mean, var])
    }

    fn linear(&mut self, name: &str, x: ValueId, out: usize) -> ValueId {
        let w = self.param(&format!("{name}.weight"), Role::Weight, &[out, self.size(x, 1)]);
        let b = self.param(&format!("{name}.bias"), Role::Bias, &[out]);
        self.add(name, Gemm::linear(), &[x, w, b])
    }

    /// A product with a weight `[in, out]`, and a bias that is added, as transformers have them. Such weights begin with
    /// `t.`: their second axis is what they make.
    fn times(&mut self, name: &str, x: ValueId, out: usize) -> ValueId {
        let rank = self.g.value(x).kind.shape.rank();
        let w =
            self.param(&format!("t.{name}.weight"), Role::Weight, &[self.size(x, rank - 1), out]);
        let b = self.param(&format!("{name}.bias"), Role::Bias, &[out]);
        let y = self.add(&format!("{name}.product"), MatMul, &[x, w]);
        self.add(name, Add, &[y, b])
    }

    fn out(mut self, outputs: &[ValueId]) -> Graph {
        self.g.outputs.extend(outputs);
        self.g
    }

    /// A gate for each channel, made of their means through four others.
    fn excite(&mut self, x: ValueId) -> ValueId {
        let s = self.add("squeeze", ReduceMean { axes: vec![2, 3], keepdims: true }, &[x]);
        let s = self.point("down", s, 4);
        let s = self.add("down.relu", Relu, &[s]);
        let s = self.point("up", s, self.size(x, 1));
        let s = self.add("gate", HardSigmoid { alpha: 0.2, beta: 0.5 }, &[s]);
        self.add("excite", Mul, &[x, s])
    }

    fn head(mut self, x: ValueId) -> Graph {
        let x = self.add("pool", GlobalAveragePool, &[x]);
        let x = self.add("flat", Flatten { axis: 1 }, &[x]);
        let y = self.linear("head", x, 3);
        self.out(&[y])
    }
}

fn part(axis: i64, from: i64, to: i64) -> Slice {
    Slice { starts: vec![from], ends: vec![to], axes: vec![axis], steps: vec![1] }
}

/// The same channels twice, once through a ReLU, read by a 1x1 and by a 3x3 convolution.
fn self_concat(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", x, 6);
    let r = net.add("relu", Relu, &[x]);
    let y = net.add("join", Concat { axis: 1 }, &[x, r, x]);
    let y = net.point("mix", y, 5);
    let y = net.add("again", Concat { axis: -3 }, &[y, y]);
    let y = net.conv("last", y, 4, [3, 1]);
    net.head(y)
}

/// Unequal parts by Split and by Slice, put together in another order, one of them twice.
fn split_concat(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", x, 6);
    let parts = net.g.add_all("split", Split { axis: 1, sizes: vec![2, 4] }, &[x]).unwrap();
    let b = net.point("middle", parts[1], 6);
    let b = net.add("relu", Relu, &[b]);
    let (c, d) = (net.add("c", part(1, 0, 3), &[b]), net.add("d", part(-3, -3, i64::MAX), &[b]));
    let x = net.add("join", Concat { axis: 1 }, &[d, parts[0], c, d]);
    let x = net.point("last", x, 4);
    net.head(x)
}

fn shared_weights(mut net: Net) -> Graph {
    let x = net.input("x", &[6, 4, 4]);
    let x = net.point("stem", x, 6);
    let w = net.param("shared.weight", Role::Weight, &[6, 6, 1, 1]);
    let b = net.param("shared.bias", Role::Bias, &[6]);
    let conv = || Conv::new(Window::square(1, 1, 0));
    let x = net.add("one", conv(), &[x, w, b]);
    let x = net.add("relu", Relu, &[x]);
    let x = net.add("two", conv(), &[x, w, b]);
    let x = net.add("tanh", Tanh, &[x]);
    let x = net.point("last", x, 4);
    net.head(x)
}

fn residual_projection(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", x, 6);
    let x = net.norm("norm", x);
    let y = net.conv("a", x, 5, [3, 1]);
    let y = net.norm("a.norm", y);
    let y = net.add("relu", Relu, &[y]);
    let y = net.point("b", y, 8);
    let y = net.norm("b.norm", y);
    let x = net.point("projection", x, 8);
    let x = net.add("sum", Add, &[x, y]);
    let x = net.add("out", Relu, &[x]);
    net.head(x)
}

fn residual_slice_pad(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", x, 6);
    let x = net.add("relu", Relu, &[x]);
    let halve =
        Slice { starts: vec![0; 2], ends: vec![i64::MAX; 2], axes: vec![2, 3], steps: vec![2; 2] };
    let short = net.add("halve", halve, &[x]);
    let short = net.add("widen", Pad::zeros(&[0, 3, 0, 0, 0, 3, 0, 0]), &[short]);
    let w = net.param("conv.weight", Role::Weight, &[12, 6, 1, 1]);
    let y = net.add("conv", Conv::new(Window::square(1, 2, 0)), &[x, w]);
    let y = net.norm("conv.norm", y);
    let x = net.add("sum", Add, &[short, y]);
    let x = net.add("bend", Clip { min: Some(0.0), max: Some(6.0) }, &[x]);
    net.head(x)
}

/// A branch with a gate inside: without the gate's channels it still speaks, without the convolution's it does not.
fn residual_squeeze_excite(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let stem = net.point("stem", x, 6);
    let y = net.point("conv1", stem, 9);
    let y = net.add("relu", Relu, &[y]);
    let y = net.excite(y);
    let y = net.point("conv2", y, 6);
    let x = net.add("sum", Add, &[stem, y]);
    net.head(x)
}

fn depthwise(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 5, 5]);
    let x = net.point("expand", x, 9);
    let x = net.norm("expand.norm", x);
    let x = net.add("bend", HardSwish, &[x]);
    let x = net.conv("depthwise", x, 9, [3, 9]);
    let x = net.norm("depthwise.norm", x);
    let x = net.add("bend2", HardSwish, &[x]);
    let x = net.point("project", x, 5);
    // Two outputs a channel.
    let x = net.conv("twice", x, 10, [1, 5]);
    let x = net.point("last", x, 4);
    net.head(x)
}

fn grouped(mut net: Net) -> Graph {
    let x = net.input("x", &[4, 4, 4]);
    let x = net.point("stem", x, 8);
    let x = net.add("relu", Relu, &[x]);
    let x = net.conv("grouped", x, 12, [1, 4]);
    let x = net.norm("norm", x);
    let x = net.conv("padded", x, 6, [3, 2]);
    let x = net.point("last", x, 4);
    net.head(x)
}

fn squeeze_excite(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", x, 6);
    let x = net.excite(x);
    let x = net.point("last", x, 4);
    net.head(x)
}

/// A gate of its own, arithmetic with stored numbers, and a dead channel in a denominator.
fn gated(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", x, 6);
    let s = net.add("sigmoid", Sigmoid, &[x]);
    let x = net.add("swish", Mul, &[x, s]);
    let two = net.g.param("two", Role::Constant, Tensor::full(&[1], 2.0)).unwrap();
    let x = net.add("minus", Sub, &[two, x]);
    let positive = net.add("softplus", Softplus, &[x]);
    let positive = net.add("more", Add, &[positive, two]);
    let x = net.add("over", Div, &[x, positive]);
    let slope = net.param("slope", Role::Constant, &[6, 1, 1]);
    let x = net.add("prelu", PRelu, &[x, slope]);
    let x = net.point("last", x, 4);
    net.head(x)
}

/// Curves that make a constant of zero, one after the other.
fn curves(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let mut x = net.point("stem", x, 4);
    let bends: [(&str, Op); 7] = [
        ("gelu", Gelu { approximate: GeluForm::None }.into()),
        ("gelu-tanh", Gelu { approximate: GeluForm::Tanh }.into()),
        ("elu", Elu { alpha: 0.7 }.into()),
        ("selu", Selu { alpha: 1.67, gamma: 1.05 }.into()),
        ("leaky", LeakyRelu { alpha: 0.1 }.into()),
        ("erf", Erf.into()),
        ("exp", Exp.into()),
    ];
    for (name, bend) in bends {
        x = net.add(name, bend, &[x]);
        x = net.point(&format!("{name}.conv"), x, 4);
    }
    let x = net.add("abs", Abs, &[x]);
    let one = net.g.param("one", Role::Constant, Tensor::full(&[], 1.0)).unwrap();
    let x = net.add("plus", Add, &[x, one]);
    let r = net.add("root", Sqrt, &[x]);
    let l = net.add("log", Log, &[x]);
    let i = net.add("inverse", Reciprocal, &[x]);
    let half = net.g.param("half", Role::Constant, Tensor::full(&[], 0.5)).unwrap();
    let p = net.add("power", Pow, &[x, half]);
    let n = net.add("minus", Neg, &[p]);
    let x = net.add("join", Concat { axis: 1 }, &[r, l, i, n]);
    let x = net.add("drop", Dropout::new(0.25, 3), &[x]);
    let x = net.point("last", x, 4);
    net.head(x)
}

/// Layer, instance and group normalization.
fn normalizations(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", x, 6);
    let (scale, shift) =
        (net.param("i.scale", Role::NormScale, &[6]), net.param("i.shift", Role::NormShift, &[6]));
    let x = net.add("instance", InstanceNormalization { epsilon: 1e-3 }, &[x, scale, shift]);
    let x = net.point("a", x, 8);
    let (scale, shift) =
        (net.param("g.scale", Role::NormScale, &[8]), net.param("g.shift", Role::NormShift, &[8]));
    let group = GroupNormalization { num_groups: 2, epsilon: 1e-3 };
    let x = net.add("group", group, &[x, scale, shift]);
    let x = net.point("b", x, 5);
    let x = net.add("last-axis", Transpose { perm: vec![0, 2, 3, 1] }, &[x]);
    let (scale, shift) =
        (net.param("l.scale", Role::NormScale, &[5]), net.param("l.shift", Role::NormShift, &[5]));
    let x = net.add("layer", LayerNormalization { axis: -1, epsilon: 1e-3 }, &[x, scale, shift]);
    let x = net.add("back", Transpose { perm: vec![0, 3, 1, 2] }, &[x]);
    net.head(x)
}

/// Means that count padding and do not, and maxima, behind which a constant is none at the border.
fn padded_pools(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 5, 5]);
    let x = net.point("stem", x, 6);
    let window = || Window::square(3, 2, 1);
    let include = AveragePool { count_include_pad: true, ..AveragePool::new(window()) };
    let a = net.add("with", include, &[x]);
    let b = net.add("without", AveragePool::new(window()), &[x]);
    let c = net.add("largest", MaxPool::new(window()), &[x]);
    let x = net.add("join", Concat { axis: 1 }, &[a, b, c]);
    let x = net.point("last", x, 4);
    net.head(x)
}

/// Padding by ones, by the edge and by reflection between the layers.
fn padded_with_ones(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", x, 6);
    let pads = vec![0, 0, 1, 1, 0, 0, 1, 1];
    let pad = |mode, value| Pad { pads: pads.clone(), mode, value };
    let a = net.add("ones", pad(PadMode::Constant, 1.0), &[x]);
    let b = net.add("edge", pad(PadMode::Edge, 0.0), &[x]);
    let c = net.add("mirror", pad(PadMode::Reflect, 0.0), &[x]);
    let (a, b, c) = (net.point("a", a, 5), net.point("b", b, 5), net.point("c", c, 5));
    let x = net.add("sum", Add, &[a, b]);
    let x = net.add("sum2", Add, &[x, c]);
    net.head(x)
}

fn transposed(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 3, 3]);
    let x = net.point("stem", x, 6);
    let x = net.add("relu", Relu, &[x]);
    // In channels first, as ONNX has it; the name says so to whoever silences channels.
    let w = net.param("t.up.weight", Role::Weight, &[6, 5, 3, 3]);
    let b = net.param("up.bias", Role::Bias, &[5]);
    let window = Window { strides: vec![2, 2], ..Window::square(3, 2, 1) };
    let up = ConvTranspose { window, group: 1, output_padding: vec![1, 0] };
    let x = net.add("up", up, &[x, w, b]);
    let x = net.norm("norm", x);
    let w = net.param("t.depthwise.weight", Role::Weight, &[5, 1, 2, 2]);
    let up =
        ConvTranspose { window: Window::square(2, 2, 0), group: 5, output_padding: vec![0; 2] };
    let x = net.add("depthwise", up, &[x, w]);
    let x = net.point("last", x, 4);
    net.head(x)
}

fn attention(mut net: Net) -> Graph {
    let (tokens, heads, width) = (5, 3, 4);
    let x = net.input("x", &[tokens, 6]);
    let split = |net: &mut Net, name: &str, perm: [usize; 4]| {
        let y = net.times(name, x, heads * width);
        let shape = dims(&[tokens, heads, width]);
        let y = net.add(&format!("{name}.heads"), Reshape { shape }, &[y]);
        net.add(&format!("{name}.turn"), Transpose { perm: perm.to_vec() }, &[y])
    };
    let q = split(&mut net, "q", [0, 2, 1, 3]);
    let k = split(&mut net, "k", [0, 2, 3, 1]);
    let v = split(&mut net, "v", [0, 2, 1, 3]);
    let scale = net.g.param("scale", Role::Constant, Tensor::full(&[], 2.0)).unwrap();
    let scores = net.add("scores", MatMul, &[q, k]);
    let scores = net.add("scaled", Div, &[scores, scale]);
    let weights = net.add("softmax", Softmax { axis: -1 }, &[scores]);
    let y = net.add("mix", MatMul, &[weights, v]);
    let y = net.add("turn", Transpose { perm: vec![0, 2, 1, 3] }, &[y]);
    let y = net.add("join", Reshape { shape: dims(&[tokens, heads * width]) }, &[y]);
    let y = net.times("out", y, 6);
    let y = net.add("residual", Add, &[x, y]);
    let h = net.times("up", y, 9);
    let h = net.add("gelu", Gelu { approximate: GeluForm::None }, &[h]);
    let h = net.times("down", h, 6);
    let y = net.add("residual2", Add, &[y, h]);
    net.out(&[y])
}

/// Mixes along tokens through a transpose, then along features; the batch is in the rows of a flat product.
fn token_mixer(mut net: Net) -> Graph {
    let x = net.input("x", &[4, 6]);
    let x = net.times("embed", x, 8);
    let turned = net.add("turn", Transpose { perm: vec![0, 2, 1] }, &[x]);
    let mixed = net.times("tokens", turned, 7);
    let mixed = net.add("tanh", Tanh, &[mixed]);
    let mixed = net.times("tokens2", mixed, 4);
    let back = net.add("back", Transpose { perm: vec![0, 2, 1] }, &[mixed]);
    let x = net.add("sum", Add, &[x, back]);
    let rows = Shape(vec![Dim::symbol("batch").times(&Dim::from(4)).unwrap(), Dim::from(8)]);
    let x = net.add("rows", Reshape { shape: rows }, &[x]);
    let x = net.linear("fc", x, 6);
    let x = net.add("unrow", Reshape { shape: dims(&[4, 6]) }, &[x]);
    let x = net.add("mean", ReduceMean { axes: vec![1], keepdims: false }, &[x]);
    let x = net.add("log", LogSoftmax { axis: -1 }, &[x]);
    net.out(&[x])
}

fn channel_shuffle(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 2, 2]);
    let x = net.point("stem", x, 8);
    let x = net.add("relu", Relu, &[x]);
    let x = net.add("split", Reshape { shape: dims(&[4, 2, 2, 2]) }, &[x]);
    let x = net.add("swap", Transpose { perm: vec![0, 2, 1, 3, 4] }, &[x]);
    let x = net.add("join", Reshape { shape: dims(&[8, 2, 2]) }, &[x]);
    let x = net.conv("grouped", x, 8, [1, 2]);
    let x = net.point("last", x, 4);
    net.head(x)
}

fn flatten_into_linear(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.conv("stem", x, 6, [3, 1]);
    let x = net.add("relu", Relu, &[x]);
    let pool = MaxPool { ceil_mode: true, ..MaxPool::new(Window::square(3, 2, 0)) };
    let x = net.add("pool", pool, &[x]);
    let x = net.add("flat", Flatten { axis: 1 }, &[x]);
    let x = net.linear("fc1", x, 5);
    let x = net.add("tanh", Tanh, &[x]);
    let x = net.linear("fc2", x, 3);
    let x = net.add("softmax", Softmax { axis: 1 }, &[x]);
    net.out(&[x])
}

/// Branches of three depths that a concat joins, one of them with a stored row added.
fn concat_three_scales(mut net: Net) -> Graph {
    let image = net.input("x", &[3, 4, 4]);
    let a = net.point("a", image, 3);
    let b = net.point("b1", image, 4);
    let b = net.norm("b.norm", b);
    let b = net.add("b.relu", Relu, &[b]);
    let b = net.conv("b2", b, 5, [3, 1]);
    let c = net.add("c.pool", AveragePool::new(Window::square(3, 1, 1)), &[image]);
    let c = net.point("c", c, 2);
    let row = net.param("row", Role::Constant, &[1, 2, 1, 1]);
    let c = net.add("c.row", Add, &[c, row]);
    let x = net.add("join", Concat { axis: 1 }, &[a, b, image, c]);
    let x = net.norm("norm", x);
    let x = net.add("relu", Relu, &[x]);
    let x = net.point("last", x, 4);
    net.head(x)
}

/// A stored token that is stretched over the batch and joined to the others.
fn expand_over_batch(mut net: Net) -> Graph {
    let x = net.input("x", &[4, 6]);
    let x = net.times("embed", x, 8);
    let token = net.param("token", Role::Constant, &[1, 1, 8]);
    let token = net.add("stretch", Expand { shape: dims(&[1, 8]) }, &[token]);
    let x = net.add("join", Concat { axis: 1 }, &[token, x]);
    let x = net.times("mix", x, 6);
    let x = net.add("relu", Relu, &[x]);
    let x = net.add("first", part(1, 0, 1), &[x]);
    let x = net.add("squeeze", Squeeze { axes: vec![1] }, &[x]);
    let x = net.add("unsqueeze", Unsqueeze { axes: vec![-1] }, &[x]);
    let x = net.add("sum", ReduceSum { axes: vec![2], keepdims: false }, &[x]);
    let x = net.linear("fc", x, 3);
    net.out(&[x])
}

fn two_inputs(mut net: Net) -> Graph {
    let (a, b) = (net.input("a", &[3, 4, 4]), net.input("b", &[5]));
    let a = net.point("stem", a, 6);
    let b = net.linear("film", b, 6);
    let b = net.add("column", Reshape { shape: dims(&[6, 1, 1]) }, &[b]);
    let x = net.add("shift", Add, &[a, b]);
    let x = net.add("relu", Relu, &[x]);
    let x = net.point("last", x, 4);
    net.head(x)
}

/// A head on the way, an image that is given back, and one output twice.
fn two_outputs(mut net: Net) -> Graph {
    let image = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", image, 6);
    let x = net.add("relu", Relu, &[x]);
    let early = net.add("early.pool", GlobalAveragePool, &[x]);
    let early = net.add("early.flat", Flatten { axis: 1 }, &[early]);
    let early = net.linear("early", early, 2);
    let map = net.point("map", x, 4);
    let y = net.point("deep", map, 5);
    let mut g = net.head(y);
    g.outputs.extend([early, map, image, early]);
    g
}

/// A feature pyramid: coarse maps enlarged to fine ones.
fn resized(mut net: Net) -> Graph {
    let x = net.input("x", &[3, 8, 8]);
    let fine = net.point("stem", x, 6);
    let w = net.param("down.weight", Role::Weight, &[6, 6, 1, 1]);
    let coarse = net.add("down", Conv::new(Window::square(1, 2, 0)), &[fine, w]);
    let wide = net.add("wide", Resize::repeated(&[2, 3], 2), &[coarse]);
    let x = net.add("sum", Add, &[fine, wide]);
    let axis = |axis, size| ResizeAxis { axis, scale: size as f32 / 8.0, size: Some(size) };
    let axes = vec![axis(3, 5), axis(2, 12)];
    let linear = Resize { axes, mode: ResizeMode::Linear, ..Resize::repeated(&[], 1) };
    let linear = Resize { coordinates: ResizeCoordinates::HalfPixel, ..linear };
    let x = net.add("linear", linear, &[x]);
    let x = net.point("last", x, 4);
    net.head(x)
}

/// Images read row by row: a layer before and one after the steps of time.
fn over_time(mut net: Net, op: impl Into<Op>, gates: usize, states: usize) -> Graph {
    let x = net.input("x", &[3, 4, 4]);
    let x = net.point("stem", x, 2);
    let x = net.add("rows", Transpose { perm: vec![2, 0, 1, 3] }, &[x]);
    let dims = vec![4.into(), Dim::symbol("batch"), 8.into()];
    let x = net.add("features", Reshape { shape: Shape(dims) }, &[x]);
    let mut inputs = vec![x];
    for (part, shape) in [("w", [2, gates * 3, 8]), ("r", [2, gates * 3, 3])] {
        inputs.push(net.param(&format!("cell.{part}"), Role::Weight, &shape));
    }
    inputs.push(net.param("cell.b", Role::Bias, &[2, 2 * gates * 3]));
    if states > 0 {
        let state = net.param("state", Role::Constant, &[2, 1, 3]);
        let dims = vec![2.into(), Dim::symbol("batch"), 3.into()];
        let state = net.add("start", Expand { shape: Shape(dims) }, &[state]);
        inputs.extend(vec![state; states]);
    }
    let y = net.g.add_all("cell", op, &inputs).unwrap();
    let x = net.add("samples", Transpose { perm: vec![1, 0, 2] }, &[y[1]]);
    let x = net.add("flat", Flatten { axis: 1 }, &[x]);
    let hidden = net.linear("hidden", x, 6);
    let hidden = net.add("relu", Relu, &[hidden]);
    let head = net.linear("head", hidden, 3);
    net.out(&[head, y[0]])
}

fn lstm(net: Net) -> Graph {
    over_time(net, LSTM::new(3, Direction::Bidirectional), 4, 2)
}

fn gru(net: Net) -> Graph {
    let direction = Direction::Bidirectional;
    over_time(net, GRU { hidden_size: 3, direction, linear_before_reset: true }, 3, 0)
}
