use rand::RngExt;

use super::{Builder, RandomSession};

/// Makes a session of PostgreSQL, from its start to Terminate. It does not authenticate.
pub fn psql(seed: u64) -> RandomSession {
    let mut session = Psql { builder: Builder::new(seed), status: 'I', prepared: Vec::new(), names: 0 };
    session.start();
    for _ in 0..session.builder.rng.random_range(2..15) {
        match session.builder.rng.random_range(0..8) {
            0..3 => session.query(),
            3 => session.copy_in(),
            4 => session.prepare(),
            _ => session.group(),
        }
    }
    session.message(b'X', b"");
    session.builder.session
}

/// A statement, and its response outside of a failed transaction.
#[derive(Debug, Clone, Copy)]
struct Statement {
    text: &'static str,
    /// The text with each run of white space replaced by one space.
    key: &'static str,
    kinds: &'static str,
    rows: u64,
    failure: Option<&'static str>,
}

const fn ok(text: &'static str, kinds: &'static str, rows: u64) -> Statement {
    Statement { text, key: text, kinds, rows, failure: None }
}

const fn failing(text: &'static str, kinds: &'static str, failure: &'static str) -> Statement {
    Statement { text, key: text, kinds, rows: 0, failure: Some(failure) }
}

/// Statements without parameters.
const STATEMENTS: [Statement; 14] = [
    ok("begin", "begin", 0),
    ok("COMMIT", "commit", 0),
    ok("rollback", "rollback", 0),
    ok("select 1", "select", 1),
    ok("select repeat('x', 9000) from generate_series(1, 20)", "select", 20),
    ok("insert into t values (1)", "insert", 0),
    Statement { text: " update t\n\tset a = 1  ", key: "update t set a = 1", ..ok("", "update", 0) },
    ok("delete from t where a = 2", "delete", 0),
    ok("show server_version", "other", 1),
    ok("copy (select generate_series(1, 30)) to stdout", "copy", 30),
    ok("", "other", 0),
    failing("select 1 / 0", "select", "22012"),
    failing("selec 1", "other", "42601"),
    failing("insert into missing values (1)", "insert", "42P01"),
];

/// Texts with several statements.
const BATCHES: [Statement; 3] = [
    ok("select 1; insert into t values (length(';')); select 2, 3", "select+insert", 2),
    Statement { rows: 1, ..failing("select 1; select 1 / 0; select 2", "select", "22012") },
    ok("update t set a = 2; ; copy (select 1) to stdout", "update+copy", 1),
];

/// Statements with one parameter.
const WITH_PARAMETER: [Statement; 3] = [
    ok("select $1::text", "select", 1),
    ok("insert into t values (length($1::text))", "insert", 0),
    failing("select 1 / (length($1::text) * 0)", "select", "22012"),
];

const COPY: &str = "copy t from stdin";

/// Error code of all statements in a failed transaction that do not end it.
const ABORTED: &str = "25P02";

struct Psql {
    builder: Builder,
    /// Status of the transaction, as in ReadyForQuery.
    status: char,
    /// Prepared statements with their names.
    prepared: Vec<(String, Statement)>,
    /// Number of names that have been used.
    names: usize,
}

impl Psql {
    fn start(&mut self) {
        let payload = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
        self.builder.push(u32::try_from(payload.len() + 4).expect("it is short").to_be_bytes());
        self.builder.push(payload);
        self.ready();
        self.simple(ok("create temp table t (a int)", "ddl", 0));
    }

    fn message(&mut self, tag: u8, payload: &[u8]) {
        self.builder.push([tag]);
        self.builder.push(u32::try_from(payload.len() + 4).expect("it is short").to_be_bytes());
        self.builder.push(payload);
    }

    /// Records that the server responds with ReadyForQuery.
    fn ready(&mut self) {
        self.builder.session.statuses.push(self.status);
    }

    /// Returns the failure and the rows of a statement that the server runs now.
    fn run(&mut self, statement: &Statement, is_extended: bool) -> (Option<&'static str>, u64) {
        let is_parsed = statement.failure != Some("42601") && (is_extended || !statement.text.is_empty());
        let failure = match (self.status, statement.kinds) {
            ('E', "commit" | "rollback") => None,
            ('E', _) if is_parsed => Some(ABORTED),
            _ => statement.failure,
        };
        self.status = match (self.status, statement.kinds) {
            ('T', _) if failure.is_some() => 'E',
            (status, _) if failure.is_some() => status,
            (_, "commit" | "rollback") => 'I',
            (_, "begin") => 'T',
            (status, _) => status,
        };
        (failure, if failure == Some(ABORTED) { 0 } else { statement.rows })
    }

    fn simple(&mut self, statement: Statement) {
        self.message(b'Q', format!("{}\0", statement.text).as_bytes());
        let (failure, rows) = self.run(&statement, false);
        self.builder.expect(statement.kinds, statement.key, failure, rows);
        self.ready();
    }

    fn query(&mut self) {
        let index = self.builder.rng.random_range(0..STATEMENTS.len() + BATCHES.len());
        let batch = index.checked_sub(STATEMENTS.len()).map(|index| BATCHES[index]);
        self.simple(batch.unwrap_or_else(|| STATEMENTS[index]));
    }

    /// Sends statements up to a Sync. After a failure, the server skips the rest of them.
    fn group(&mut self) {
        let mut is_skipped = false;
        for _ in 0..self.builder.rng.random_range(0..6) {
            match self.builder.rng.random_range(0..4) {
                0 if !self.prepared.is_empty() => {
                    let index = self.builder.rng.random_range(0..self.prepared.len());
                    let (name, statement) = self.prepared[index].clone();
                    let value = self.builder.text();
                    self.bind("", &name, Some(&value));
                    self.execute("", 0, &statement, &mut is_skipped);
                }
                1 => self.portal(&mut is_skipped),
                _ => {
                    let statement = STATEMENTS[self.builder.rng.random_range(0..STATEMENTS.len())];
                    self.parse("", statement.text);
                    self.bind("", "", None);
                    if self.builder.one_in(2) {
                        self.message(b'D', b"P\0");
                    }
                    self.execute("", 0, &statement, &mut is_skipped);
                }
            }
            if self.builder.one_in(4) {
                self.message(b'H', b"");
            }
        }
        self.sync();
    }

    /// Reads the rows of a statement in two parts.
    fn portal(&mut self, is_skipped: &mut bool) {
        let name = self.name();
        let mut statement = ok("select generate_series(1, 30)", "select", 10);
        self.parse("", statement.text);
        self.bind(&name, "", None);
        self.execute(&name, 10, &statement, is_skipped);
        statement.rows = 20;
        self.execute(&name, 0, &statement, is_skipped);
        self.message(b'C', format!("P{name}\0").as_bytes());
    }

    /// Prepares a statement with a name, or returns a prepared one.
    fn prepare(&mut self) {
        if self.builder.one_in(4)
            && let Some((name, _)) = self.prepared.pop()
        {
            self.message(b'C', format!("S{name}\0").as_bytes());
        } else {
            let (name, index) = (self.name(), self.builder.rng.random_range(0..WITH_PARAMETER.len()));
            let statement = WITH_PARAMETER[index];
            self.parse(&name, statement.text);
            if self.builder.one_in(2) {
                self.message(b'D', format!("S{name}\0").as_bytes());
            }
            if self.status != 'E' {
                self.prepared.push((name, statement));
            }
        }
        self.sync();
    }

    /// Sends the data of COPY before the server asks for it.
    fn copy_in(&mut self) {
        let (data, end, failure) = match self.builder.rng.random_range(0..3) {
            0 => ("1\n2\n", b'c', None),
            1 => ("1\nx\n", b'c', Some("22P02")),
            _ => ("1\n", b'f', Some("57014")),
        };
        let statement = Statement { failure, ..ok(COPY, "copy", 0) };
        let is_extended = self.builder.one_in(2);
        let mut has_sync = false;
        if is_extended {
            self.parse("", COPY);
            self.bind("", "", None);
            self.execute("", 0, &statement, &mut false);
            has_sync = self.builder.one_in(2);
            if has_sync {
                self.message(b'S', b"");
            }
        } else {
            self.message(b'Q', format!("{COPY}\0").as_bytes());
            let (failure, rows) = self.run(&statement, false);
            self.builder.expect("copy", COPY, failure, rows);
        }
        // Without COPY, the server responds to this Sync and ignores the data.
        let has_copy = self
            .builder
            .session
            .requests
            .last()
            .is_some_and(|request| request.failure.as_deref() != Some(ABORTED));
        if has_sync && !has_copy {
            self.ready();
        }
        for _ in 0..self.builder.rng.random_range(1..4) {
            self.message(b'd', data.as_bytes());
        }
        self.message(end, if end == b'f' { b"stop\0" } else { b"" });
        if is_extended { self.sync() } else { self.ready() }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    fn parse(&mut self, name: &str, text: &str) {
        self.message(b'P', format!("{name}\0{text}\0\0\0").as_bytes());
    }

    fn bind(&mut self, portal: &str, name: &str, parameter: Option<&str>) {
        let mut payload = format!("{portal}\0{name}\0\0\0\0").into_bytes();
        payload.push(u8::from(parameter.is_some()));
        if let Some(value) = parameter {
            payload.extend(u32::try_from(value.len()).expect("it is short").to_be_bytes());
            payload.extend(value.as_bytes());
        }
        payload.extend([0, 0]);
        self.message(b'B', &payload);
    }

    /// Executes a portal up to a number of rows, or completely if that number is 0.
    fn execute(&mut self, portal: &str, most: u32, statement: &Statement, is_skipped: &mut bool) {
        self.message(b'E', &[portal.as_bytes(), b"\0", &most.to_be_bytes()].concat());
        let (failure, rows) = if *is_skipped { (Some("skipped"), 0) } else { self.run(statement, true) };
        *is_skipped |= failure.is_some();
        self.builder.expect(statement.kinds, statement.key, failure, rows);
    }

    fn sync(&mut self) {
        self.message(b'S', b"");
        self.ready();
    }
}
