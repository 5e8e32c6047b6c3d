//! Published worked examples, rated by the shipped price books alone
//!
//! `cases/aws_lambda_s3.json` carries request and expected figures; `cases/requests.json` carries requests whose
//! expected figures are read from `../shared/cases` beside the repository, and skipped where that is absent.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]
use std::io::Write;
use std::{collections::BTreeMap, fs, path::PathBuf};

use paygrain_pricing::{Catalogue, Estimate, EstimateRequest, Exact, Unit, estimate};
use serde::Deserialize;

/// Two publications print two separately rounded prices for one thing: a second and an hour of Fargate, a state
/// machine's 100 ms and its GB-second. The books hold one of each, so these agree in the printed digits only.
const PRINTED_ONLY: [&str; 2] = ["aws-fargate-ex1", "aws-sfn-express-workshop"];
/// A month of 720 hours, in which units of metering examples are compared.
const MONTH_US: i64 = 720 * 3_600_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    request: serde_json::Value,
    /// The example is about a quantity: the SKUs (without provider and service, `|` between) and the unit to give it in.
    measure: Option<Measure>,
    /// Only charges whose SKU contains this belong to the published total.
    only: Option<String>,
    /// What the publication got wrong: only the exact figure is asserted then.
    publisher_error: Option<String>,
    source: Option<String>,
    exact_total: Option<String>,
    published: Option<String>,
}

#[derive(Deserialize)]
struct Measure {
    sku: String,
    unit: String,
}

/// The figures of a case in the shared file.
#[derive(Deserialize)]
struct Shared {
    id: String,
    #[serde(default)]
    circular: bool,
    exact_total: String,
    expected_total: String,
    reproduced: Option<bool>,
    reproduced_at_published_precision: Option<bool>,
}

fn read<T: for<'de> Deserialize<'de>>(path: &str) -> Option<Vec<T>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

fn result(catalogue: &Catalogue, case: &Case) -> (Exact, Exact, Estimate) {
    let request = EstimateRequest::from_json(&case.request.to_string()).unwrap();
    let estimate =
        estimate(catalogue, request).unwrap_or_else(|error| panic!("{}: {error} {:?}", case.id, error.hint()));
    if let Some(measure) = &case.measure {
        let unit = Unit::parse(&measure.unit).unwrap();
        let quantity: Exact = estimate
            .charges
            .iter()
            .filter(|charge| measure.sku.split('|').any(|sku| charge.sku.ends_with(&format!(".{sku}"))))
            .map(|charge| {
                let own = Unit::parse(&charge.consumed_unit).unwrap();
                &charge.consumed_quantity * own.factor(&unit, MONTH_US).unwrap()
            })
            .sum();
        return (quantity.clone(), quantity, estimate);
    }
    let counted = |sku: &str| case.only.as_ref().is_none_or(|only| sku.contains(only));
    let costs: Vec<&Exact> =
        estimate.charges.iter().filter(|charge| counted(&charge.sku)).map(|charge| &charge.billed_cost).collect();
    let by_line = costs.iter().map(|cost| cost.rounded_half_up(2)).sum();
    (costs.into_iter().sum(), by_line, estimate)
}

/// Whether two figures agree to 25 fractional digits: the files cut off decimals without end.
fn same(ours: &Exact, theirs: &str) -> bool {
    let difference = ours - Exact::parse(&theirs[..theirs.len().min(50)]).unwrap();
    let tolerance = Exact::parse("1e-25").unwrap();
    difference < tolerance && -difference < tolerance
}

/// Checks one case; what is wrong with it, when something is.
fn check(catalogue: &Catalogue, case: &Case, exact: &str, published: &str, reproduced: bool) -> Option<String> {
    let (ours, by_line, estimate) = result(catalogue, case);
    let published = published.replace(',', "");
    let places = published.split_once('.').map_or(0, |(_, fraction)| fraction.len()) as u32;
    let printed = ours.round_half_up(places) == published || by_line.round_half_up(places) == published;
    let mut wrong = Vec::new();
    if PRINTED_ONLY.contains(&case.id.as_str()) {
        if !printed {
            wrong.push(format!("ours {ours}, published {published}"));
        }
    } else if !same(&ours, exact) {
        wrong.push(format!("ours {ours}, exact {exact}"));
    }
    match (&case.publisher_error, reproduced) {
        (None, false) => wrong.push("not reproducible, but what the publisher got wrong is not named".to_owned()),
        (Some(error), true) => wrong.push(format!("said to be wrong ({error}), but reproducible")),
        (None, true) if !printed => wrong.push(format!("ours {ours}, published {published}")),
        _ => {}
    }
    if case.publisher_error.is_some() || !estimate.unpriced.is_empty() {
        println!("{}: ours {ours}, published {published}: {:?} {:?}", case.id, case.publisher_error, estimate.unpriced);
    }
    let total: Exact = estimate.charges.iter().map(|charge| &charge.billed_cost).sum();
    assert_eq!(total, estimate.total, "{}", case.id);
    (!wrong.is_empty()).then(|| format!("{}: {}", case.id, wrong.join("; ")))
}

#[test]
fn lambda_s3_and_data_transfer_examples_are_exact() {
    let catalogue = Catalogue::embedded().unwrap();
    let cases: Vec<Case> = read("tests/cases/aws_lambda_s3.json").unwrap();
    let problems: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            assert!(case.source.is_some(), "{}", case.id);
            let (exact, published) = (case.exact_total.as_deref().unwrap(), case.published.as_deref().unwrap());
            check(&catalogue, case, exact, published, case.publisher_error.is_none())
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(cases.len(), 27);
}

#[test]
fn every_shared_example_is_exact() {
    let mut figures = BTreeMap::new();
    for file in ["aws.json", "other.json"] {
        let Some(cases) = read::<Shared>(&format!("../../shared/cases/{file}")) else {
            // Past the test runner, which keeps what passing tests print.
            let _ = writeln!(std::io::stderr(), "skipped: ../shared is absent");
            return;
        };
        figures.extend(cases.into_iter().filter(|case| !case.circular).map(|case| (case.id.clone(), case)));
    }
    let catalogue = Catalogue::embedded().unwrap();
    let mut cases: Vec<Case> = read("tests/cases/requests.json").unwrap();
    cases.extend(read::<Case>("tests/cases/aws_lambda_s3.json").unwrap());
    let mut problems = Vec::new();
    let mut checked = 0;
    for case in &cases {
        let Some(shared) = figures.remove(&case.id) else {
            problems.push(format!("{}: not among the shared cases", case.id));
            continue;
        };
        let reproduced = shared.reproduced.or(shared.reproduced_at_published_precision).unwrap_or(true);
        problems.extend(check(&catalogue, case, &shared.exact_total, &shared.expected_total, reproduced));
        checked += 1;
    }
    problems.extend(figures.keys().map(|id| format!("{id}: no request for it")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    println!("{checked} examples, {} exact", checked - PRINTED_ONLY.len());
}
