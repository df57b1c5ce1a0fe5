//! Demonstration in one process: an upstream, a proxy that adds latency for a while, and a client.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fault_proxy_engine::faults::Latency;
use fault_proxy_engine::{Delay, Effect, Engine, Fault, ParseMode, Schedule};
use fault_proxy_relay::{Config, OnUpstreamFailure, Relay, SessionTracker, Shutdown, TcpConnector};
use proxy_cli::args::Time;
use proxy_cli::tally;
use proxy_cli::terminal::print;
use proxy_cli::workers::{RelayJob, Workers, runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::select;
use tokio::signal::ctrl_c;
use tokio::time::{interval, sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::args::DemoArgs;

const DELAY: Duration = Duration::from_millis(50);
const SCHEDULE: &str = "start:3s,duration:3s";
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
const MESSAGE: &[u8; 64] = b"every byte arrives as it was sent, later or slower only if asked";

pub(crate) fn demo(args: &DemoArgs) -> Result<()> {
    let upstream = bind().context("cannot start the upstream")?;
    let upstream_addr = upstream.local_addr()?;
    let listener = bind().context("cannot listen")?;
    let proxy_addr = listener.local_addr()?;
    let mapping = format!("{}={upstream_addr}", proxy_addr.port());
    print(format_args!("upstream  {upstream_addr}  sends back what it gets"))?;
    print(format_args!("proxy     {proxy_addr}  fault-proxy run --proxy {mapping} \\"))?;
    print(format_args!(
        "{:27}--with-latency --latency-mean {DELAY:?} --latency-direction both --latency-sched {SCHEDULE}",
        ""
    ))?;
    print(format_args!(
        "client    sends {} bytes per second and waits for the response; press Ctrl-C to end\n",
        MESSAGE.len()
    ))?;

    let (shutdown, live) = (Shutdown::new(), SessionTracker::new());
    let work = RelayJob {
        relay: Relay::new(Config::default())
            .with_tracker(live.clone())
            .with_label("demo")
            .with_listener(proxy_addr.to_string()),
        handshake: None,
        connector: Arc::new(TcpConnector::new(upstream_addr.ip().to_string(), upstream_addr.port())),
        faults: Some(Engine::new(fault_proxy_engine::Settings::default()).proxy("demo", vec![latency()?])),
        on_upstream_failure: OnUpstreamFailure::default(),
        shutdown: shutdown.clone(),
    };
    let mut workers = Workers::start(1, &shutdown)?;
    let outcome = runtime()?.block_on(async {
        workers.handle().relay(vec![vec![listener]], work).await?;
        let outcome = select! {
            done = client(proxy_addr, upstream_addr) => done.context("the demo's client failed"),
            failed = echo(upstream) => failed.context("the demo's upstream failed"),
            () = over(args.duration.map(|Time(time)| time)) => Ok(()),
        };
        // The end of the client ends its session and the demo.
        shutdown.drain();
        let _ = timeout(DRAIN_TIMEOUT, workers.ended()).await;
        outcome
    });
    shutdown.abort();
    workers.join()?;
    let told = print(format_args!("\n{}", tally::table([(mapping, live.stats())]).for_stdout()));
    outcome.and(told.map(drop))
}

fn latency() -> Result<Fault> {
    let windows = Schedule::parse(SCHEDULE, ParseMode::Lenient)?.resolve(None)?;
    let effect = Effect::from(Latency::new(Delay::Constant(DELAY)));
    Ok(Fault { windows, ..Fault::new("latency", effect) })
}

fn bind() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn over(duration: Option<Duration>) {
    match duration {
        Some(duration) => select! { () = sleep(duration) => {}, _ = ctrl_c() => {} },
        None => drop(ctrl_c().await),
    }
}

/// Runs the built-in upstream.
async fn echo(listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let connections = TaskTracker::new();
    loop {
        let (mut stream, _) = listener.accept().await?;
        connections.spawn(async move {
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await
        });
    }
}

/// Compares a round trip through the proxy with a direct one, every second, until stdout is closed.
async fn client(proxy: SocketAddr, upstream: SocketAddr) -> Result<()> {
    let (mut proxied, mut direct) = (TcpStream::connect(proxy).await?, TcpStream::connect(upstream).await?);
    for stream in [&proxied, &direct] {
        stream.set_nodelay(true)?;
    }
    let mut seconds = interval(Duration::from_secs(1));
    for number in 1.. {
        seconds.tick().await;
        let (through, past) = (round_trip(&mut proxied).await?, round_trip(&mut direct).await?);
        let (through, past) = (ms(through), ms(past));
        if !print(format_args!("#{number:<4} through the proxy {through:>7.3} ms   directly {past:>7.3} ms"))?
        {
            break;
        }
    }
    Ok(())
}

async fn round_trip(stream: &mut TcpStream) -> io::Result<Duration> {
    let started = Instant::now();
    stream.write_all(MESSAGE).await?;
    let mut reply = [0; MESSAGE.len()];
    stream.read_exact(&mut reply).await?;
    if &reply == MESSAGE {
        Ok(started.elapsed())
    } else {
        Err(io::Error::other("the reply differs from what was sent"))
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
