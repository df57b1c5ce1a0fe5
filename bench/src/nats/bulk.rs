//! The throughput of one stream, compared with plain NATS clients that publish and receive the same bytes.

use anyhow::Result;

use super::super::report::{Target, figure, markdown};
use super::super::verdict;
use super::neighbor::{self, Payload};
use super::scale::Scale;
use super::streams::{download, upload};
use super::tunnel::Tunnel;
use super::turns::{Contender, medians};

const BINARY_SHARE: f64 = 0.70;
const JSON_SHARE: f64 = 1.00;

/// Message size of the plain clients for binary data.
const BINARY_CHUNK: usize = 16 << 10;

/// Message sizes of the plain clients for JSON. The fastest counts.
const JSON_CHUNKS: [usize; 4] = [4 << 10, 16 << 10, 32 << 10, 64 << 10];

pub(super) fn binary(scale: &Scale) -> Result<Vec<Target>> {
    let neighbors = [BINARY_CHUNK].map(Payload::Bytes);
    compare("binary", &[], &neighbors, scale.rounds, scale.bulk_bytes, BINARY_SHARE)
}

pub(super) fn json(scale: &Scale) -> Result<Vec<Target>> {
    let neighbors = JSON_CHUNKS.map(Payload::Json);
    compare("JSON", &["--encoding", "json"], &neighbors, scale.rounds, scale.json_bytes, JSON_SHARE)
}

fn compare(
    encoding: &str,
    flags: &[&str],
    neighbors: &[Payload],
    rounds: usize,
    bytes: u64,
    share: f64,
) -> Result<Vec<Target>> {
    let upload = || Ok([upload(&Tunnel::start(flags)?, bytes)?]);
    let download = || Ok([download(&Tunnel::start(flags)?, bytes)?]);
    let plain: Vec<_> = neighbors
        .iter()
        .map(|&payload| (payload.to_string(), move || Ok([neighbor::publish(payload, bytes)?])))
        .collect();
    let mut contenders: Vec<Contender<'_, 1>> = vec![("upload", &upload), ("download", &download)];
    contenders.extend(plain.iter().map(|(name, measure)| (name.as_str(), measure as _)));
    let rates = medians(&format!("bulk, {encoding}"), rounds, &contenders)?;

    let best = rates[2..].iter().map(|[rate]| *rate).fold(f64::NAN, f64::max);
    println!(
        "\n### 1 stream, {encoding} ({rounds} rounds)\n\n{}",
        markdown(
            ["", "MiB/s", "of the fastest plain one"].map(str::to_owned).to_vec(),
            contenders
                .iter()
                .zip(&rates)
                .map(|((name, _), [rate])| { vec![(*name).to_owned(), figure(*rate), figure(rate / best)] })
        )
    );
    Ok(contenders[..2]
        .iter()
        .zip(&rates)
        .map(|((name, _), [rate])| {
            verdict::at_least(
                &format!("1 stream, {encoding}, {name}: share of plain NATS"),
                rate / best,
                share,
            )
        })
        .collect())
}
