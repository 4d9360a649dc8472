//! The channels of every model: what goes together, and that a network without some says the same.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::groups::{Channel, Groups, groups, remove};
use hoyer_graph::{Array, Bindings, Graph, bound, check::Numbers, evaluate, strides};

fn model(name: &str) -> Graph {
    let shape = if name.starts_with("lenet") { [1, 28, 28] } else { [3, 32, 32] };
    hoyer_zoo::model::build(name, &shape, 10, 1).unwrap()
}

/// The logits of two samples.
fn logits(g: &Graph) -> Array {
    let sizes = Bindings::from([("batch".to_owned(), 2)]);
    let mut numbers = Numbers(5);
    let input = Array::from_fn(&bound(g, g.inputs[0], &sizes).unwrap(), |_| numbers.number());
    evaluate(g, &[input], &g.outputs, 0).unwrap().remove(0)
}

/// Sets all that belongs to a channel to zero.
fn silence(g: &mut Graph, found: &Groups, channel: Channel) {
    for member in &found.groups[channel.group].members {
        let tensor = &mut g.params[member.param.0].tensor;
        let (stride, size) = (strides(tensor.shape())[member.axis], tensor.shape()[member.axis]);
        for (i, w) in tensor.data_mut().iter_mut().enumerate() {
            if member.places[channel.index].contains(&(i / stride % size)) {
                *w = 0.0;
            }
        }
    }
}

#[test]
fn half_of_the_channels_of_every_group_can_go() {
    for name in ["lenet-300-100", "lenet-5", "resnet-20", "mobilenet-v2"] {
        let mut g = model(name);
        let found = groups(&g).unwrap();
        let free = found.groups.iter().enumerate().filter(|(_, group)| group.frozen.is_none());
        let half = |(group, of): (usize, &hoyer_graph::groups::ChannelGroup)| {
            let odd = (1..of.channels).step_by(2);
            odd.map(move |index| Channel { group, index }).collect::<Vec<_>>()
        };
        let dead: Vec<Channel> = free.flat_map(half).collect();
        dead.iter().for_each(|channel| silence(&mut g, &found, *channel));
        let removed = remove(&g, &found, &dead).unwrap();
        assert_eq!(removed.stayed, [], "{name}");
        let (before, after) = (logits(&g), logits(&removed.graph));
        let far = before.data.iter().zip(&after.data).map(|(a, b)| (a - b).abs());
        assert!(far.fold(0.0, f64::max) < 1e-5, "{name}");
        let params = |g: &Graph| g.params.iter().map(|p| p.tensor.data().len()).sum::<usize>();
        assert!(params(&removed.graph) < params(&g) * 6 / 10, "{name}");
    }
}

#[test]
fn a_residual_network_ties_what_its_sums_tie() {
    let g = model("resnet-20");
    let text = groups(&g).unwrap().text(&g);
    let free: Vec<&str> = text.lines().filter(|line| !line.contains("stays: ")).collect();
    let (tied, own): (Vec<&str>, Vec<&str>) =
        free.iter().partition(|line| line.contains("because of Add"));
    // Every block has channels of its own. Of the sums, 16 channels go through all stages, and every later stage pads
    // more around them.
    assert_eq!((tied.len(), own.len()), (3, 9), "{text}");
    assert!(tied[0].starts_with("conv1.weight[16, _, _, _] = "), "{text}");
    assert!(tied[0].contains(" = stage3.block3.conv2.weight[16, _, _, _] = "), "{text}");
}
