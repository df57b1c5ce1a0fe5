//! `/proxies/{proxy}/toxics`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::{Refused, answer};
use super::request::{Body, Names};
use crate::proxies::{FaultRecord, Proxies};
use crate::toxic::{self, all_shown, json as body, shown};

type OfToxic = Names<(String, String)>;

pub(super) async fn all(
    State(proxies): State<Proxies>,
    Names(proxy): Names<String>,
) -> Result<Response, Refused> {
    Ok(answer(StatusCode::OK, &all_shown(&proxies.get(&proxy)?.faults).into()))
}

pub(super) async fn add(
    State(proxies): State<Proxies>,
    Names(proxy): Names<String>,
    Body(request): Body,
) -> Result<Response, Refused> {
    proxies.get(&proxy)?;
    let request = body::object_of(&request).map_err(|problem| Refused::body(&problem))?;
    let record = toxic::parse(&request, &proxies.schedules())?;
    let added = shown(&record);
    proxies.change_faults(&proxy, |faults| add_to(faults, record))?;
    proxies.until_followed(&proxy).await;
    Ok(answer(StatusCode::OK, &added))
}

pub(super) async fn get(
    State(proxies): State<Proxies>,
    Names((proxy, name)): OfToxic,
) -> Result<Response, Refused> {
    let faults = proxies.get(&proxy)?.faults;
    Ok(answer(StatusCode::OK, &shown(&faults[place_of(&faults, &name)?])))
}

pub(super) async fn update(
    State(proxies): State<Proxies>,
    Names((proxy, name)): OfToxic,
    Body(request): Body,
) -> Result<Response, Refused> {
    place_of(&proxies.get(&proxy)?.faults, &name)?;
    let request = body::object_of(&request).map_err(|problem| Refused::body(&problem))?;
    let run = proxies.schedules();
    let changed = proxies.change_faults(&proxy, |faults| {
        let place = place_of(faults, &name)?;
        faults[place] = toxic::merge(&faults[place], &request, &run)?;
        Ok::<_, Refused>(shown(&faults[place]))
    })?;
    proxies.until_followed(&proxy).await;
    Ok(answer(StatusCode::OK, &changed))
}

pub(super) async fn delete(
    State(proxies): State<Proxies>,
    Names((proxy, name)): OfToxic,
) -> Result<Response, Refused> {
    proxies.change_faults(&proxy, |faults| {
        faults.remove(place_of(faults, &name)?);
        Ok::<_, Refused>(())
    })?;
    proxies.until_followed(&proxy).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// # Errors
/// When there is one of that name.
pub(super) fn add_to(faults: &mut Vec<FaultRecord>, record: FaultRecord) -> Result<(), Refused> {
    if faults.iter().any(|other| other.name == record.name) {
        return Err(Refused::new(StatusCode::CONFLICT, "toxic already exists"));
    }
    faults.push(record);
    Ok(())
}

fn place_of(faults: &[FaultRecord], name: &str) -> Result<usize, Refused> {
    let place = faults.iter().position(|fault| fault.name == name);
    place.ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, "toxic not found"))
}
