//! A PostgreSQL server and its client.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    net::Ipv4Addr,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

use crate::{
    certs::Certificates,
    ports::free_port,
    process::{Account, ServerProcess, Stop, guarded, is_executable, require},
};

const INSTALLATIONS: &str = "/usr/lib/postgresql";

/// A PostgreSQL server with an empty database, on 127.0.0.1 and on a unix socket. It does not require a password unless
/// configured otherwise. The superuser is `postgres`.
#[derive(Debug)]
pub struct Postgres {
    process: ServerProcess,
    port: u16,
}

/// Clients that may connect over TCP.
enum Access<'a> {
    Cleartext,
    Tls(&'a Certificates),
    MutualTls(&'a Certificates),
    /// With a password.
    Scram(&'a Certificates),
}

impl Postgres {
    /// Starts a server that only accepts cleartext.
    pub fn start() -> Self {
        Self::start_for(&Access::Cleartext)
    }

    /// Starts a server that refuses cleartext over TCP.
    pub fn start_tls(certificates: &Certificates) -> Self {
        Self::start_for(&Access::Tls(certificates))
    }

    /// Starts a server that requires TLS with a client certificate from the authority over TCP.
    pub fn start_mtls(certificates: &Certificates) -> Self {
        Self::start_for(&Access::MutualTls(certificates))
    }

    /// Starts a server that requires TLS and this password (SCRAM-SHA-256) over TCP.
    ///
    /// # Panics
    ///
    /// Panics if the password cannot be set.
    pub fn start_scram(certificates: &Certificates, password: &str) -> Self {
        let server = Self::start_for(&Access::Scram(certificates));
        let set = format!("alter role postgres password '{password}'");
        let set = psql_at(server.process.directory(), server.port, "disable", &set);
        assert!(set.status.success(), "{set:?}");
        server
    }

    fn start_for(access: &Access<'_>) -> Self {
        let server = program("postgres", "postgresql");
        let account = server_account();
        let directory = TempDir::with_prefix("testkit-pg-").expect("the temporary directory is writable");
        // All users may connect to its unix socket.
        own(directory.path(), account, 0o755);
        let data = directory.path().join("data");
        initialize(&data, account);
        let port = free_port();
        configure(&data, account, directory.path(), port, access);

        let socket_directory = directory.path().to_owned();
        let mut process = ServerProcess::spawn_as(account, directory, &server, &["-D", "data"], Stop::Quit);
        process.wait_until(|| psql_at(&socket_directory, port, "disable", "select 1").status.success());
        Self { process, port }
    }

    /// Returns the port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its unix socket, which any user of this machine may connect to.
    pub fn unix_socket(&self) -> PathBuf {
        self.process.directory().join(format!(".s.PGSQL.{}", self.port))
    }

    /// Returns the process ids of the server, including one per connection, to measure their resource usage.
    pub fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }

    /// Returns what PostgreSQL has reported so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Runs one SQL command with the real client against 127.0.0.1, as the superuser. It prints values without
/// headers and alignment.
///
/// `sslmode` is the setting of libpq. Further settings may follow it, as in `verify-full
/// sslrootcert=/some/ca.pem`.
pub fn psql(port: u16, sslmode: &str, sql: &str) -> Output {
    psql_at(Ipv4Addr::LOCALHOST.to_string(), port, sslmode, sql)
}

fn psql_at(host: impl AsRef<OsStr>, port: u16, sslmode: &str, sql: &str) -> Output {
    let settings = format!("dbname=postgres user=postgres gssencmode=disable sslmode={sslmode}");
    Command::new(program("psql", "postgresql-client"))
        // Ignore the settings and certificates of the user who runs the tests.
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PGHOST", host)
        .env("PGPORT", port.to_string())
        .env("PGCONNECT_TIMEOUT", "20")
        .args(["-X", "-A", "-t", "-w", "-c", sql, &settings])
        .output()
        .expect("psql is executable")
}

/// Returns the account of PostgreSQL's package if this user is root, because PostgreSQL refuses to run as
/// root.
fn server_account() -> Option<Account> {
    let id = |option: &str| {
        let output = Command::new("id").args([option, "postgres"]).output().expect("coreutils has id");
        let number = String::from_utf8_lossy(&output.stdout).trim().parse();
        number.unwrap_or_else(|_| panic!("there is no user postgres to run PostgreSQL as"))
    };
    rustix::process::getuid().is_root().then(|| Account { uid: id("-u"), gid: id("-g") })
}

fn initialize(data: &Path, account: Option<Account>) {
    fs::create_dir(data).expect("the directory is ours");
    own(data, account, 0o700);
    let output = guarded(&program("initdb", "postgresql"), Stop::Kill, account)
        .args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=postgres", "-D"])
        .arg(data)
        .current_dir(data)
        .output()
        .expect("setpriv is executable");
    assert!(
        output.status.success(),
        "initdb failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn configure(data: &Path, account: Option<Account>, sockets: &Path, port: u16, access: &Access<'_>) {
    let write = |name: &str, content: &[u8]| {
        let file = data.join(name);
        fs::write(&file, content).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        own(&file, account, 0o600);
    };
    let copy = |from: &Path, name: &str| write(name, &fs::read(from).expect("the certificates exist"));

    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         unix_socket_directories = '{}'\n\
         shared_buffers = 16MB\n\
         fsync = off\n\
         synchronous_commit = off\n\
         full_page_writes = off\n\
         autovacuum = off\n\
         password_encryption = scram-sha-256\n",
        sockets.display()
    );
    let tcp_access = match access {
        Access::Cleartext => "host all all 127.0.0.1/32 trust",
        Access::Tls(_) => "hostssl all all 127.0.0.1/32 trust",
        Access::MutualTls(_) => "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca",
        // `replication=database` counts as a separate database.
        Access::Scram(_) => {
            "hostssl all all 127.0.0.1/32 scram-sha-256\nhostssl replication all 127.0.0.1/32 scram-sha-256"
        }
    };
    if let Access::Tls(certificates) | Access::MutualTls(certificates) | Access::Scram(certificates) = access
    {
        copy(certificates.server_cert(), "server.crt");
        copy(certificates.server_key(), "server.key");
        settings += "ssl = on\n";
    }
    if let Access::MutualTls(certificates) = access {
        copy(certificates.ca_file(), "root.crt");
        settings += "ssl_ca_file = 'root.crt'\n";
    }
    write("postgresql.conf", settings.as_bytes());
    write("pg_hba.conf", format!("local all all trust\n{tcp_access}\n").as_bytes());
}

fn own(path: &Path, account: Option<Account>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the file is ours");
    if let Some(Account { uid, gid }) = account {
        chown(path, Some(uid), Some(gid)).expect("root may give files away");
    }
}

/// Returns the path of the program in the newest version installed by Debian's packages. Defaults to the one in PATH.
fn program(name: &str, debian_package: &str) -> PathBuf {
    let versions = fs::read_dir(INSTALLATIONS).into_iter().flatten();
    versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .map(|version| (version, Path::new(INSTALLATIONS).join(format!("{version}/bin")).join(name)))
        .filter(|(_, file)| is_executable(file))
        .max()
        .map_or_else(|| require(name, debian_package), |(_, file)| file)
}
