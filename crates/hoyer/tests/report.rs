//! The page as a whole: complete, self-contained, and true to its data.

#[path = "../examples/report_preview/synthetic.rs"]
mod synthetic;

use std::collections::BTreeSet;

use hoyer::report::{Evidence, render};
use hoyer::result::{Promise, Quantity, Ratios, SeedRun, SeedSummary};
use hoyer_learn::record::EpochRecord;

/// Text of the page without its style sheet.
fn body(evidence: &Evidence) -> String {
    let page = render(evidence).expect("evidence that agrees with itself");
    page.split_once("</style>").expect("a page has a style sheet").1.to_owned()
}

/// What a person reads: no tags, no charts.
fn visible(evidence: &Evidence) -> String {
    let mut text = String::new();
    let mut inside = 0;
    for part in body(evidence).split('<') {
        let (tag, words) = part.split_once('>').unwrap_or(("", part));
        match tag.split(' ').next() {
            Some("svg") => inside += 1,
            Some("/svg") => inside -= 1,
            _ => {}
        }
        if inside == 0 {
            text.push_str(if tag == "wbr" { "" } else { " " });
            text.push_str(words);
        }
    }
    text
}

/// Numbers in a text, as they are written.
fn numbers(text: &str) -> BTreeSet<String> {
    let number = |c: char| c.is_ascii_digit() || c == ',' || c == '.';
    let parts = text.split(|c| !number(c)).map(|part| part.trim_matches([',', '.']));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_section_is_there_in_order() {
    let page = body(&synthetic::evidence());
    let ids = [
        "sizes",
        "timeline",
        "losses",
        "layers",
        "pixels",
        "histograms",
        "stages",
        "seeds",
        "recipe",
    ];
    let places = ids.map(|id| page.find(&format!("<section id=\"{id}\">")).expect(id));
    assert!(places.windows(2).all(|w| w[0] < w[1]), "{places:?}");
    let (header, footer) = (page.find("<header>").unwrap(), page.find("<footer>").unwrap());
    assert!(header < places[0] && footer > places[8]);
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = render(&synthetic::evidence()).unwrap();
    for outside in ["http:", "https:", "//", "<script", "<link", "<img", "src=", "@import", "url("]
    {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn every_element_that_is_opened_is_closed() {
    let page = body(&synthetic::evidence());
    for tag in ["section", "figure", "svg", "rect", "line", "text", "path", "circle", "title", "td"]
    {
        let opened = [" ", ">"].map(|end| page.matches(&format!("<{tag}{end}")).count());
        let closed = page.matches(&format!("</{tag}>")).count();
        assert!(closed > 0 && opened[0] + opened[1] == closed, "{tag}: {opened:?}, {closed}");
    }
}

#[test]
fn the_first_screen_says_what_came_out() {
    let mut evidence = synthetic::evidence();
    evidence.result.promises.retain(|promise| promise.quantity == Quantity::Metric);
    let text = visible(&evidence).replace('\u{a0}', " ");
    for words in [
        "lenet-300-100 on mnist: 65.0x fewer weights",
        "Of 266,200 weights 4,095 are left.",
        "The test accuracy is 98.41 %, 0.11 points below the dense network’s 98.52 %.",
        "validation accuracy of at least 98.40 %; reached 98.53 %",
    ] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn where_nothing_gets_smaller_the_first_screen_leads_with_the_metric() {
    let mut evidence = synthetic::evidence();
    let result = &mut evidence.result;
    result.promises = vec![Promise::judge(Quantity::Macs, 266_200.0, 266_200.0)];
    (result.dense.macs, result.compressed.macs) = (266_200, 266_200);
    let text = visible(&evidence).replace('\u{a0}', " ");
    for words in [
        "lenet-300-100 on mnist: test accuracy 0.11 points below the dense network’s",
        "All 266,200 multiply-accumulates are left.",
    ] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn the_first_screen_leads_with_what_was_promised() {
    let mut evidence = synthetic::evidence();
    let result = &mut evidence.result;
    let order = |evidence: &Evidence, words: &[&str]| {
        let text = visible(evidence).replace('\u{a0}', " ");
        let screen = &text[..text.find("Before and after").unwrap()];
        let places: Vec<_> = words.iter().map(|words| screen.rfind(words)).collect();
        assert!(places.is_sorted() && places[0].is_some(), "{words:?} at {places:?}: {screen}");
    };
    result.promises = vec![Promise::judge(Quantity::Macs, 200_000.0, 133_100.0)];
    result.compressed.macs = 133_100;
    order(
        &evidence,
        &[
            "lenet-300-100 on mnist: 2.00x fewer multiply-accumulates",
            "Of 266,200 multiply-accumulates 133,100 are left.",
            "fewer multiply-accumulates",
            "fewer weights",
            "smaller file",
        ],
    );
    evidence.result.promises = vec![Promise::judge(Quantity::FileBytes, 50_000.0, 30_000.0)];
    order(&evidence, &["smaller file", "fewer weights", "fewer parameters"]);
}

#[test]
fn a_missed_promise_is_said_to_be_missed() {
    let mut evidence = synthetic::evidence();
    assert!(!body(&evidence).contains("Promise missed"));
    evidence.result.promises = vec![Promise::judge(Quantity::Weights, 4_000.0, 4_095.0)];
    let text = visible(&evidence);
    assert!(
        text.contains("Promise missed") && text.contains("at most 4,000 weights; reached 4,095")
    );
    assert!(!text.contains("Promise kept"));
}

#[test]
fn the_time_of_a_sample_is_shown_where_layers_became_narrower() {
    let mut evidence = synthetic::evidence();
    for epoch in evidence.result.stages.iter_mut().flat_map(|stage| &mut stage.epochs) {
        epoch.samples_per_second = Some(50_000.0);
    }
    assert!(!visible(&evidence).contains("Time to learn one sample"));
    evidence.result.compressed.weights /= 2;
    let text = visible(&evidence);
    assert!(text.contains("Time to learn one sample"));
    assert!(body(&evidence).contains("epoch 1: 20"), "{}", body(&evidence));
}

#[test]
fn hostile_names_stay_text() {
    let hostile = "</pre></title><script>alert(1)</script>\"'&<b onload=x>";
    let mut evidence = synthetic::evidence();
    let result = &mut evidence.result;
    result.layers[0].kind = hostile.into();
    result.stages[2].settings = hostile.into();
    for name in [
        &mut result.model,
        &mut result.data,
        &mut result.method,
        &mut result.metric,
        &mut result.hoyer,
        &mut result.command,
        &mut result.machine.cpu,
        &mut result.layers[0].name,
        &mut result.stages[0].settings,
        &mut evidence.histograms[0].layer,
        &mut evidence.recipe,
    ] {
        *name = hostile.into();
    }
    let page = render(&evidence).unwrap();
    assert!(!page.contains("<script") && !page.contains("<b ") && !page.contains("\"'&"));
    assert!(page.matches("&lt;script&gt;").count() >= 13);
}

#[test]
fn epochs_that_are_not_numbers_break_nothing() {
    let mut evidence = synthetic::evidence();
    let broken = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0];
    let epochs = evidence.result.stages.iter_mut().flat_map(|stage| &mut stage.epochs);
    for (i, epoch) in epochs.enumerate() {
        let value = Some(broken[i % broken.len()]);
        (epoch.train_loss, epoch.penalty, epoch.validation_loss) = (value, value, value);
        (epoch.train_accuracy, epoch.validation_accuracy) = (value, value);
        epoch.weights_small_share = value;
        epoch.seconds = f64::NAN;
    }
    let page = body(&evidence);
    assert!(!page.contains("NaN") && !page.contains("inf%") && !page.contains("inf "));
}

#[test]
fn evidence_of_almost_nothing_still_makes_a_page() {
    let mut evidence = synthetic::evidence();
    evidence.histograms.clear();
    evidence.pixel_map = None;
    evidence.recipe.clear();
    evidence.result.promises.clear();
    evidence.result.seeds.clear();
    evidence.result.seed_summary = None;
    for stage in &mut evidence.result.stages {
        let blank =
            |epoch: &EpochRecord| EpochRecord { epoch: epoch.epoch, ..EpochRecord::default() };
        stage.epochs = stage.epochs.iter().map(blank).collect();
        (stage.weights_nonzero, stage.weights_total) = (None, None);
    }
    let text = visible(&evidence);
    for words in ["No accuracy was recorded", "No weights were counted", "No loss was recorded"] {
        assert!(text.contains(words), "{words}");
    }
    evidence.result.stages.clear();
    evidence.result.epochs = 0;
    assert!(visible(&evidence).contains("No stage of this run trained"));
    assert!(!text.contains("Promise") && !text.contains("Seeds"));
}

#[test]
fn contradictions_make_no_page() {
    let mut evidence = synthetic::evidence();
    evidence.histograms[1].after.pop();
    let error = render(&evidence).unwrap_err().to_string();
    assert_eq!(error, "histogram of `fc2`: got 40 entries, need 41 entries");
    let mut evidence = synthetic::evidence();
    evidence.result.ratios.weights = Some(1_000.0);
    assert!(render(&evidence).is_err());
}

/// The same run with every number another one.
fn shifted() -> Evidence {
    let mut evidence = synthetic::evidence();
    evidence.recipe.clear();
    let result = &mut evidence.result;
    (result.model, result.method, result.command) = ("m".into(), "h".into(), "c".into());
    (result.seed, result.threads, result.hoyer) = (6_001, 6_002, "6.60.6".into());
    (result.machine.cpu, result.machine.cores) = ("cpu".into(), 6_003);
    for layer in &mut result.layers {
        layer.name = "layer".into();
        layer.shape.iter_mut().for_each(|size| *size += 6_010);
        (layer.nonzero, layer.total) = (layer.nonzero + 6_020, layer.total + 66_030);
    }
    let sum = |count: fn(&hoyer::result::Layer) -> u64| result.layers.iter().map(count).sum();
    let (dense, small) = (&mut result.dense, &mut result.compressed);
    (dense.weights, small.weights_nonzero) = (sum(|l| l.total), sum(|l| l.nonzero));
    (dense.weights_with_biases, dense.params, dense.macs) = (606_100, 606_200, 606_300);
    (small.weights_with_biases_nonzero, small.params_nonzero) = (60_011, 60_033);
    (small.macs_nonzero, dense.file_bytes, small.file_bytes) = (60_055, 4 * 606_200, 60_077);
    (dense.latency_us, small.latency_us) = (Some(66.6), Some(60.6));
    (dense.metric, dense.validation_metric) = (0.6111, Some(0.6222));
    (small.metric, small.validation_metric) = (0.6333, Some(0.6444));
    (result.test_metric, result.test_best_epoch) = (0.6333, Some(0.6555));
    result.ratios = Ratios::of(dense, small);
    result.promises = vec![Promise::judge(Quantity::Metric, 0.6666, 0.6777)];
    for (i, stage) in result.stages.iter_mut().enumerate() {
        stage.settings.clear();
        stage.seconds = 252_360.0 + 3_600.0 * i as f64;
        (stage.train_metric, stage.validation_metric) = (Some(0.6061), Some(0.6062));
        stage.validation_metric_before = Some(0.6063);
        (stage.weights_nonzero, stage.weights_total) = (Some(6_300), Some(60_500));
        stage.chosen_epoch = Some(6_000);
        let more = vec![EpochRecord::default(); 600];
        stage.epochs.extend(more);
    }
    result.epochs = result.stages.iter().map(|stage| stage.epochs.len() as u64).sum();
    result.seconds = 6_600.0;
    let mut other = SeedRun::from(&*result);
    (other.seed, other.test_metric, other.seconds) = (6_099, 0.6339, 6_660.0);
    result.seeds = vec![SeedRun::from(&*result), other];
    result.seed_summary = SeedSummary::of(&result.seeds);
    for histogram in &mut evidence.histograms {
        histogram.layer = "layer".into();
        histogram.limit += 6.0;
        (histogram.before[0], histogram.after[0]) = (60_600, 6_600);
    }
    let map = evidence.pixel_map.as_mut().expect("the evidence has a map");
    (map.height, map.width, map.possible) = (60, 60, 6_600);
    map.counts = vec![66; 3_600];
    map.counts[0] = 0;
    evidence
}

#[test]
fn every_number_on_the_page_comes_from_the_data() {
    let (ours, theirs) = (synthetic::evidence(), shifted());
    let both: Vec<_> =
        numbers(&visible(&ours)).intersection(&numbers(&visible(&theirs))).cloned().collect();
    // The numbers of the stages, the schema, "batch 1", "4 bytes a dense parameter", the end of
    // the axis "towards 100 %", and the middle of an axis of weights.
    assert_eq!(both, ["0", "1", "100", "2", "3", "4"]);
}
