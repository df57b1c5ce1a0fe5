//! `/proxies/{proxy}/toxics`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::request::{Acting, Body, Names};
use super::response::{ApiError, json_response};
use crate::proxies::{FaultRecord, Proxies, Proxy, all_shown, shown, wait_applied};
use crate::toxic::{self, RequestTime, json as body};

type OfToxic = Names<(String, String)>;

pub(super) async fn all(
    State(proxies): State<Proxies>,
    Names(proxy): Names<String>,
) -> Result<Response, ApiError> {
    Ok(json_response(StatusCode::OK, &all_shown(&proxies.get(&proxy)?.faults).into()))
}

pub(super) async fn add(
    Acting(proxies): Acting,
    Names(proxy): Names<String>,
    Body(request): Body,
) -> Result<Response, ApiError> {
    let proxy = proxies.get(&proxy)?;
    let request = body::parse_object(&request).map_err(|problem| ApiError::body(&problem))?;
    let (run, time) = (proxies.schedules(), RequestTime::now(&proxies));
    let record = toxic::parse(&request, &run, time.now)?;
    toxic::check_new(&record, run.duration, time)?;
    let added = shown(&record);
    change(&proxies, &proxy, |faults| add_to(faults, record)).await?;
    Ok(json_response(StatusCode::OK, &added))
}

pub(super) async fn get(
    State(proxies): State<Proxies>,
    Names((proxy, name)): OfToxic,
) -> Result<Response, ApiError> {
    let faults = proxies.get(&proxy)?.faults;
    Ok(json_response(StatusCode::OK, &shown(&faults[index_for(&faults, &name)?])))
}

pub(super) async fn update(
    Acting(proxies): Acting,
    Names((proxy, name)): OfToxic,
    Body(request): Body,
) -> Result<Response, ApiError> {
    let proxy = proxies.get(&proxy)?;
    index_for(&proxy.faults, &name)?;
    let request = body::parse_object(&request).map_err(|problem| ApiError::body(&problem))?;
    let (run, time) = (proxies.schedules(), RequestTime::now(&proxies));
    let changed = change(&proxies, &proxy, |faults| {
        let place = index_for(faults, &name)?;
        faults[place] = toxic::merge(&faults[place], &request, &run, time.now)?;
        toxic::check_changed(&faults[place], &request, run.duration, time)?;
        Ok(shown(&faults[place]))
    })
    .await?;
    Ok(json_response(StatusCode::OK, &changed))
}

pub(super) async fn delete(
    Acting(proxies): Acting,
    Names((proxy, name)): OfToxic,
) -> Result<Response, ApiError> {
    let proxy = proxies.get(&proxy)?;
    change(&proxies, &proxy, |faults| {
        faults.remove(index_for(faults, &name)?);
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Changes the faults of a proxy, and waits until its listeners are open or closed accordingly.
async fn change<T>(
    proxies: &Proxies,
    proxy: &Proxy,
    change: impl FnOnce(&mut Vec<FaultRecord>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let was_down = proxy.engine.is_refusing();
    let changed = proxies.change_faults(&proxy.name, change)?;
    if proxy.engine.is_refusing() != was_down {
        wait_applied([proxy]).await;
    }
    Ok(changed)
}

/// Adds a fault to a list.
///
/// # Errors
/// Returns an error if the list has a fault with this name.
pub(super) fn add_to(faults: &mut Vec<FaultRecord>, record: FaultRecord) -> Result<(), ApiError> {
    if faults.iter().any(|other| other.name == record.name) {
        return Err(ApiError::new(StatusCode::CONFLICT, "toxic already exists"));
    }
    faults.push(record);
    Ok(())
}

fn index_for(faults: &[FaultRecord], name: &str) -> Result<usize, ApiError> {
    let place = faults.iter().position(|fault| fault.name == name);
    place.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "toxic not found"))
}
