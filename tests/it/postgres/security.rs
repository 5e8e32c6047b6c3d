//! Who may come in, and over what.

use std::path::PathBuf;
use std::process::Command;

use super::messages::Wire;
use super::{is_here, printed, psql, runs, server};
use crate::harness::{Run, Workplace};
use crate::server::Server;
use crate::sql::with_usage;

const LOGIN: [&str; 4] = ["--postgres-user", "me", "--postgres-password-file", "password.txt"];

fn with_password() -> Workplace {
    let place = with_usage();
    place.file("password.txt", "pass word ß\n");
    place
}

/// A certificate for `localhost` and its key; nothing where `openssl` is missing.
fn certificate(place: &Workplace) -> Option<(PathBuf, PathBuf)> {
    if !is_here("openssl", runs("openssl", &["version"])) {
        return None;
    }
    let (certificate, key) = (place.path("server.crt"), place.path("server.key"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    command
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    printed(&mut command);
    Some((certificate, key))
}

/// `SELECT 1` with a password and further settings.
fn select(server: &Server, password: &str, settings: &[(&str, &str)]) -> Option<Run> {
    let mut command = psql(server.postgres())?;
    command.env("PGPASSWORD", password).envs(settings.iter().copied()).args(["-A", "-t", "-c", "SELECT 1"]);
    Some(Run::of(command.output().unwrap()))
}

#[test]
fn a_password_is_asked_for_and_checked() {
    let place = with_password();
    let server = server(&place, &LOGIN);
    let Some(run) = select(&server, "pass word ß", &[]) else { return };
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "1\n"), "{}", run.stderr);
    for (password, settings) in [("wrong", &[][..]), ("", &[]), ("pass word ß", &[("PGUSER", "other")])] {
        let mut command = psql(server.postgres()).unwrap();
        if let [(_, user)] = settings {
            command.args(["-U", user]);
        }
        let run = Run::of(command.env("PGPASSWORD", password).args(["-c", "SELECT 1"]).output().unwrap());
        assert_eq!(run.code, Some(2), "{password}: {}", run.stdout);
        assert!(run.stderr.contains("assword") && run.stdout.is_empty(), "{}", run.stderr);
    }
    let run = select(&server, "pass word ß", &[]).unwrap();
    assert_eq!(run.stdout, "1\n");
}

#[test]
fn nobody_gets_past_the_password_by_other_messages() {
    let place = with_password();
    let server = server(&place, &LOGIN);
    let query = b"SELECT 1\0";
    let mut wire = Wire::begin(server.postgres());
    wire.send(b'Q', query);
    wire.send(b'Q', query);
    drop(wire);
    // Wrong in every way, each followed by a query: an error must not let anyone in.
    let scram = |first: &[u8]| [&b"SCRAM-SHA-256\0"[..], &(first.len() as u32).to_be_bytes(), first].concat();
    for password in [
        b"secret\0".to_vec(),
        b"OAUTHBEARER\0\0\0\0\0".to_vec(),
        b"SCRAM-SHA-256\0\xff\xff\xff\xff".to_vec(),
        scram(b""),
        scram(b"n,,n=me,r="),
        scram(b"\xff\xfe"),
        scram(b"p=tls-server-end-point,,n=me,r=abc"),
    ] {
        let mut wire = Wire::begin(server.postgres());
        wire.send(b'p', &password);
        wire.send(b'p', b"c=biws,r=abc,p=AAAA");
        wire.send(b'Q', query);
        let codes = wire.refusal();
        assert!(codes.len() <= 1, "{codes:?}");
    }
    let mut wire = Wire::begin(server.postgres());
    wire.send(b'p', &scram(b"n,,n=me,r=abcdefgh"));
    wire.send(b'p', b"c=biws,r=abcdefgh,p=AAAA");
    wire.send(b'Q', query);
    assert_eq!(wire.refusal().len(), 1);
}

#[test]
fn connections_are_encrypted_with_a_certificate() {
    let place = with_password();
    let Some((certificate, key)) = certificate(&place) else { return };
    let files = ["--postgres-certificate", certificate.to_str().unwrap(), "--postgres-key", key.to_str().unwrap()];
    let server = server(&place, &[&LOGIN[..], &files].concat());
    let root = certificate.to_str().unwrap();
    let verified = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", root)];
    let Some(run) = select(&server, "pass word ß", &verified) else { return };
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "1\n"), "{}", run.stderr);
    let bound = [&verified[..], &[("PGCHANNELBINDING", "require")]].concat();
    let run = select(&server, "pass word ß", &bound).unwrap();
    assert_eq!(run.stdout, "1\n", "{}", run.stderr);
    for (password, mode) in [("pass word ß", "disable"), ("wrong", "require")] {
        let run = select(&server, password, &[("PGSSLMODE", mode)]).unwrap();
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{mode}: {}", run.stderr);
    }
    let mut shown = psql(server.postgres()).unwrap();
    let told = printed(shown.env("PGPASSWORD", "pass word ß").env("PGSSLMODE", "require").args(["-c", "\\conninfo"]));
    assert!(told.contains("SSL connection (protocol: TLSv1.3"), "{told}");
}

#[test]
fn what_would_be_unsafe_does_not_start() {
    let place = with_password();
    place.file("empty.txt", "\n");
    place.file("no.pem", "nothing\n");
    let refused = |arguments: &[&str], words: &str| {
        let all = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let run = place.run(&all);
        let begins = run.stderr.starts_with("error: ") && run.stderr.contains("hint: ");
        assert!(run.code == Some(1) && begins && run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
    };
    refused(&["--postgres", "0.0.0.0:0"], "there is no user and password to protect it");
    refused(&["--postgres", "[::]:0"], "there is no user and password to protect it");
    refused(&["--postgres", "127.0.0.1:0", "--postgres-user", "me"], "has no password");
    refused(&["--postgres", "127.0.0.1:0", "--postgres-password-file", "password.txt"], "has no user");
    let login = |file| ["--postgres", "127.0.0.1:0", "--postgres-user", "me", "--postgres-password-file", file];
    refused(&login("gone.txt"), "gone.txt");
    refused(&login("empty.txt"), "the password is empty");
    let files =
        |certificate, key| ["--postgres", "127.0.0.1:0", "--postgres-certificate", certificate, "--postgres-key", key];
    refused(&files("gone.pem", "gone.key"), "gone.pem");
    refused(&files("no.pem", "no.pem"), "it has no certificate");
    let Some((certificate, key)) = certificate(&place) else { return };
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    refused(&files(certificate, "no.pem"), "it has no private key");
    let other = Workplace::new();
    let Some((_, other_key)) = super::security::certificate(&other) else { return };
    refused(&files(certificate, other_key.to_str().unwrap()), "do not go together");
    refused(&files(key, key), "it has no certificate");
    let run = place.run(&["serve", "--postgres-user", "me"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}
