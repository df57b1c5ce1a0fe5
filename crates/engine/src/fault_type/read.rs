//! Reading the parameters of one type of fault.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ParamError;
use crate::direction::{Directions, Side};
use crate::effect::Effect;
use crate::units::{Rate, Ratio};

/// Returns the text of a file that a parameter names.
pub type ReadFile = fn(&Path) -> io::Result<String>;

/// Parsed parameters of one type of fault.
pub(crate) trait Parameters: Debug + Send + Sync {
    /// Returns the effect, with defaults for missing parameters.
    fn resolve(&self, side: Option<Side>, read_file: ReadFile) -> Result<Effect, ParamError>;

    /// Returns the directions of a fault without a `direction`, if they are not those of its type.
    fn default_directions(&self) -> Option<Directions> {
        None
    }

    /// Returns the parameter that decides which other parameters apply, and its value; see
    /// [`Parameter::with`].
    fn choice(&self) -> Option<(&'static str, &'static str)> {
        None
    }
}

/// The parameters of a type as JSON, and parsed.
pub(crate) type Own = (Map<String, Value>, Arc<dyn Parameters>);

/// Reads the parameters of a type of fault.
pub(crate) fn read_own<P: Parameters + Serialize + DeserializeOwned + 'static>(
    given: Map<String, Value>,
) -> Result<Own, ParamError> {
    let (own, params) = read::<P>(given)?;
    Ok((own, Arc::new(params)))
}

/// Reads a struct whose fields are all optional. Returns its fields as JSON too.
pub(crate) fn read<P: Serialize + DeserializeOwned>(
    given: Map<String, Value>,
) -> Result<(Map<String, Value>, P), ParamError> {
    let given = Value::Object(given);
    let params = P::deserialize(&given).map_err(|error| {
        // The error does not name the parameter. The parameter is the first one that is refused on its own.
        let refused = given.as_object().into_iter().flatten().find_map(|(name, value)| {
            let read = |value| P::deserialize(Value::Object(Map::from_iter([(name.clone(), value)]))).err();
            let error = read(value.clone())?;
            // The error for the same value as text lists the expected words.
            let is_not_text = error.to_string().ends_with("expected a string");
            let as_text = is_not_text.then(|| read(value.to_string().into())).flatten();
            Some((name.clone(), as_text.unwrap_or(error)))
        });
        let (name, error) = refused.unwrap_or_else(|| ("type".to_owned(), error));
        ParamError::quoting(name, in_words(&error))
    })?;
    let Ok(Value::Object(mut own)) = serde_json::to_value(&params) else {
        unreachable!("a struct is an object")
    };
    own.retain(|_, value| !value.is_null());
    Ok((own, params))
}

/// Returns the message of an error about a value of the wrong type, reworded for users.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("invalid type: ").and_then(|text| text.split_once(", expected ")) {
        Some((found, "a boolean")) => format!("{found} is not true or false"),
        Some((found, "a string")) => format!("{found} is not text: put it in quotes"),
        Some((found, expected)) => format!("{found} is not {expected}"),
        None => text,
    }
}

/// Returns the value, or an error that the parameter is required.
pub(crate) fn needed<T>(param: &'static str, value: Option<T>, example: &str) -> Result<T, ParamError> {
    value.ok_or_else(|| ParamError::new(param, format!("is required, for example {example}")))
}

/// Returns a required rate that is a share.
pub(crate) fn ratio_from(rate: Option<Rate>) -> Result<f64, ParamError> {
    let rate = needed("rate", rate, "0.01 or 1%")?;
    rate.ratio().map(Ratio::fraction).map_err(|error| ParamError::new("rate", error))
}
