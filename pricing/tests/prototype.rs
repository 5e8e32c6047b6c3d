//! Random usage over every SKU, rated by this engine and by an independent one
//!
//! The other engine is a Python prototype beside the repository, `../shared/price_books/rate.py`, with price books of its
//! own. Both rate the same books here, and must agree on every SKU's quantities and cost as exact fractions. Where it is
//! absent the test says so and passes.
//!
//! Kept out of the usage, because the prototype means something else by it: several accounts or regions in one estimate
//! (it gives them one allowance together), times of day (it knows days only), months in which a rule, a price or an
//! allowance changes, for usage of several days (it takes the first day's), levels that lack a column (it stops),
//! and resources where each row is a scope of its own (it keeps the rows of one resource apart).
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use chrono::NaiveDate;
use paygrain_pricing::{
    Catalogue, EstimateRequest, Exact, Period, PriceBook, Sku, Table, Value, explain_estimate, grouped,
    table::{Column, ColumnKind},
};
use serde_json::{Map, json};

/// Months to rate in: all eras of the books.
const MONTHS: [&str; 10] =
    ["2012-06", "2015-03", "2018-02", "2019-06", "2020-11", "2021-08", "2023-05", "2024-02", "2025-06", "2026-03"];
/// Estimates per book at least.
const PER_BOOK: usize = 6;
/// SKUs in one estimate at most.
const SKUS_MAX: usize = 12;

/// Reads one estimate a line and writes one answer a line: per SKU quantity, free quantity and cost, as fractions.
const DRIVER: &str = r#"
import sys, json
sys.path.insert(0, sys.argv[1])
import rate as R
books, problems = R.load(sys.argv[1] + "/books")
for line in sys.stdin:
    sums = {}
    for c in R.rate(json.loads(line), books)["charges"]:
        s = sums.setdefault(c["sku"], [0, 0, 0])
        for i, k in enumerate(("consumed_quantity", "free_quantity", "billed_cost")): s[i] += c[k]
    print(json.dumps({k: [f"{v.numerator}/{v.denominator}" for v in s] for k, s in sums.items()}))
"#;

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// An integer of any size up to so many bits, often just at a power of two or ten.
    fn integer(&mut self, bits: usize) -> i64 {
        let size = self.below(bits);
        let edge = match self.below(3) {
            0 => 1 << size,
            1 => 10_i64.pow((size * 3 / 10) as u32),
            _ => (self.next() as i64).wrapping_mul(1 << (size / 2)) % (1 << size).max(1),
        };
        (edge.abs() + self.below(3) as i64 - 1).max(0)
    }
}

/// The prototype's folder; nothing where it is absent or cannot run.
fn prototype() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/price_books");
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    (folder.join("rate.py").exists() && python.is_ok_and(|status| status.success())).then_some(folder)
}

/// The prototype's books. They know no version, and one names a default that is no key of its table: without the line
/// it means the same.
fn books(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for provider in fs::read_dir(folder.join("books")).unwrap() {
        for path in fs::read_dir(provider.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()) {
            let text = fs::read_to_string(&path).unwrap();
            let version = if text.contains("\nversion") { "" } else { "version = \"2026-01-01\"\n" };
            let service = path.file_stem().unwrap().to_str().unwrap();
            let provider = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            let text = text.replace(
                "'TRANSITION'\"\nby = \"storage_class\"\ndefault = \"STANDARD\"",
                "'TRANSITION'\"\nby = \"storage_class\"",
            );
            files.push((format!("{provider}/{service}"), format!("{version}{text}")));
        }
    }
    files.sort();
    files
}

/// The texts in quotes in the filters of SKUs, and the keys of their price tables: what text columns may hold.
fn words(skus: &[Sku]) -> Vec<String> {
    let mut words = BTreeSet::new();
    for sku in skus {
        words.extend(sku.key.iter().map(|key| key.value.clone()));
        let texts = sku.filter.iter().chain(sku.meters.iter().map(|meter| &meter.quantity)).map(ToString::to_string);
        for text in texts {
            words.extend(text.split('\'').skip(1).step_by(2).map(str::to_owned));
        }
    }
    words.remove("");
    words.into_iter().collect()
}

/// Whether anything about a book changes inside a month.
fn changes(book: &PriceBook, period: Period) -> bool {
    let inside = |day: &Option<NaiveDate>| day.is_some_and(|day| day > period.first_day() && day <= period.last_day());
    let of_sku = |sku: &Sku| {
        sku.prices.iter().any(|price| inside(&price.from) || inside(&price.to))
            || sku.meters.iter().any(|meter| inside(&meter.from) || inside(&meter.to))
    };
    book.skus.iter().any(of_sku)
        || book.allowances.iter().any(|allowance| inside(&allowance.from) || inside(&allowance.to))
}

/// A random row that feeds a SKU; nothing when none is found.
fn row(
    random: &mut Random,
    book: &PriceBook,
    sku: &Sku,
    words: &[String],
    period: Period,
) -> Option<Map<String, serde_json::Value>> {
    let reads: BTreeSet<&str> = sku
        .filter
        .iter()
        .chain(sku.meters.iter().map(|meter| &meter.quantity))
        .flat_map(|expression| expression.columns())
        .collect();
    let own = self::words(std::slice::from_ref(sku));
    for _ in 0..400 {
        let mut columns: BTreeMap<&str, Value> = BTreeMap::new();
        for Column { name, kind } in sku.table.columns().iter().filter(|column| reads.contains(column.name)) {
            let whole = sku.window.is_some() && !matches!(kind, ColumnKind::Text);
            if !whole && random.one_in(8) || matches!(*name, "provider" | "service" | "account" | "region" | "resource")
            {
                continue;
            }
            let value = match kind {
                ColumnKind::Text => Value::Text(match &sku.key {
                    Some(key) if key.column == *name => key.value.clone(),
                    _ if !own.is_empty() && !random.one_in(4) => random.of(&own),
                    _ if words.is_empty() => "other".to_owned(),
                    _ => random.of(words),
                }),
                _ if *name == "held_us" => Value::Number(Exact::from(random.integer(41).min(26 * 86_400_000_000))),
                _ if name.ends_with("_us") => Value::Number(Exact::from(random.integer(36))),
                _ => Value::Number(Exact::from(random.integer(30))),
            };
            columns.insert(name, value);
        }
        let value = |name: &str| columns.get(name).cloned().unwrap_or(Value::Null);
        if sku.filter.as_ref().is_some_and(|filter| !filter.passes(&value)) {
            continue;
        }
        let json_value = |value: &Value| match value {
            Value::Number(number) => json!(number.to_string()),
            Value::Text(text) => json!(text),
            _ => serde_json::Value::Null,
        };
        let mut row: Map<_, _> = columns.iter().map(|(name, value)| ((*name).to_owned(), json_value(value))).collect();
        row.insert("service".to_owned(), json!(book.service));
        row.insert("table".to_owned(), json!(sku.table.name()));
        let held = columns.contains_key("held_us") && matches!(sku.table, Table::Metered | Table::Storage);
        if held {
            if changes(book, period) {
                return None;
            }
            if sku.table == Table::Storage && random.one_in(4) {
                row.remove("held_us");
                row.remove("bytes");
                row.insert("gb_months".to_owned(), json!(format!("{}.{}", random.integer(24), random.below(1000))));
            }
        } else {
            if random.one_in(2) {
                let day = 1 + random.below(period.days() as usize);
                row.insert("at".to_owned(), json!(format!("{period}-{day:02}")));
            } else if random.one_in(3) && !changes(book, period) {
                row.insert("days".to_owned(), json!(1 + random.below(period.days() as usize)));
            }
            if random.one_in(2) {
                row.insert("count".to_owned(), json!(random.integer(36)));
            }
        }
        if !book.skus.iter().any(|sku| sku.scope_per_row) && random.one_in(2) {
            row.insert("resource".to_owned(), json!(random.of(&["one", "two", "three"])));
        }
        return Some(row);
    }
    None
}

/// Random estimates that between them use every SKU of every book.
fn estimates(books: &[&PriceBook]) -> (Vec<serde_json::Value>, BTreeSet<String>) {
    let mut random = Random(20_261_123);
    let (mut found, mut used) = (Vec::new(), BTreeSet::new());
    for book in books {
        let words = words(&book.skus);
        let regions: Vec<&String> = book.regions.values().flatten().collect();
        let chunks: Vec<&[Sku]> = book.skus.chunks(SKUS_MAX).collect();
        for number in 0..PER_BOOK.max(2 * chunks.len()) {
            let period: Period = random.of(&MONTHS).parse().unwrap();
            let mut usage = Vec::new();
            for sku in chunks[number % chunks.len()] {
                for _ in 0..1 + random.below(3) {
                    if let Some(row) = row(&mut random, book, sku, &words, period) {
                        used.insert(sku.name.clone());
                        usage.push(row);
                    }
                }
            }
            let ids: Vec<&str> = book.allowances.iter().map(|allowance| allowance.id.as_str()).collect();
            let allowances = match random.below(4) {
                0 => json!(false),
                1 if !ids.is_empty() => json!([random.of(&ids)]),
                _ => json!(true),
            };
            let mut request = json!({
                "period": period.to_string(), "provider": book.provider, "usage": usage, "allowances": allowances,
            });
            if random.one_in(2) {
                request["region"] = json!(if regions.is_empty() { "nowhere-1" } else { random.of(&regions) });
            }
            if random.one_in(3) {
                request["account_opened"] = json!(period.previous().first_day().to_string());
            }
            found.push(request);
        }
    }
    (found, used)
}

fn fraction(text: &str) -> Exact {
    let (numerator, denominator) = text.split_once('/').unwrap();
    let whole = |digits: &str| {
        let mut value = Exact::zero();
        let (negative, digits) = digits.strip_prefix('-').map_or((false, digits), |digits| (true, digits));
        for chunk in digits.as_bytes().chunks(30) {
            let chunk = std::str::from_utf8(chunk).unwrap();
            value = value * Exact::from_integer(10_i128.pow(chunk.len() as u32)) + Exact::parse(chunk).unwrap();
        }
        if negative { -value } else { value }
    };
    whole(numerator).checked_div(&whole(denominator)).unwrap()
}

/// What the prototype makes of the estimates: per SKU quantity, free quantity and cost.
fn theirs(folder: &Path, requests: &[serde_json::Value]) -> Vec<BTreeMap<String, [Exact; 3]>> {
    let mut python = Command::new("python3")
        .args(["-B", "-c", DRIVER])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    let read = |line: &str| {
        let sums: BTreeMap<String, [String; 3]> = serde_json::from_str(line).unwrap();
        sums.into_iter().map(|(sku, sums)| (sku, sums.map(|sum| fraction(&sum)))).collect()
    };
    answers.lines().map(read).collect()
}

#[test]
fn the_prototype_agrees_on_random_usage_of_every_sku() {
    let Some(folder) = prototype() else {
        let _ = writeln!(std::io::stderr(), "skipped: ../shared or python3 is absent");
        return;
    };
    let files = books(&folder);
    let names: BTreeSet<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let catalogue = Catalogue::with_files(files).unwrap_or_else(|error| panic!("{error}"));
    // Books that only this engine has are left out.
    let books: Vec<&PriceBook> = catalogue.books().iter().filter(|book| names.contains(&book.name)).collect();
    let (requests, used) = estimates(&books);
    let answers = theirs(&folder, &requests);
    assert_eq!(answers.len(), requests.len());
    let (mut problems, mut compared, mut charged) = (Vec::new(), 0, 0);
    for (request, theirs) in requests.iter().zip(answers) {
        let (estimate, breakdowns) =
            explain_estimate(&catalogue, EstimateRequest::from_json(&request.to_string()).unwrap())
                .unwrap_or_else(|error| panic!("{error} {:?}: {request}", error.hint()));
        // Any usage can be explained: the tiers hold its quantity, the last step is what is billed.
        for (charge, breakdown) in estimate.charges.iter().zip(&breakdowns) {
            let tier = breakdown.tiers.iter().find(|tier| tier.is_explained).unwrap();
            assert_eq!(
                (&tier.consumed_quantity, &tier.unit_price),
                (&charge.consumed_quantity, &charge.unit_price),
                "{}",
                charge.id
            );
            let billed = format!("billed cost {} ", grouped(&charge.billed_cost.to_string()));
            assert!(breakdown.steps.last().unwrap().starts_with(&billed), "{:?}", breakdown.steps);
        }
        let mut ours: BTreeMap<String, [Exact; 3]> = BTreeMap::new();
        for charge in estimate.charges {
            let sums = ours.entry(charge.sku).or_default();
            sums[0] += charge.consumed_quantity;
            sums[1] += charge.free_quantity;
            sums[2] += charge.billed_cost;
        }
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            compared += 1;
            let (ours, theirs) =
                (ours.get(name).cloned().unwrap_or_default(), theirs.get(name).cloned().unwrap_or_default());
            charged += usize::from(ours[2].is_positive());
            if ours != theirs {
                let shown = |sums: [Exact; 3]| sums.map(|sum| sum.to_string()).join(", ");
                problems.push(format!("{name}: ours {}; theirs {}; {request}", shown(ours), shown(theirs)));
            }
        }
    }
    let unused: Vec<&str> = books
        .iter()
        .flat_map(|book| &book.skus)
        .map(|sku| sku.name.as_str())
        .filter(|name| !used.contains(*name))
        .collect();
    println!(
        "{} estimates, {compared} sums compared, {charged} above 0, {} SKUs, not used: {unused:?}",
        requests.len(),
        used.len()
    );
    assert!(problems.is_empty(), "{} sums differ:\n{}", problems.len(), problems.join("\n"));
    assert!(unused.is_empty(), "no row found for {unused:?}");
}
