//! Published worked examples, rated by the shipped price books alone
//!
//! One test over a table of cases. A case is what a publication says: inputs, era, region and total. The mappings beside
//! this file turn the inputs into an estimate; no price and no figure comes from a case or a mapping. `published.json`
//! holds the cases that are always there, the others are read from `../shared/cases` beside the repository.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]
use std::io::Write;
use std::{collections::BTreeMap, fs, path::PathBuf};

use paygrain_pricing::{Catalogue, Estimate, Exact, Unit, estimate};
use serde::Deserialize;

use self::mapping::{Mapped, Mappings};

mod era;
mod formula;
mod mapping;

/// A month of 720 hours, in which units of metering examples are compared.
const MONTH_US: i64 = 720 * 3_600_000_000;
/// How many of the shared cases come out to the last digit, and in the printed digits only. Of the latter there are two:
/// their publications print two separately rounded prices for one thing (a second and an hour of Fargate, a state
/// machine's 100 ms and its GB-second), and the books hold one of each.
const EXACT_AT_LEAST: usize = 142;
const PRINTED_AT_MOST: usize = 2;

/// A worked example as it was published, with the exact figure worked out from its inputs and prices.
#[derive(Clone, Debug, Deserialize)]
struct Case {
    id: String,
    provider: String,
    service: String,
    era: String,
    region: String,
    inputs: serde_json::Value,
    free_tier_applied: bool,
    /// `metering` when the figure is a quantity.
    case_kind: String,
    /// Unit of a quantity.
    unit: Option<String>,
    /// The published lines.
    expected: serde_json::Value,
    /// The published prices: they tell which of several eras a page is of, nothing is rated by them.
    #[serde(default)]
    prices: serde_json::Value,
    exact_total: String,
    expected_total: String,
    source_url: String,
    #[serde(default)]
    notes: String,
    /// Its prices were solved from its total: it proves nothing.
    #[serde(default)]
    circular: bool,
    #[serde(alias = "reproduced_at_published_precision")]
    reproduced: bool,
}

impl Case {
    /// What mappings see of a case besides its inputs.
    fn fields(&self) -> serde_json::Value {
        serde_json::json!({
            "id": self.id, "service": self.service, "era": self.era, "region": self.region, "notes": self.notes,
            "unit": self.unit, "kind": self.case_kind, "expected": self.expected, "prices": self.prices, "free_tier": self.free_tier_applied,
        })
    }
}

/// How a case came out.
enum Verdict {
    /// To the last digit.
    Exact,
    /// In the digits that are printed.
    Printed,
    /// To the last digit of what the inputs and prices give; the publication differs, for this reason.
    PublicationWrong(String),
}

fn read<T: for<'de> Deserialize<'de>>(path: &str) -> Option<T> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// The cases of the shared files; nothing where they are absent.
fn shared() -> Option<Vec<Case>> {
    let mut cases: Vec<Case> = read("../../shared/cases/aws.json")?;
    cases.extend(read::<Vec<Case>>("../../shared/cases/other.json")?);
    Some(cases)
}

/// The figure of a case, and the sum of its charges rounded one by one.
fn figure(case: &Case, mapped: &Mapped, estimate: &Estimate) -> Result<(Exact, Exact), String> {
    if case.case_kind == "metering" {
        let skus = mapped.measure.as_ref().map(|(skus, _)| skus.split('|').collect::<Vec<_>>());
        let mut unit = mapped.measure.as_ref().map(|(_, unit)| unit.as_str());
        let mut sum = Exact::zero();
        for charge in &estimate.charges {
            let counts = |sku: &&str| charge.sku.ends_with(&format!(".{sku}"));
            if skus.as_ref().is_some_and(|skus| !skus.iter().any(counts)) {
                continue;
            }
            let to = *unit.get_or_insert(&charge.consumed_unit);
            let factor = Unit::parse(&charge.consumed_unit).unwrap().factor(&Unit::parse(to).unwrap(), MONTH_US);
            sum += &charge.consumed_quantity * factor.map_err(|error| format!("{}: {error}", charge.sku))?;
        }
        return Ok((sum.clone(), sum));
    }
    let counted = |sku: &str| mapped.only.as_ref().is_none_or(|only| sku.contains(only.as_str()));
    let costs = || estimate.charges.iter().filter(|charge| counted(&charge.sku)).map(|charge| &charge.billed_cost);
    Ok((costs().sum(), costs().map(|cost| cost.rounded_half_up(2)).sum()))
}

/// Whether two figures agree to 25 fractional digits: the files cut off decimals without end.
fn same(ours: &Exact, theirs: &str) -> bool {
    let difference = ours - Exact::parse(&theirs[..theirs.len().min(50)]).unwrap();
    let tolerance = Exact::parse("1e-25").unwrap();
    difference < tolerance && -difference < tolerance
}

/// Rates one case.
fn check(
    catalogue: &Catalogue,
    mappings: &Mappings,
    reasons: &BTreeMap<String, String>,
    case: &Case,
) -> Result<Verdict, String> {
    let mapped = mappings.map(catalogue, case)?;
    let estimate = estimate(catalogue, mapped.request.clone())
        .map_err(|error| format!("{error} {}", error.hint().unwrap_or_default()))?;
    let total: Exact = estimate.charges.iter().map(|charge| &charge.billed_cost).sum();
    assert_eq!(total, estimate.total, "{}", case.id);
    if let (Some(unpriced), false) = (estimate.unpriced.first(), mapped.unpriced_allowed) {
        return Err(format!("usage row {} is not priced: {}", unpriced.row, unpriced.reason));
    }
    let (ours, by_line) = figure(case, &mapped, &estimate)?;
    let published = case.expected_total.replace([',', '$'], "");
    let places = published.split_once('.').map_or(0, |(_, fraction)| fraction.len()) as u32;
    let printed = ours.round_half_up(places) == published;
    let by_line = by_line.round_half_up(places) == published;
    match (same(&ours, &case.exact_total), case.reproduced) {
        (true, true) if printed || by_line => Ok(Verdict::Exact),
        (true, false) => {
            let reason = reasons.get(&case.id).unwrap_or(&case.notes);
            match reason.is_empty() {
                true => Err("not reproducible, and nothing says what the publication got wrong".to_owned()),
                false => Ok(Verdict::PublicationWrong(format!("ours {ours}, published {published}: {reason}"))),
            }
        }
        (false, true) if printed => Ok(Verdict::Printed),
        _ => Err(format!("ours {ours}, exact {}, published {published}; {:?}", case.exact_total, mapped.request)),
    }
}

fn mappings() -> Mappings {
    Mappings::read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases"))
}

#[test]
fn every_published_example_comes_out() {
    let catalogue = Catalogue::embedded().unwrap();
    let mappings = mappings();
    let reasons: BTreeMap<String, String> = read("tests/cases/publication_wrong.json").unwrap();
    let own: Vec<Case> = read("tests/cases/published.json").unwrap();
    assert!(own.len() >= 27 && own.iter().all(|case| !case.source_url.trim().is_empty()));
    let shared = shared();
    if shared.is_none() {
        // Past the test runner, which keeps what passing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: ../shared is absent, only {} examples are checked", own.len());
    }
    let has_all = shared.is_some();
    let (mut exact, mut printed, mut wrong, mut circular, mut problems) = (0, 0, 0, 0, Vec::new());
    for case in shared.unwrap_or(own) {
        match check(&catalogue, &mappings, &reasons, &case) {
            Err(problem) => problems.push(format!("{}: {problem}", case.id)),
            Ok(_) if case.circular => circular += 1,
            Ok(Verdict::Exact) => exact += 1,
            Ok(Verdict::Printed) => {
                println!("{}: agrees in the printed digits", case.id);
                printed += 1;
            }
            Ok(Verdict::PublicationWrong(reason)) => {
                println!("{}: {reason}", case.id);
                (exact, wrong) = (exact + 1, wrong + 1);
            }
        }
    }
    println!("{exact} exact ({wrong} where the publication is wrong), {printed} as printed, {circular} circular");
    assert!(problems.is_empty(), "{} examples fail:\n{}", problems.len(), problems.join("\n"));
    if has_all {
        assert!(exact >= EXACT_AT_LEAST && printed <= PRINTED_AT_MOST, "{exact} exact, {printed} as printed");
    }
}

/// A mapping must not let a part of a case's usage pass unseen.
#[test]
fn what_a_mapping_does_not_know_fails() {
    let catalogue = Catalogue::embedded().unwrap();
    let (mappings, reasons) = (mappings(), BTreeMap::new());
    let own: Vec<Case> = read("tests/cases/published.json").unwrap();
    let case = own.iter().find(|case| case.id == "aws-lambda-2014-ex1").unwrap();
    let fails = |case: &Case, expected: &str| {
        let Err(problem) = check(&catalogue, &mappings, &reasons, case) else { panic!("passes: {expected}") };
        assert!(problem.contains(expected), "{problem}");
    };
    assert!(matches!(check(&catalogue, &mappings, &reasons, case), Ok(Verdict::Exact)));
    let with = |name: &str, value: serde_json::Value| {
        let mut case = case.clone();
        case.inputs[name] = value;
        case
    };
    // Another word for the same is understood, in another unit too.
    let mut reworded = case.clone();
    reworded.inputs = serde_json::json!({"monthly_invocations": "3,000,000", "exec_s": 1, "memory_gib": "0.5"});
    assert!(matches!(check(&catalogue, &mappings, &reasons, &reworded), Ok(Verdict::Exact)));
    fails(&with("surprise", 1.into()), r#"inputs that reach no row: {"surprise"}"#);
    fails(&with("memory_gb", 1.into()), r#"{"memory_gb"}"#);
    fails(&with("nested", serde_json::json!([{"mb": 128}])), r#"{"nested.mb"}"#);
    fails(&with("duration_ms", "long".into()), "is not a decimal number");
    fails(&with("duration_ms", serde_json::Value::Null), r#"{"arch", "memory_mb"}"#);
    fails(&with("requests", "4,000,000".into()), "ours 27.272");
    fails(&Case { service: "unheard-of".to_owned(), ..case.clone() }, "no mapping for the service `unheard-of` of aws");
    fails(&Case { reproduced: false, ..case.clone() }, "nothing says what the publication got wrong");
    fails(&Case { expected_total: "18.73".to_owned(), ..case.clone() }, "published 18.73");
}
