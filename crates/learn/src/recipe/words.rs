//! The settings of a stage as a line that a person can read.

use super::{Cut, Learn, Price, Quantize, Stage, Teachers};
use crate::quantize::Levels;

impl Stage {
    /// Its settings in one line, for records and reports, in a recipe with these teachers.
    #[must_use]
    pub fn words(&self, teachers: &Teachers) -> String {
        match self {
            Self::Train(learn) | Self::Sparsify(learn) | Self::Finetune(learn) => {
                of_learn(learn, teachers)
            }
            Self::Prune(cut) => of_cut(cut),
            Self::Calibrate(calibrate) => {
                format!("statistics of batch normalization over {} batches", calibrate.batches)
            }
            Self::Quantize(quantize) => of_quantize(quantize),
        }
    }
}

fn of_learn(learn: &Learn, teachers: &Teachers) -> String {
    let lr = learn.optimizer.build().map_or(f64::NAN, |method| method.lr());
    let mut words = vec![format!("{} epochs", learn.epochs), format!("learning rate {lr}")];
    if let Some(penalty) = learn.penalty {
        words.push(format!("{penalty}, lambda {:e}", learn.lambda));
    }
    if let Some(distill) = learn.distill {
        let (teachers, temperature) = (teachers.words(), distill.temperature);
        words.push(format!("taught by {teachers} at temperature {temperature}"));
    }
    if let Some(gradual) = learn.gradual {
        words.push(format!("pruned to {} weights every {} steps", gradual.weights, gradual.every));
        if gradual.price == Price::Macs {
            words.push("weights judged for each multiply-accumulate".into());
        }
    }
    if let Some(narrow) = learn.narrow {
        let what = if narrow.branches { "channels and branches" } else { "channels" };
        words.push(format!("{what} removed to {} multiply-accumulates", narrow.macs));
    }
    if let Some(average) = learn.average {
        words.push(format!("weights averaged over about {:.0} steps", 1.0 / (1.0 - average)));
    }
    words.join(", ")
}

fn of_quantize(quantize: &Quantize) -> String {
    let levels = match quantize.levels {
        Levels::Uniform => "multiples of a step",
        Levels::KMeans => "clusters",
        Levels::Either => "multiples of a step or clusters",
    };
    let how = match (quantize.bits, quantize.accuracy) {
        (Some(bits), _) => format!("at most 2^{bits} levels a layer"),
        (None, Some(accuracy)) => format!("as small as a validation accuracy of {accuracy} allows"),
        (None, None) => "as small as the promised accuracy allows".into(),
    };
    format!("{levels}, {how}")
}

fn of_cut(cut: &Cut) -> String {
    let word = |value: Option<f64>, before: &str, after: &str| {
        value.map(|value| format!("{before}{value}{after}"))
    };
    let words = [
        word(cut.std_share, "threshold ", " of each layer's standard deviation"),
        word(cut.absolute, "threshold ", ""),
        word(cut.layer_sparsity, "sparsity ", " of each layer"),
        word(cut.sparsity, "sparsity ", " of all layers together"),
        cut.weights.map(|weights| format!("to {weights} weights")),
        word(cut.channels, "without ", " of all channels"),
        cut.macs.map(|macs| format!("without channels, to {macs} multiply-accumulates")),
        cut.parameters.map(|most| format!("without channels, to {most} parameters")),
        word(cut.channel_norm, "without channels of norm below ", " of the average"),
        word(cut.channel_elements, "without channels of weights below ", " standard deviations"),
        cut.auto
            .filter(|auto| auto.channels)
            .map(|_| "without as many channels as keep the validation accuracy".into()),
        cut.auto
            .filter(|auto| !auto.channels)
            .map(|_| "the largest threshold that keeps the validation accuracy".into()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
