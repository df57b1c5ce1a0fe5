//! Bodies of requests. Names of fields are case-insensitive, and unknown fields and `null` are ignored.

use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// Parses an object.
///
/// # Errors
/// Returns a description of the problem for users.
pub(crate) fn parse_object(body: &[u8]) -> Result<Object, String> {
    match parse_value(body)? {
        Value::Object(object) => Ok(object),
        Value::Null => Ok(Object::new()),
        other => Err(format!("an object is expected, not {}", kind(&other))),
    }
}

/// Parses an array of objects.
///
/// # Errors
/// Returns a description of the problem for users.
pub(crate) fn parse_objects(body: &[u8]) -> Result<Vec<Object>, String> {
    let values = match parse_value(body)? {
        Value::Array(values) => values,
        Value::Null => Vec::new(),
        other => return Err(format!("an array is expected, not {}", kind(&other))),
    };
    let object = |value| match value {
        Value::Object(object) => Ok(object),
        other => Err(format!("an object is expected in the array, not {}", kind(&other))),
    };
    values.into_iter().map(object).collect()
}

fn parse_value(body: &[u8]) -> Result<Value, String> {
    if body.trim_ascii().is_empty() {
        return Err("EOF".to_owned());
    }
    serde_json::from_slice(body).map(in_lower_case).map_err(|error| error.to_string())
}

/// Returns the beginning of the text after the first value, if there is any.
pub(crate) fn rest_after(body: &[u8]) -> Option<String> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    values.next()?.ok()?;
    let rest = body.get(values.byte_offset()..)?.trim_ascii();
    (!rest.is_empty()).then(|| String::from_utf8_lossy(rest).chars().take(20).collect())
}

/// Converts the names of fields to lower case, at every depth.
fn in_lower_case(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            object.into_iter().map(|(name, value)| (name.to_lowercase(), in_lower_case(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(in_lower_case).collect(),
        other => other,
    }
}

/// Returns a text.
///
/// # Errors
/// Returns an error if the value has another type.
pub(crate) fn text(object: &Object, field: &str) -> Result<Option<String>, String> {
    get(object, field, "a text", |value| value.as_str().map(str::to_owned))
}

/// Returns a number.
///
/// # Errors
/// Returns an error if the value has another type.
pub(crate) fn number(object: &Object, field: &str) -> Result<Option<f64>, String> {
    get(object, field, "a number", Value::as_f64)
}

/// Returns a whole number.
///
/// # Errors
/// Returns an error if the value has another type, a fraction or an exponent.
pub(crate) fn whole(object: &Object, field: &str) -> Result<Option<i64>, String> {
    get(object, field, "a whole number", Value::as_i64)
}

/// Returns true or false.
///
/// # Errors
/// Returns an error if the value has another type.
pub(crate) fn switch(object: &Object, field: &str) -> Result<Option<bool>, String> {
    get(object, field, "true or false", Value::as_bool)
}

/// Returns an object.
///
/// # Errors
/// Returns an error if the value has another type.
pub(crate) fn object<'a>(object: &'a Object, field: &str) -> Result<Option<&'a Object>, String> {
    get(object, field, "an object", Value::as_object)
}

/// Returns an array of objects.
///
/// # Errors
/// Returns an error if the value or one of its elements has another type.
pub(crate) fn objects<'a>(object: &'a Object, field: &str) -> Result<Option<Vec<&'a Object>>, String> {
    get(object, field, "an array of objects", |value| {
        value.as_array()?.iter().map(Value::as_object).collect()
    })
}

fn get<'a, T>(
    object: &'a Object,
    field: &str,
    expected: &str,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<Option<T>, String> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(format!("{field} is {value}: {expected} is expected")),
        },
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
