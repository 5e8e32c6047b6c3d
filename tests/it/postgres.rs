//! The Postgres wire: `psql` and a Python driver as users have them, and bare messages as attackers send them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Run, Workplace, skipped};
use crate::server::Server;
use crate::sql::with_usage;

/// The extended protocol, by psycopg.
mod drivers;
/// Bare messages: what no driver sends.
mod messages;
/// Who may come in, and over what.
mod security;

/// A server with some usage that speaks the Postgres wire on a free port.
fn server(place: &Workplace, arguments: &[&str]) -> Server {
    Server::start(place, &[&["--postgres", "127.0.0.1:0"][..], arguments].concat())
}

/// Whether a tool is here; where it is not, a line that says so, or a failure where `REQUIRE_POSTGRES_CLIENTS=1` asks for it.
fn is_here(name: &str, works: bool) -> bool {
    if !works {
        let required = std::env::var_os("REQUIRE_POSTGRES_CLIENTS").is_some_and(|value| value == "1");
        assert!(!required, "{name} is not here");
        skipped(&format!("{name} is not here"));
    }
    works
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// `psql` against an address, without settings of the user; nothing where it is missing.
fn psql(address: SocketAddr) -> Option<Command> {
    if !is_here("psql (postgresql-client)", runs("psql", &["--version"])) {
        return None;
    }
    let mut command = Command::new("psql");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
        command.env_remove(name);
    }
    command.args(["-X", "-w", "-v", "VERBOSITY=verbose", "-h", "127.0.0.1", "-U", "me", "-d", "paygrain"]);
    command.args(["-p", &address.port().to_string()]);
    Some(command)
}

/// The Python that has psycopg: `PSYCOPG_PYTHON`, or the one on the path.
fn python() -> Option<PathBuf> {
    let program = std::env::var_os("PSYCOPG_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let works = runs(program.to_str().unwrap(), &["-c", "import psycopg"]);
    is_here("psycopg (PSYCOPG_PYTHON)", works).then_some(program)
}

/// What ended well has printed.
fn printed(command: &mut Command) -> String {
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{command:?}: {}{}", run.stdout, run.stderr);
    run.stdout
}

#[test]
fn psql_describes_what_there_is() {
    let place = with_usage();
    let server = server(&place, &[]);
    let Some(_) = psql(server.postgres()) else { return };
    let shown = |text: &str| printed(psql(server.postgres()).unwrap().args(["-A", "-c", text]));
    for text in ["\\dt", "\\d"] {
        let tables = shown(text);
        for table in ["bills", "charges", "invocations", "rejected_rows", "requests", "uploads"] {
            assert!(tables.contains(&format!("public|{table}|table|")), "{text}: {tables}");
        }
    }
    let columns = shown("\\d invocations");
    for line in [
        "Table \"public.invocations\"",
        "date|date||not null|",
        "started_at|timestamp with time zone||not null|",
        "resource|text|||",
        "billed_ms|bigint|||",
        "cold_start|boolean|||",
    ] {
        assert!(columns.lines().any(|found| found == line), "{line}: {columns}");
    }
    // Numbers of objects are the same in the next process, and the one after.
    assert_eq!(columns, shown("\\d invocations"));
    assert!(shown("\\l").contains("paygrain|"));
    assert!(shown("\\dn").contains("public|"));
    assert!(shown("\\conninfo").contains("connected to database \"paygrain\" as user \"me\""));
    assert!(shown("SELECT version()").contains("PostgreSQL 16"));
    assert!(shown("SELECT current_user, current_database()").contains("me|paygrain"));
}

/// Sums with more digits than a float has, and with more than 128 bits have.
const EXACT: &str = "SELECT memory_mb, sum(CAST(duration_us AS DECIMAL(38, 0)) * 0.0000166667) AS cost, \
     max(arrow_cast('12345678901234567890123456789012345678901234.123456789', 'Decimal256(70, 9)')) AS wide, \
     count(*) AS records, min(date) AS first FROM invocations GROUP BY memory_mb ORDER BY memory_mb";

#[test]
fn psql_shows_the_numbers_of_the_command_line() {
    let place = with_usage();
    let server = server(&place, &[]);
    let Some(mut command) = psql(server.postgres()) else { return };
    let rows = printed(command.args(["-A", "-t", "-c", EXACT]));
    let told = place.json(&["sql", "--format", "json", EXACT]);
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let expected: Vec<String> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|row| ["memory_mb", "cost", "wide", "records", "first"].map(|name| text(&row[name])).join("|"))
        .collect();
    assert_eq!(expected.len(), 3, "{told}");
    assert_eq!(rows.lines().collect::<Vec<_>>(), expected);
}

/// What is refused or stopped over both protocols, and how.
const ATTACKS: &[(&str, &[&str])] = &[
    ("INSERT INTO uploads SELECT * FROM uploads", &["25006"]),
    ("DELETE FROM invocations", &["25006"]),
    ("UPDATE invocations SET region = 'x'", &["25006"]),
    ("TRUNCATE invocations", &["25006"]),
    ("DROP TABLE invocations", &["25006"]),
    ("CREATE TABLE t AS SELECT 1", &["25006"]),
    ("CREATE EXTERNAL TABLE s STORED AS CSV LOCATION 'secret.csv'", &["25006"]),
    ("COPY invocations TO 'out.parquet'", &["25006"]),
    ("COPY (SELECT 1) TO STDOUT", &["25006"]),
    ("/* SELECT */ -- SELECT\n COPY (SELECT 1) TO 'out.csv'", &["25006"]),
    ("EXPLAIN COPY (SELECT 1) TO 'out.csv'", &["25006", "42601"]),
    ("EXPLAIN ANALYZE INSERT INTO uploads SELECT * FROM uploads", &["25006"]),
    ("SELECT 1 INTO t", &["25006"]),
    ("WITH gone AS (DELETE FROM invocations RETURNING 1) SELECT * FROM gone", &["0A000", "42601", "25006"]),
    ("GRANT ALL ON invocations TO me", &["25006"]),
    ("CALL x()", &["25006"]),
    ("DO $$ BEGIN NULL; END $$", &["25006"]),
    ("PREPARE p AS INSERT INTO uploads VALUES (1)", &["0A000"]),
    ("EXECUTE p", &["0A000"]),
    ("LISTEN x", &["0A000"]),
    ("SET datafusion.execution.batch_size = 1", &["42501"]),
    ("SET \"datafusion\".execution.batch_size TO 1", &["42501"]),
    ("SELECT * FROM information_schema.df_settings", &["42000"]),
    ("SELECT * FROM 'secret.csv'", &["42P01"]),
    ("SELECT * FROM \"file:///etc/passwd\"", &["42P01"]),
    ("SELECT pg_read_file('/etc/passwd')", &["42883"]),
    ("SELECT * FROM nowhere", &["42P01"]),
    ("SELECT nothing FROM invocations", &["42703"]),
    ("SELECT FROM WHERE GROUP", &["42601", "42P01"]),
    ("SELEC 1", &["42601"]),
    ("SELECT 'open", &["42601"]),
    ("SELECT 1 / 0", &["22012"]),
    ("SELECT CAST('x' AS INT)", &["22P02"]),
    ("SELECT array_length(range(0, 3000000000))", &["53200"]),
    ("SELECT repeat('x', 2000000000)", &["53200"]),
    (
        "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a.value < b.value",
        &["57014"],
    ),
];

/// Attacks that are too long to write down: a parser or a plan that recurses.
fn attacks() -> Vec<(String, Vec<&'static str>)> {
    let deep = &["54001", "53200", "42601"];
    let mut all: Vec<_> = ATTACKS.iter().map(|(text, codes)| ((*text).to_owned(), codes.to_vec())).collect();
    all.push((format!("SELECT {}1", "1 + ".repeat(40_000)), deep.to_vec()));
    all.push((format!("SELECT {}1{}", "(".repeat(50_000), ")".repeat(50_000)), deep.to_vec()));
    all
}

#[test]
fn attacks_over_the_simple_protocol_are_refused_and_the_session_goes_on() {
    let place = with_usage();
    let server = server(&place, &["--sql-memory", "256", "--sql-timeout", "5"]);
    let Some(mut command) = psql(server.postgres()) else { return };
    let attacks = attacks();
    let mut script = String::new();
    for (place, (attack, _)) in attacks.iter().enumerate() {
        // What psql must not read itself comes as it is; an open quote ends with its line of its own.
        let attack = if attack == "SELECT 'open" { "SELECT 1 1 1" } else { attack };
        script += &format!("\\echo attack {place}\n{attack};\n\\echo :LAST_ERROR_SQLSTATE :SQLSTATE\n");
        script += &format!("SELECT 'alive {place}', count(*) FROM invocations;\n");
    }
    let file = place.file("attacks.sql", script);
    let run = Run::of(command.args(["-A", "-t", "-f", file.to_str().unwrap()]).output().unwrap());
    let mut parts = run.stdout.split("attack ").skip(1);
    for (place, (attack, codes)) in attacks.iter().enumerate() {
        let part: Vec<_> = parts.next().unwrap_or_default().lines().collect();
        let shown = &attack[..attack.len().min(80)];
        let told = part.iter().find_map(|line| line.split_once(' ')).map(|(_, code)| code).unwrap_or_default();
        assert!(codes.contains(&told), "{shown}: {part:?}\n{}", &run.stderr[..run.stderr.len().min(4000)]);
        assert_eq!(part.last(), Some(&&*format!("alive {place}|50")), "{shown}");
    }
    assert!(!place.path("out.csv").exists() && !place.path("out.parquet").exists());
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 50);
}

#[test]
fn several_statements_run_one_after_the_other_up_to_the_first_that_fails() {
    let place = with_usage();
    let server = server(&place, &[]);
    let Some(mut command) = psql(server.postgres()) else { return };
    let run = Run::of(
        command.args(["-A", "-t", "-c", "SELECT 1; SELECT ';'; DROP TABLE uploads; SELECT 3"]).output().unwrap(),
    );
    assert_eq!(run.stdout, "1\n;\n");
    assert!(run.stderr.contains("25006"), "{}", run.stderr);
}

#[test]
fn a_statement_timeout_ends_the_process_of_the_query() {
    let place = with_usage();
    let server = server(&place, &["--sql-timeout", "600"]);
    let Some(mut command) = psql(server.postgres()) else { return };
    let endless = "SELECT count(*) FROM generate_series(1, 1000000000000) WHERE value % 7 = 3";
    let run = Run::of(command.args(["-c", "SET statement_timeout = '700ms'", "-c", endless]).output().unwrap());
    assert!(run.stderr.contains("57014"), "{}", run.stderr);
    assert_eq!(printed(psql(server.postgres()).unwrap().args(["-A", "-t", "-c", "SELECT 1"])), "1\n");
    assert_eq!(crate::sql::processes::children(server.id()), Vec::<u32>::new());
}

#[test]
fn rows_beyond_the_limit_are_cut_off_with_a_notice() {
    let place = with_usage();
    let server = server(&place, &[]);
    let Some(mut command) = psql(server.postgres()) else { return };
    let run =
        Run::of(command.args(["-A", "-t", "-c", "SELECT value FROM generate_series(1, 1100000)"]).output().unwrap());
    assert_eq!(run.stdout.lines().count(), 1_000_000);
    assert!(run.stderr.contains("NOTICE:  53400: the answer is cut off after 1,000,000 rows"), "{}", run.stderr);
}
