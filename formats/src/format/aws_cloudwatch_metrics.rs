//! Metrics of CloudWatch: responses of `aws cloudwatch get-metric-data` and `get-metric-statistics`.
//!
//! A response has values and labels, but says neither of which resource nor in which statistic and period they were
//! asked for: a [mapping](crate::mapping::DeclaredMetric) declares it. Only the sizes that S3 reports daily need none,
//! once bucket and storage class are declared.
//!
//! The key is what CloudWatch tells datapoints apart by: namespace, metric, dimensions, statistic and period, in their
//! account and region. What is in the lake is not replaced, so that periods should be over when they are asked for.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;

use crate::defaults::Defaults;
use crate::error::IngestError;
use crate::format::json_objects::{Found, each};
use crate::format::json_stream::Fields;
use crate::format::line::Place;
use crate::format::mapped::fields::Fields as Columns;
use crate::format::{Format, Origin, Recognition, Sink};
use crate::mapping::DeclaredMetric;
use crate::record::{EventTime, MeteredQuantity, Record, RecordKey, Request, StoredBytes, Usage, UsageTable};

use response::{Point, Series};

mod response;

/// Labels of the daily metrics of a bucket.
const BUCKET_SIZE: &str = "BucketSizeBytes";
const BUCKET_OBJECTS: &str = "NumberOfObjects";

/// `aws-cloudwatch-metrics`.
pub struct AwsCloudwatchMetrics;

impl Format for AwsCloudwatchMetrics {
    fn name(&self) -> &'static str {
        "aws-cloudwatch-metrics"
    }

    fn description(&self) -> &'static str {
        "CloudWatch metrics as JSON: `aws cloudwatch get-metric-data` and `get-metric-statistics`; needs `--mapping \
         FILE.toml`, or for the sizes of a bucket its name and storage class"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        let mut found = None;
        let mut input = head;
        each(&mut input, &mut |_, object, _| {
            let of = match object {
                Found::Object(fields) => response::is_response(fields),
                // A response may be longer than the head.
                Found::Broken(_, beginning) => response::begins_response(beginning),
            };
            found = found.or(of);
            Ok(true)
        })
        .ok()?;
        Some(Recognition { because: format!("it has {} of CloudWatch metrics", found?) })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        read(input, &sizes_of_bucket(origin.defaults), origin, sink)
    }
}

/// Reads responses by the metrics that were declared.
pub(super) fn read(
    input: &mut dyn BufRead,
    declared: &BTreeMap<String, DeclaredMetric>,
    origin: &Origin<'_>,
    sink: &mut dyn Sink,
) -> Result<(), IngestError> {
    let mut responses = Responses { declared, origin, incomplete: BTreeMap::new(), next_page: false };
    each(input, &mut |place, found, after_broken| {
        match found {
            Found::Object(fields) if response::is_response(fields).is_some() => responses.page(fields, place, sink)?,
            Found::Object(_) if after_broken => return Ok(false),
            Found::Object(fields) => {
                let reason = "not a response of CloudWatch metrics: expected `MetricDataResults` or `Datapoints`";
                sink.reject(place.rejected(reason, &fields.object()))?;
            }
            Found::Broken(problem, beginning) => {
                if !after_broken || response::begins_response(beginning).is_some() {
                    sink.reject(place.rejected(problem, beginning))?;
                }
            }
        }
        Ok(true)
    })?;
    responses.finish(sink);
    Ok(())
}

/// The metrics that are known without a mapping, where bucket and storage class are declared.
fn sizes_of_bucket(defaults: &Defaults) -> BTreeMap<String, DeclaredMetric> {
    let mut bucket = StoredBytes::default();
    defaults.complete_stored_bytes(&mut bucket);
    let (Some(name), Some(class)) = (bucket.resource, bucket.storage_class) else { return BTreeMap::new() };
    let metric = |metric: &str, storage_type: &str, value: &str| DeclaredMetric {
        table: UsageTable::Storage.name().into(),
        namespace: "AWS/S3".into(),
        name: metric.into(),
        dimensions: [("BucketName".into(), name.clone()), ("StorageType".into(), storage_type.into())].into(),
        stat: "Average".into(),
        period_s: 86_400,
        value: Some(value.into()),
        columns: [("service", "s3"), ("resource", &name), ("storage_class", &class)]
            .map(|(column, text)| (column.to_owned(), text.to_owned()))
            .into(),
    };
    [metric(BUCKET_SIZE, &class, "bytes"), metric(BUCKET_OBJECTS, "AllStorageTypes", "objects")]
        .map(|metric| (metric.name.clone(), metric))
        .into()
}

/// What a store is told from another by, and a time.
type StoredAt = (BTreeMap<String, String>, i64);

struct Responses<'a> {
    declared: &'a BTreeMap<String, DeclaredMetric>,
    origin: &'a Origin<'a>,
    /// Series whose last page was not complete, and what CloudWatch says of it.
    incomplete: BTreeMap<String, String>,
    /// Whether the last page names a next one.
    next_page: bool,
}

impl Responses<'_> {
    /// Takes one response.
    fn page(&mut self, fields: &Fields, place: Place, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let page = match response::Page::read(&fields.object()) {
            Ok(page) => page,
            Err(reason) => return sink.reject(place.rejected(reason, &fields.object())),
        };
        self.next_page = page.next_page;
        for message in page.messages {
            sink.warn(format!("CloudWatch says: {message}"));
        }
        // Objects are no row of their own: a price may count both their number and their size.
        let mut objects: HashMap<StoredAt, i64> = HashMap::new();
        let mut sizes = Vec::new();
        for series in page.series {
            let name = series.name().to_owned();
            match &series.status {
                Some(status) if status != "Complete" => self.incomplete.insert(name, status.clone()),
                _ => self.incomplete.remove(&name),
            };
            let metric = self.metric(&series)?;
            let points = match series.points(metric) {
                Ok(points) => points,
                Err(reason) => {
                    sink.reject(place.rejected(format!("`{}`: {reason}", series.name()), series.text.as_bytes()))?;
                    continue;
                }
            };
            for point in points {
                let reject =
                    |reason: String| place.rejected(format!("`{}`: {reason}", series.name()), series.text.as_bytes());
                match self.record(metric, &point) {
                    Ok(record) => match record.usage {
                        Usage::StoredBytes(stored) if metric.value_column() == "objects" => {
                            objects.insert((metric.columns.clone(), point.time_us), stored.objects.unwrap_or(0));
                        }
                        Usage::StoredBytes(_) => sizes.push(((metric.columns.clone(), point.time_us), record)),
                        _ => sink.record(record)?,
                    },
                    Err(reason) => sink.reject(reject(reason))?,
                }
            }
        }
        for (at, mut record) in sizes {
            if let Usage::StoredBytes(stored) = &mut record.usage {
                stored.objects = objects.remove(&at);
            }
            sink.record(record)?;
        }
        if !objects.is_empty() {
            let reason = format!(
                "{} numbers of objects without the bytes of the same time: ask for both in one `get-metric-data`",
                objects.len()
            );
            sink.reject(place.rejected(reason, b""))?;
        }
        Ok(())
    }

    /// What was declared of a series.
    fn metric(&self, series: &Series) -> Result<&DeclaredMetric, IngestError> {
        let names = series.id.iter().chain(&series.label);
        let declared = names.clone().find_map(|name| self.declared.get(name));
        declared.ok_or_else(|| {
            let shown: Vec<_> = names.map(|name| format!("`{name}`")).collect();
            let mut problem = format!(
                "the response does not say what {} measures: resource, statistic and period have to be declared",
                shown.join(", ")
            );
            let of_bucket = matches!(series.label.as_deref(), Some(BUCKET_SIZE | BUCKET_OBJECTS));
            if of_bucket {
                problem += "; of a bucket, `resource` and `storage_class` in `--defaults FILE.toml` are enough";
            }
            IngestError::NeedsMapping { problem, example: example(series.name(), of_bucket) }
        })
    }

    fn record(&self, metric: &DeclaredMetric, point: &Point) -> Result<Record, String> {
        let usage = match metric.usage_table() {
            Some(UsageTable::Storage) => {
                let mut row: StoredBytes = filled(metric, point)?;
                row.held_us = Some(metric.period_us());
                self.origin.defaults.complete_stored_bytes(&mut row);
                Usage::StoredBytes(Box::new(row))
            }
            Some(UsageTable::Requests) => {
                let mut row: Request = filled(metric, point)?;
                self.origin.defaults.complete_request(&mut row);
                Usage::Request(Box::new(row))
            }
            _ => {
                let mut row: MeteredQuantity = filled(metric, point)?;
                row.held_us = (!metric.is_amount()).then(|| metric.period_us());
                self.origin.defaults.complete_metered_quantity(&mut row);
                Usage::MeteredQuantity(Box::new(row))
            }
        };
        let (account, region) = match &usage {
            Usage::StoredBytes(row) => (&row.account, &row.region),
            Usage::Request(row) => (&row.account, &row.region),
            Usage::MeteredQuantity(row) => (&row.account, &row.region),
            _ => (&None, &None),
        };
        let period = metric.period_s.to_string();
        let mut parts = vec![
            Some("aws-cloudwatch-metrics"),
            account.as_deref(),
            region.as_deref(),
            Some(&metric.namespace),
            Some(&metric.name),
            Some(&metric.stat),
            Some(&period),
        ];
        parts.extend(metric.dimensions.iter().flat_map(|(name, value)| [Some(name.as_str()), Some(value.as_str())]));
        let key = RecordKey::of(&parts);
        Ok(Record { time: EventTime::Logged(point.time_us), key, usage })
    }

    fn finish(&self, sink: &mut dyn Sink) {
        for (name, status) in &self.incomplete {
            sink.warn(format!(
                "metering incomplete: `{name}` is `{status}`, and more datapoints are to come: repeat the request with its `NextToken`"
            ));
        }
        if self.next_page && self.incomplete.is_empty() {
            sink.warn("metering incomplete: the last page has a `NextToken`, so that there are more".to_owned());
        }
    }
}

/// A row of the declared columns and the value.
fn filled<R: Columns>(metric: &DeclaredMetric, point: &Point) -> Result<R, String> {
    let mut row = R::default();
    row.set("provider", "aws", None)?;
    for (column, text) in &metric.columns {
        row.set(column, text, None).map_err(|problem| format!("`{column}` {problem}"))?;
    }
    let column = metric.value_column();
    row.set(column, &point.value, None).map_err(|problem| format!("the value for `{column}` {problem}"))?;
    Ok(row)
}

/// How a metric is declared.
fn example(name: &str, of_bucket: bool) -> String {
    let bare = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    let is_bare = !name.is_empty() && name.chars().all(bare);
    let key = if is_bare { name.to_owned() } else { serde_json::Value::from(name).to_string() };
    let declared = if of_bucket {
        "table = \"storage\"\n\
         namespace = \"AWS/S3\"               # as in the request, like the next four\n\
         name = \"BucketSizeBytes\"\n\
         dimensions = { BucketName = \"photos\", StorageType = \"StandardStorage\" }\n\
         stat = \"Average\"\n\
         period_s = 86400\n\
         service = \"s3\"                     # columns of the table, in the words of the price books\n\
         resource = \"photos\"\n\
         storage_class = \"STANDARD\"\n"
    } else {
        "table = \"metered\"                  # requests, storage or metered\n\
         namespace = \"AWS/DynamoDB\"         # as in the request, like the next four\n\
         name = \"ProvisionedWriteCapacityUnits\"\n\
         dimensions = { TableName = \"orders\" }\n\
         stat = \"Average\"                   # a level held for the period; a Sum is an amount\n\
         period_s = 300\n\
         service = \"dynamodb\"               # columns of the table, in the words of the price books\n\
         meter = \"wcu\"\n\
         unit = \"WCU\"\n\
         resource = \"orders\"\n"
    };
    format!("[metric.{key}]\n{declared}")
}
