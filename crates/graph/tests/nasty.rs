//! Every network of the nasty zoo says the same without its dead channels, and after a way through an ONNX file.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "nasty/answers.rs"]
mod answers;
#[path = "nasty/silence.rs"]
mod silence;
#[path = "nasty/zoo.rs"]
mod zoo;

use answers::{answers, furthest, through_a_file};
use hoyer_graph::Graph;
use hoyer_graph::groups::{Branch, branches, groups, remove, without_branches};
use silence::{BIASES, every_third, silenced};

#[test]
fn a_network_without_its_dead_channels_says_the_same_before_and_after_export() {
    for (name, _) in zoo::ZOO {
        let g = zoo::build(name);
        let found = groups(&g).unwrap();
        let dead = every_third(&found);
        let mut went = 0;
        for biases in BIASES {
            let masked = silenced(&g, &found, &dead, *biases);
            let removed = remove(&masked, &found, &dead).unwrap();
            went = went.max(dead.len() - removed.stayed.len());
            let says = answers(&masked);
            for (what, other) in [
                ("masked, exported", &through_a_file(&masked)),
                ("removed", &removed.graph),
                ("removed, exported", &through_a_file(&removed.graph)),
            ] {
                let far = furthest(&says, &answers(other));
                assert!(far < 1e-5, "{name}, {what}, {biases:?}: {far}\n{}", found.text(&g));
            }
        }
        println!("{name}: {went} of {} channels went", dead.len());
    }
}

/// The network with a branch that says 0: nothing in it is left but constants and statistics.
fn hushed(g: &Graph, branch: &Branch) -> Graph {
    let mut g = g.clone();
    for at in &branch.nodes {
        for id in g.node(*at).inputs.clone() {
            let param = g.param_of(id).map(|param| &mut g.params[param.0]);
            if let Some(param) = param.filter(|param| param.role.is_trained()) {
                param.tensor.data_mut().fill(0.0);
            }
        }
    }
    g
}

#[test]
fn a_network_without_a_branch_that_says_nothing_says_the_same() {
    let mut with_branches = Vec::new();
    for (name, _) in zoo::ZOO {
        let g = zoo::build(name);
        for branch in branches(&g) {
            let hushed = hushed(&g, &branch);
            let without = without_branches(&hushed, std::slice::from_ref(&branch)).unwrap();
            assert!(without.params.len() < g.params.len() && without.nodes.len() < g.nodes.len());
            let says = answers(&hushed);
            assert!(furthest(&says, &answers(&g)) > 1e-3, "{name}: the branch never said anything");
            for other in [&without, &through_a_file(&without)] {
                let far = furthest(&says, &answers(other));
                assert!(far < 1e-6, "{name}, {}: {far}", g.node(branch.sum).name);
            }
            let found = groups(&g).unwrap();
            let hangs = |group: &usize| branch.hangs_on(&g, &found, *group);
            let hangs = (0..found.groups.len()).filter(hangs).count();
            with_branches.push((*name, hangs));
        }
    }
    // Each with how many groups of channels take the branch with them.
    let expected = [
        ("attention", 1),
        ("residual-slice-pad", 0),
        ("residual-squeeze-excite", 1),
        ("resized", 0),
        ("token-mixer", 2),
    ];
    assert_eq!(with_branches, expected);
}
