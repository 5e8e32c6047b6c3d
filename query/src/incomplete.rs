//! Usage records of which a SKU counts nothing although it is meant to: a column is missing, or a word is not known
use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use paygrain_pricing::expression::{Expression, Value};
use paygrain_pricing::table::ColumnKind;
use paygrain_pricing::{Catalogue, Exact};

use crate::bill::UnpricedUsage;
use crate::error::QueryError;
use crate::metering::{Meter, Question, cell, literal, pricing_table};
use crate::rollup::class::Class;

/// How many SKUs are named at most.
const NAMED_MAX: usize = 3;

/// A meter whose quantity can be missing.
struct Gap<'a> {
    /// Its place among the meters.
    meter: usize,
    sku: &'a str,
    /// The rows it is meant to count and cannot, as SQL.
    condition: String,
    quantity: &'a Expression,
}

/// What to look for among the records of one table and service.
pub(crate) struct Incomplete<'a> {
    question: &'a Question<'a>,
    catalogue: &'a Catalogue,
    gaps: Vec<Gap<'a>>,
    /// Columns whose absence stands for something, with the words that are known.
    words: BTreeMap<&'static str, BTreeSet<&'a str>>,
}

fn either(conditions: impl Iterator<Item = String>) -> String {
    let conditions: Vec<_> = conditions.collect();
    if conditions.is_empty() { "false".to_owned() } else { conditions.join(" OR ") }
}

/// Whether a record can lack what a rule reads.
pub(crate) fn can_be_missing(quantity: &Expression) -> bool {
    quantity.evaluate(&|_| Value::Null) == Value::Null
}

impl<'a> Incomplete<'a> {
    pub fn of(question: &'a Question<'a>, catalogue: &'a Catalogue, meters: &[Meter<'a>]) -> Self {
        let table = pricing_table(question.table);
        let gap = |(place, meter): (usize, &Meter<'a>)| Gap {
            meter: place,
            sku: &catalogue.sku(meter.rule.sku).base,
            condition: format!(
                "coalesce({} AND {} AND ({}) IS NULL, false)",
                meter.condition(catalogue, question),
                meter.known_key(),
                meter.rule.quantity.to_sql()
            ),
            quantity: meter.rule.quantity,
        };
        let words = catalogue.telling_words((&question.source.provider, &question.source.service, table));
        let schema = question.table.schema();
        Self {
            question,
            catalogue,
            gaps: meters.iter().enumerate().filter(|(_, meter)| can_be_missing(meter.rule.quantity)).map(gap).collect(),
            words: words.into_iter().filter(|(column, _)| schema.index_of(column).is_ok()).collect(),
        }
    }

    /// The rows with a word that may be wrong, as SQL.
    pub fn unknown_words(&self) -> String {
        let words = self.words.iter().map(|(column, words)| {
            let words: Vec<_> = words.iter().map(|word| literal(word)).collect();
            format!("coalesce(\"{column}\" NOT IN ({}), false)", words.join(", "))
        });
        either(words)
    }

    /// The columns in which a word may be wrong.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.words.keys().copied()
    }

    /// Whether a record has a word that may be wrong.
    pub fn has_unknown_word<'t>(&self, text: &dyn Fn(&str) -> Option<&'t str>) -> bool {
        self.words.iter().any(|(column, words)| text(column).is_some_and(|word| !words.contains(word)))
    }

    /// What records of a class are not counted by, of the meters that can lack something by their places, and why.
    pub fn why_of_class(&self, meters: &[usize], class: &Class) -> Option<(String, String)> {
        let table = self.question.table;
        let gaps: Vec<&Gap<'_>> = self.gaps.iter().filter(|gap| meters.contains(&gap.meter)).collect();
        let columns = self.gaps.iter().flat_map(|gap| gap.quantity.columns());
        let absent = columns.filter(|column| class.value(table, column) == Value::Null).collect();
        let texts: Vec<(&str, Option<String>)> =
            self.words().map(|column| (column, class.text(table, column).map(str::to_owned))).collect();
        self.why(&gaps, &absent, &texts)
    }

    /// What is not counted of the rows of a `FROM … WHERE …`, and why: each row stands once.
    pub async fn found(&self, session: &SessionContext, of: &str) -> Result<Vec<UnpricedUsage>, QueryError> {
        let columns: BTreeSet<&str> = self.gaps.iter().flat_map(|gap| gap.quantity.columns()).collect();
        let columns: Vec<&str> = columns.into_iter().collect();
        let flag = |condition: &str| format!("CASE WHEN {condition} THEN 1 ELSE 0 END");
        let absent = |column: &&str| match *column {
            "billed_us" => flag("\"billed_ms\" IS NULL"),
            column => flag(&format!("\"{column}\" IS NULL")),
        };
        let mut selected: Vec<String> = self.gaps.iter().map(|gap| flag(&gap.condition)).collect();
        selected.extend(columns.iter().map(absent));
        let flags = selected.len();
        selected.extend(self.words.keys().map(|column| format!("\"{column}\"")));
        let groups: Vec<String> = (1..=selected.len()).map(|place| place.to_string()).collect();
        // Two SKUs can ask for the very same.
        let selected: Vec<String> =
            selected.iter().enumerate().map(|(place, column)| format!("{column} AS column_{place}")).collect();
        let sql = format!(
            "SELECT {}, count(*) FROM {of} AND ({} OR {}) GROUP BY {}",
            selected.join(", "),
            either(self.gaps.iter().map(|gap| gap.condition.clone())),
            self.unknown_words(),
            groups.join(", ")
        );
        let mut found: BTreeMap<(String, String), u64> = BTreeMap::new();
        for batch in session.sql(&sql).await?.collect().await? {
            let numbers = |column: usize| Ok::<_, QueryError>(cast(batch.column(column), &DataType::Int64)?);
            let set: Vec<_> = (0..flags).map(numbers).collect::<Result<_, _>>()?;
            let counts = numbers(selected.len())?;
            for row in 0..batch.num_rows() {
                let is_set = |flag: usize| set[flag].as_primitive::<Int64Type>().value(row) == 1;
                let gaps: Vec<&Gap<'_>> =
                    self.gaps.iter().enumerate().filter(|(place, _)| is_set(*place)).map(|(_, gap)| gap).collect();
                let absent: BTreeSet<&str> = columns
                    .iter()
                    .enumerate()
                    .filter(|(place, _)| is_set(self.gaps.len() + place))
                    .map(|(_, column)| *column)
                    .collect();
                let texts: Vec<(&str, Option<String>)> = self
                    .words
                    .keys()
                    .enumerate()
                    .map(|(place, column)| Ok((*column, cell(&batch, flags + place, row)?)))
                    .collect::<Result<_, QueryError>>()?;
                if let Some(why) = self.why(&gaps, &absent, &texts) {
                    let count = counts.as_primitive::<Int64Type>().value(row);
                    *found.entry(why).or_default() += u64::try_from(count).unwrap_or(0);
                }
            }
        }
        let found = found.into_iter();
        Ok(found.map(|((usage, reason), count)| self.question.unpriced(usage, count, reason)).collect())
    }

    /// What a kind of row is not counted by, and why; nothing when all of it is.
    fn why(
        &self,
        gaps: &[&Gap<'_>],
        absent: &BTreeSet<&str>,
        texts: &[(&str, Option<String>)],
    ) -> Option<(String, String)> {
        let table = pricing_table(self.question.table);
        let mut names: Vec<&str> = gaps.iter().map(|gap| gap.sku).collect();
        let given = |name: &str| match absent.contains(name) {
            true => Value::Null,
            false if table.column(name).is_some_and(|column| column.kind == ColumnKind::Text) => {
                Value::Text(String::new())
            }
            false => Value::Number(Exact::one()),
        };
        let missing: BTreeSet<&str> = gaps.iter().flat_map(|gap| gap.quantity.missing(table, &given)).collect();
        let mut reasons = Vec::new();
        if !missing.is_empty() {
            let missing: Vec<_> = missing.into_iter().collect();
            reasons.push(format!("not given: {}", missing.join(", ")));
        }
        let source = (self.question.source.provider.as_str(), self.question.source.service.as_str(), table);
        let words: Vec<(&str, &str)> =
            texts.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?))).collect();
        let value = |name: &str| match texts.iter().find(|(column, _)| *column == name) {
            Some((_, Some(text))) => Value::Text(text.clone()),
            _ => Value::Null,
        };
        for (sku, word) in self.catalogue.lost_to_unknown_words(source, words, &value) {
            names.push(&self.catalogue.sku(sku).base);
            reasons.push(word);
        }
        if reasons.is_empty() {
            return None;
        }
        names.dedup();
        let more = names.len().saturating_sub(NAMED_MAX);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        names.truncate(NAMED_MAX);
        Some((format!("part: {}{rest}", names.join(", ")), reasons.join("; ")))
    }
}
