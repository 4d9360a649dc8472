//! A network that learns from another one's answers.

use std::path::Path;

use hoyer_graph::container::{self, Metadata};
use hoyer_graph::{Dim, Flatten, Gemm, Graph, Relu, Role, Shape, Tensor, Type};

use crate::shell::{done, refused, result, run};

/// Labels have no say: all comes from the teacher.
const RECIPE: &str = "model = 'images.hoyer'\ndata = 'digits'\nvalidation = 288\nbatch = 32\n\
                      [[stage]]\nkind = 'finetune'\nepochs = 12\ndistill = { weight = 1.0 }\n";

/// A network over images of 8 x 8; those of the zoo for digits read rows of 64.
fn over_images(shape: &[usize]) -> Vec<u8> {
    let mut g = Graph::new("images");
    let dims = std::iter::once(Dim::symbol("batch")).chain(shape.iter().map(|n| (*n).into()));
    let mut x = g.input("x", Type::f32(Shape(dims.collect())));
    x = g.add("flat", Flatten { axis: 1 }, &[x]).unwrap();
    for (name, [out, inp]) in [("1", [24, 64]), ("2", [10, 24])] {
        let numbers = (0..out * inp).map(|i| ((i * 7919 % 1013) as f32 / 1013.0 - 0.5) * 0.3);
        let weight = Tensor::new(&[out, inp], numbers.collect()).unwrap();
        let w = g.param(&format!("{name}.weight"), Role::Weight, weight).unwrap();
        x = g.add(name, Gemm::linear(), &[x, w]).unwrap();
        if name == "1" {
            x = g.add("relu", Relu, &[x]).unwrap();
        }
    }
    g.outputs.push(x);
    container::to_bytes(&g, &Metadata::default()).unwrap()
}

/// The network of a file with its last weights and biases negated.
fn with_the_opposite_answers(path: &Path) -> Vec<u8> {
    let (mut graph, metadata) = container::from_bytes(&std::fs::read(path).unwrap()).unwrap();
    let last = graph.nodes.last().unwrap().inputs[1..].to_vec();
    for id in last {
        let param = graph.param_of(id).unwrap();
        let tensor = &mut graph.params[param.0].tensor;
        let negated = tensor.data().iter().map(|x| -x).collect();
        *tensor = Tensor::new(tensor.shape(), negated).unwrap();
    }
    container::to_bytes(&graph, &metadata).unwrap()
}

#[test]
fn a_network_over_images_learns_from_one_over_rows_and_no_label() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let train = "train mlp-64-32 --data digits --validation 288 --epochs 12 -o t.hoyer --quiet";
    assert!(run(folder, train).status.success());
    std::fs::write(folder.join("images.hoyer"), over_images(&[1, 8, 8])).unwrap();
    std::fs::write(folder.join("r.toml"), RECIPE).unwrap();
    let accuracy = |line: &str| result(folder, line).test_metric;
    let taught = accuracy("compress --recipe r.toml --teacher t.hoyer -o a --json");
    // Its own first answers teach nothing.
    let alone = accuracy("compress --recipe r.toml -o b --json");
    assert!(taught > 0.85 && alone < 0.4, "{taught} {alone}");
    // One over images may leave out axes of one.
    std::fs::write(folder.join("square.hoyer"), over_images(&[8, 8])).unwrap();
    let told = done(folder, "compress --recipe r.toml --teacher square.hoyer -o s");
    assert!(told.contains("\nas many weights as before: 1,776\n"), "{told}");
    // With one that says the opposite, the mean of two teaches nothing either.
    let opposite = with_the_opposite_answers(&folder.join("t.hoyer"));
    std::fs::write(folder.join("o.hoyer"), opposite).unwrap();
    let two = "compress --recipe r.toml --teacher t.hoyer --teacher o.hoyer -o c --json";
    let undecided = accuracy(two);
    assert!(undecided < 0.4, "{undecided}");
    let report = std::fs::read_to_string(folder.join("c/result.json")).unwrap();
    assert!(report.contains("taught by t.hoyer and o.hoyer"), "{report}");
}

#[test]
fn a_teacher_that_does_not_fit_is_refused_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("r.toml"), RECIPE.replace("images.hoyer", "mlp-64-32")).unwrap();
    let refuses = |line: &str, said: &str| {
        let text = refused(folder, line);
        assert!(text.contains(said), "{text}");
    };
    refuses("compress --recipe r.toml --teacher none.hoyer -o a", "none.hoyer");
    let of = |name: &str, shape: &[usize], classes: usize, outputs: usize| {
        let mut g = Graph::new("t");
        let dims = std::iter::once(Dim::symbol("batch")).chain(shape.iter().map(|n| (*n).into()));
        let x = g.input("x", Type::f32(Shape(dims.collect())));
        let x = g.add("flat", Flatten { axis: 1 }, &[x]).unwrap();
        let w = Tensor::full(&[classes, shape.iter().product()], 0.1);
        let w = g.param("w", Role::Weight, w).unwrap();
        let y = g.add("fc", Gemm::linear(), &[x, w]).unwrap();
        g.outputs = vec![y; outputs];
        let bytes = container::to_bytes(&g, &Metadata::default()).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    of("many.hoyer", &[8, 8], 11, 1);
    of("long.hoyer", &[16, 4], 10, 1);
    of("two.hoyer", &[8, 8], 10, 2);
    for (name, why) in [
        ("many.hoyer", "samples of 8x8 and gives 11 classes"),
        ("long.hoyer", "samples of 16x4"),
        ("two.hoyer", "one output"),
    ] {
        let line = format!("compress --recipe r.toml --teacher {name} -o a");
        refuses(&line, name);
        refuses(&line, why);
        assert!(!folder.join("a").exists());
    }
    let train = "train mlp-64-32 --data digits --validation 288 --epochs 1 -o t.hoyer --quiet";
    assert!(run(folder, train).status.success());
    let plain =
        RECIPE.replace("images.hoyer", "mlp-64-32").replace("distill = { weight = 1.0 }\n", "");
    std::fs::write(folder.join("p.toml"), plain).unwrap();
    refuses(
        "compress --recipe p.toml --teacher t.hoyer -o a",
        "teacher needs a stage with distill",
    );
}
