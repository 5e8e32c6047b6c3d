//! Where usage records are: the query that lists those behind a cost.

use std::collections::BTreeSet;

use chrono::DateTime;
use paygrain_ingest::table::Table;
use paygrain_pricing::period::HOUR_US;
use paygrain_pricing::{Catalogue, Zone};

use super::parameters::Days;
use crate::bill::Dimension;
use crate::metering::{literal, timestamp};

/// Where usage records are, for a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsOf {
    /// The table.
    pub table: &'static str,
    /// Column with the time.
    time_column: &'static str,
    /// What the records have in common, each after ` AND `.
    conditions: String,
    /// First instant and end, microseconds since 1970 UTC.
    bounds_us: (i64, i64),
}

impl RecordsOf {
    /// The records of a table in some days: of these services, with these values. Times are those of the services' zone,
    /// the widest where they have several.
    pub(crate) fn new(
        catalogue: &Catalogue,
        table: Table,
        days: Days,
        services: &BTreeSet<(String, String)>,
        only: &[(Dimension, String)],
    ) -> Self {
        let zones = services.iter().map(|(provider, service)| catalogue.zone(provider, service));
        let bounds = zones.map(|zone| days.bounds_us(zone));
        let bounds_us = bounds.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let schema = table.schema();
        let mut conditions = String::new();
        let names = |pick: fn(&(String, String)) -> &String| {
            let names: BTreeSet<&String> = services.iter().map(pick).collect();
            names.into_iter().map(|name| literal(name)).collect::<Vec<_>>()
        };
        for (column, values) in [("provider", names(|name| &name.0)), ("service", names(|name| &name.1))] {
            conditions += &one_of(column, &values);
        }
        // The service of a charge is that of its price book: the services above are the records'.
        let by_record = |dimension: &Dimension| {
            !matches!(dimension, Dimension::Provider | Dimension::Service) && schema.index_of(dimension.name()).is_ok()
        };
        let dimensions: BTreeSet<Dimension> = only.iter().map(|(dimension, _)| *dimension).collect();
        for dimension in dimensions.into_iter().filter(by_record) {
            let own = only.iter().filter(|(other, _)| *other == dimension);
            let values: Vec<String> = own.map(|(_, value)| literal(value)).collect();
            let column = match schema.field_with_name(dimension.name()).is_ok_and(|field| field.data_type().is_string())
            {
                true => format!("coalesce({}, '')", dimension.name()),
                false => format!("coalesce(CAST({} AS VARCHAR), '')", dimension.name()),
            };
            conditions += &one_of(&column, &values);
        }
        Self {
            table: table.name(),
            time_column: table.time_column(),
            conditions,
            bounds_us: bounds_us.unwrap_or_else(|| days.bounds_us(Zone::default())),
        }
    }

    /// A query for the first so many of them.
    pub fn sql(&self, limit: u64) -> String {
        self.between(self.bounds_us, "", limit)
    }

    /// The same of one UTC hour, given by its start as `2026-10-31T23:00Z`; nothing for what is no hour.
    pub fn sql_of_hour(&self, hour: &str, limit: u64) -> Option<String> {
        let from_us =
            DateTime::parse_from_str(&hour.replace('Z', "+0000"), "%Y-%m-%dT%H:%M%z").ok()?.timestamp_micros();
        Some(self.between((from_us, from_us + HOUR_US), "", limit))
    }

    /// The same with one more condition.
    pub fn sql_where(&self, condition: &str, limit: u64) -> String {
        self.between(self.bounds_us, condition, limit)
    }

    fn between(&self, (from_us, to_us): (i64, i64), condition: &str, limit: u64) -> String {
        let time = |us: i64| {
            let text = DateTime::from_timestamp_micros(us).map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string());
            text.map_or_else(|| timestamp(us), |text| format!("TIMESTAMP '{text}'"))
        };
        let day = |us: i64| DateTime::from_timestamp_micros(us).map(|time| time.date_naive().to_string());
        let Self { table, time_column, conditions, .. } = self;
        let dates = match (day(from_us), day(to_us - 1)) {
            (Some(first), Some(last)) => format!("date BETWEEN DATE '{first}' AND DATE '{last}' AND "),
            _ => String::new(),
        };
        let condition = if condition.is_empty() { String::new() } else { format!("\n  AND {condition}") };
        format!(
            "SELECT *\nFROM {table}\nWHERE {dates}{time_column} >= {} AND {time_column} < {}{conditions}{condition}\nORDER BY {time_column}\nLIMIT {limit}",
            time(from_us),
            time(to_us),
        )
    }
}

fn one_of(column: &str, values: &[String]) -> String {
    match values {
        [] => String::new(),
        [one] => format!("\n  AND {column} = {one}"),
        several => format!("\n  AND {column} IN ({})", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::Usage;
    use paygrain_ingest::record::Invocation;

    #[test]
    fn a_query_for_records_says_whose_and_when() {
        let catalogue = Catalogue::embedded().unwrap();
        let days = Days { from: "2026-10-02".parse().unwrap(), to: "2026-10-02".parse().unwrap(), period: None };
        let services = BTreeSet::from([("aws".to_owned(), "lambda".to_owned())]);
        let only = [(Dimension::Resource, "it's".to_owned()), (Dimension::Sku, "aws.lambda.requests".to_owned())];
        let records = RecordsOf::new(&catalogue, Table::Invocations, days, &services, &only);
        let sql = records.sql(10);
        for part in [
            "FROM invocations\n",
            "date BETWEEN DATE '2026-10-02' AND DATE '2026-10-02'",
            "started_at >= TIMESTAMP '2026-10-02T00:00:00Z' AND started_at < TIMESTAMP '2026-10-03T00:00:00Z'",
            "service = 'lambda'",
            "coalesce(resource, '') = 'it''s'",
            "LIMIT 10",
        ] {
            assert!(sql.contains(part), "{part}: {sql}");
        }
        assert!(!sql.contains("sku"), "{sql}");
        let hour = records.sql_of_hour("2026-10-02T07:00Z", 10).unwrap();
        assert!(hour.contains(">= TIMESTAMP '2026-10-02T07:00:00Z' AND started_at < TIMESTAMP '2026-10-02T08:00:00Z'"));
        assert_eq!(records.sql_of_hour("yesterday", 10), None);
    }

    #[tokio::test]
    async fn the_query_for_records_finds_those_of_a_day() {
        let usage = Usage::random(74, 500);
        let days = Days { from: "2026-10-05".parse().unwrap(), to: "2026-10-06".parse().unwrap(), period: None };
        let services = BTreeSet::from([("aws".to_owned(), "lambda".to_owned())]);
        let only = [(Dimension::Resource, "f1".to_owned()), (Dimension::Memory, "512".to_owned())];
        let catalogue = Catalogue::embedded().unwrap();
        let records = RecordsOf::new(&catalogue, Table::Invocations, days, &services, &only);
        let (from_us, to_us) = days.bounds_us(Zone::default());
        let own = |(at_us, one): &&(i64, Invocation)| {
            (from_us..to_us).contains(at_us) && one.resource.as_deref() == Some("f1") && one.memory_mb == Some(512)
        };
        let expected = usage.0.iter().filter(own).count();
        assert!(expected > 0);
        let found = crate::sql::SqlAnswer::of(&usage.session(), &records.sql(1000)).await.unwrap();
        assert_eq!(found.row_count(), expected);
    }
}
