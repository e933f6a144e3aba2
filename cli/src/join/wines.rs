//! The built-in trainer for those who bring none: the model of the demo, on a share of its
//! wines.

use std::sync::Arc;

use fedlink::Task;
use fedlink::nvflare::{self, Array, ModelError, NpyError};
use fedlink_host::trainer::{Failure, Stop, Trainer, Update};

use crate::training::{EPOCHS, FEATURES, Model, Share};

/// Trains the job's model on wines, if it is one for wines.
#[derive(Clone, Debug)]
pub(super) struct Wines(pub(super) Arc<Share>);

/// The only task that it knows.
const TRAIN: &str = "train";

/// What the model is called if the server has none yet.
const WEIGHTS: &str = "weights";

/// Its numbers: a weight for each measurement, and a constant.
const NUMBERS: usize = FEATURES + 1;

/// Payloads above this size, in bytes, are of another model. They are not looked into.
const MAX_PAYLOAD: usize = 64 << 10;

/// Tells the server how much this result counts when it averages.
const STEPS: &str = "meta.NUM_STEPS_CURRENT_ROUND";

/// Why the model or the task is not one for this trainer.
#[derive(Debug, thiserror::Error)]
enum WinesError {
    #[error(
        "the built-in trainer does nothing but `{TRAIN}`, not `{0}`: run a program of your own with --exec"
    )]
    Task(String),
    #[error(
        "the built-in trainer knows one model, a single array of {NUMBERS} floating-point numbers, and this is {0}: run a program of your own with --exec"
    )]
    Shape(String),
    #[error("the model holds a number that is not finite: its training has failed elsewhere")]
    NotFinite,
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Array(#[from] NpyError),
}

impl Trainer for Wines {
    fn train(&mut self, task: Task, _: &Stop) -> Result<Update, Failure> {
        Ok(self.update(&task)?)
    }
}

impl Wines {
    fn update(&self, task: &Task) -> Result<Update, WinesError> {
        if task.name != TRAIN {
            return Err(WinesError::Task(task.name.clone()));
        }
        if task.payload.len() > MAX_PAYLOAD {
            let shape = format!("one of {} bytes", task.payload.len());
            return Err(WinesError::Shape(shape));
        }
        let model = nvflare::Model::read(task.payload.bytes())?;
        let payload = self.trained(&model)?.to_payload()?;
        let mut update = Update::new(payload);
        update.headers.insert(STEPS, self.0.len().to_string());
        Ok(update)
    }

    /// The model after a round, as the server gave it: name, shape and type stay.
    fn trained(&self, model: &nvflare::Model) -> Result<nvflare::Model, WinesError> {
        let mut arrays = model.arrays();
        let (name, array) = match (arrays.next(), arrays.next(), model.tensors().next()) {
            (None, ..) if model.tensors().next().is_none() => {
                let untrained = Array::new([NUMBERS], Model::default().weights)?;
                (WEIGHTS, untrained)
            }
            (Some((name, array)), None, None) if is_vector(array) => (name, array.clone()),
            _ => return Err(WinesError::Shape(shapes(model))),
        };
        let shape = array.shape();
        let trained = if let Ok(values) = array.values::<f64>() {
            let values = values.into_iter().map(|value| value as f32);
            Array::new(shape, self.train(values)?.map(f64::from))?
        } else {
            let values = array.values::<f32>();
            let values = values.map_err(|_| WinesError::Shape(shapes(model)))?;
            Array::new(shape, self.train(values)?)?
        };
        let mut result = nvflare::Model::new();
        result.insert(name, trained);
        Ok(result)
    }

    fn train(&self, values: impl IntoIterator<Item = f32>) -> Result<[f32; NUMBERS], WinesError> {
        let mut model = Model::default();
        for (weight, value) in model.weights.iter_mut().zip(values) {
            *weight = value;
        }
        if model.weights.iter().all(|weight| weight.is_finite()) {
            Ok(model.train(&self.0, EPOCHS).weights)
        } else {
            Err(WinesError::NotFinite)
        }
    }
}

/// Whether it is a row, a column or a list of as many numbers as the model has.
fn is_vector(array: &Array) -> bool {
    let others = array.shape().iter().filter(|length| **length != 1);
    others.eq([&NUMBERS])
}

/// What there is, for people.
fn shapes(model: &nvflare::Model) -> String {
    let arrays = model.arrays().map(|(name, array)| {
        format!(
            "`{name}` of type {} and shape {:?}",
            array.descr(),
            array.shape()
        )
    });
    let tensors = model
        .tensors()
        .map(|(name, _)| format!("the torch tensor `{name}`"));
    /// Enough to see what model it is.
    const MOST: usize = 4;
    let all: Vec<String> = arrays.chain(tensors).collect();
    match all.get(..MOST) {
        Some(first) if all.len() > MOST => {
            format!("{} and {} more", first.join(", "), all.len() - MOST)
        }
        _ => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use fedlink::message::{JobId, Payload, TaskId};

    use super::*;
    use crate::training::{Dataset, partition};

    fn wines() -> Wines {
        Wines(Arc::new(partition(&Dataset::load(1), 2, 1).remove(0)))
    }

    fn train(name: &str, payload: Payload) -> Result<Update, WinesError> {
        wines().update(&Task::new(
            TaskId::from_bytes([1; 16]),
            JobId::from_bytes([2; 16]),
            name,
            payload,
        ))
    }

    fn model<const N: usize>(arrays: [(&str, Array); N]) -> Payload {
        let mut model = nvflare::Model::new();
        for (name, array) in arrays {
            model.insert(name, array);
        }
        model.to_payload().unwrap()
    }

    #[test]
    fn a_round_on_arrays_is_a_round_of_the_demo() {
        let before = Model {
            weights: [0.25; NUMBERS],
        };
        let after = before.train(&wines().0, EPOCHS);
        let array = Array::new([1, NUMBERS], before.weights.map(f64::from)).unwrap();
        let update = train(TRAIN, model([("numpy_key", array)])).unwrap();
        let result = nvflare::Model::read(update.payload.bytes()).unwrap();
        let array = result.get("numpy_key").unwrap();
        assert_eq!(array.shape(), [1, NUMBERS]);
        assert_eq!(array.values::<f64>().unwrap(), after.weights.map(f64::from));
        let wines = wines().0.len().to_string();
        assert_eq!(update.headers.get(STEPS), Some(&wines[..]));
    }

    #[test]
    fn an_empty_model_is_begun() {
        let update = train(TRAIN, model([])).unwrap();
        let result = nvflare::Model::read(update.payload.bytes()).unwrap();
        let expected = Model::default().train(&wines().0, EPOCHS).weights;
        let weights = result.get(WEIGHTS).unwrap();
        assert_eq!(weights.values::<f32>().unwrap(), expected);
    }

    #[test]
    fn what_it_cannot_train_is_told_with_the_way_out() {
        let numbers = |shape: &[usize]| {
            let count = shape.iter().product();
            Array::new(shape, vec![0_f32; count]).unwrap()
        };
        let whole = Array::new([NUMBERS], [0_i64; NUMBERS]).unwrap();
        for payload in [
            model([("w", numbers(&[3, 3]))]),
            model([("w", numbers(&[3, 4]))]),
            model([("w", whole)]),
            model([("a", numbers(&[NUMBERS])), ("b", numbers(&[1]))]),
            Payload::new(vec![0; MAX_PAYLOAD + 1]),
        ] {
            let error = train(TRAIN, payload).unwrap_err().to_string();
            assert!(error.contains("with --exec"), "{error}");
        }
        let error = train("validate", model([])).unwrap_err().to_string();
        assert!(error.contains("not `validate`"), "{error}");
        let broken = Array::new([NUMBERS], [f32::NAN; NUMBERS]).unwrap();
        let error = train(TRAIN, model([("w", broken)])).unwrap_err();
        assert!(matches!(error, WinesError::NotFinite), "{error}");
    }
}
