//! The built program in a directory of its own, serving its pages.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;

/// A running server with a lake of its own; both end with it.
pub struct Server {
    process: Option<Process>,
    directory: TempDir,
    origin: String,
}

impl Server {
    /// Starts `paygrain serve` on a free port.
    pub fn start(arguments: &[&str]) -> Self {
        let mut server = Self { process: None, directory: tempfile::tempdir().unwrap(), origin: String::new() };
        server.listen("127.0.0.1:0", arguments);
        server
    }

    /// Kills the server; its lake stays.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts the server again, at the same address.
    pub fn start_again(&mut self) {
        let address = self.origin.trim_start_matches("http://").to_owned();
        self.listen(&address, &[]);
    }

    fn listen(&mut self, address: &str, arguments: &[&str]) {
        let program = program();
        assert!(program.is_file(), "{} is not here: run `cargo build` first", program.display());
        let mut command = Command::new(program);
        command.args(["serve", "--listen", address]).args(arguments).current_dir(self.directory.path());
        for name in ["PAYGRAIN_LAKE", "PAYGRAIN_LISTEN", "PAYGRAIN_PRICE_BOOKS", "RUST_LOG"] {
            command.env_remove(name);
        }
        let (process, rest) = Process::start(&mut command, "Dashboard: ");
        self.process = Some(process);
        self.origin = rest.split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
    }

    /// The address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Writes a file beside the lake and gives its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// `PAYGRAIN_BIN`, else the program that Cargo built into the directory above this test's own.
fn program() -> PathBuf {
    env::var_os("PAYGRAIN_BIN").map_or_else(
        || {
            let test = env::current_exe().unwrap();
            test.parent().and_then(Path::parent).unwrap().join(format!("paygrain{}", env::consts::EXE_SUFFIX))
        },
        PathBuf::from,
    )
}

/// Cargo's target directory.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// The console log of some invocations, one in each hour from October 1st, 2026 on.
pub fn lambda_log(count: u32) -> String {
    let mut log = String::new();
    for number in 0..count {
        let (id, report) = report(number);
        writeln!(log, "{0} START RequestId: {id} Version: $LATEST\n{0} END RequestId: {id}\n{report}", time(number))
            .unwrap();
    }
    log
}

/// The same invocations as in [`lambda_log`], in other bytes.
pub fn lambda_reports(count: u32) -> String {
    (0..count).map(|number| report(number).1 + "\n").collect()
}

fn time(number: u32) -> String {
    format!("2026-10-{:02}T{:02}:30:00.000Z", 1 + number / 24, number % 24)
}

/// The id of a request and the line that reports it.
fn report(number: u32) -> (String, String) {
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    let billed_ms = 1_000 + number * 37;
    let report = format!(
        "{} REPORT RequestId: {id}\tDuration: {billed_ms}.00 ms\tBilled Duration: {billed_ms} ms\tMemory Size: 512 MB\t\
         Max Memory Used: 64 MB\t",
        time(number)
    );
    (id, report)
}
