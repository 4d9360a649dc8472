//! The state of a run on disk: enough to go on as if never stopped, to the bit.
//!
//! ```text
//! magic, length of the header, header (JSON), tensors, CRC-32 of all before
//! ```
//!
//! Invariants: a file is whole or not there (written beside, synced, renamed); numbers keep their bits.
//! Not here: the model that is the result (`hoyer`).

use std::fs;
use std::path::Path;

use hoyer_graph::Graph;
use hoyer_graph::container::{self, Metadata};
use serde::{Deserialize, Serialize};

use crate::optimizer;
use crate::record::{StageKind, StageRecord};
use crate::snapshot::Snapshot;
use crate::trainer::Score;
use crate::{Error, Result};

mod bytes;
use bytes::{Reader, Writer};

const MAGIC: &[u8; 8] = b"HOYERST4";

/// Where a run is after a whole epoch or stage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// Place of the stage in the recipe.
    pub(crate) stage: usize,
    /// Epochs of the stage that are done.
    pub(crate) epoch: u32,
    /// Epochs of the run that are done.
    pub(crate) epochs: u64,
    /// Steps of the run that are done.
    pub(crate) step: u64,
    /// Weights, or multiply-accumulates, at the begin of a stage that cuts while it trains.
    pub(crate) pruned_from: u64,
    pub(crate) dense_accuracy: f64,
    /// Validation accuracy and loss of `params`.
    pub(crate) last: f64,
    pub(crate) last_loss: f64,
    pub(crate) records: Vec<StageRecord>,
    /// Of the stage under way.
    pub(crate) current: StageRecord,
    /// The network of `params`, if it is not the one that the run began with any more.
    pub(crate) network: Option<Graph>,
    pub(crate) params: Snapshot,
    pub(crate) dense: Snapshot,
    pub(crate) best: Option<Best>,
    pub(crate) optimizer: Option<optimizer::State>,
    pub(crate) saliency: Vec<Vec<f32>>,
    pub(crate) average: Vec<Vec<f32>>,
}

/// The best epoch of the stage so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Best {
    pub(crate) epoch: u32,
    pub(crate) score: Score,
    pub(crate) params: Snapshot,
}

impl Best {
    /// Whether a later epoch is better.
    pub(crate) fn is_beaten_by(&self, score: Score) -> bool {
        let ours = self.score;
        score.accuracy > ours.accuracy
            || (score.accuracy == ours.accuracy && score.loss < ours.loss)
    }
}

impl State {
    /// Before the first stage.
    pub(crate) fn fresh(graph: &Graph) -> Self {
        let params = Snapshot::of(&graph.params, graph.params.len());
        Self {
            stage: 0,
            epoch: 0,
            epochs: 0,
            step: 0,
            pruned_from: 0,
            dense_accuracy: 0.0,
            last: 0.0,
            last_loss: 0.0,
            records: Vec::new(),
            current: StageRecord::new(StageKind::Train),
            dense: params.clone(),
            network: None,
            params,
            best: None,
            optimizer: None,
            saliency: Vec::new(),
            average: Vec::new(),
        }
    }

    /// Between two stages.
    pub(crate) fn next_stage(&mut self, accuracy: f64) {
        self.stage += 1;
        self.epoch = 0;
        self.last = accuracy;
        (self.best, self.optimizer) = (None, None);
        self.saliency.clear();
        self.average.clear();
    }
}

/// Everything but tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    run: String,
    stage: usize,
    epoch: u32,
    epochs: u64,
    step: u64,
    pruned_from: u64,
    dense_accuracy: f64,
    last: f64,
    last_loss: f64,
    records: Vec<StageRecord>,
    current: StageRecord,
    best: Option<(u32, f64, f64)>,
    optimizer_steps: Option<u64>,
    rebuilt: bool,
}

/// Writes the state in place of the file at `path`.
pub(crate) fn write(path: &Path, run: &str, state: &State) -> Result<()> {
    container::write_atomic(path, &encode(run, state)?).map_err(|error| match error {
        hoyer_graph::Error::Write { path, source } => Error::Write { path, source },
        other => Error::Graph(other),
    })
}

/// Reads the state of the run of this name and network.
pub(crate) fn read(path: &Path, run: &str, graph: &Graph) -> Result<State> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let damaged = |why| Error::Damaged { path: path.to_owned(), why };
    let other = || Error::OtherRun { path: path.to_owned() };
    let (header, mut reader) = open(&bytes).map_err(damaged)?;
    if header.run != run {
        return Err(other());
    }
    let state = decode(header, &mut reader).ok_or_else(|| damaged("it ends too early"))?;
    let now = &state.network.as_ref().unwrap_or(graph).params;
    let best = state.best.as_ref().is_none_or(|best| best.params.fits(now));
    if !(best && state.params.fits(now) && state.dense.fits(&graph.params)) {
        return Err(other());
    }
    Ok(state)
}

fn encode(run: &str, state: &State) -> Result<Vec<u8>> {
    let best = state.best.as_ref();
    let header = Header {
        run: run.to_owned(),
        stage: state.stage,
        epoch: state.epoch,
        epochs: state.epochs,
        step: state.step,
        pruned_from: state.pruned_from,
        dense_accuracy: state.dense_accuracy,
        last: state.last,
        last_loss: state.last_loss,
        records: state.records.clone(),
        current: state.current.clone(),
        best: best.map(|best| (best.epoch, best.score.accuracy, best.score.loss)),
        optimizer_steps: state.optimizer.as_ref().map(|optimizer| optimizer.steps),
        rebuilt: state.network.is_some(),
    };
    let header = serde_json::to_vec(&header).expect("a header is plain data with text keys");
    let mut writer = Writer::new(MAGIC);
    writer.bytes(&header);
    if let Some(network) = &state.network {
        writer.bytes(&container::to_bytes(network, &Metadata::default())?);
    }
    writer.snapshot(&state.params);
    writer.snapshot(&state.dense);
    if let Some(best) = best {
        writer.snapshot(&best.params);
    }
    if let Some(optimizer) = &state.optimizer {
        writer.length(optimizer.moments.len());
        for moments in &optimizer.moments {
            writer.floats(&moments.first);
            writer.floats(&moments.second);
        }
    }
    for means in [&state.saliency, &state.average] {
        writer.length(means.len());
        means.iter().for_each(|means| writer.floats(means));
    }
    Ok(writer.finish())
}

/// The header of a file whose checksum is right, and a reader that stands behind it.
fn open(bytes: &[u8]) -> Result<(Header, Reader<'_>), &'static str> {
    let mut reader = Reader::new(bytes, MAGIC)?;
    let header = reader.bytes().ok_or("it ends too early")?;
    let header = serde_json::from_slice(header).map_err(|_| "its header is unknown")?;
    Ok((header, reader))
}

fn decode(header: Header, reader: &mut Reader<'_>) -> Option<State> {
    let network = match header.rebuilt {
        true => Some(container::from_bytes(reader.bytes()?).ok()?.0),
        false => None,
    };
    let (params, dense) = (reader.snapshot()?, reader.snapshot()?);
    let best = match header.best {
        Some((epoch, accuracy, loss)) => {
            let score = Score { loss, accuracy };
            Some(Best { epoch, score, params: reader.snapshot()? })
        }
        None => None,
    };
    let optimizer = match header.optimizer_steps {
        Some(steps) => {
            let moments = reader.list(|reader| {
                let (first, second) = (reader.floats()?, reader.floats()?);
                Some(optimizer::Moments { first, second })
            })?;
            Some(optimizer::State { steps, moments })
        }
        None => None,
    };
    let (saliency, average) = (reader.list(Reader::floats)?, reader.list(Reader::floats)?);
    Some(State {
        stage: header.stage,
        epoch: header.epoch,
        epochs: header.epochs,
        step: header.step,
        pruned_from: header.pruned_from,
        dense_accuracy: header.dense_accuracy,
        last: header.last,
        last_loss: header.last_loss,
        records: header.records,
        current: header.current,
        network,
        params,
        dense,
        best,
        optimizer,
        saliency,
        average,
    })
}
