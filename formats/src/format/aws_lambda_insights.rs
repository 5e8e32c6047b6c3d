//! Tables of Lambda log events from the console: results of CloudWatch Logs Insights as CSV, or in Markdown with the
//! region and the log groups in front, and the CSV of a log stream. Results as JSON are in `aws_lambda_json`.
//!
//! A query may have selected the message of each event, or only the fields that Logs Insights finds in a REPORT.

use std::cell::RefCell;
use std::io::{BufRead, Cursor, Read};

use crate::decompress::ingest_error;
use crate::error::{IngestError, excerpt};
use crate::format::aws_lambda::{Event, Kind, LambdaLog};
use crate::format::csv_table::{self, CsvRow, TableReader};
use crate::format::line::{LINE_BYTES_MAX, Line, Lines, Place};
use crate::format::{Format, Origin, Recognition, Sink};
use crate::record::{Record, RejectedRow};

/// What the console puts in front of a table.
const TITLE: &str = "**CloudWatch Logs Insights**";

/// How much of the beginning is looked at before it is read, in bytes.
const HEAD_BYTES: u64 = 64 << 10;

/// Columns in the CSV of a log stream, and what Logs Insights calls them.
const OF_STREAM: [(&str, &str); 2] = [("timestamp", "@timestamp"), ("message", "@message")];

/// `aws-lambda-insights`.
pub struct AwsLambdaInsights;

impl Format for AwsLambdaInsights {
    fn name(&self) -> &'static str {
        "aws-lambda-insights"
    }

    fn description(&self) -> &'static str {
        "AWS Lambda log events as a table from the console: CloudWatch Logs Insights results as CSV or Markdown, the CSV \
         of a log stream"
    }

    fn recognises(&self, head: &[u8]) -> Option<Recognition> {
        Some(Recognition { because: recognise(head)? })
    }

    fn parse(&self, input: &mut dyn BufRead, origin: &Origin<'_>, sink: &mut dyn Sink) -> Result<(), IngestError> {
        let shared = Shared(RefCell::new(sink));
        let (mut of_log, mut of_table) = (&shared, &shared);
        let mut log = LambdaLog::new(origin, &mut of_log);
        // The beginning decides how to read the rest, however much of it the input hands out at once.
        let mut head = Vec::new();
        (&mut *input).take(HEAD_BYTES).read_to_end(&mut head).map_err(ingest_error)?;
        let is_markdown = is_markdown(&head);
        let mut input = Cursor::new(head).chain(input);
        if is_markdown {
            markdown(&mut input, &mut log)?;
        } else {
            let mut table = CsvTable { log: &mut log, rows: 0, of_stream: false };
            csv_table::read(&mut input, None, &mut table, &mut of_table)?;
            let rows = if table.of_stream { 0 } else { table.rows };
            log.insights_end(rows);
        }
        log.finish();
        Ok(())
    }
}

/// What in the head makes it results of Logs Insights.
pub(super) fn recognise(head: &[u8]) -> Option<String> {
    let names = if is_markdown(head) {
        let mut lines = head.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
        let mut above = "";
        loop {
            let line = lines.next()?;
            if is_rule(line) {
                break header(above);
            }
            above = line;
        }
    } else {
        csv_table::header_of(head)?
    };
    if is_of_stream(&names) {
        // Any log may have such columns: an event of the platform makes it one of Lambda.
        let platform = |line: &[u8]| {
            let message = line.splitn(2, |byte| *byte == b',').nth(1).unwrap_or_default();
            matches!(Kind::of(message.strip_prefix(b"\"").unwrap_or(message)), Kind::Platform(_))
                || memchr::memmem::find(line, b"\"\"platform.").is_some()
        };
        let found = head.split(|byte| *byte == b'\n').any(platform);
        return found.then(|| "it has the columns timestamp and message, and events of Lambda".to_owned());
    }
    let has = |name: &str| names.iter().any(|other| other == name);
    let fields = has("@requestId") && ["@billedDuration", "@duration", "@type"].into_iter().any(has);
    let shown: Vec<_> = names.iter().filter(|name| name.starts_with('@')).take(3).map(String::as_str).collect();
    (has("@message") || fields).then(|| format!("it has columns of CloudWatch Logs Insights ({})", shown.join(", ")))
}

/// Whether it begins as the console copies a table, or as that table by itself.
fn is_markdown(head: &[u8]) -> bool {
    let begin = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut begin = begin.filter(|line| !line.is_empty() && !line.starts_with(b"#") && *line != b"---");
    begin.next().is_some_and(|line| line.starts_with(b"|") || line.starts_with(TITLE.as_bytes()))
}

/// `| --- | --- |`, below the names of the columns.
fn is_rule(line: &str) -> bool {
    let Some(inner) = line.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else { return false };
    inner.split('|').all(|cell| cell.contains("---") && cell.trim().bytes().all(|byte| matches!(byte, b'-' | b':')))
}

fn header(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|name| name.trim().to_owned()).collect()
}

fn is_of_stream(names: &[String]) -> bool {
    names.len() >= OF_STREAM.len() && OF_STREAM.iter().zip(names).all(|((column, _), name)| column == name)
}

struct CsvTable<'t, 'a> {
    log: &'t mut LambdaLog<'a>,
    rows: u64,
    /// Whether it is that of a log stream.
    of_stream: bool,
}

impl TableReader for CsvTable<'_, '_> {
    fn header(&mut self, names: &[String], _: &mut dyn Sink) -> Result<(), IngestError> {
        self.of_stream = is_of_stream(names);
        Ok(())
    }

    fn row(&mut self, row: &CsvRow<'_>, _: &mut dyn Sink) -> Result<(), IngestError> {
        self.rows += 1;
        let at = row.rejected(String::new());
        let around = Event { place: Place { line: at.line, offset: at.byte_offset }, ..Event::default() };
        let of_stream = self.of_stream;
        let field = |name: &str| {
            let renamed = OF_STREAM.iter().find(|(_, other)| of_stream && *other == name);
            row.value(renamed.map_or(name, |(column, _)| *column))
        };
        self.log.insights(&around, field)
    }
}

/// A table in Markdown being read.
#[derive(Default)]
struct Table {
    region: Option<String>,
    /// The only log group that was asked, if it was one.
    group: Option<String>,
    /// The line that may turn out to be the header.
    above: String,
    columns: Vec<String>,
    /// The row being read: a message may go on in the next line.
    row: Option<(Place, String)>,
    rows: u64,
}

fn markdown(input: &mut dyn BufRead, log: &mut LambdaLog<'_>) -> Result<(), IngestError> {
    let mut table = Table::default();
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next()? {
        if line.too_long {
            table.end_row(log)?;
            log.reject(line.rejected_too_long())?;
            continue;
        }
        table.line(&line, log)?;
    }
    table.end(log)
}

impl Table {
    fn line(&mut self, line: &Line<'_>, log: &mut LambdaLog<'_>) -> Result<(), IngestError> {
        let text = String::from_utf8_lossy(line.bytes);
        if text.starts_with(TITLE) {
            self.end(log)?;
            *self = Table::default();
        } else if self.columns.is_empty() {
            // The query stands in front of the table, and its lines may begin with a bar as well.
            if is_rule(&text) {
                self.columns = header(&self.above);
            } else if let Some(region) = text.strip_prefix("region:") {
                self.region = Some(region.trim().to_owned()).filter(|region| !region.is_empty());
            } else if let Some(groups) = text.strip_prefix("log-group-names:") {
                let groups = groups.trim();
                self.group = Some(groups.to_owned()).filter(|group| !group.is_empty() && !group.contains(','));
            }
            self.above = text.into_owned();
        } else if text.starts_with('|') {
            self.end_row(log)?;
            self.row = Some((Place { line: Some(line.number), offset: line.offset }, text.into_owned()));
        } else if let Some((_, row)) = &mut self.row
            && !row.trim_end().ends_with('|')
            && row.len() + text.len() < LINE_BYTES_MAX
        {
            row.push('\n');
            row.push_str(&text);
        }
        Ok(())
    }

    fn end_row(&mut self, log: &mut LambdaLog<'_>) -> Result<(), IngestError> {
        let Some((place, row)) = self.row.take() else { return Ok(()) };
        self.rows += 1;
        let values = match cells(&row, &self.columns) {
            Ok(values) => values,
            Err(reason) => return log.reject(place.rejected(reason, row.as_bytes())),
        };
        let field = |name: &str| {
            let place = self.columns.iter().position(|other| other == name)?;
            values.get(place).map(|text| text.trim()).filter(|text| !text.is_empty())
        };
        let around = Event { region: self.region.as_deref(), group: self.group.as_deref(), place, ..Event::default() };
        log.insights(&around, field)
    }

    fn end(&mut self, log: &mut LambdaLog<'_>) -> Result<(), IngestError> {
        self.end_row(log)?;
        log.insights_end(self.rows);
        Ok(())
    }
}

/// The cells of a row. The bars of a message are not marked: what is too many belongs to it.
fn cells(row: &str, columns: &[String]) -> Result<Vec<String>, String> {
    let inner = row.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|'));
    let inner = inner.ok_or_else(|| format!("the row does not end in `|` but in `{}`", ending(row)))?;
    let inner = inner.strip_prefix(' ').unwrap_or(inner);
    let inner = inner.strip_suffix(' ').unwrap_or(inner);
    let mut cells: Vec<String> = inner.split(" | ").map(str::to_owned).collect();
    let message = columns.iter().position(|name| name == "@message");
    if let Some(message) = message
        && cells.len() > columns.len()
    {
        let end = message + 1 + cells.len() - columns.len();
        let text = cells[message..end].join(" | ");
        cells.splice(message..end, [text]);
    }
    if cells.len() == columns.len() {
        Ok(cells)
    } else {
        Err(format!("the row has {} cells, the header has {}", cells.len(), columns.len()))
    }
}

/// The last characters of a row.
fn ending(row: &str) -> String {
    const SHOWN: usize = 10;
    let skipped = row.trim().chars().count().saturating_sub(SHOWN);
    excerpt(row.trim().chars().skip(skipped).collect::<String>().as_bytes())
}

/// A sink that the log and the reader of the table hand over to in turn.
struct Shared<'a>(RefCell<&'a mut dyn Sink>);

impl Sink for &Shared<'_> {
    fn record(&mut self, record: Record) -> Result<(), IngestError> {
        self.0.borrow_mut().record(record)
    }

    fn reject(&mut self, row: RejectedRow) -> Result<(), IngestError> {
        self.0.borrow_mut().reject(row)
    }

    fn warn(&mut self, message: String) {
        self.0.borrow_mut().warn(message);
    }
}
