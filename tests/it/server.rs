//! The dashboard and the API over a socket.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::harness::{Invocation, Workplace, text_log};

/// A running server, killed at the end.
pub struct Server {
    child: Child,
    pub address: String,
    printed: String,
}

impl Server {
    pub fn start(place: &Workplace, arguments: &[&str]) -> Self {
        let mut child = place
            .command(&[&["serve", "--listen", "127.0.0.1:0"][..], arguments].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Self { child, address: String::new(), printed: String::new() };
        for line in lines {
            let line = line.unwrap();
            server.printed += &format!("{line}\n");
            if let Some((_, rest)) = line.split_once("Dashboard: ") {
                server.address = rest.split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
                return server;
            }
        }
        panic!("the server did not start: {}", server.printed);
    }

    /// Where it speaks the Postgres wire.
    pub fn postgres(&self) -> std::net::SocketAddr {
        let line = self.printed.lines().find_map(|line| line.strip_prefix("Postgres:"));
        line.unwrap_or_else(|| panic!("no Postgres: {}", self.printed)).trim().parse().unwrap()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as `kill` without a flag does, and waits.
    pub fn stop(&mut self) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.get(format!("{}{path}", self.address)).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serve_samples_prints_the_bill_and_the_address_and_serves_the_pages() {
    let place = Workplace::new();
    let server = Server::start(&place, &["--samples"]);
    for part in ["Bill for", "aws.lambda.requests", "aws.s3.requests", "Total"] {
        assert!(server.printed.contains(part), "{part}: {}", server.printed);
    }
    for path in ["/", "/bill", "/uploads", "/api/v1/periods", "/api/v1/charges?period=2026-10", "/api/v1/uploads"] {
        let (status, body) = server.get(path);
        assert_eq!(status, 200, "{path}: {body}");
    }
    let (status, body) = server.get("/nothing-here");
    assert_eq!(status, 404, "{body}");
}

#[test]
fn the_api_and_the_command_line_give_the_same_bill() {
    let place = Workplace::new();
    let server = Server::start(&place, &[]);
    let log = text_log(&Invocation::many(70, 30));
    let address = format!("{}/api/v1/uploads/a.log?account=1&region=us-east-1&resource=f", server.address);
    let mut answer = ureq::put(&address).send(&log).unwrap();
    let uploaded: serde_json::Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(uploaded["uploads"][0]["accepted"], 30);
    let (status, body) = server.get("/api/v1/charges?period=2026-10");
    assert_eq!(status, 200);
    let over_http: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(over_http, place.json(&["bill", "--period", "2026-10", "--format", "json"]));
    // The same file over the command line is known.
    let path = place.file("b.log", &log);
    let flags = ["--account", "1", "--region", "us-east-1", "--resource", "f"];
    assert_eq!(place.ingest(&flags, &[&path])[0]["duplicate"], 30);
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let place = Workplace::new();
    let run = place.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("credentials") && run.stderr.contains("hint:"), "{}", run.stderr);
}
