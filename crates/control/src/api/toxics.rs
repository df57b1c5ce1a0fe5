//! `/proxies/{proxy}/toxics`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::{Refused, answer};
use super::request::{Body, Names};
use crate::proxies::{FaultRecord, Proxies, Proxy, until_followed};
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
    let proxy = proxies.get(&proxy)?;
    let request = body::object_of(&request).map_err(|problem| Refused::body(&problem))?;
    let record = toxic::parse(&request, &proxies.schedules())?;
    let added = shown(&record);
    change(&proxies, &proxy, |faults| add_to(faults, record)).await?;
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
    let proxy = proxies.get(&proxy)?;
    place_of(&proxy.faults, &name)?;
    let request = body::object_of(&request).map_err(|problem| Refused::body(&problem))?;
    let run = proxies.schedules();
    let changed = change(&proxies, &proxy, |faults| {
        let place = place_of(faults, &name)?;
        faults[place] = toxic::merge(&faults[place], &request, &run)?;
        Ok(shown(&faults[place]))
    })
    .await?;
    Ok(answer(StatusCode::OK, &changed))
}

pub(super) async fn delete(
    State(proxies): State<Proxies>,
    Names((proxy, name)): OfToxic,
) -> Result<Response, Refused> {
    let proxy = proxies.get(&proxy)?;
    change(&proxies, &proxy, |faults| {
        faults.remove(place_of(faults, &name)?);
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// If that opens or closes the proxy's listeners, they have followed when it returns.
async fn change<T>(
    proxies: &Proxies,
    proxy: &Proxy,
    change: impl FnOnce(&mut Vec<FaultRecord>) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let was_down = proxy.engine.is_refusing();
    let changed = proxies.change_faults(&proxy.name, change)?;
    if proxy.engine.is_refusing() != was_down {
        until_followed([proxy]).await;
    }
    Ok(changed)
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
