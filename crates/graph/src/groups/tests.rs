//! A zoo of networks that are hard to take channels out of: what is left must say the same.

use super::*;
use crate::answers::{answers, furthest, through_a_file};
use crate::check::Numbers;
use crate::op::*;
use crate::{Dim, Role, Shape, Tensor, Type, ValueId};

/// Builds networks with seeded numbers.
struct Net {
    g: Graph,
    numbers: Numbers,
}

impl Net {
    fn new() -> Self {
        Self { g: Graph::new("net"), numbers: Numbers(7) }
    }

    fn image(&mut self, channels: usize, side: usize) -> ValueId {
        let dims = vec![Dim::symbol("batch"), channels.into(), side.into(), side.into()];
        self.g.input("x", Type::f32(Shape(dims)))
    }

    fn param(&mut self, name: &str, role: Role, shape: &[usize]) -> ValueId {
        let tensor = self.numbers.tensor(shape);
        self.g.param(name, role, tensor).unwrap()
    }

    fn channels(&self, x: ValueId) -> usize {
        self.g.value(x).kind.shape.0[1].fixed().unwrap()
    }

    fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        self.g.add(name, op, inputs).unwrap()
    }

    fn grouped(
        &mut self,
        name: &str,
        x: ValueId,
        out: usize,
        side: usize,
        group: usize,
    ) -> ValueId {
        let (pad, channels) = (side / 2, self.channels(x));
        let shape = [out, channels / group, side, side];
        let w = self.param(&format!("{name}.weight"), Role::Weight, &shape);
        let b = self.param(&format!("{name}.bias"), Role::Bias, &[out]);
        let conv = Conv { group, ..Conv::new(Window::square(side, 1, pad)) };
        self.add(name, conv, &[x, w, b])
    }

    /// 1x1, so that a constant can be folded.
    fn conv(&mut self, name: &str, x: ValueId, out: usize) -> ValueId {
        self.grouped(name, x, out, 1, 1)
    }

    fn norm(&mut self, name: &str, x: ValueId) -> ValueId {
        let channels = self.channels(x);
        let [scale, shift, mean] =
            [("scale", Role::NormScale), ("shift", Role::NormShift), ("mean", Role::Statistic)]
                .map(|(part, role)| self.param(&format!("{name}.{part}"), role, &[channels]));
        let var = Tensor::full(&[channels], 0.7);
        let var = self.g.param(&format!("{name}.var"), Role::Statistic, var).unwrap();
        self.add(name, BatchNormalization::default(), &[x, scale, shift, mean, var])
    }

    fn linear(&mut self, name: &str, x: ValueId, out: usize) -> ValueId {
        let width = self.channels(x);
        let w = self.param(&format!("{name}.weight"), Role::Weight, &[out, width]);
        let b = self.param(&format!("{name}.bias"), Role::Bias, &[out]);
        self.add(name, Gemm::linear(), &[x, w, b])
    }

    /// A product with a weight `[in, out]`, as transformers have them.
    fn times(&mut self, name: &str, x: ValueId, out: usize) -> ValueId {
        let width = self.g.value(x).kind.shape.0.last().unwrap().fixed().unwrap();
        let w = self.param(&format!("{name}.weight"), Role::Weight, &[width, out]);
        self.add(name, MatMul, &[x, w])
    }

    fn head(mut self, x: ValueId) -> Graph {
        let x = self.add("pool", GlobalAveragePool, &[x]);
        let x = self.add("flat", Flatten { axis: 1 }, &[x]);
        let y = self.linear("head", x, 3);
        self.g.outputs.push(y);
        self.g
    }
}

/// Sets what makes a channel to zero, biases and shifts apart: it may still say a constant.
fn silence(g: &mut Graph, groups: &Groups, channel: Channel) {
    for member in &groups.groups[channel.group].members {
        let param = &mut g.params[member.param.0];
        let stride = crate::strides(param.tensor.shape())[member.axis];
        let size = param.tensor.shape()[member.axis];
        let makes =
            param.role == Role::Weight && member.axis == usize::from(param.name.starts_with("t."));
        if makes {
            for (i, w) in param.tensor.data_mut().iter_mut().enumerate() {
                if member.places[channel.index].contains(&(i / stride % size)) {
                    *w = 0.0;
                }
            }
        }
    }
}

/// Silences every third channel of every group, removes them, and compares, with biases of every size. Gives how many
/// went.
fn check(g: &Graph) -> usize {
    let found = groups(g).unwrap();
    let all = found.groups.iter().enumerate().filter(|(_, one)| one.frozen.is_none());
    let every_third = |(group, one): (usize, &ChannelGroup)| {
        (0..one.channels).step_by(3).map(move |index| Channel { group, index }).collect::<Vec<_>>()
    };
    let dead: Vec<Channel> = all.flat_map(every_third).collect();
    let mut went = 0;
    for scale in [1.0, -1000.0, 1e-6] {
        let mut masked = g.clone();
        dead.iter().for_each(|channel| silence(&mut masked, &found, *channel));
        let says = |param: &&mut crate::Param| matches!(param.role, Role::Bias | Role::NormShift);
        for param in masked.params.iter_mut().filter(says) {
            param.tensor.data_mut().iter_mut().for_each(|b| *b *= scale);
        }
        let removed = remove(&masked, &found, &dead).unwrap();
        let far = furthest(&answers(&masked), &answers(&removed.graph));
        assert!(far < 1e-5, "{far} at {scale}: {}", found.text(g));
        let far = furthest(&answers(&removed.graph), &answers(&through_a_file(&removed.graph)));
        assert!(far < 1e-5, "{far} at {scale}, exported");
        let size = |g: &Graph| g.params.iter().map(|p| p.tensor.data().len()).sum::<usize>();
        went = dead.len() - removed.stayed.len();
        assert!(went == 0 || size(&removed.graph) < size(g));
    }
    went
}

fn text(g: &Graph) -> String {
    groups(g).unwrap().text(g)
}

#[test]
fn a_chain_names_its_members_in_order() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("conv1", x, 6);
    let x = net.norm("norm1", x);
    let x = net.add("relu", Relu, &[x]);
    let x = net.conv("conv2", x, 4);
    let g = net.head(x);
    assert_eq!(
        text(&g),
        "conv1.weight[6, _, _, _] = conv1.bias[6] = norm1.scale[6] = norm1.shift[6] = norm1.mean[6] = \
         norm1.var[6] = conv2.weight[_, 6, _, _]\n\
         conv2.weight[4, _, _, _] = conv2.bias[4] = head.weight[_, 4]\n\
         head.weight[3, _] = head.bias[3]  stays: they are an output of the network\n"
    );
    assert_eq!(check(&g), 4);
}

#[test]
fn a_channel_that_speaks_through_a_border_stays_with_the_reason() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.grouped("conv1", x, 4, 3, 1);
    let x = net.grouped("conv2", x, 4, 3, 1);
    let mut g = net.head(x);
    let found = groups(&g).unwrap();
    let channel = Channel { group: 0, index: 1 };
    silence(&mut g, &found, channel);
    let removed = remove(&g, &found, &[channel]).unwrap();
    assert_eq!(removed.graph, g);
    let why = "it says a constant, and `conv2` pads its input with zeros";
    assert_eq!(removed.stayed, [Stayed { channel, why: why.into() }]);
    g.params[1].tensor.data_mut()[1] = 0.0;
    assert!(remove(&g, &found, &[channel]).unwrap().stayed.is_empty());
}

#[test]
fn a_channel_that_says_more_near_a_border_stays_where_sides_are_symbols() {
    let mut net = Net::new();
    let symbols = ["height", "width"].map(Dim::symbol);
    let dims = [Dim::symbol("batch"), 3.into()].into_iter().chain(symbols).collect();
    let x = net.g.input("x", Type::f32(Shape(dims)));
    let x = net.conv("conv1", x, 4);
    let x = net.grouped("depthwise", x, 4, 3, 4);
    let x = net.conv("conv2", x, 4);
    let mut g = net.head(x);
    let found = groups(&g).unwrap();
    // Its bias is all that it says, but next to a border the next layer reads fewer of it.
    g.params[0].tensor.data_mut()[3..6].fill(0.0);
    let channel = Channel { group: 0, index: 1 };
    assert_eq!(remove(&g, &found, &[channel]).unwrap().graph, g);
    g.params[1].tensor.data_mut()[1] = 0.0;
    assert!(remove(&g, &found, &[channel]).unwrap().stayed.is_empty());
}

#[test]
fn a_living_channel_stays() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("conv1", x, 4);
    let g = net.head(x);
    let removed = remove(&g, &groups(&g).unwrap(), &[Channel { group: 0, index: 0 }]).unwrap();
    assert_eq!(removed.graph, g);
    assert_eq!(removed.stayed[0].why, "`head` reads it, and it says more than a constant");
}

#[test]
fn a_channel_that_speaks_only_far_from_zero_or_only_near_it_stays() {
    for (weight, bias) in [(0.5, -60.0), (-0.5, -60.0), (0.001, 0.01), (500.0, -1.0)] {
        let mut net = Net::new();
        let batch = Dim::symbol("batch");
        let x = net.g.input("x", Type::f32(Shape(vec![batch, 1.into()])));
        let w = Tensor::new(&[2, 1], vec![weight, 1.0]).unwrap();
        let w = net.g.param("w", Role::Weight, w).unwrap();
        let b = net.g.param("b", Role::Bias, Tensor::new(&[2], vec![bias, 0.0]).unwrap()).unwrap();
        let x = net.add("first", Gemm::linear(), &[x, w, b]);
        let x = net.add("clip", Clip { min: Some(0.0), max: Some(1.0) }, &[x]);
        let y = net.linear("second", x, 3);
        net.g.outputs.push(y);
        let found = groups(&net.g).unwrap();
        let removed = remove(&net.g, &found, &[Channel { group: 0, index: 0 }]).unwrap();
        let why = "`second` reads it, and it says more than a constant";
        let stayed: Vec<&str> = removed.stayed.iter().map(|one| one.why.as_str()).collect();
        assert_eq!(stayed, [why], "{weight} x + {bias}");
    }
}

#[test]
fn the_last_channel_stays() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("conv1", x, 2);
    let mut g = net.head(x);
    let found = groups(&g).unwrap();
    let dead = [0, 1].map(|index| Channel { group: 0, index });
    dead.iter().for_each(|channel| silence(&mut g, &found, *channel));
    let removed = remove(&g, &found, &dead).unwrap();
    assert_eq!(removed.stayed[0].why, "it is the last of its layer");
    assert!(furthest(&answers(&g), &answers(&removed.graph)) < 1e-6);
}

#[test]
fn residual_with_projection() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 6);
    let y = net.conv("a", x, 5);
    let y = net.add("relu", Relu, &[y]);
    let y = net.conv("b", y, 8);
    let x = net.conv("projection", x, 8);
    let x = net.add("sum", Add, &[x, y]);
    let g = net.head(x);
    let sum = "b.weight[8, _, _, _] = b.bias[8] = projection.weight[8, _, _, _] = projection.bias[8] = \
               head.weight[_, 8]  because of Add `sum`";
    assert!(text(&g).contains(sum), "{}", text(&g));
    assert_eq!(check(&g), 2 + 2 + 3);
}

#[test]
fn residual_with_slice_and_pad() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 6);
    let x = net.add("relu", Relu, &[x]);
    let part =
        Slice { starts: vec![0; 2], ends: vec![i64::MAX; 2], axes: vec![2, 3], steps: vec![2; 2] };
    let short = net.add("halve", part, &[x]);
    let short = net.add("widen", Pad::zeros(&[0, 3, 0, 0, 0, 3, 0, 0]), &[short]);
    let w = net.param("conv.weight", Role::Weight, &[12, 6, 1, 1]);
    let y = net.add("conv", Conv::new(Window::square(1, 2, 0)), &[x, w]);
    let x = net.add("sum", Add, &[short, y]);
    let g = net.head(x);
    assert!(check(&g) >= 4, "{}", text(&g));
}

#[test]
fn depthwise_and_grouped_convolutions_go_by_groups() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 6);
    let x = net.grouped("depthwise", x, 6, 1, 6);
    let x = net.conv("point", x, 8);
    let x = net.grouped("grouped", x, 12, 1, 4);
    let x = net.conv("last", x, 4);
    let g = net.head(x);
    let words = "point.weight[8, _, _, _] = point.bias[8] = grouped.weight[12, _, _, _] = grouped.bias[12] = \
                 last.weight[_, 12, _, _]  in 4  because of the groups of Conv `grouped`";
    assert!(text(&g).contains(words), "{}", text(&g));
    assert_eq!(check(&g), 2 + 2 + 2);
}

#[test]
fn concat_with_itself_and_of_a_split() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 6);
    let part =
        |from, to| Slice { starts: vec![from], ends: vec![to], axes: vec![-3], steps: vec![1] };
    let (a, b) = (net.add("a", part(0, 2), &[x]), net.add("b", part(2, 6), &[x]));
    let b = net.conv("middle", b, 5);
    let x = net.add("join", Concat { axis: 1 }, &[b, a, b]);
    let x = net.conv("last", x, 4);
    let g = net.head(x);
    assert!(
        text(&g).contains(
            "middle.weight[5, _, _, _] = middle.bias[5] = last.weight[_, 10, _, _]  in 5"
        )
    );
    assert!(check(&g) >= 5);
}

#[test]
fn parts_of_a_split_get_narrower_each_by_its_own_channels() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 8);
    let parts = net.g.add_all("split", Split { axis: -3, sizes: vec![3, 5] }, &[x]).unwrap();
    let a = net.conv("a", parts[0], 5);
    let x = net.add("sum", Add, &[a, parts[1]]);
    let g = net.head(x);
    let found = groups(&g).unwrap();
    assert!(found.groups[..2].iter().all(|group| group.frozen.is_none()), "{}", found.text(&g));
    assert_eq!(check(&g), 1 + 2, "{}", found.text(&g));
    // All of one part: its last channel stays.
    let first: Vec<Channel> = (0..3).map(|index| Channel { group: 0, index }).collect();
    let small = cut(&g, &found, &first).unwrap();
    assert_eq!(small.stayed.len(), 1);
    assert_eq!(small.graph.nodes[1].op, Split { axis: -3, sizes: vec![1, 5] }.into());
}

#[test]
fn concat_with_the_image_keeps_the_image() {
    let mut net = Net::new();
    let image = net.image(3, 4);
    let x = net.conv("stem", image, 6);
    let x = net.add("join", Concat { axis: 1 }, &[image, x]);
    let x = net.conv("last", x, 4);
    let g = net.head(x);
    assert_eq!(check(&g), 2 + 2, "{}", text(&g));
}

#[test]
fn shared_weights_are_cut_once() {
    let mut net = Net::new();
    let x = net.image(6, 4);
    let w = net.param("shared.weight", Role::Weight, &[6, 6, 1, 1]);
    let x = net.conv("stem", x, 6);
    let x = net.add("one", Conv::new(Window::square(1, 1, 0)), &[x, w]);
    let x = net.add("relu", Relu, &[x]);
    let x = net.add("two", Conv::new(Window::square(1, 1, 0)), &[x, w]);
    let g = net.head(x);
    check(&g);
}

#[test]
fn squeeze_and_excite() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 6);
    let s = net.add("squeeze", GlobalAveragePool, &[x]);
    let s = net.conv("down", s, 4);
    let s = net.add("relu", Relu, &[s]);
    let s = net.conv("up", s, 6);
    let s = net.add("gate", Sigmoid, &[s]);
    let x = net.add("excite", Mul, &[x, s]);
    let x = net.conv("last", x, 4);
    let g = net.head(x);
    assert!(text(&g).contains("because of Mul `excite`"), "{}", text(&g));
    check(&g);
}

#[test]
fn flatten_into_linear_takes_a_channels_pixels() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 6);
    let x = net.add("flat", Flatten { axis: 1 }, &[x]);
    let x = net.linear("fc1", x, 5);
    let x = net.add("tanh", Tanh, &[x]);
    let y = net.linear("fc2", x, 3);
    net.g.outputs.push(y);
    let words = text(&net.g);
    assert!(words.contains("stem.bias[6] = fc1.weight[_, 96]  in 6"), "{words}");
    assert_eq!(check(&net.g), 2 + 2);
}

#[test]
fn channel_shuffle_goes_by_whole_groups() {
    let mut net = Net::new();
    let x = net.image(3, 2);
    let x = net.conv("stem", x, 8);
    let batch = || Dim::symbol("batch");
    let shape = |dims: &[usize]| {
        Shape([batch()].into_iter().chain(dims.iter().map(|d| Dim::from(*d))).collect())
    };
    let x = net.add("split", Reshape { shape: shape(&[4, 2, 2, 2]) }, &[x]);
    let x = net.add("swap", Transpose { perm: vec![0, 2, 1, 3, 4] }, &[x]);
    let x = net.add("join", Reshape { shape: shape(&[8, 2, 2]) }, &[x]);
    let x = net.conv("last", x, 4);
    let g = net.head(x);
    assert!(text(&g).contains("last.weight[_, 8, _, _]  in 4"), "{}", text(&g));
    assert_eq!(check(&g), 2 + 2);
}

#[test]
fn multi_head_attention_goes_by_heads() {
    let (mut net, tokens, heads, width) = (Net::new(), 5, 3, 4);
    let dims = |dims: &[usize]| {
        let rest = dims.iter().map(|d| Dim::from(*d));
        Shape([Dim::symbol("batch")].into_iter().chain(rest).collect())
    };
    let x = net.g.input("x", Type::f32(dims(&[tokens, 6])));
    let split = |net: &mut Net, name: &str, perm: [usize; 4]| {
        let y = net.times(&format!("t.{name}"), x, heads * width);
        let shape = dims(&[tokens, heads, width]);
        let y = net.add(&format!("{name}.heads"), Reshape { shape }, &[y]);
        net.add(&format!("{name}.turn"), Transpose { perm: perm.to_vec() }, &[y])
    };
    let q = split(&mut net, "q", [0, 2, 1, 3]);
    let k = split(&mut net, "k", [0, 2, 3, 1]);
    let v = split(&mut net, "v", [0, 2, 1, 3]);
    let scores = net.add("scores", MatMul, &[q, k]);
    let weights = net.add("softmax", Softmax { axis: -1 }, &[scores]);
    let y = net.add("mix", MatMul, &[weights, v]);
    let y = net.add("turn", Transpose { perm: vec![0, 2, 1, 3] }, &[y]);
    let y = net.add("join", Reshape { shape: dims(&[tokens, heads * width]) }, &[y]);
    let y = net.times("t.out", y, 6);
    net.g.outputs.push(y);
    let words = text(&net.g);
    let all =
        "t.q.weight[_, 12] = t.k.weight[_, 12] = t.v.weight[_, 12] = t.out.weight[12, _]  in 3";
    assert!(words.contains(all), "{words}");
    assert_eq!(check(&net.g), 1);
}

#[test]
fn two_outputs_stay_whole() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 6);
    net.g.outputs.push(x);
    let g = net.head(x);
    assert!(text(&g).contains("stays: they are an output of the network"), "{}", text(&g));
    assert_eq!(check(&g), 0);
}

#[test]
fn a_softmax_over_channels_keeps_them() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 6);
    let x = net.add("soft", Softmax { axis: 1 }, &[x]);
    let g = net.head(x);
    assert!(text(&g).contains("stays: Softmax `soft` mixes them"), "{}", text(&g));
    assert_eq!(check(&g), 0);
}

#[test]
fn masks_are_cut_along() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 3);
    let mut g = net.head(x);
    let found = groups(&g).unwrap();
    let channel = Channel { group: 0, index: 1 };
    silence(&mut g, &found, channel);
    g.params[0].mask = Some((0..9).map(|i| !(3..=7).contains(&i)).collect());
    let small = remove(&g, &found, &[channel]).unwrap().graph;
    assert_eq!(small.params[0].mask, Some(vec![true, true, true, false, false, true]));
}

#[test]
fn what_looks_dead_is_found_on_either_side_of_a_channel() {
    let mut net = Net::new();
    let x = net.image(3, 4);
    let x = net.conv("stem", x, 4);
    let mut g = net.head(x);
    let found = groups(&g).unwrap();
    assert_eq!(dead(&g, &found), []);
    silence(&mut g, &found, Channel { group: 0, index: 1 });
    let head = g.param_named("head.weight").unwrap();
    g.params[head.0].tensor.data_mut().iter_mut().skip(3).step_by(4).for_each(|w| *w = 0.0);
    let channels = [1, 3].map(|index| Channel { group: 0, index });
    assert_eq!(dead(&g, &found), channels);
    let removed = remove(&g, &found, &channels).unwrap();
    assert_eq!(removed.stayed, []);
    assert!(furthest(&answers(&g), &answers(&removed.graph)) < 1e-6);
}

#[test]
fn weights_that_also_read_the_image_stay_whole() {
    let mut net = Net::new();
    let image = net.image(6, 4);
    let w = net.param("shared.weight", Role::Weight, &[6, 6, 1, 1]);
    let one = Conv::new(Window::square(1, 1, 0));
    let y = net.add("one", one.clone(), &[image, w]);
    let y = net.add("two", one, &[y, w]);
    let g = net.head(y);
    assert!(text(&g).contains("stays: `shared.weight` is also read as a whole"), "{}", text(&g));
    assert_eq!(check(&g), 0);
}
