//! An nginx server.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};
use tempfile::TempDir;

use crate::{
    certs::Certificates,
    process::{ServerProcess, Stop, require},
};

/// Debian builds the `stream` module as a separate file.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    process: ServerProcess,
}

impl Nginx {
    /// Starts nginx and waits until `ready` accepts connections.
    ///
    /// `config_body` contains the blocks (`events {}`, `http {}`, `stream {}`) and settings such as
    /// `worker_processes`. The guard adds settings that isolate nginx: it stays in the foreground, loads the
    /// `stream` module, runs its workers as the user who runs the test, and reports errors to the captured
    /// output. Each `http` block keeps temporary files in a separate directory and does not write an access
    /// log.
    pub fn start(config_body: &str, ready: SocketAddr) -> Self {
        let directory = TempDir::new().expect("the temporary directory is writable");
        let prefix = directory.path().to_str().expect("the temporary directory's path is UTF-8").to_owned();
        let mut config = format!("daemon off;\npid {prefix}/nginx.pid;\nerror_log stderr;\n");
        if Path::new(STREAM_MODULE).exists() {
            config += &format!("load_module {STREAM_MODULE};\n");
        }
        if rustix::process::getuid().is_root() {
            config += "user root;\n";
        }
        config += &with_private_paths(config_body, &prefix);
        let file = format!("{prefix}/nginx.conf");
        fs::write(&file, config).expect("the directory is ours");

        let args = ["-p", &prefix, "-c", &file, "-e", "stderr"];
        let program = require("nginx", "nginx libnginx-mod-stream");
        let mut process = ServerProcess::spawn(directory, &program, &args, Stop::Terminate);
        process.wait_until_accepting(ready);
        Self { process }
    }

    /// Serves the files below `root` over TLS 1.2 and 1.3 on 127.0.0.1.
    pub fn https(certificates: &Certificates, port: u16, root: &Path) -> Self {
        Self::site(certificates, port, root, "")
    }

    /// Like [`Self::https`], but only for clients with a certificate from the authority.
    pub fn https_mtls(certificates: &Certificates, port: u16, root: &Path) -> Self {
        let ca = certificates.ca_file().display();
        let client_check = format!("ssl_client_certificate '{ca}'; ssl_verify_client on;");
        Self::site(certificates, port, root, &client_check)
    }

    fn site(certificates: &Certificates, port: u16, root: &Path, client_check: &str) -> Self {
        let config = format!(
            "events {{}}\n\
             http {{\n\
               sendfile on;\n\
               server {{\n\
                 listen 127.0.0.1:{port} ssl;\n\
                 ssl_protocols TLSv1.2 TLSv1.3;\n\
                 ssl_certificate '{cert}';\n\
                 ssl_certificate_key '{key}';\n\
                 {client_check}\n\
                 root '{root}';\n\
               }}\n\
             }}\n",
            cert = certificates.server_cert().display(),
            key = certificates.server_key().display(),
            root = root.display(),
        );
        Self::start(&config, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Returns the process ids of the master and the workers, to measure their resource usage.
    pub fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }

    /// Returns what nginx has reported so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Adds settings to each `http` block that keep nginx out of the directories of the system.
fn with_private_paths(config_body: &str, prefix: &str) -> String {
    let temporary_files: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!(" {kind}_temp_path {prefix}/{kind};"))
        .concat();
    let mut config = String::new();
    let mut rest = config_body;
    while let Some((before, after)) = rest.split_once("http") {
        config += before;
        config += "http";
        rest = after;
        if let Some(block) = after.trim_start().strip_prefix('{') {
            config += &format!(" {{ access_log off;{temporary_files}");
            rest = block;
        }
    }
    config + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_blocks_are_added_to() {
        let body = "events {} stream { server { listen 1; } }\nhttp\n{ upstream httpd { server a; } \
                    server { location / { proxy_pass http://httpd; } } }";
        let config = with_private_paths(body, "/run/x");
        let added = " { access_log off; client_body_temp_path /run/x/client_body; \
                     proxy_temp_path /run/x/proxy; fastcgi_temp_path /run/x/fastcgi; \
                     uwsgi_temp_path /run/x/uwsgi; scgi_temp_path /run/x/scgi;";
        assert_eq!(config.matches("access_log").count(), 1);
        assert_eq!(config.replace(added, "\n{"), body);
    }
}
