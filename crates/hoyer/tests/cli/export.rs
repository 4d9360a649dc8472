//! `hoyer export` and `--weights` as a user meets them.

use std::path::Path;

use crate::shell::{done, refused};

/// A folder with a trained `m.hoyer`.
fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let train = "train mlp-64-32 --data digits --validation 288 --epochs 3 -o m.hoyer --quiet";
    done(folder.path(), train);
    folder
}

fn accuracy(folder: &Path, line: &str) -> f64 {
    let answer: serde_json::Value = serde_json::from_str(&done(folder, line)).unwrap();
    answer["accuracy"].as_f64().unwrap()
}

#[test]
fn an_exported_model_answers_as_before_and_keeps_what_is_known_of_it() {
    let (folder, own) = (trained(), |line: &str| line.to_owned());
    let folder = folder.path();
    let said = done(folder, "export m.hoyer -o m.onnx");
    assert!(said.starts_with("m.onnx: network, ONNX opset 17; 6,570 parameters, "), "{said}");
    done(folder, "export m.onnx -o again.hoyer");
    done(folder, "export m.hoyer -o w.safetensors --json");
    let expected = accuracy(folder, "eval m.hoyer --json");
    // Without --data: the ONNX file knows it.
    for line in ["eval m.onnx --json", "eval again.hoyer --json"].map(own) {
        assert_eq!(accuracy(folder, &line), expected, "{line}");
    }
    done(
        folder,
        "train mlp-64-32 --data digits --validation 288 --epochs 1 --seed 5 -o o.hoyer --quiet",
    );
    assert_ne!(accuracy(folder, "eval o.hoyer --json"), expected);
    assert_eq!(accuracy(folder, "eval o.hoyer --weights w.safetensors --json"), expected);
}

#[test]
fn training_can_start_from_weights() {
    let folder = trained();
    let folder = folder.path();
    done(folder, "export m.hoyer -o w.safetensors");
    let still = "train mlp-64-32 --data digits --validation 288 --epochs 1 --learning-rate 1e-12 -o s.hoyer \
                 --weights w.safetensors --quiet";
    done(folder, still);
    let expected = accuracy(folder, "eval m.hoyer --json");
    assert_eq!(accuracy(folder, "eval s.hoyer --json"), expected);
    let small = "compress mlp-64-32 --data digits --validation 288 --weights w.safetensors -o out \
                 --budget weights=3000 --quiet";
    done(folder, small);
    let recipe = std::fs::read_to_string(folder.join("out/recipe.toml")).unwrap();
    assert!(recipe.contains("weights-file = \"w.safetensors\""), "{recipe}");
    assert!(!recipe.contains("kind = \"train\""), "{recipe}");
}

#[test]
fn what_cannot_be_exported_is_one_line() {
    let folder = trained();
    let folder = folder.path();
    let text = refused(folder, "export m.hoyer -o m.pt");
    assert_eq!(text, "m.pt: no known format; need a name ending in .onnx, .safetensors or .hoyer");
    done(folder, "export m.hoyer -o w.safetensors");
    let text = refused(folder, "export m.hoyer -o w.safetensors");
    assert_eq!(text, "w.safetensors is there already; name another file with -o");
    let text = refused(folder, "inspect w.safetensors");
    let hint = "holds parameters but no network; give the network, and this with --weights";
    assert_eq!(text, format!("w.safetensors {hint}"));
    let text = refused(folder, "export none.hoyer -o x.onnx");
    assert!(text.starts_with("cannot read none.hoyer"), "{text}");
    assert!(!folder.join("x.onnx").exists());
}

#[test]
fn weights_of_another_network_are_one_line() {
    let folder = trained();
    let folder = folder.path();
    done(folder, "export m.hoyer -o w.safetensors");
    let train = "train lenet-300-100 --data digits --validation 288 --epochs 1 -o n.hoyer --weights w.safetensors";
    let text = refused(folder, train);
    assert!(text.starts_with("cannot use w.safetensors: tensor `fc1."), "{text}");
    assert!(!folder.join("n.hoyer").exists());
}
