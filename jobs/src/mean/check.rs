//! Whether a result can be averaged into a model.

use crate::container::{Array, ContainerError, Header};

use super::Kind;
use super::element::{self, Class};

/// Why a result cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// Not a container, or one whose tree says what cannot be.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// An array of the model is not there.
    #[error("array {0:?} of the model is missing")]
    Missing(String),
    /// An array is there that the model does not have.
    #[error("array {0:?} is not in the model")]
    Unknown(String),
    /// An array has another shape than the model's.
    #[error("array {array:?} has shape {found}, the model's has {expected}")]
    Shape {
        /// The array.
        array: String,
        /// The shape of the model's.
        expected: String,
        /// The shape of the result's.
        found: String,
    },
    /// An array has another type than the model's.
    #[error(
        "array {array:?} is {found}, the model's is {expected}: convert it back before it is returned"
    )]
    Type {
        /// The array.
        array: String,
        /// The type of the model's.
        expected: String,
        /// The type of the result's.
        found: String,
    },
    /// An array whose type has no mean here.
    #[error(
        "array {array:?} is {found}, which has no mean here: F16, BF16, F32, F64, C64, BOOL and whole numbers have"
    )]
    NoMean {
        /// The array.
        array: String,
        /// Its type.
        found: String,
    },
    /// An array that stands for bytes, or for a type that safetensors lacks.
    #[error(
        "{0:?} is bytes or of a type that safetensors lacks, which has no mean: leave it out of the model"
    )]
    Opaque(String),
    /// A difference of a type that has no negative numbers.
    #[error(
        "array {array:?} is {found}, which holds no differences: return the whole model, or make it signed"
    )]
    Difference {
        /// The array.
        array: String,
        /// Its type.
        found: String,
    },
    /// A difference to no model.
    #[error("a difference came where there is no model to add it to: return whole arrays")]
    NoModel,
    /// What is no array differs from the model's.
    #[error(
        "what is no array differs from the model's: only arrays have a mean, so return the rest as it came"
    )]
    Tree,
    /// A number that is infinite or none, or a logical value that is neither 0 nor 1.
    #[error("array {array:?}: element {element} is {value}")]
    Value {
        /// The array.
        array: String,
        /// The index of the element, counted as the elements lie.
        element: u64,
        /// What it is.
        value: String,
    },
    /// The model with a difference added is more than the array's type can hold.
    #[error(
        "array {array:?}: the model with this difference at element {element} is more than its type can hold: train with smaller steps, or a wider type"
    )]
    TooLarge {
        /// The array.
        array: String,
        /// The index of the element, counted as the elements lie.
        element: u64,
    },
    /// The result has no arrays.
    #[error("no arrays came")]
    Empty,
}

/// Whether a result with this header can be averaged: names, shapes and types as the model's,
/// and types that have a mean. Values are checked by [`Chunk::check`](super::Chunk::check).
///
/// `model` is what the task brought. Without one, or if it has no arrays, the first result
/// of a round takes its place for those that follow. `partial` allows arrays to be missing,
/// but not all of them.
///
/// # Errors
///
/// With the first array, by name, that does not fit.
pub fn check(
    model: Option<&Header>,
    result: &Header,
    kind: Kind,
    partial: bool,
) -> Result<(), ResultError> {
    let model = model.filter(|it| !it.arrays().is_empty());
    if result.arrays().is_empty() {
        return Err(ResultError::Empty);
    }
    if kind == Kind::Diff && model.is_none() {
        return Err(ResultError::NoModel);
    }
    let tree = result.tree()?;
    if let Some(opaque) = tree.as_ref().and_then(|it| it.opaque().first().copied()) {
        return Err(ResultError::Opaque(opaque.to_owned()));
    }
    let mut arrays: Vec<&Array> = result.arrays().iter().collect();
    arrays.sort_by_key(|array| array.name());
    for array in arrays {
        check_type(array, kind)?;
        if let Some(model) = model {
            check_array(model, array)?;
        }
    }
    let Some(model) = model else {
        return Ok(());
    };
    if partial {
        return Ok(());
    }
    let mut names: Vec<&str> = model.arrays().iter().map(Array::name).collect();
    names.sort_unstable();
    if let Some(missing) = names.into_iter().find(|name| result.array(name).is_none()) {
        return Err(ResultError::Missing(missing.to_owned()));
    }
    // A tree that says no more than that the dict is flat is as good as none.
    let shape = |tree: Option<_>| tree.filter(|it: &crate::container::Tree| !it.is_flat());
    if shape(tree) != shape(model.tree()?) {
        return Err(ResultError::Tree);
    }
    Ok(())
}

fn check_type(array: &Array, kind: Kind) -> Result<(), ResultError> {
    let (name, found) = (array.name().to_owned(), array.dtype().to_string());
    match element::class(array.dtype()) {
        None => Err(ResultError::NoMean { array: name, found }),
        Some(Class::Bool | Class::Whole { signed: false }) if kind == Kind::Diff => {
            Err(ResultError::Difference { array: name, found })
        }
        Some(Class::Float | Class::Bool | Class::Whole { .. }) => Ok(()),
    }
}

fn check_array(model: &Header, array: &Array) -> Result<(), ResultError> {
    let name = array.name().to_owned();
    let Some(expected) = model.array(&name) else {
        return Err(ResultError::Unknown(name));
    };
    if expected.shape() != array.shape() {
        return Err(ResultError::Shape {
            array: name,
            expected: shape(expected),
            found: shape(array),
        });
    }
    if expected.dtype() != array.dtype() {
        return Err(ResultError::Type {
            array: name,
            expected: expected.dtype().to_string(),
            found: array.dtype().to_string(),
        });
    }
    Ok(())
}

/// A shape as numpy shows it.
fn shape(array: &Array) -> String {
    let dimensions: Vec<_> = array.shape().iter().map(usize::to_string).collect();
    match dimensions.as_slice() {
        [one] => format!("({one},)"),
        several => format!("({})", several.join(", ")),
    }
}
