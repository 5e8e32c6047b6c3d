//! psycopg, which speaks the extended protocol. The checks are in `driver.py`.

use std::process::Command;

use super::{EXACT, attacks, printed, python, server};
use crate::sql::{processes, with_usage};

#[test]
fn psycopg_reads_with_parameters_in_both_formats_and_is_told_what_fails() {
    let place = with_usage();
    let server = server(&place, &["--sql-memory", "256", "--sql-timeout", "5"]);
    let Some(python) = python() else { return };
    let exact = place.json(&["sql", "--format", "json", EXACT]);
    let script = place.file("driver.py", include_str!("driver.py"));
    let given = serde_json::json!({
        "port": server.postgres().port(), "exact_query": EXACT, "exact": exact, "attacks": attacks(),
    });
    let given = place.file("given.json", given.to_string());
    printed(Command::new(python).arg(script).arg(given));
    assert_eq!(processes::children(server.id()), Vec::<u32>::new());
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 50);
}
