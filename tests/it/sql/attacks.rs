//! Attacks: each is refused, or stopped within its limits, and the next query has its answer.

use super::processes::children;
use super::{ask, query, with_usage};
use crate::harness::Run;
use crate::server::Server;

/// How an attack ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Refused as SQL, with these words.
    Refused(&'static str),
    /// Stopped at a limit of memory, of temporary files or of the length of a row.
    TooLarge,
    /// Stopped at the deadline.
    TooLong,
    /// Stopped at whichever limit is first.
    Stopped,
}

use Ending::{Refused, Stopped, TooLarge, TooLong};

const ATTACKS: &[(&str, Ending)] = &[
    // Writing.
    ("CREATE TABLE t AS SELECT 1", Refused("DDL")),
    ("CREATE VIEW v AS SELECT 1", Refused("DDL")),
    ("CREATE EXTERNAL TABLE s STORED AS CSV LOCATION 'secret.csv'", Refused("DDL")),
    ("CREATE FUNCTION f(INT) RETURNS INT RETURN $1", Refused("DDL")),
    ("DROP TABLE invocations", Refused("DDL")),
    ("INSERT INTO uploads SELECT * FROM uploads", Refused("DML")),
    ("DELETE FROM invocations", Refused("DML")),
    ("UPDATE invocations SET region = 'x'", Refused("DML")),
    ("TRUNCATE TABLE invocations", Refused("")),
    ("COPY (SELECT 1) TO 'out.csv'", Refused("COPY")),
    ("COPY invocations TO 'out.parquet'", Refused("COPY")),
    ("EXPLAIN COPY (SELECT 1) TO 'out.csv'", Refused("COPY")),
    ("EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.csv'", Refused("COPY")),
    ("EXPLAIN ANALYZE INSERT INTO uploads SELECT * FROM uploads", Refused("DML")),
    ("EXPLAIN CREATE TABLE t AS SELECT 1", Refused("DDL")),
    ("WITH gone AS (DELETE FROM invocations RETURNING 1) SELECT * FROM gone", Refused("")),
    // Sessions.
    ("SET datafusion.execution.batch_size = 1", Refused("Statement")),
    ("RESET datafusion.execution.batch_size", Refused("Statement")),
    ("PREPARE p AS SELECT 1", Refused("Statement")),
    ("EXECUTE p", Refused("Statement")),
    ("BEGIN", Refused("Unsupported")),
    ("SHOW ALL", Refused("settings")),
    ("SHOW datafusion.execution.batch_size", Refused("settings")),
    ("SELECT * FROM information_schema.df_settings", Refused("settings")),
    ("SELECT (SELECT max(value) FROM information_schema.df_settings)", Refused("settings")),
    ("SELECT 1; SELECT 2", Refused("several statements")),
    ("SELECT 1; DROP TABLE invocations", Refused("several statements")),
    ("", Refused("No SQL statements")),
    // Files.
    ("SELECT * FROM 'secret.csv'", Refused("not found")),
    ("SELECT * FROM \"secret.csv\"", Refused("not found")),
    ("SELECT * FROM '/etc/passwd'", Refused("not found")),
    ("SELECT * FROM \"file:///etc/passwd\"", Refused("not found")),
    ("SELECT * FROM read_csv('secret.csv')", Refused("")),
    ("SELECT * FROM read_parquet('secret.parquet')", Refused("")),
    ("SELECT * FROM parquet_metadata('secret.parquet')", Refused("")),
    ("SELECT pg_read_file('/etc/passwd')", Refused("")),
    // Memory.
    ("SELECT max(length(repeat('x', 2000000000)))", TooLarge),
    ("SELECT repeat('x', 2000000000)", TooLarge),
    ("SELECT repeat('x', 20000000)", TooLarge),
    ("SELECT lpad('x', 2000000000)", TooLarge),
    ("SELECT array_length(range(0, 3000000000))", TooLarge),
    ("SELECT array_repeat('xxxxxxxxxxxxxxxx', 1000000000)", TooLarge),
    ("SELECT count(DISTINCT repeat(CAST(value AS VARCHAR), 40)) FROM generate_series(1, 30000000)", Stopped),
    ("SELECT array_agg(value) FROM generate_series(1, 1000000000)", Stopped),
    ("SELECT string_agg(repeat('x', 1000), '') FROM generate_series(1, 100000000)", Stopped),
    // Time.
    ("SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = 3", TooLong),
    ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r", Stopped),
    (
        "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a.value % 7 <> b.value % 5",
        Stopped,
    ),
    (
        "SELECT count(*) FROM generate_series(1, 1000000) a CROSS JOIN generate_series(1, 1000000) b CROSS JOIN generate_series(1, 1000000) c",
        Stopped,
    ),
    (
        "SELECT count(*) FROM generate_series(1, 1000000) a JOIN generate_series(1, 1000000) b ON a.value < b.value",
        Stopped,
    ),
];

/// Attacks that are too long to write down.
fn made() -> Vec<(String, Ending)> {
    let nested =
        |open: &str, close: &str, depth: usize| format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth));
    vec![
        (nested("(", ")", 100_000), Refused("")),
        (nested("abs(", ")", 20_000), Refused("")),
        (format!("SELECT {}1", "NOT ".repeat(50_000)), Refused("")),
        (format!("SELECT '{}'", "x".repeat(300_000)), Refused("262144")),
        (format!("SELECT {}", "9".repeat(200_000)), Refused("")),
        (format!("SELECT * FROM {}(SELECT 1){}", "(SELECT * FROM ".repeat(2000), ")".repeat(2000)), Refused("")),
    ]
}

fn all_attacks() -> Vec<(String, Ending)> {
    ATTACKS.iter().map(|(query, ending)| ((*query).to_owned(), *ending)).chain(made()).collect()
}

#[test]
fn attacks_over_http_are_refused_or_stopped_and_the_server_goes_on() {
    let place = with_usage();
    let server = Server::start(&place, &["--sql-memory", "256"]);
    let mut faults = Vec::new();
    for (attack, ending) in all_attacks() {
        // Only what is meant to run into the deadline gets a short one.
        let path = match ending {
            Refused(_) | TooLarge => "/api/v1/sql",
            TooLong | Stopped => "/api/v1/sql?timeout_ms=1500",
        };
        let said = ask(&server, path, "application/sql", "application/json", &attack);
        let problem = said.json();
        let detail = problem["detail"].as_str().unwrap_or_default();
        let (statuses, words): (&[u16], _) = match ending {
            Refused(words) => (&[400], words),
            TooLarge => (&[507], ""),
            TooLong => (&[504], ""),
            Stopped => (&[504, 507], ""),
        };
        let told = detail.contains(words) && problem["hint"].is_string() && detail.len() < 20_000;
        if !statuses.contains(&said.status) || !told {
            faults.push(fault(&attack, &format!("{} {}", said.status, said.text())));
        }
        let normal = query(&server, "SELECT count(*) AS n FROM invocations");
        if (normal.status, normal.text().as_str()) != (200, "[\n{\"n\":50}\n]\n") {
            faults.push(fault(&attack, &format!("afterwards: {} {}", normal.status, normal.text())));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(!place.path("out.csv").exists() && !place.path("out.parquet").exists());
    assert_eq!(children(server.id()), Vec::<u32>::new(), "nothing is left running");
}

#[test]
fn attacks_on_the_command_line_end_with_a_message() {
    let place = with_usage();
    let temporary = place.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let mut faults = Vec::new();
    for (attack, ending) in all_attacks() {
        let file = place.file("query.sql", &attack);
        let timeout = if matches!(ending, Refused(_) | TooLarge) { "60" } else { "1" };
        let mut command = place.command(&["sql", "--memory", "256", "--temporary", "64", "--timeout", timeout]);
        command.env("TMPDIR", &temporary);
        // A command line takes no argument that is much longer.
        match attack.len() < 100_000 {
            true => command.args(["--", &attack]),
            false => command.arg("-").stdin(std::fs::File::open(&file).unwrap()),
        };
        let run = Run::of(command.output().unwrap());
        let words = match ending {
            Refused(words) => &[words][..],
            TooLarge => &["more memory than 256 MiB", "a row of the answer"],
            TooLong => &["did not end within 1 s"],
            Stopped => &["did not end within 1 s", "more memory than 256 MiB", "temporary files"],
        };
        let told = words.iter().any(|words| run.stderr.contains(words));
        if run.code != Some(1) || !told || !run.stderr.starts_with("error:") || !run.stderr.contains("hint:") {
            faults.push(fault(&attack, &format!("{:?} {}", run.code, run.stderr)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(!place.path("out.csv").exists() && !place.path("out.parquet").exists());
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "temporary files are left");
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 50);
}

#[test]
fn what_does_not_fit_in_memory_goes_to_temporary_files_within_their_limit() {
    let place = with_usage();
    let temporary = place.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let sorted = "SELECT count(*) AS n FROM (SELECT value, row_number() OVER (ORDER BY value % 1000, value) AS place
         FROM generate_series(1, 2000000)) WHERE place >= 1";
    let run = |most: &str| {
        let mut command = place.command(&["sql", "--memory", "64", "--temporary", most, "--format", "csv", sorted]);
        Run::of(command.env("TMPDIR", &temporary).output().unwrap())
    };
    let whole = run("1024");
    assert_eq!((whole.code, whole.stdout.as_str()), (Some(0), "n\n2000000\n"), "{}", whole.stderr);
    let refused = run("8");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("more than 8 MiB of temporary files"), "{}", refused.stderr);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "temporary files are left");
}

fn fault(attack: &str, what: &str) -> String {
    let cut = |text: &str| text.chars().take(300).collect::<String>();
    format!("{}\n    {}", cut(attack), cut(what))
}
