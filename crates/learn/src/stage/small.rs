//! How much the coming cut would take already: sparsity that shows before anything is cut.

use super::Run;
use crate::Result;
use crate::recipe::{Rule, Stage};
use crate::snapshot::prunable;
use crate::threshold::Threshold;

impl Run<'_> {
    /// Share of weights below the threshold of the next stage that prunes; none if that is not known beforehand.
    pub(super) fn small_share(&self) -> Result<Option<f64>> {
        let coming = self.setup.recipe.stage.iter().skip(self.state.stage + 1);
        let cut = coming.filter_map(|stage| match stage {
            Stage::Prune(cut) => Some(cut),
            _ => None,
        });
        let rule = cut.map(|cut| cut.rule(self.setup.recipe.promise)).next().transpose()?;
        let Some(Rule::Threshold(threshold @ (Threshold::Deviation(_) | Threshold::Absolute(_)))) =
            rule
        else {
            return Ok(None);
        };
        let places = prunable(&self.graph.params, self.biases());
        let layers: Vec<&[f32]> =
            places.iter().map(|i| self.graph.params[*i].tensor.data()).collect();
        let kept: usize = threshold.masks(&layers)?.iter().map(|mask| mask.kept).sum();
        let total: usize = layers.iter().map(|layer| layer.len()).sum();
        Ok(Some(1.0 - kept as f64 / total.max(1) as f64))
    }
}
