//! SQL: what it answers, and what happens to queries that would take the machine down.

use std::io::{Cursor, Read};
use std::time::Duration;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Decimal128Type;
use datafusion::arrow::ipc::reader::StreamReader;
use paygrain_ingest::Lake;
use paygrain_query::sql_text::text_rows;
use paygrain_query::{QueryError, SqlParameter, SqlQuery, SqlSandbox};
use serde_json::{Value, json};

use crate::harness::{Invocation, Workplace, text_log};
use crate::server::Server;

mod attacks;
pub mod processes;

/// A place with some usage, and a file that nobody may read through SQL.
pub fn with_usage() -> Workplace {
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(90, 50)));
    place.ingest(&["--resource", "f", "--region", "us-east-1"], &[&log]);
    place.file("secret.csv", "a,b\n1,2\n");
    place
}

/// What a server says to a query, with its status and headers.
struct Said {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Vec<u8>,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Gives an answer whatever its status.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

fn ask(server: &Server, path: &str, content_type: &str, accept: &str, body: &str) -> Said {
    let request = agent().post(format!("{}{path}", server.address)).header("content-type", content_type);
    let mut response = request.header("accept", accept).send(body).unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut bytes = Vec::new();
    response.body_mut().as_reader().read_to_end(&mut bytes).unwrap();
    Said { status, headers, body: bytes }
}

fn query(server: &Server, text: &str) -> Said {
    ask(server, "/api/v1/sql", "application/sql", "application/json", text)
}

#[test]
fn a_worker_without_a_request_says_what_it_is() {
    let run = Workplace::new().run(&["sql-worker"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("`paygrain sql` runs queries"), "{}", run.stderr);
}

#[test]
fn formats_agree_and_keep_every_digit() {
    let place = with_usage();
    let server = Server::start(&place, &[]);
    let text =
        "SELECT CAST('0.100000000000000001' AS DECIMAL(38,18)) AS d, 1 AS i, '=x' AS t, CAST(NULL AS BIGINT) AS n";
    let rows = json!([{"d": "0.100000000000000001", "i": 1, "t": "=x", "n": null}]);
    let csv = "d,i,t,n\n0.100000000000000001,1,'=x,\n";

    let said = query(&server, text);
    assert_eq!((said.json(), said.header("content-type")), (rows.clone(), "application/json"));
    assert_eq!((said.header("paygrain-row-count"), said.header("paygrain-truncated")), ("1", "false"));
    let body = json!({"query": text, "format": "csv"}).to_string();
    let said = ask(&server, "/api/v1/sql", "application/json", "*/*", &body);
    assert_eq!((said.text().as_str(), said.header("content-type")), (csv, "text/csv; charset=utf-8"));
    let accept = "application/vnd.apache.arrow.stream";
    let said = ask(&server, "/api/v1/sql", "text/plain; charset=utf-8", accept, text);
    assert_eq!(said.header("content-type"), accept);
    exact_decimal(&said.body);

    assert_eq!(place.json(&["sql", "--format", "json", text]), rows);
    assert_eq!(place.run(&["sql", "--format", "csv", text]).stdout, csv);
    exact_decimal(&place.command(&["sql", "--format", "arrow", text]).output().unwrap().stdout);
    let mut command = place.command(&["sql", "--format", "csv", "-"]);
    command.stdin(std::fs::File::open(place.file("q.sql", text)).unwrap());
    assert_eq!(String::from_utf8(command.output().unwrap().stdout).unwrap(), csv);
}

fn exact_decimal(bytes: &[u8]) {
    let batches: Vec<RecordBatch> =
        StreamReader::try_new(Cursor::new(bytes), None).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(batches[0].column(0).as_primitive::<Decimal128Type>().value(0), 100_000_000_000_000_001);
}

#[test]
fn limits_are_kept_whatever_is_read() {
    let place = with_usage();
    for columns in ["date", "resource", "date, resource", "1", "*"] {
        for limit in ["LIMIT 2", "LIMIT 2 OFFSET 3", "ORDER BY 1 LIMIT 2"] {
            let found = place.json(&["sql", "--format", "json", &format!("SELECT {columns} FROM invocations {limit}")]);
            assert_eq!(found.as_array().unwrap().len(), 2, "{columns} {limit}");
        }
    }
}

#[test]
fn an_answer_that_is_cut_off_says_so() {
    let place = with_usage();
    let server = Server::start(&place, &[]);
    let text = "SELECT value FROM generate_series(1, 1000) ORDER BY value";
    let said = ask(&server, "/api/v1/sql?max_rows=10", "application/sql", "*/*", text);
    assert_eq!(said.json().as_array().unwrap().len(), 10);
    assert_eq!((said.header("paygrain-row-count"), said.header("paygrain-truncated")), ("10", "true"));
    let run = place.run(&["sql", "--max-rows", "10", "--format", "csv", text]);
    assert_eq!((run.code, run.stdout.lines().count()), (Some(0), 11));
    assert!(run.stderr.contains("note: the first 10 rows"), "{}", run.stderr);
    assert_eq!(place.run(&["sql", "--format", "csv", text]).stdout.lines().count(), 1001);

    // At the server's own limit, where it is too late for a header: the transfer breaks off.
    let agent: ureq::Agent = ureq::Agent::new_with_defaults();
    let request = agent.post(format!("{}/api/v1/sql?format=csv", server.address));
    let request = request.header("content-type", "application/sql");
    let mut response = request.send("SELECT value FROM generate_series(1, 1000001)").unwrap();
    let mut bytes = Vec::new();
    let broken = response.body_mut().as_reader().read_to_end(&mut bytes);
    assert!(broken.is_err(), "{} bytes came as if they were all", bytes.len());
    assert!(bytes.len() > 1 << 20);
}

#[test]
fn bad_sql_is_told_with_its_place_and_a_hint() {
    let place = with_usage();
    let server = Server::start(&place, &[]);
    for (text, words) in [
        ("SELEC 1", "Line: 1, Column: 1"),
        ("SELECT\n  colour FROM invocations", "line 2, column 3"),
        ("SELECT * FROM invocation", "invocation' not found"),
        ("SELECT 1 / 0", "ivide by zero"),
        ("SELECT ceil_to(1, CAST(2 AS DOUBLE))", "floats are refused"),
    ] {
        let said = query(&server, text);
        let problem = said.json();
        assert_eq!((said.status, said.header("content-type")), (400, "application/problem+json"), "{text}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{text}: {problem}");
        let run = place.run(&["sql", text]);
        assert!(run.code == Some(1) && run.stderr.contains(words), "{text}: {}", run.stderr);
    }
    for (path, content_type, body, status) in [
        ("/api/v1/sql", "application/json", "{}", 400),
        ("/api/v1/sql", "application/json", r#"{"query": "SELECT 1", "colour": 1}"#, 400),
        ("/api/v1/sql", "application/json", r#"{"query": "SELECT 1", "max_rows": 1000001}"#, 400),
        ("/api/v1/sql?format=xml", "application/sql", "SELECT 1", 400),
        ("/api/v1/sql?timeout_ms=0", "application/sql", "SELECT 1", 400),
        ("/api/v1/sql?rows=1", "application/sql", "SELECT 1", 400),
        ("/api/v1/sql", "application/xml", "SELECT 1", 415),
    ] {
        assert_eq!(ask(&server, path, content_type, "*/*", body).status, status, "{path} {body}");
    }
    assert_eq!(server.get("/api/v1/sql").0, 405);
    assert_eq!(place.run(&["sql"]).code, Some(2));
    assert_eq!(place.run(&["sql", "--timeout", "0", "SELECT 1"]).code, Some(2));
}

#[test]
fn every_column_is_in_the_schema_and_documented() {
    let place = Workplace::new();
    let columns = "FROM information_schema.columns c LEFT JOIN column_documentation d USING (table_name, column_name)
         WHERE c.table_schema = 'public'";
    assert!(place.count(&format!("SELECT count(*) {columns}")) > 250);
    let missing = format!("SELECT table_name, column_name {columns} AND (d.description IS NULL OR d.description = '')");
    assert_eq!(place.json(&["sql", "--format", "json", &missing]), json!([]));
    let more = "SELECT d.table_name, d.column_name FROM column_documentation d LEFT JOIN information_schema.columns c
         USING (table_name, column_name) WHERE c.column_name IS NULL";
    assert_eq!(place.json(&["sql", "--format", "json", more]), json!([]));
    for (text, words) in [
        ("SHOW TABLES", "column_documentation"),
        ("SHOW COLUMNS FROM charges", "billed_cost"),
        ("DESCRIBE storage", "held_us"),
        ("SHOW FUNCTIONS LIKE 'date_trunc'", "date_trunc"),
        ("EXPLAIN SELECT count(*) FROM invocations", "logical_plan"),
    ] {
        let run = place.run(&["sql", "--format", "csv", text]);
        assert!(run.code == Some(0) && run.stdout.contains(words), "{text}: {}{}", run.stdout, run.stderr);
    }
    let listed = place.json(&["sql", "--tables", "--format", "json"]);
    let tables = listed["tables"].as_array().unwrap();
    assert!(tables.iter().any(|table| table["name"] == "metered"), "{listed}");
    assert_eq!(listed["functions"][0]["call"], "ceil_to(x, step)");
    let run = place.run(&["sql", "--tables"]);
    assert!(run.stdout.contains("microseconds") && run.stdout.contains("DECIMAL(38,18)"), "{}", run.stdout);
}

#[tokio::test]
async fn parameters_have_types_and_a_plan_has_columns() {
    let place = with_usage();
    let lake = Lake::open(place.path("paygrain-lake").to_str().unwrap()).unwrap();
    let sandbox = SqlSandbox::new(&lake).unwrap().with_program(env!("CARGO_BIN_EXE_paygrain").into());
    let limits = sandbox.limits().clone();
    let parameter = |data_type: &str, value: Option<&str>| SqlParameter {
        data_type: data_type.to_owned(),
        value: value.map(str::to_owned),
    };
    let text = "SELECT count(*) AS n, $2 AS d, $3 AS t FROM invocations WHERE memory_mb >= $1".to_owned();
    let parameters = vec![
        parameter("Int64", Some("128")),
        parameter("Decimal128(38, 18)", Some("0.100000000000000001")),
        parameter("Utf8", None),
    ];
    let query = SqlQuery { text: text.clone(), parameters, ..SqlQuery::default() };
    let mut answer = sandbox.run_within(&query, &limits).await.unwrap();
    let batch = answer.next().await.unwrap().unwrap();
    let expected = [Some("50"), Some("0.100000000000000001"), None].map(|cell| cell.map(str::to_owned));
    assert_eq!(text_rows(&batch).unwrap(), [expected]);
    assert!(answer.end().is_none());
    assert!(answer.next().await.unwrap().is_none());
    assert_eq!(answer.end().map(|end| (end.row_count, end.truncated)), Some((1, false)));

    let text = "SELECT resource, count(*) AS n FROM invocations WHERE memory_mb >= $1 GROUP BY resource".to_owned();
    let query = SqlQuery { text, plan_only: true, ..SqlQuery::default() };
    let mut planned = sandbox.run_within(&query, &limits).await.unwrap();
    let schema = planned.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["resource", "n"]);
    assert_eq!(schema.metadata()["paygrain.parameter_types"], r#"{"$1":"Int64"}"#);
    assert!(planned.next().await.unwrap().is_none());

    // One place, and somebody in it.
    let narrow = sandbox.with_places(1, Duration::ZERO);
    let first = narrow.run("SELECT 1").await.unwrap();
    assert!(matches!(narrow.run("SELECT 1").await, Err(QueryError::SqlBusy { running: 1 })));
    drop(first);
    let patient = narrow.with_places(1, Duration::from_secs(60));
    for _ in 0..3 {
        drop(patient.run("SELECT 1").await.unwrap());
    }
}

#[test]
fn the_page_runs_the_query_in_its_url() {
    let place = with_usage();
    let server = Server::start(&place, &[]);
    let (status, page) = server.get("/sql");
    assert_eq!(status, 200, "{page}");
    for part in ["column_documentation", "Length of the handler phase", "ceil_to(x, step)", "<textarea"] {
        assert!(page.contains(part), "{part}");
    }
    let examples: Vec<_> = page.split("href=\"/sql?query=").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(examples.len() >= 5);
    for example in examples {
        let (status, page) = server.get(&format!("/sql?query={example}"));
        assert!(status == 200 && page.contains("id=\"answer\""), "{example}: {page}");
    }
    let (_, page) = server.get("/sql?query=SELECT%20value%20FROM%20generate_series(1,1001)");
    assert!(page.contains("The first 1,000 rows; there are more.") && page.matches("<tr>").count() > 1000);
    let (status, page) = server.get("/sql?query=SELECT%20'%3Cscript%3E'%20FROM%20nowhere");
    assert_eq!(status, 400);
    assert!(page.contains("SELECT &#39;&#60;script&#62;&#39; FROM nowhere</textarea>") && page.contains("not found"));
    let (status, csv) = server.get("/sql/answer.csv?query=SELECT%20count(*)%20AS%20n%20FROM%20invocations");
    assert_eq!((status, csv.as_str()), (200, "n\n50\n"));
    assert_eq!(server.get("/sql/answer.xlsx?query=SELECT%201").0, 404);
    assert_eq!(server.get("/sql/answer.csv").0, 400);

    // Not for another site: a link there must not keep this machine busy.
    let send = |path: &str| {
        let request = agent().get(format!("{}{path}", server.address)).header("sec-fetch-site", "cross-site");
        let mut response = request.call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    };
    let (status, page) = send("/sql?query=SELECT%201");
    assert!(status == 200 && page.contains("comes from another site") && !page.contains("id=\"answer\""), "{page}");
    assert_eq!(send("/sql/answer.csv?query=SELECT%201").0, 403);
}

#[test]
fn rollups_are_read_and_not_written() {
    let place = with_usage();
    let same = "SELECT (SELECT sum(record_count) FROM rollup_hourly) = (SELECT count(*) FROM invocations)
        AND (SELECT sum(duration_us) FROM rollup_hourly) = (SELECT sum(duration_us) FROM invocations)
        AND (SELECT sum(starts) FROM rollup_seconds) = (SELECT sum(ends) FROM rollup_seconds)
        AND (SELECT sum(record_count) FROM rollup_durations) = (SELECT count(duration_us) FROM invocations) AS same";
    let rollups = place.path("paygrain-lake/rollups");
    let there = |path: &std::path::Path| walkdir::WalkDir::new(path).into_iter().flatten().count();
    for files_are_gone in [false, true] {
        if files_are_gone {
            let _ = std::fs::remove_dir_all(&rollups);
        }
        let before = there(&rollups);
        assert_eq!(place.json(&["sql", "--format", "json", same]), serde_json::json!([{ "same": true }]));
        assert_eq!(there(&rollups), before);
    }
}

#[test]
fn the_guide_is_right() {
    let place = with_usage();
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sql.md")).unwrap();
    let queries: Vec<_> = guide.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(queries.len() >= 4);
    for text in queries {
        let run = place.run(&["sql", "--format", "json", text]);
        assert_eq!(run.code, Some(0), "{text}: {}", run.stderr);
    }
    let listed = place.json(&["sql", "--tables", "--format", "json"]);
    let written = reference(&listed);
    const MARK: &str = "<!-- tables: made from the program, see tests/it/sql.rs -->\n";
    let (before, rest) = guide.split_once(MARK).unwrap();
    if std::env::var_os("PAYGRAIN_WRITE_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sql.md");
        std::fs::write(path, format!("{before}{MARK}{written}")).unwrap();
        return;
    }
    assert!(rest == written, "docs/sql.md is behind: PAYGRAIN_WRITE_DOCS=1 cargo test the_guide_is_right writes it");
}

/// The tables and functions as the guide has them.
fn reference(listed: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().replace('|', "\\|");
    let mut out = String::from("\n| function | |\n|---|---|\n");
    for function in listed["functions"].as_array().unwrap() {
        out += &format!("| `{}` | {} |\n", text(&function["call"]), text(&function["description"]));
    }
    for table in listed["tables"].as_array().unwrap() {
        let (name, description) = (text(&table["name"]), text(&table["description"]));
        out += &format!("\n### {name}\n{description}\n\n| column | type | |\n|---|---|---|\n");
        for column in table["columns"].as_array().unwrap() {
            let [name, kind, description] = ["name", "data_type", "description"].map(|key| text(&column[key]));
            out += &format!("| `{name}` | {kind} | {description} |\n");
        }
    }
    out
}
