//! What to run: a recipe from a file or from defaults, and the flags that beat it.
//!
//! Not here: what a recipe means (`hoyer_learn::recipe`).

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hoyer::model_file::{self, is_model_file};
use hoyer_learn::recipe::{
    Auto, Cut, Distill, Holdout, Learn, Narrow, Normalization, Quantize, Recipe, Rule, Score,
    Stage, Teachers,
};
use hoyer_learn::schedule;
use hoyer_zoo::model::MODELS;

use super::input_flags::InputFlags;

/// Default epochs, made for small images; a recipe says what a network really needs.
const DENSE_EPOCHS: u32 = 20;
const SPARSE_EPOCHS: u32 = 30;
const LAST_EPOCHS: u32 = 15;
/// Strength of Hoyer-Square for LeNets on MNIST, from DeepHoyer's published settings.
const LAMBDA: f64 = 2e-4;
/// Share of a stage after which no more channels go.
const LAST_NARROWED: f64 = 0.7;

/// What to compress, and how; a flag beats the recipe.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RecipeFlags {
    /// Network to make and train: lenet-300-100, lenet-5, …; or the path of a .hoyer or .onnx file to go on from
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Parameters to start from, by name: a .safetensors file
    #[arg(long, value_name = "FILE")]
    weights: Option<String>,
    /// Learn from this network's answers, .hoyer or .onnx; several times: from the mean of them [default: the dense network]
    #[arg(long, value_name = "FILE")]
    teacher: Vec<String>,
    /// Recipe file, .toml
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Data set: a name of `hoyer data list` or a path
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    /// Penalty: l1, transformed-l1, hoyer, hoyer-square, group-lasso, group-hoyer-square
    #[arg(long, value_name = "PENALTY")]
    method: Option<String>,
    /// Strength of the penalty
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lambda: Option<f64>,
    /// What to keep: accuracy=0.984 (a share), weights=4884 or macs=128600; may be given several times
    #[arg(long, value_name = "LIMIT", value_parser = budget)]
    budget: Vec<Budget>,
    /// Samples held back from the training data, to choose by: a count or a share like 0.1 [default: 5000, at most a fifth]
    #[arg(long, value_name = "N")]
    validation: Option<Holdout>,
    /// Keep a multiple of N channels in every group, where channels are removed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    round_to: Option<u16>,
    /// Leave out whole branches of residual networks too, where channels are removed while it trains
    #[arg(long)]
    branches: bool,
    /// Store weights as few levels: of N bits a layer, or auto, as few as the accuracy allows
    #[arg(long, value_name = "N|auto", value_parser = bits)]
    bits: Option<Bits>,
    /// Leave out single inputs too, where a first linear layer reads them
    #[arg(long)]
    inputs: bool,
    #[command(flatten)]
    input: InputFlags,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Budget {
    Accuracy(f64),
    Weights(u64),
    Macs(u64),
}

/// How many bits of a level; none is as few as the accuracy allows.
#[derive(Debug, Clone, Copy)]
struct Bits(Option<u8>);

fn bits(text: &str) -> Result<Bits, String> {
    match (text, text.parse()) {
        ("auto", _) => Ok(Bits(None)),
        (_, Ok(bits @ 1..=8)) => Ok(Bits(Some(bits))),
        _ => Err("need auto or a number from 1 to 8".into()),
    }
}

fn budget(text: &str) -> Result<Budget, String> {
    let need = || "need accuracy=SHARE, weights=COUNT or macs=COUNT".to_owned();
    match text.split_once('=').ok_or_else(need)? {
        ("accuracy", share) => share.parse().map(Budget::Accuracy).map_err(|_| need()),
        ("weights", count) => count.parse().map(Budget::Weights).map_err(|_| need()),
        ("macs", count) => count.parse().map(Budget::Macs).map_err(|_| need()),
        _ => Err(need()),
    }
}

impl RecipeFlags {
    /// The recipe that is to be run, all flags in it.
    ///
    /// # Errors
    /// If the recipe cannot be read, or a flag makes no sense.
    pub(crate) fn recipe(&self) -> anyhow::Result<Recipe> {
        let mut recipe = match &self.recipe {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the recipe {}", path.display()))?;
                Recipe::parse(&text).with_context(|| path.display().to_string())?
            }
            None => self.fresh_recipe()?,
        };
        recipe.model = self.model.clone().unwrap_or(recipe.model);
        recipe.weights_file = self.weights.clone().or(recipe.weights_file);
        if !self.teacher.is_empty() {
            recipe.teacher = Teachers(self.teacher.clone());
        }
        recipe.data = self.data.clone().unwrap_or(recipe.data);
        recipe.validation = self.validation.or(recipe.validation);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        if let Some(given) = self.input.given() {
            recipe.normalization = given;
        } else if recipe.normalization.is_none() {
            recipe.normalization = said_by(&recipe.model)?;
        }
        for budget in &self.budget {
            keep(&mut recipe, *budget);
        }
        self.penalize(&mut recipe)?;
        recipe.inputs |= self.inputs;
        if let Some(bits) = self.bits {
            quantize(&mut recipe, bits);
        }
        if let Some(multiple) = self.round_to {
            round(&mut recipe, multiple.into())?;
        }
        if self.branches {
            let_branches_go(&mut recipe)?;
        }
        recipe.check()?;
        Ok(recipe)
    }

    /// Whether a file says what the flags do not.
    pub(crate) fn is_from_file(&self) -> bool {
        self.recipe.is_some()
    }

    fn fresh_recipe(&self) -> anyhow::Result<Recipe> {
        let Some(model) = self.model.clone() else {
            let known: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
            bail!("nothing to compress: give --recipe FILE, or a model ({})", known.join(", "));
        };
        let data = self.data.clone().context("no data: give --data, see `hoyer data list`")?;
        if self.budget.is_empty() {
            bail!("no promise: give --budget accuracy=SHARE, weights=COUNT or macs=COUNT");
        }
        let (mut weights, mut macs) = (None, None);
        for budget in &self.budget {
            match budget {
                Budget::Weights(most) => weights = Some(*most),
                Budget::Macs(most) => macs = Some(*most),
                Budget::Accuracy(_) => {}
            }
        }
        let narrow = macs.map(|macs| Narrow {
            macs,
            until: LAST_NARROWED,
            score: Score::default(),
            round_to: 1,
            branches: false,
        });
        let cut = match (weights, narrow) {
            (Some(weights), _) => Some(Cut::to_weights(weights)),
            (None, Some(_)) => None,
            (None, None) => Some(Cut { auto: Some(Auto::default()), ..Cut::default() }),
        };
        let usual = if narrow.is_some() { "group-hoyer-square" } else { "hoyer-square" };
        let method = self.method.clone().unwrap_or_else(|| usual.into());
        let taught = Some(Distill { weight: 0.5, ..Distill::default() });
        let sparsify = Learn {
            penalty: Some(penalty(&method)?),
            lambda: LAMBDA,
            distill: taught,
            coupled: narrow.is_some() && penalty(&method)?.0.over_channels().is_some(),
            narrow,
            ..Learn::new(SPARSE_EPOCHS)
        };
        let falling = schedule::Config::Cosine { to: 0.01, warm_up: 0.0 };
        let dense = Learn { schedule: falling.clone(), ..Learn::new(DENSE_EPOCHS) };
        let last = Learn { schedule: falling, distill: taught, ..Learn::new(LAST_EPOCHS) };
        let is_trained = is_model_file(Path::new(&model)) || self.weights.is_some();
        let dense = Some(Stage::Train(dense)).filter(|_| !is_trained);
        let stages = dense.into_iter().chain([Stage::Sparsify(sparsify)]);
        let stages = stages.chain(cut.map(Stage::Prune)).chain([Stage::Finetune(last)]);
        Ok(Recipe::new(&model, &data, stages.collect()))
    }

    fn penalize(&self, recipe: &mut Recipe) -> anyhow::Result<()> {
        let penalized = recipe.stage.iter_mut().filter_map(|stage| match stage {
            Stage::Sparsify(learn) if learn.penalty.is_some() => Some(learn),
            _ => None,
        });
        let mut found = false;
        for learn in penalized {
            found = true;
            if let Some(method) = &self.method {
                learn.penalty = Some(penalty(method)?);
            }
            learn.lambda = self.lambda.unwrap_or(learn.lambda);
        }
        if !found && (self.method.is_some() || self.lambda.is_some()) {
            bail!("--method and --lambda change the penalty of the recipe, but it has none");
        }
        Ok(())
    }
}

/// What the file of a network says of its samples.
pub(crate) fn said_by(model: &str) -> anyhow::Result<Normalization> {
    let path = Path::new(model);
    if !is_model_file(path) {
        return Ok(Normalization::default());
    }
    Ok(model_file::load(path)?.1.get("normalization")?.unwrap_or_default())
}

fn keep(recipe: &mut Recipe, budget: Budget) {
    match budget {
        Budget::Accuracy(accuracy) => recipe.promise.accuracy = Some(accuracy),
        Budget::Weights(weights) => {
            recipe.promise.weights = Some(weights);
            aim(recipe.stage.iter_mut().filter_map(weights_left), weights);
        }
        Budget::Macs(macs) => {
            recipe.promise.macs = Some(macs);
            aim(recipe.stage.iter_mut().filter_map(macs_left), macs);
        }
    }
}

/// How many weights a stage is to leave.
fn weights_left(stage: &mut Stage) -> Option<&mut u64> {
    match stage {
        Stage::Prune(cut) => cut.weights.as_mut(),
        other => Some(&mut other.learn_mut()?.gradual.as_mut()?.weights),
    }
}

/// How many multiply-accumulates a stage is to leave.
fn macs_left(stage: &mut Stage) -> Option<&mut u64> {
    match stage {
        Stage::Prune(cut) => cut.macs.as_mut(),
        other => Some(&mut other.learn_mut()?.narrow.as_mut()?.macs),
    }
}

/// Makes the last stages leave so much; those that leave more on the way there still do.
fn aim<'r>(left: impl Iterator<Item = &'r mut u64>, limit: u64) {
    let left: Vec<&mut u64> = left.collect();
    let Some(last) = left.last().map(|last| **last) else { return };
    for left in left {
        *left = if *left <= last { limit } else { limit.max(*left) };
    }
}

/// Sets how the last stage quantizes, and adds one if there is none.
fn quantize(recipe: &mut Recipe, bits: Bits) {
    if let Some(Stage::Quantize(last)) = recipe.stage.last_mut() {
        last.bits = bits.0;
        return;
    }
    recipe.stage.push(Stage::Quantize(Quantize { bits: bits.0, ..Quantize::default() }));
}

/// Makes all that removes channels leave round numbers of them.
fn round(recipe: &mut Recipe, multiple: usize) -> anyhow::Result<()> {
    let mut found = false;
    let promise = recipe.promise;
    for cut in cuts(recipe).filter(|cut| matches!(cut.rule(promise), Ok(Rule::Channels(_)))) {
        (cut.round_to, found) = (multiple, true);
    }
    for narrow in narrows(recipe) {
        (narrow.round_to, found) = (multiple, true);
    }
    if !found {
        bail!("--round-to is for channels, but nothing removes any; give --budget macs=COUNT");
    }
    Ok(())
}

/// Lets all that removes channels while it trains remove residual branches.
fn let_branches_go(recipe: &mut Recipe) -> anyhow::Result<()> {
    let mut found = false;
    for narrow in narrows(recipe) {
        (narrow.branches, found) = (true, true);
    }
    if !found {
        bail!("--branches is for channels that go in training; give --budget macs=COUNT");
    }
    Ok(())
}

fn narrows(recipe: &mut Recipe) -> impl Iterator<Item = &mut Narrow> {
    let learns = recipe.stage.iter_mut().filter_map(Stage::learn_mut);
    learns.filter_map(|learn| learn.narrow.as_mut())
}

fn cuts(recipe: &mut Recipe) -> impl Iterator<Item = &mut Cut> {
    recipe.stage.iter_mut().filter_map(|stage| match stage {
        Stage::Prune(cut) => Some(cut),
        _ => None,
    })
}

fn penalty(name: &str) -> anyhow::Result<hoyer_learn::penalty::ByName> {
    Ok(name.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_moves_the_end_of_a_recipe_and_what_lies_below_it() {
        let aimed = |limit: u64| {
            let mut left = [29, 24, 24];
            aim(left.iter_mut(), limit);
            left
        };
        assert_eq!([aimed(20), aimed(26), aimed(30)], [[29, 20, 20], [29, 26, 26], [30, 30, 30]]);
    }

    #[test]
    fn a_budget_is_for_cuts_and_for_what_goes_while_training() {
        let both = |gone: &str, cut: &str| {
            let text = format!(
                "model = 'lenet-5'\ndata = 'mnist'\n[[stage]]\nkind = 'sparsify'\nepochs = 1\n\
                 {gone}\n[[stage]]\nkind = 'prune'\n{cut}\n"
            );
            Recipe::parse(&text).unwrap()
        };
        let mut recipe = both("gradual = { weights = 2000 }", "weights = 2000");
        keep(&mut recipe, Budget::Weights(1000));
        let left = recipe.stage.iter_mut().filter_map(weights_left).map(|left| *left);
        assert_eq!(left.collect::<Vec<u64>>(), [1000, 1000]);
        assert_eq!(recipe.promise.weights, Some(1000));
        let mut recipe = both("narrow = { macs = 3000 }", "macs = 2000");
        keep(&mut recipe, Budget::Macs(1000));
        let left = recipe.stage.iter_mut().filter_map(macs_left).map(|left| *left);
        assert_eq!(left.collect::<Vec<u64>>(), [3000, 1000]);
    }
}
