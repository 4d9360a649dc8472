//! Cuts of whole channels, by every rule, and the statistics of what is left.

use hoyer_graph::groups::select_inputs;
use hoyer_graph::{BatchNormalization, Op, cost};

use super::*;

fn after(stages: &str) -> Outcome {
    run_on(1, &recipe(&format!("{}{stages}", trained())), None).unwrap()
}

/// A run of another network than those that recipes name.
fn run_graph(
    recipe: &Recipe,
    graph: &Graph,
    training: &mut Blobs,
    observer: &dyn Observer,
) -> Outcome {
    let (pool, stop) = (Arc::new(Pool::new(2)), AtomicBool::new(false));
    let setup = Setup {
        recipe,
        graph,
        teachers: &[],
        data: Data { training, validation: &Blobs::new(100) },
        observer,
        checkpoint: None,
        stop: &stop,
        pool: &pool,
    };
    run(setup).unwrap()
}

fn macs(graph: &Graph) -> u64 {
    let sizes = hoyer_graph::Bindings::from([("batch".to_owned(), 1)]);
    cost(graph, &sizes).unwrap().macs
}

/// Outputs of the first two layers.
fn widths(graph: &Graph) -> [usize; 2] {
    ["fc1.weight", "fc2.weight"]
        .map(|name| graph.param_at(graph.param_named(name).unwrap()).tensor.shape()[0])
}

#[test]
fn channels_go_until_the_multiply_accumulates_are_few_enough() {
    let macs = macs(&after("[[stage]]\nkind = \"prune\"\nmacs = 200\n").network);
    assert!((140..=200).contains(&macs), "{macs}");
}

#[test]
fn channels_go_until_the_parameters_are_few_enough() {
    let network = after("[[stage]]\nkind = \"prune\"\nparameters = 200\n").network;
    let left: usize = network.params.iter().map(|param| param.tensor.data().len()).sum();
    assert!((150..=200).contains(&left), "{left}");
}

/// Training that makes channels vanish.
const SPARSIFY: &str = "[[stage]]\nkind = 'sparsify'\nepochs = 6\npenalty = 'group-hoyer-square'\n\
                        optimizer = { name = 'adam', lr = 0.01 }\nlambda = 1e-2\ncoupled = true\n";

#[test]
fn channels_below_a_norm_or_with_small_elements_go() {
    for rule in ["channel-norm = 0.3", "channel-elements = 0.4"] {
        let outcome = after(&format!("{SPARSIFY}[[stage]]\nkind = 'prune'\n{rule}\n"));
        let [first, second] = widths(&outcome.network);
        assert!((2..20).contains(&first) && (2..12).contains(&second), "{rule}: {first} {second}");
        assert!(outcome.accuracy > 0.9, "{rule}: {}", outcome.accuracy);
    }
}

#[test]
fn auto_removes_as_many_channels_as_the_accuracy_allows() {
    let auto = "[[stage]]\nkind = 'prune'\nauto = { accuracy = 0.95, channels = true }\n";
    let outcome = after(&format!("{SPARSIFY}{auto}"));
    assert!(outcome.accuracy >= 0.95, "{}", outcome.accuracy);
    assert!(macs(&outcome.network) < macs(&net(1)) * 2 / 3);
}

#[test]
fn counts_of_channels_are_rounded_on_request() {
    for stage in [
        "kind = 'prune'\nmacs = 300\nround-to = 4\n",
        "kind = 'sparsify'\nepochs = 3\nnarrow = { macs = 300, round-to = 4 }\n",
    ] {
        let network = after(&format!("[[stage]]\n{stage}")).network;
        assert!(macs(&network) <= 300 && macs(&network) > 150, "{}", macs(&network));
        assert!(widths(&network).iter().all(|width| width % 4 == 0), "{:?}", widths(&network));
    }
    let text = format!("{}[[stage]]\nkind = 'prune'\nweights = 10\nround-to = 4\n", trained());
    let error = Recipe::parse(&text).unwrap_err().to_string();
    assert!(error.contains("round-to needs a rule that removes channels"), "{error}");
}

#[test]
fn what_the_last_cut_leaves_is_judged_after_it() {
    let mut validation = Blobs::new(101);
    validation.start_epoch(1 << 40);
    for average in ["", "average = 0.9\n"] {
        let stage = "[[stage]]\nkind = 'sparsify'\nepochs = 2\nnarrow = { macs = 40 }\n";
        let outcome = after(&format!("{stage}{average}"));
        let pool = Arc::new(Pool::new(1));
        let mut evaluator = Evaluator::new(&outcome.network, &validation, &pool).unwrap();
        let mut params = outcome.network.params.clone();
        let found = evaluator.score(&mut params, &validation).unwrap().accuracy;
        assert_eq!(outcome.accuracy, found, "{average}");
        assert_eq!(outcome.records.last().unwrap().validation_metric, Some(found));
    }
}

/// Keeps what it is told.
struct Told(std::sync::Mutex<Vec<String>>);

impl Observer for Told {
    fn message(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn a_target_that_cannot_be_reached_is_told_with_the_reason() {
    let mut g = net(1);
    let (p, w) = (g.outputs[0], Tensor::full(&[3, 3], 0.1));
    let p = g.add("odds", hoyer_graph::Softmax { axis: 1 }, &[p]).unwrap();
    let w = g.param("fc4.weight", Role::Weight, w).unwrap();
    g.outputs = vec![g.add("fc4", Gemm::linear(), &[p, w]).unwrap()];
    for stage in
        ["kind = 'prune'\nmacs = 20\n", "kind = 'sparsify'\nepochs = 1\nnarrow = { macs = 20 }\n"]
    {
        let recipe = recipe(&format!("model='m'\ndata='d'\nbatch=24\n[[stage]]\n{stage}"));
        let told = Told(std::sync::Mutex::default());
        let least = macs(&run_graph(&recipe, &g, &mut Blobs::new(490), &told).network);
        let told = told.0.into_inner().unwrap().join("\n");
        let first = format!("20 multiply-accumulates cannot be reached, {least} are the least");
        assert!(told.contains(&first), "{told}");
        assert!(told.contains("`fc3.weight` stays: Softmax `odds` mixes them"), "{told}");
    }
}

#[test]
fn inputs_that_say_nothing_are_left_out() {
    let recipe = recipe(&format!("{}{SPARSIFY}narrow = {{ macs = 90, until = 0.7 }}\n", trained()));
    let graph = select_inputs(&net(1)).unwrap();
    let outcome = run_graph(&recipe, &graph, &mut Blobs::new(490), &Silent);
    let select = outcome.network.nodes.iter().find_map(|node| match &node.op {
        Op::Select(select) => Some(select.indices.clone()),
        _ => None,
    });
    let read = select.unwrap();
    // The class moves the first three.
    assert!(read.len() <= 6 && read.iter().filter(|input| **input < 3).count() >= 2, "{read:?}");
    assert!(macs(&outcome.network) <= 90 && outcome.accuracy > 0.9, "{}", outcome.accuracy);
}

#[test]
fn calibration_measures_what_the_layers_really_say() {
    let mut g = Graph::new("norm");
    let x = g.input("x", Type::f32(Shape(vec![Dim::symbol("batch"), Dim::from(INPUTS)])));
    let mut inputs = vec![x];
    for (name, role, value) in [
        ("scale", Role::NormScale, 1.0),
        ("shift", Role::NormShift, 0.0),
        ("mean", Role::Statistic, 5.0),
        ("var", Role::Statistic, 9.0),
    ] {
        inputs.push(g.param(name, role, Tensor::full(&[INPUTS], value)).unwrap());
    }
    let y = g.add("norm", BatchNormalization::default(), &inputs).unwrap();
    let w = g.param("w", Role::Weight, Tensor::full(&[3, INPUTS], 0.1)).unwrap();
    let y = g.add("fc", Gemm::linear(), &[y, w]).unwrap();
    g.outputs.push(y);
    let text =
        "model='m'\ndata='d'\nbatch=24\nvalidation=100\n[[stage]]\nkind='calibrate'\nbatches=10\n";
    let recipe = recipe(text);
    let mut samples = Blobs::new(490);
    let network = run_graph(&recipe, &g, &mut samples, &Silent).network;
    samples.start_epoch(0);
    let mut column = vec![0.0_f32; INPUTS];
    let (mut sum, mut squares) = (0.0, 0.0);
    for at in 0..240 {
        samples.fill(at, &mut column);
        sum += f64::from(column[0]);
        squares += f64::from(column[0]).powi(2);
    }
    let (mean, found) = (sum / 240.0, f64::from(network.params[2].tensor.data()[0]));
    assert!((mean - found).abs() < 1e-5, "{mean} {found}");
    let (variance, found) = (squares / 240.0 - mean * mean, network.params[3].tensor.data()[0]);
    // The mean of the batches' variances, each of 24 samples.
    assert!((variance - f64::from(found)).abs() < 0.2 * variance, "{variance} {found}");
    assert_eq!(network.params[0].tensor.data(), g.params[0].tensor.data());
}
