//! Round trip of 64 bytes, compared with a NATS request and its reply.

use anyhow::Result;

use super::super::far_end::ECHO;
use super::super::load::ping;
use super::super::report::{Target, figure, markdown, percentile};
use super::super::verdict;
use super::neighbor;
use super::scale::Scale;
use super::tunnel::Tunnel;
use super::turns::medians;

const TIMES: f64 = 1.4;

pub(super) fn run(scale: &Scale) -> Result<Vec<Target>> {
    let ours = || {
        let tunnel = Tunnel::start(&[])?;
        let mut session = [tunnel.open(ECHO)?];
        ping(&mut session, scale.warm_up_pings)?;
        let times = ping(&mut session, scale.pings)?;
        Ok([0.50, 0.99].map(|quantile| percentile(&times, quantile).as_secs_f64() * 1e6))
    };
    let plain = || neighbor::request(scale.warm_up_pings, scale.pings, false);
    let threads = || neighbor::request(scale.warm_up_pings, scale.pings, true);
    let contenders: [(&str, &dyn Fn() -> _); 3] = [
        ("tunnel", &ours),
        ("request and reply, one thread each", &plain),
        ("request and reply, tokio's default runtime", &threads),
    ];
    let times = medians("round trip", scale.rounds, &contenders)?;
    println!(
        "\n### Round trip of 64 bytes ({} rounds)\n\n{}",
        scale.rounds,
        markdown(
            ["", "p50, µs", "p99, µs", "p50, times", "p99, times"].map(str::to_owned).to_vec(),
            contenders.iter().zip(&times).map(|((name, _), [p50, p99])| {
                let times = [p50 / times[1][0], p99 / times[1][1]];
                std::iter::once((*name).to_owned())
                    .chain([*p50, *p99].into_iter().chain(times).map(figure))
                    .collect()
            })
        )
    );
    Ok(vec![verdict::at_most("round trip p50, times request and reply", times[0][0] / times[1][0], TIMES)])
}
