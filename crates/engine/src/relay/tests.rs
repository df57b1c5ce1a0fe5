use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::Instant;

use super::*;
use crate::faults::{Ending, Latency, Moment, PacketLoss, Refuse, RequestAction, RequestFault, SlowOpen};
use crate::{Delay, Effect, Engine, Fault, LossModel, Protocol, Settings, Side};

fn faults(effect: impl Into<Effect>) -> Faults {
    Engine::new(Settings::default()).proxy("test", vec![Fault::new("fault", effect)])
}

#[tokio::test]
async fn a_refused_session_ends_before_its_dial() {
    let refused = faults(Refuse).before_dial().await.unwrap_err();
    assert!(matches!(refused, ConnectError::Refused(_)), "{refused:?}");
    assert_eq!(refused.to_string(), "refused: by the fault `fault`");
}

#[tokio::test(start_paused = true)]
async fn a_slow_open_delays_the_dial() {
    let started = Instant::now();
    faults(SlowOpen { delay: Duration::from_secs(2) }).before_dial().await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn packet_loss_assumes_the_connect_time_as_its_round_trip() {
    let model = LossModel::Bernoulli { rate: 0.0, correlation: 0.0 };
    let faults = faults(PacketLoss { model, rtt: None, mss: 100 });
    // The request has more segments than a sender sends before the first acknowledgment.
    let request = [b'x'; 6400];
    for connect_time in [2, 20].map(Duration::from_secs) {
        let (mut client, downstream) = duplex(request.len());
        let session = faults.before_dial().await.unwrap();
        let legs = Legs { downstream: Box::new(downstream), upstream: Box::new(duplex(1).0) };
        let mut legs = Faults::wrap(session, connect_time, legs);
        let started = Instant::now();
        client.write_all(&request).await.unwrap();
        legs.downstream.read_exact(&mut [0; 6400]).await.unwrap();
        let elapsed = started.elapsed();
        assert!(elapsed >= connect_time && elapsed < connect_time * 5, "{connect_time:?}: {elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_direction_is_delayed_once() {
    let faults = faults(Latency::new(Delay::Constant(Duration::from_secs(1))));
    let ((mut client, downstream), (mut server, upstream)) = (duplex(8), duplex(8));
    let session = faults.before_dial().await.unwrap();
    let legs = Legs { downstream: Box::new(downstream), upstream: Box::new(upstream) };
    let mut legs = Faults::wrap(session, Duration::ZERO, legs);
    for (sender, receiver) in [(&mut client, &mut legs.downstream), (&mut server, &mut legs.upstream)] {
        let started = Instant::now();
        sender.write_all(b"x").await.unwrap();
        receiver.read_exact(&mut [0]).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 1);
        let started = Instant::now();
        receiver.write_all(b"x").await.unwrap();
        sender.read_exact(&mut [0]).await.unwrap();
        assert_eq!(started.elapsed(), Duration::ZERO, "what is written passes as it is");
    }
}

#[tokio::test]
async fn connections_with_faults_set_the_options_of_their_sockets() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let stream = || {
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let socket = socket2::Socket::from(stream.try_clone().unwrap());
        (TcpStream::from_std(stream).unwrap(), socket)
    };
    let ((upstream, upstream_socket), (downstream, downstream_socket)) = (stream(), stream());
    let faults = Engine::new(Settings::default()).proxy("test", Vec::new());
    let session = faults.before_dial().await.unwrap();
    let legs = Legs { downstream: Box::new(downstream), upstream: Box::new(upstream) };
    let Legs { downstream, upstream } = Faults::wrap(session, Duration::ZERO, legs);
    for (mut stream, socket) in [(upstream, upstream_socket), (downstream, downstream_socket)] {
        assert!(stream.as_tcp().is_some(), "no fault acts");
        assert!(!socket.tcp_nodelay().unwrap() && !socket.keepalive().unwrap());
        stream.set_nodelay();
        stream.settle();
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        stream.abort();
        assert_eq!(socket.linger().unwrap(), Some(Duration::ZERO));
    }
}

#[tokio::test]
async fn a_lost_response_resets_the_client_and_closes_the_upstream() {
    let action = RequestAction::LoseResponse(Ending::Reset(Side::Client));
    let faults = faults(RequestFault::new("POST", Moment::FirstByte, action));
    faults.set_protocol(Some(Protocol::Http));
    let ((mut client, downstream), (mut server, upstream)) = (duplex(1 << 10), duplex(1 << 10));
    let session = faults.before_dial().await.expect("not refused");
    let legs = Legs { downstream: Box::new(downstream), upstream: Box::new(upstream) };
    let Legs { mut downstream, mut upstream } = Faults::wrap(session, Duration::ZERO, legs);
    let mut buffer = [0; 1 << 10];
    for (method, is_lost) in [("GET", false), ("POST", true)] {
        let request = format!("{method} / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("room");
        let len = downstream.read(&mut buffer).await.expect("a request");
        assert_eq!(&buffer[..len], request.as_bytes());
        upstream.write_all(&buffer[..len]).await.expect("room");
        server.read_exact(&mut buffer[..len]).await.expect("the request");
        server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").await.expect("room");
        match upstream.read(&mut buffer).await {
            Ok(len) if !is_lost => downstream.write_all(&buffer[..len]).await.expect("room"),
            read => assert_eq!(read.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset)),
        }
    }
    assert!(downstream.read(&mut buffer).await.is_err(), "both directions end");
    assert!(upstream.terminates_behind_data(), "the response before is delivered first");
    let counts: Vec<_> = faults
        .request_stats()
        .iter()
        .map(|kind| (kind.forwarded, kind.delivered, kind.unconfirmed))
        .collect();
    assert_eq!(counts, [(1, 1, 0), (1, 0, 1)]);
}

#[tokio::test]
async fn a_session_whose_requests_are_not_read_is_left_to_the_system() {
    let faults = Engine::new(Settings::default()).proxy("test", Vec::new());
    faults.set_protocol(Some(Protocol::Http));
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let stream = || {
        let stream = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        stream.set_nonblocking(true).expect("a socket");
        TcpStream::from_std(stream).expect("a socket")
    };
    for reads in [false, true] {
        let session = faults.before_dial().await.expect("not refused");
        let legs = Legs { downstream: Box::new(stream()), upstream: Box::new(stream()) };
        let legs = Faults::wrap(session, Duration::ZERO, legs);
        assert_eq!(legs.downstream.as_tcp().is_some(), !reads);
        faults.read_requests();
    }
}
