//! fault-proxy in front of a far end, with a client of its control API.

use std::net::SocketAddr;

use anyhow::Result;
use testkit::{Api, Daemon, free_addr};

use crate::peers::{start_far_end, start_ours};

#[derive(Debug)]
pub(super) struct Controlled {
    pub(super) proxy: SocketAddr,
    pub(super) api: Api,
    _daemons: [Daemon; 2],
}

impl Controlled {
    pub(super) fn start() -> Result<Self> {
        let (far_end, far_end_addr) = start_far_end(&[])?;
        let (proxy, control) = (free_addr(), free_addr());
        let ours = start_ours(proxy, far_end_addr, &format!("--control {control}"))?;
        Ok(Self { proxy, api: Api::new(control), _daemons: [far_end, ours] })
    }
}
