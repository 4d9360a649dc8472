//! Every network of the nasty zoo says the same without its dead channels, and after a way through an ONNX file.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "nasty/answers.rs"]
mod answers;
#[path = "nasty/silence.rs"]
mod silence;
#[path = "nasty/zoo.rs"]
mod zoo;

use answers::{answers, furthest, through_a_file};
use hoyer_graph::groups::{groups, remove};
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
