//! `/proxies`, `/populate` and `/reset`.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fault_proxy_engine::ScheduleContext;
use fault_proxy_mapping::ListenAddr;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::address;
use super::request::{Acting, Body, Names};
use super::response::{ApiError, json_response};
use crate::proxies::{Proxies, Proxy, ProxyRequests, Spec, StartError, Update};
use crate::toxic::{self, RequestTime, json as body};

pub(super) async fn all(State(proxies): State<Proxies>) -> Response {
    let all: Map<_, _> = proxies.all().iter().map(|proxy| (proxy.name.clone(), proxy.shown())).collect();
    json_response(StatusCode::OK, &Value::Object(all))
}

pub(super) async fn create(Acting(proxies): Acting, Body(request): Body) -> Result<Response, ApiError> {
    let request = body::parse_object(&request).map_err(|problem| ApiError::body(&problem))?;
    let spec = parse_spec(&request, "", &proxies.schedules(), Some(RequestTime::now(&proxies)))?;
    let spec = spec.map_err(|problem| ApiError::body(&problem))?;
    let proxy = proxies.create(spec).await?;
    Ok(json_response(StatusCode::CREATED, &proxy.shown()))
}

pub(super) async fn get(
    State(proxies): State<Proxies>,
    Names(name): Names<String>,
) -> Result<Response, ApiError> {
    Ok(json_response(StatusCode::OK, &proxies.get(&name)?.shown()))
}

pub(super) async fn requests(
    State(proxies): State<Proxies>,
    Names(name): Names<String>,
) -> Result<Response, ApiError> {
    let requests = ProxyRequests::from_proxy(&proxies.get(&name)?);
    Ok(json_response(StatusCode::OK, &json!(requests)))
}

pub(super) async fn update(
    Acting(proxies): Acting,
    Names(name): Names<String>,
    Body(request): Body,
) -> Result<Response, ApiError> {
    proxies.get(&name)?;
    let read = || {
        let request = body::parse_object(&request)?;
        // A name does not rename the proxy, but a name that is not a text is an error.
        body::text(&request, "name")?;
        Ok(Update {
            listen: some_text(&request, "listen")?.map(|text| address::listen(&text)).transpose()?,
            upstream: some_text(&request, "upstream")?.map(|text| address::upstream(&text)).transpose()?,
            enabled: body::switch(&request, "enabled")?,
            required: None,
        })
    };
    let update = read().map_err(|problem: String| ApiError::body(&problem))?;
    Ok(json_response(StatusCode::OK, &proxies.update(&name, update).await?.shown()))
}

pub(super) async fn delete(
    Acting(proxies): Acting,
    Names(name): Names<String>,
) -> Result<Response, ApiError> {
    proxies.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn reset(Acting(proxies): Acting) -> Result<Response, ApiError> {
    proxies.reset().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn populate(Acting(proxies): Acting, Body(request): Body) -> Response {
    let specs = match parse_specs(&request, &proxies.schedules(), Some(RequestTime::now(&proxies))) {
        Ok(specs) => specs,
        Err(refused) => return populated(&[], Some(refused)),
    };
    // As in Toxiproxy, an invalid listen address stops the creation at its position, with status 500.
    let specs = specs.into_iter().map(|spec| spec.map_err(|problem| StartError::Address(problem).into()));
    let (done, error) = proxies.populate(specs.collect()).await;
    populated(&done, error.map(ApiError::from))
}

/// The response lists the proxies that were created, also after an error.
fn populated(done: &[Proxy], refused: Option<ApiError>) -> Response {
    let done: Vec<_> = done.iter().map(Proxy::shown).collect();
    match refused {
        None => json_response(StatusCode::CREATED, &json!({"proxies": done})),
        Some(refused) => {
            let mut told = refused.json();
            told["proxies"] = done.into();
            json_response(refused.status, &told)
        }
    }
}

/// Parses a file with the body of `POST /populate`. `duration` is the duration of the run, if it is limited.
///
/// # Errors
/// Returns an error that names the position or the name if a proxy is invalid, or two have the same name.
pub fn specs(json: &[u8], duration: Option<Duration>) -> Result<Vec<Spec>, String> {
    if json.trim_ascii().is_empty() {
        return Err("it is empty: expected a JSON array of proxies".to_owned());
    }
    if let Some(rest) = body::rest_after(json) {
        return Err(format!("unexpected `{rest}` after the array of proxies"));
    }
    // Remove the part of the message that refers to a request.
    let problem = |refused: ApiError| {
        refused.text.strip_prefix("bad request body: ").map(str::to_owned).unwrap_or(refused.text)
    };
    let specs = parse_specs(json, &ScheduleContext { duration, ..ScheduleContext::default() }, None)
        .map_err(problem)?;
    let numbered = specs.into_iter().zip(1..);
    let specs = numbered.map(|(spec, number)| spec.map_err(|problem| format!("{problem} at proxy {number}")));
    let specs = specs.collect::<Result<Vec<Spec>, _>>()?;
    let expires = |spec: &&Spec| spec.faults.iter().any(|fault| fault.ttl.is_some());
    if let Some(spec) = specs.iter().find(expires) {
        return Err(format!(
            "ttl of a toxic of `{}`: a file has no faults that are removed: use the attribute schedule, such as duration:30s",
            spec.name
        ));
    }
    let mut names = BTreeSet::new();
    match specs.iter().find(|spec| !names.insert(&spec.name)) {
        Some(twice) => Err(format!("duplicate proxy name `{}`", twice.name)),
        None => Ok(specs),
    }
}

/// Parses proxies with their faults. `time` is the time of the request. `None` if they are in a file, whose faults are checked for all
/// files together.
fn parse_specs(
    request: &[u8],
    run: &ScheduleContext,
    time: Option<RequestTime>,
) -> Result<Vec<Result<Spec, String>>, ApiError> {
    let entries = body::parse_objects(request).map_err(|problem| ApiError::body(&problem))?;
    let spec = |(index, entry)| parse_spec(entry, &format!(" at proxy {}", index + 1), run, time);
    entries.iter().enumerate().map(spec).collect()
}

/// Parses a proxy. Errors end with `place`. The inner error is about the listen address, which `/populate`
/// reports later.
fn parse_spec(
    entry: &Map<String, Value>,
    place: &str,
    run: &ScheduleContext,
    time: Option<RequestTime>,
) -> Result<Result<Spec, String>, ApiError> {
    let problem = |problem: String| ApiError::body(&format!("{problem}{place}"));
    let text = |field| some_text(entry, field).map_err(problem);
    let needed = |field| {
        let missing = || format!("missing required field: {field}{place}");
        text(field)?.ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, missing()))
    };
    let (name, upstream) = (needed("name")?, needed("upstream")?);
    let enabled = body::switch(entry, "enabled").map_err(problem)?.unwrap_or(true);
    let mut faults = Vec::new();
    for toxic in body::objects(entry, "toxics").map_err(problem)?.unwrap_or_default() {
        let now = time.map_or_else(Instant::now, |time| time.now);
        let added = toxic::parse(toxic, run, now)
            .and_then(|toxic| {
                time.map_or(Ok(()), |time| toxic::check_new(&toxic, run.duration, time))?;
                Ok(toxic)
            })
            .map_err(ApiError::from)
            .and_then(|toxic| super::toxics::add_to(&mut faults, toxic));
        added.map_err(|refused| ApiError::new(refused.status, format!("{}{place}", refused.text)))?;
    }
    // The default is a free port on all interfaces.
    let any = || Ok(ListenAddr { host: None, port: 0 });
    let listen = text("listen")?.map_or_else(any, |text| address::listen(&text));
    let upstream = address::upstream(&upstream).map_err(problem)?;
    Ok(listen.map(|listen| Spec { name, label: None, listen, upstream, enabled, faults }))
}

/// Returns the text of a field. An empty text counts as absent.
fn some_text(entry: &Map<String, Value>, field: &str) -> Result<Option<String>, String> {
    Ok(body::text(entry, field)?.filter(|text| !text.is_empty()))
}
