//! Responds to requests instead of the upstream.

use super::moment::ON;
use super::prelude::*;
use crate::requests::response::Response;
use crate::requests::rule::{Moment, RequestAction, RequestFault};
use crate::units::Count;

/// The response, of one of the protocols.
const RESPONSE: &[&str] = &["sqlstate", "status", "error"];

pub(super) static TYPE: FaultType = FaultType {
    name: "respond",
    help: "Respond to requests instead of the upstream; requires `on` and one of `sqlstate`, `status` and `error`",
    target: Target::Requests,
    parameters: &[
        ON.one_of(&["on"]),
        Parameter::new(
            "sqlstate",
            ValueType::Text("CODE"),
            "Error of PostgreSQL, for example 40001, 40P01, 57P01 or 53300",
        )
        .of(&[Protocol::Psql])
        .main()
        .one_of(RESPONSE),
        Parameter::new("status", ValueType::Count("STATUS"), "Status of HTTP, for example 503")
            .of(&[Protocol::Http])
            .main()
            .one_of(RESPONSE),
        Parameter::time("retry-after", "Time in the header Retry-After of the response, in whole seconds")
            .of(&[Protocol::Http])
            .main(),
        Parameter::new("body", ValueType::Text("TEXT"), "Body of the response of HTTP")
            .of(&[Protocol::Http]),
        Parameter::new(
            "error",
            ValueType::Text("TEXT"),
            "Error of Redis, for example LOADING, BUSY, READONLY, OOM, CLUSTERDOWN or MOVED 3999 127.0.0.1:6381",
        )
        .of(&[Protocol::Redis])
        .main()
        .one_of(RESPONSE),
    ],
    read: read_own::<Params>,
};

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    on: Option<String>,
    sqlstate: Option<String>,
    status: Option<Count>,
    #[serde(rename = "retry-after")]
    retry_after: Option<Millis>,
    body: Option<String>,
    error: Option<String>,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let on = needed("on", self.on.as_ref(), "commit, POST /orders/* or SET session:*")?;
        let action = RequestAction::Respond(self.response()?);
        Ok(RequestFault::new(on, Moment::BeforeForward, action).into())
    }
}

impl Params {
    fn response(&self) -> Result<Response, ParamError> {
        let of_http = [("retry-after", self.retry_after.is_some()), ("body", self.body.is_some())];
        if let (None, Some((param, _))) = (self.status, of_http.into_iter().find(|(_, is_given)| *is_given)) {
            return Err(ParamError::new(param, "needs `status`, for example 503"));
        }
        match (&self.sqlstate, self.status, &self.error) {
            (Some(code), None, None) => sqlstate(code),
            (None, Some(status), None) => Ok(Response::Http {
                status: http_status(status.value())?,
                retry_after: self.retry_after.map(Millis::duration),
                body: self.body.clone(),
            }),
            (None, None, Some(error)) => Response::redis(error),
            (None, None, None) => Err(ParamError::new(
                "sqlstate",
                "is required with PostgreSQL, `status` with HTTP, and `error` with Redis",
            )),
            _ => Err(ParamError::new("on", "needs only one of `sqlstate`, `status` and `error`")),
        }
    }
}

fn sqlstate(code: &str) -> Result<Response, ParamError> {
    let code = code.trim().to_uppercase();
    let is_code = code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // Class 00 is success, and classes 01 and 02 are warnings.
    if !is_code || ["00", "01", "02"].contains(&&code[..2]) {
        let problem =
            format!("{code} is not the code of an error: use five letters and digits, for example 40001");
        return Err(ParamError::quoting("sqlstate", problem));
    }
    Ok(Response::Psql { sqlstate: code })
}

fn http_status(status: u64) -> Result<u16, ParamError> {
    let valid = u16::try_from(status).ok().filter(|status| (200..600).contains(status));
    valid.ok_or_else(|| ParamError::new("status", format!("{status} is not a final status: use 200 to 599")))
}
