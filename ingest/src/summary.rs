//! What an upload holds, beside its counts: the time it spans, the resources in it, and what its log left unsaid.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::record::{BilledLine, Invocation, MeteredQuantity, Request, StoredBytes, UsageTable};

/// Resources of one service that are kept by name.
const RESOURCES_MAX: usize = 10_000;
/// Resource names repeated for what is undeclared.
const NAMES_MAX: usize = 20;

/// What was found in the good rows of an upload, duplicates included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// First time in the logs, RFC 3339; nothing where they give none.
    pub first: Option<String>,
    /// Last time in the logs, RFC 3339.
    pub last: Option<String>,
    /// What was found, by service.
    pub services: Vec<ServiceSummary>,
    /// Values that the log does not say and that no default gave.
    pub undeclared: Vec<Undeclared>,
}

/// One service in one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSummary {
    /// `aws`, `gcp`, `azure`, …
    pub provider: String,
    /// The service as price books name it.
    pub service: String,
    /// The usage table, or `billed`.
    pub table: String,
    /// Rows.
    pub rows: u64,
    /// Different resources; no more than 10,000 are told apart.
    pub resources: u64,
    /// The first of them by name.
    pub first_resources: Vec<String>,
}

/// A value that rows of one service lack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undeclared {
    /// `aws`, `gcp`, `azure`, …
    pub provider: String,
    /// The service as price books name it.
    pub service: String,
    /// The usage table.
    pub table: String,
    /// The column, such as `region`.
    pub column: String,
    /// Rows without it.
    pub rows: u64,
    /// Resources of those rows, the first by name.
    pub resources: Vec<String>,
    /// Whether some of them have no resource.
    #[serde(default)]
    pub unnamed: bool,
    /// Whether some are of resources beyond those listed.
    #[serde(default)]
    pub more: bool,
}

/// Columns that a log often leaves out and that can be supplied.
const DECLARED_COLUMNS: [&str; 8] =
    ["account", "region", "resource", "memory_mb", "vcpu_milli", "architecture", "package_type", "storage_class"];

/// Collects a [`Summary`] row by row.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    first_us: Option<i64>,
    last_us: Option<i64>,
    services: BTreeMap<(String, String, &'static str), Found>,
}

#[derive(Debug, Default)]
struct Found {
    rows: u64,
    resources: HashMap<String, Counts, RandomState>,
    /// Rows of resources beyond those that are told apart.
    others: Counts,
}

/// Rows that lack each of the declared columns.
type Counts = [u64; DECLARED_COLUMNS.len()];

impl Collector {
    /// Takes a good row into account, with its time where the log gives one.
    pub(crate) fn add(&mut self, logged_us: Option<i64>, row: &impl Facts) {
        if let Some(time_us) = logged_us {
            self.first_us = Some(self.first_us.map_or(time_us, |first| first.min(time_us)));
            self.last_us = Some(self.last_us.map_or(time_us, |last| last.max(time_us)));
        }
        let RowFacts { provider, service, table, resource, missing } = row.facts();
        // Looked up by reference first: nearly every row is of a service that is known.
        let key = (provider, service, table);
        let found = match self.services.iter_mut().find(|((p, s, t), _)| (p.as_str(), s.as_str(), *t) == key) {
            Some((_, found)) => found,
            None => self.services.entry((provider.to_owned(), service.to_owned(), table)).or_default(),
        };
        found.rows += 1;
        let counts = if let Some(counts) = found.resources.get_mut(resource) {
            counts
        } else if found.resources.len() < RESOURCES_MAX {
            found.resources.entry(resource.to_owned()).or_default()
        } else {
            &mut found.others
        };
        for (count, missing) in counts.iter_mut().zip(missing) {
            *count += u64::from(missing);
        }
    }

    /// The summary of all rows.
    pub(crate) fn finish(self) -> Summary {
        let text = |time_us: i64| {
            let time = chrono::DateTime::from_timestamp_micros(time_us)?;
            Some(time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
        };
        let mut summary =
            Summary { first: self.first_us.and_then(text), last: self.last_us.and_then(text), ..Summary::default() };
        for ((provider, service, table), found) in self.services {
            let resources: BTreeMap<&String, &Counts> = found.resources.iter().collect();
            for (at, column) in DECLARED_COLUMNS.into_iter().enumerate() {
                let lacking: BTreeSet<_> =
                    resources.iter().filter(|(_, counts)| counts[at] > 0).map(|(name, _)| *name).collect();
                let rows = found.resources.values().chain([&found.others]).map(|counts| counts[at]).sum();
                if rows > 0 {
                    summary.undeclared.push(Undeclared {
                        provider: provider.clone(),
                        service: service.clone(),
                        table: table.to_owned(),
                        column: column.to_owned(),
                        rows,
                        unnamed: lacking.contains(&String::new()),
                        more: found.others[at] > 0
                            || lacking.iter().filter(|name| !name.is_empty()).count() > NAMES_MAX,
                        resources: names(lacking.into_iter()),
                    });
                }
            }
            let named = resources.keys().copied().filter(|name| !name.is_empty());
            summary.services.push(ServiceSummary {
                provider,
                service,
                table: table.to_owned(),
                rows: found.rows,
                resources: named.clone().count() as u64,
                first_resources: names(named),
            });
        }
        summary
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    names.filter(|name| !name.is_empty()).take(NAMES_MAX).cloned().collect()
}

/// What the summary takes from a row.
pub(crate) struct RowFacts<'a> {
    provider: &'a str,
    service: &'a str,
    table: &'static str,
    resource: &'a str,
    /// Which of the declared columns are missing; a column that the table does not have is not missing.
    missing: [bool; DECLARED_COLUMNS.len()],
}

/// A row that can be summed up.
pub(crate) trait Facts {
    /// Provider, service, table, resource, and what is missing.
    fn facts(&self) -> RowFacts<'_>;
}

impl<T: AsRef<str>> Facts for Invocation<T> {
    fn facts(&self) -> RowFacts<'_> {
        let missing = [
            self.account.is_none(),
            self.region.is_none(),
            self.resource.is_none(),
            self.memory_mb.is_none(),
            self.vcpu_milli.is_none(),
            self.architecture.is_none(),
            self.package_type.is_none(),
            false,
        ];
        RowFacts {
            provider: self.provider.as_ref(),
            service: self.service.as_ref(),
            table: UsageTable::Invocations.name(),
            resource: self.resource.as_ref().map_or("", T::as_ref),
            missing,
        }
    }
}

macro_rules! place_facts {
    ([$($generic:tt)*] $record:ty, $table:ident, $lacks_class:expr) => {
        impl $($generic)* Facts for $record {
            fn facts(&self) -> RowFacts<'_> {
                let lacks_class: fn(&Self) -> bool = $lacks_class;
                let (account, region, resource) =
                    (self.account.is_none(), self.region.is_none(), self.resource.is_none());
                RowFacts {
                    provider: self.provider.as_ref(),
                    service: self.service.as_ref(),
                    table: UsageTable::$table.name(),
                    resource: self.resource.as_ref().map_or("", AsRef::as_ref),
                    missing: [account, region, resource, false, false, false, false, lacks_class(self)],
                }
            }
        }
    };
}

place_facts!([<T: AsRef<str>>] Request<T>, Requests, |row| row.storage_class.is_none());
place_facts!([] StoredBytes, Storage, |row| row.storage_class.is_none());
place_facts!([] MeteredQuantity, Metered, |_| false);

impl Facts for BilledLine {
    fn facts(&self) -> RowFacts<'_> {
        RowFacts {
            provider: &self.provider,
            service: self.service_name.as_deref().unwrap_or_default(),
            table: "billed",
            resource: self.resource_id.as_deref().unwrap_or_default(),
            missing: [false; DECLARED_COLUMNS.len()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(resource: Option<&str>, region: Option<&str>) -> Invocation {
        Invocation {
            provider: "aws".into(),
            service: "lambda".into(),
            resource: resource.map(str::to_owned),
            region: region.map(str::to_owned),
            account: Some("1".into()),
            memory_mb: Some(128),
            vcpu_milli: Some(1),
            architecture: Some("arm64".into()),
            package_type: Some("Zip".into()),
            ..Invocation::default()
        }
    }

    #[test]
    fn what_is_in_an_upload_and_what_is_not() {
        let mut collector = Collector::default();
        collector.add(Some(1_000_000), &invocation(Some("b"), Some("eu-west-1")));
        collector.add(None, &invocation(Some("a"), None));
        collector.add(Some(500_000), &invocation(Some("a"), None));
        collector.add(Some(2_000_001), &invocation(None, Some("eu-west-1")));
        let summary = collector.finish();
        assert_eq!(summary.first.as_deref(), Some("1970-01-01T00:00:00.500Z"));
        assert_eq!(summary.last.as_deref(), Some("1970-01-01T00:00:02.000001Z"));
        let [service] = &summary.services[..] else { panic!("{:?}", summary.services) };
        assert_eq!((service.rows, service.resources), (4, 2));
        assert_eq!(service.first_resources, ["a", "b"]);
        let lacking: Vec<_> =
            summary.undeclared.iter().map(|lack| (lack.column.as_str(), lack.rows, lack.resources.clone())).collect();
        assert!(!summary.undeclared[0].unnamed && summary.undeclared[1].unnamed);
        assert_eq!(lacking, [("region", 2, vec!["a".to_owned()]), ("resource", 1, vec![])]);
    }

    #[test]
    fn very_many_resources_are_counted_without_their_names() {
        let mut collector = Collector::default();
        for at in 0..RESOURCES_MAX + 5 {
            collector.add(None, &invocation(Some(&at.to_string()), None));
        }
        let summary = collector.finish();
        assert_eq!(summary.services[0].resources, RESOURCES_MAX as u64);
        assert_eq!(summary.undeclared[0].rows, RESOURCES_MAX as u64 + 5);
        assert_eq!(summary.undeclared[0].resources.len(), NAMES_MAX);
        assert!(summary.undeclared[0].more);
    }
}
