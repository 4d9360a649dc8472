//! Recipes that are read, and those that are refused.

use super::*;

const GOOD: &str = r#"
model = "lenet-300-100"
data = "mnist"
seed = 1
augmentation = { crop = 1 }
promise = { accuracy = 0.984, weights = 4884 }

[[stage]]
kind = "train"
epochs = 40
optimizer = { name = "adam", lr = 1e-3 }
schedule = { name = "cosine", to = 0.01 }

[[stage]]
kind = "sparsify"
epochs = 50
penalty = "hoyer-square"
lambda = 2e-4
distill = { temperature = 1.0, weight = 1.0 }
gradual = { weights = 4000, every = 100, until = 0.7, score = "fisher" }

[[stage]]
kind = "prune"
auto = { accuracy = 0.98 }

[[stage]]
kind = "finetune"
epochs = 2
"#;

fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    Recipe::parse(&GOOD.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn a_recipe_survives_its_text() {
    let recipe = Recipe::parse(GOOD).unwrap();
    assert_eq!(recipe.stage.len(), 4);
    assert_eq!((recipe.batch, recipe.validation), (128, None));
    assert_eq!([60_000, 1_000].map(Holdout::usual), [5_000, 200].map(Holdout::Count));
    assert_eq!(Recipe::parse(&recipe.text()).unwrap(), recipe);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let text = "recipe: line 5: unknown key `augmentaton`, did you mean `augmentation`?";
    assert_eq!(error("augmentation =", "augmentaton ="), text);
    assert!(error("lambda =", "lamda =").ends_with("unknown key `lamda`, did you mean `lambda`?"));
    assert!(error("until", "untill").ends_with("unknown key `untill`, did you mean `until`?"));
    assert!(error("\"fisher\"", "\"fischer\"").ends_with("did you mean `fisher`?"));
    assert!(
        error("\"prune\"", "\"prun\"").ends_with("unknown value `prun`, did you mean `prune`?")
    );
    assert!(error("auto =", "aut =").ends_with("unknown key `aut`, did you mean `auto`?"));
}

#[test]
fn numbers_out_of_range_are_refused_with_their_stage() {
    let text = "recipe: stage 2 (sparsify): lambda = -0.0002, need [0, inf)";
    assert_eq!(error("lambda = 2e-4", "lambda = -2e-4"), text);
    assert_eq!(error("crop = 1 }", "crop = 1 }\nbatch = 0"), "batch = 0, need at least 1");
    assert!(error("epochs = 2\n", "epochs = 0\n").ends_with("epochs = 0, need at least 1"));
    assert!(error("until = 0.7", "until = 0.0").ends_with("gradual.until = 0, need (0, 1]"));
    assert!(error("accuracy = 0.984", "accuracy = 98.4").starts_with("promise.accuracy = 98.4"));
}

#[test]
fn stages_that_make_no_sense_are_refused() {
    let one = "recipe: stage 3 (prune): prune needs exactly one of std-share, absolute, layer-sparsity, sparsity, weights, channels, macs, parameters, channel-norm, channel-elements, auto";
    assert_eq!(error("auto = { accuracy = 0.98 }", ""), one);
    assert_eq!(error("auto = { accuracy = 0.98 }", "weights = 3\nsparsity = 0.5"), one);
    assert!(error("penalty = \"hoyer-square\"\n", "").ends_with("lambda needs a penalty"));
    assert!(error("\"sparsify\"", "\"train\"").contains("neither penalty nor gradual"));
    assert!(error("\"hoyer-square\"", "\"hoyer\"x").contains("line"));
    assert!(error("\"finetune\"", "\"train\"").contains("nothing may be cut before"));
    let forgets_nothing = error("\"fisher\" }", "\"fisher\", memory = 0.99999999 }");
    assert!(forgets_nothing.ends_with("need [0, 1), in single precision"), "{forgets_nothing}");
}

#[test]
fn a_network_that_has_learned_nothing_is_no_teacher() {
    let taught = |text: &str| Recipe::parse(text).unwrap().teaches_itself();
    assert!(!taught(GOOD));
    let early = GOOD.replace("epochs = 40\n", "epochs = 40\ndistill = {}\n");
    assert!(taught(&early));
    let by_another = format!("teacher = [\"t.onnx\"]\n{}", early.trim_start());
    assert!(!taught(&by_another));
}
