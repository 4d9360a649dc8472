//! The command as a user meets it: exit codes, one line for what goes wrong, and runs that come
//! out the same whatever happens to them on the way.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::{done, hoyer, refused, run};

/// A short run on the embedded digits.
const RECIPE: &str = r#"
model = "mlp-64-32"
data = "digits"
seed = 3
validation = 288
batch = 64
augmentation = { crop = 1 }
promise = { accuracy = 0.5, weights = 2000 }

[[stage]]
kind = "train"
epochs = 4

[[stage]]
kind = "sparsify"
epochs = 4
penalty = "hoyer-square"
lambda = 1e-3

[[stage]]
kind = "prune"
weights = 2000

[[stage]]
kind = "finetune"
epochs = 3
"#;

fn folder_with(recipe: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.toml"), recipe).unwrap();
    folder
}

fn model(folder: &Path, out: &str) -> Vec<u8> {
    std::fs::read(folder.join(out).join("model.hoyer")).unwrap()
}

#[test]
fn a_run_leaves_all_its_files_and_says_what_it_reached() {
    let folder = folder_with(RECIPE);
    let text = done(folder.path(), "compress --recipe r.toml -o out --json");
    let result = hoyer::result::RunResult::from_json(&text).unwrap();
    assert_eq!(result.compressed.weights_nonzero, 2_000);
    assert_eq!(result.promise_kept(), Some(true));
    for name in ["model.hoyer", "model.onnx", "result.json", "report.html", "recipe.toml"] {
        assert!(folder.path().join("out").join(name).is_file(), "{name}");
    }
    let eval = done(folder.path(), "eval out/model.hoyer --json");
    let eval: serde_json::Value = serde_json::from_str(&eval).unwrap();
    assert_eq!(eval["accuracy"], result.test_metric);
    let inspect = done(folder.path(), "inspect out/model.hoyer --json");
    let inspect: serde_json::Value = serde_json::from_str(&inspect).unwrap();
    assert_eq!(inspect["weights_nonzero"], 2_000);
    let bytes = |part: &serde_json::Value| part.as_u64().unwrap();
    let parts = &inspect["parts"];
    let tensors = parts["tensors"].as_array().unwrap().iter().map(|tensor| bytes(&tensor["bytes"]));
    let sum = bytes(&parts["frame_bytes"]) + bytes(&parts["header_bytes"]) + tensors.sum::<u64>();
    assert_eq!(inspect["file_bytes"], sum);
    assert!(done(folder.path(), "inspect out/model.hoyer").contains("fc1"));
    let groups = done(folder.path(), "inspect out/model.hoyer --groups");
    assert!(groups.starts_with("fc1.weight["), "{groups}");
    let groups = done(folder.path(), "inspect out/model.hoyer --groups --json");
    let groups: serde_json::Value = serde_json::from_str(&groups).unwrap();
    assert_eq!(groups["groups"][0]["members"][0]["param"], "fc1.weight");
}

#[test]
fn a_budget_of_multiply_accumulates_makes_every_layer_narrower() {
    let folder = tempfile::tempdir().unwrap();
    let line = "compress mlp-64-32 --data digits --validation 288 --budget macs=1500 -o out --json";
    let result = hoyer::result::RunResult::from_json(&done(folder.path(), line)).unwrap();
    assert_eq!(result.dense.macs, 6_464);
    assert!((1_200..=1_500).contains(&result.compressed.macs), "{}", result.compressed.macs);
    assert_eq!(result.compressed.weights, result.compressed.weights_nonzero);
    assert_eq!(result.layers[0].total, 64 * 64);
    assert!(result.layers[0].shape[0] < 64);
    let eval = done(folder.path(), "eval out/model.hoyer --json");
    let eval: serde_json::Value = serde_json::from_str(&eval).unwrap();
    assert_eq!(eval["accuracy"], result.test_metric);
}

#[test]
fn channels_are_kept_in_round_numbers_and_inputs_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let line = "compress mlp-64-32 --data digits --validation 288 --budget macs=1500 --round-to 8 \
                --inputs -o out --json";
    let result = hoyer::result::RunResult::from_json(&done(folder.path(), line)).unwrap();
    let shapes: Vec<&[u64]> = result.layers.iter().map(|layer| layer.shape.as_slice()).collect();
    assert!(shapes[..2].iter().all(|shape| shape[0] % 8 == 0), "{shapes:?}");
    assert!(shapes[0][1] < 64 && result.compressed.macs <= 1_500, "{shapes:?}");
    let report = std::fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(report.contains("of 64 pixels of the input are read"));
    let line = "compress mlp-64-32 --data digits --budget weights=100 --round-to 8 -o b";
    let text = refused(folder.path(), line);
    assert!(text.starts_with("--round-to is for channels"), "{text}");
}

#[test]
fn samples_are_normalized_as_the_flags_say_and_the_file_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let line = "compress mlp-64-32 --data digits --validation 288 --budget macs=1500 --mean 0.3 \
                --std 0.4 -o out --json";
    let result = hoyer::result::RunResult::from_json(&done(folder.path(), line)).unwrap();
    let accuracy = |line: &str| {
        let eval = done(folder.path(), line);
        serde_json::from_str::<serde_json::Value>(&eval).unwrap()["accuracy"].clone()
    };
    assert_eq!(accuracy("eval out/model.hoyer --json"), result.test_metric);
    assert_ne!(accuracy("eval out/model.hoyer --mean 5 --std 1 --json"), result.test_metric);
    let text = refused(folder.path(), "eval out/model.hoyer --mean 0.3,0.4 --std 1,1");
    assert!(text.contains("normalization"), "{text}");
}

#[test]
fn a_missed_promise_is_exit_code_1_and_still_written() {
    let folder = folder_with(&RECIPE.replace("accuracy = 0.5", "accuracy = 1.0"));
    let output = run(folder.path(), "compress --recipe r.toml -o out");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("MISSED"));
    assert!(folder.path().join("out/model.hoyer").is_file());
}

#[test]
fn a_log_gets_a_line_for_each_epoch_and_stage_unless_it_is_to_be_quiet() {
    let folder = folder_with(RECIPE);
    let log = |line: &str| String::from_utf8(run(folder.path(), line).stderr).unwrap();
    let text = log("compress --recipe r.toml -o out");
    let epochs: Vec<&str> = text.lines().filter(|line| line.contains(" epoch ")).collect();
    assert_eq!(epochs.len(), 11, "{text}");
    assert!(epochs[0].starts_with("1 epoch 1 of 4, "), "{text}");
    assert!(epochs[10].starts_with("4 epoch 3 of 3, ") && epochs[10].ends_with(" %"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("weights left")).count(), 4, "{text}");
    assert_eq!(log("compress --recipe r.toml --quiet -o quiet"), "");
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let folder = folder_with(RECIPE);
    for threads in ["1", "2"] {
        let line = format!("compress --recipe r.toml --threads {threads} -o out{threads}");
        done(folder.path(), &line);
    }
    assert_eq!(model(folder.path(), "out1"), model(folder.path(), "out2"));
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let folder = folder_with(RECIPE);
    done(folder.path(), "compress --recipe r.toml -o whole");
    let mut child = hoyer(folder.path())
        .args(["compress", "--recipe", "r.toml", "-o", "cut"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = folder.path().join("cut/checkpoints/run.checkpoint");
    let start = Instant::now();
    while !checkpoint.exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(checkpoint.exists(), "there was time for a checkpoint");
    assert!(!folder.path().join("cut/result.json").exists(), "killed before it was done");
    done(folder.path(), "compress --resume cut");
    assert_eq!(model(folder.path(), "whole"), model(folder.path(), "cut"));
}

#[test]
fn a_missed_promise_is_exit_code_1_also_where_nobody_reads() {
    let folder = folder_with(&RECIPE.replace("accuracy = 0.5", "accuracy = 1.0"));
    let mut child = hoyer(folder.path())
        .args(["compress", "--recipe", "r.toml", "-o", "out", "--quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// The exit code of a run that gets a SIGHUP, as from a closed terminal, after its first epoch.
#[cfg(unix)]
fn hung_up(folder: &Path, started: &str) -> Option<i32> {
    let line =
        format!("{started} exec {} compress --recipe r.toml -o out", env!("CARGO_BIN_EXE_hoyer"));
    let mut child = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let checkpoint = folder.join("out/checkpoints/run.checkpoint");
    let start = Instant::now();
    while !checkpoint.exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let kill = Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    child.wait().unwrap().code()
}

#[cfg(unix)]
#[test]
fn a_closed_terminal_stops_a_run_unless_it_was_started_to_outlive_it() {
    let long = RECIPE.replace("epochs = 3", "epochs = 300");
    let folder = folder_with(&long);
    assert_eq!(hung_up(folder.path(), ""), Some(2));
    assert!(!folder.path().join("out/result.json").exists());
    let folder = folder_with(RECIPE);
    // As nohup does.
    assert_eq!(hung_up(folder.path(), "trap '' HUP;"), Some(0));
    assert!(folder.path().join("out/result.json").exists());
}

#[test]
fn several_seeds_have_a_folder_each_and_a_summary() {
    let folder = folder_with(RECIPE);
    let text = done(folder.path(), "compress --recipe r.toml --seeds 2 -o out --json");
    let result = hoyer::result::RunResult::from_json(&text).unwrap();
    assert_eq!(result.seeds.iter().map(|run| run.seed).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(result.seed_summary.unwrap().runs, 2);
    assert!(folder.path().join("out/seed-4/report.html").is_file());
    assert_eq!(model(folder.path(), "out"), model(folder.path(), "out/seed-3"));
    let onnx = |out: &str| std::fs::read(folder.path().join(out).join("model.onnx")).unwrap();
    assert_eq!(onnx("out"), onnx("out/seed-3"));
}

#[test]
fn a_folder_that_holds_another_run_is_left_alone() {
    let folder = folder_with(RECIPE);
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("recipe.toml"), "another").unwrap();
    let text = refused(folder.path(), "compress --recipe r.toml -o out");
    let expected = "out holds another run; go on with it by `hoyer compress --resume out`, or name \
                    another folder with -o";
    assert_eq!(text, expected);
    assert_eq!(std::fs::read_to_string(out.join("recipe.toml")).unwrap(), "another");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn recipes_that_make_no_sense_are_refused_before_anything_is_written() {
    let cases = [
        (
            "lambda =",
            "lamda =",
            "r.toml: recipe: line 18: unknown key `lamda`, did you mean `lambda`?",
        ),
        (
            "lambda = 1e-3",
            "lambda = -1e-3",
            "r.toml: recipe: stage 2 (sparsify): lambda = -0.001, need [0, inf)",
        ),
        ("\"digits\"", "\"digitz\"", "no data set is called `digitz`"),
        ("mlp-64-32", "mlp-64-33", "mlp-64-33"),
        ("validation = 288", "validation = 5000", "validation = 5000, need a count below 1438"),
        ("validation = 288", "validation = 1.5", "validation = 1.5, need (0, 1)"),
    ];
    for (from, to, expected) in cases {
        assert!(RECIPE.contains(from), "{from}");
        let folder = folder_with(&RECIPE.replacen(from, to, 1));
        let text = refused(folder.path(), "compress --recipe r.toml -o out");
        assert!(text.contains(expected), "{text}");
        assert!(!folder.path().join("out").exists());
    }
}

#[test]
fn flags_that_make_no_sense_are_one_line() {
    let folder = folder_with(RECIPE);
    for (line, expected) in [
        ("compress --recipe r.toml -o out --lambda=-1", "lambda = -1, need [0, inf)"),
        ("compress --recipe r.toml -o out --threads 0", "0 is not in 1..=1024"),
        ("compress --recipe r.toml", "--out"),
        ("compress -o out", "nothing to compress: give --recipe FILE, or a model"),
        (
            "compress --recipe r.toml -o out --budget 3",
            "need accuracy=SHARE, weights=COUNT or macs=COUNT",
        ),
        ("compress --recipe none.toml -o out", "cannot read the recipe none.toml"),
        ("compress --resume out", "no run was started in out"),
        ("eval none.hoyer", "cannot read none.hoyer"),
        ("inspect r.toml", "not a usable .hoyer file"),
        ("data fetch nothing", "no data set is called `nothing`"),
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
    ] {
        let text = refused(folder.path(), line);
        assert!(text.contains(expected), "{line}: {text}");
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_checkpoint_of_another_recipe_is_not_gone_on_with() {
    let folder = folder_with(RECIPE);
    done(folder.path(), "compress --recipe r.toml -o out");
    std::fs::remove_file(folder.path().join("out/result.json")).unwrap();
    let recipe = folder.path().join("out/recipe.toml");
    let text = std::fs::read_to_string(&recipe).unwrap();
    std::fs::write(&recipe, text.replace("batch = 64", "batch = 32")).unwrap();
    let before = model(folder.path(), "out");
    let text = refused(folder.path(), "compress --resume out");
    assert!(text.contains("is a checkpoint of another recipe"), "{text}");
    assert_eq!(model(folder.path(), "out"), before);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint() {
    let optimizer = "epochs = 4\noptimizer = { name = 'sgd', lr = 1e30 }\npenalty";
    let folder = folder_with(&RECIPE.replace("epochs = 4\npenalty", optimizer));
    let text = refused(folder.path(), "compress --recipe r.toml -q -o out");
    assert!(text.contains("loss or gradient is not finite in step"), "{text}");
    assert!(text.contains("it began with"), "{text}");
    assert!(text.ends_with("try a smaller learning rate or lambda"), "{text}");
    assert!(folder.path().join("out/checkpoints/run.checkpoint").is_file());
    assert!(!folder.path().join("out/model.hoyer").exists());
}

#[test]
fn a_model_file_is_not_written_over() {
    let folder = folder_with(RECIPE);
    done(folder.path(), "train mlp-64-32 --data digits --validation 200 --epochs 1 -o m.hoyer");
    let text = refused(folder.path(), "train mlp-64-32 --data digits -o m.hoyer");
    assert_eq!(text, "m.hoyer is there already; name another file with -o");
    assert!(!folder.path().join("m.hoyer.run").exists());
}

/// A file-size limit stands in for a full disk: the system refuses the write in the same place.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_line_and_the_run_goes_on_once_there_is_room() {
    let folder = folder_with(RECIPE);
    let line = "trap '' XFSZ; ulimit -f 16; exec \"$0\" compress --recipe r.toml -q -o out";
    let output = Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_hoyer")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
    assert!(text.starts_with("error: cannot write out/checkpoints/run.checkpoint: "), "{text}");
    assert!(text.ends_with("; make room and go on with `hoyer compress --resume out`\n"), "{text}");
    done(folder.path(), "compress --resume out");
    done(folder.path(), "compress --recipe r.toml -o whole");
    assert_eq!(model(folder.path(), "out"), model(folder.path(), "whole"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_printed_is_no_success() {
    let folder = folder_with(RECIPE);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = hoyer(folder.path()).args(["data", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.starts_with("error: No space left on device"), "{text}");
}

/// IDX images of one pixel.
fn idx_images(count: u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 1, 0, 0, 0, 1];
    bytes.extend(0..count);
    bytes
}

fn idx_labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1, 0, 0, 0, labels.len() as u8];
    bytes.extend(labels);
    bytes
}

#[test]
fn damaged_idx_files_are_refused_by_file_and_reason() {
    let (images, labels) = (idx_images(3), idx_labels(&[0, 1, 1]));
    let truncated = images[..images.len() - 1].to_vec();
    for (images, labels, file) in [
        (truncated, labels.clone(), "images"),
        (labels.clone(), labels, "images"),
        (images.clone(), idx_labels(&[0, 1]), "labels"),
        (images, idx_labels(&[0, 1, 77]), "labels"),
    ] {
        let folder = folder_with(RECIPE);
        let data = folder.path().join("data/mnist");
        std::fs::create_dir_all(&data).unwrap();
        for part in ["train", "t10k"] {
            std::fs::write(data.join(format!("{part}-images-idx3-ubyte")), &images).unwrap();
            std::fs::write(data.join(format!("{part}-labels-idx1-ubyte")), &labels).unwrap();
        }
        let text =
            refused(folder.path(), "compress --recipe r.toml --data mnist --data-dir data -o out");
        assert!(text.contains(&format!("train-{file}-idx")), "{text}");
        assert!(text.contains(", need "), "{text}");
        assert!(!folder.path().join("out").exists());
    }
}

/// An `.npz` file of four samples of two features, and their classes.
fn npz(path: &Path, x: [f32; 8], y: [u8; 4]) {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let mut put = |name: &str, kind: &str, shape: &str, bytes: &[u8]| {
        let head = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
        let head = format!("{head:<117}\n");
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(b"\x93NUMPY\x01\x00").unwrap();
        archive.write_all(&(head.len() as u16).to_le_bytes()).unwrap();
        archive.write_all(head.as_bytes()).unwrap();
        archive.write_all(bytes).unwrap();
    };
    let bytes: Vec<u8> = x.iter().flat_map(|x| x.to_le_bytes()).collect();
    put("x.npy", "<f4", "(4, 2)", &bytes);
    put("y.npy", "|u1", "(4,)", &y);
    archive.finish().unwrap();
}

#[test]
fn a_nan_in_an_npz_is_refused_by_row() {
    let folder = folder_with(RECIPE);
    let mut x = [0.5; 8];
    npz(&folder.path().join("good.npz"), x, [0, 1, 0, 1]);
    x[5] = f32::NAN;
    npz(&folder.path().join("bad.npz"), x, [0, 1, 0, 1]);
    let good = refused(folder.path(), "compress --recipe r.toml --data good.npz -o out");
    assert!(good.contains("validation = 288"), "only too small: {good}");
    let bad = refused(folder.path(), "compress --recipe r.toml --data bad.npz -o out");
    let expected =
        "bad.npz, array `x`: sample 2: NaN, need a finite 32-bit number; clean or drop the sample";
    assert_eq!(bad, expected);
    assert!(!folder.path().join("out").exists());
}

#[test]
fn whoever_stops_reading_is_no_error() {
    let folder = folder_with(RECIPE);
    let mut child = hoyer(folder.path())
        .args(["data", "list", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
