//! Bad books: every problem of a file at once, with its place.
use super::*;
use crate::{Catalogue, Exact, Table};

const BAD: &str = r#"provider = "x"
service = "y"
colour = "red"
[sources]
S = "s"
[[sku]]
id = "a"
table = "invocations"
unit = "GiB-s"
quantity = "ceil_to(duration_us, 100ms) + memory_mb"
price = [{ from = 2020-01-01, to = 2021-06-01, price = "1", per = "GiB-s", source = "S", mark = "seen" }, { from = 2021-01-01, price = "2", per = "request", source = "Z", mark = "guess" }]
[[sku]]
id = "b"
table = "requests"
filter = "colour = 'red'"
unit = "GB"
quantity = "request_bytes / 2"
price = [{ tiers = [{ up_to = "5", price = "1" }, { up_to = "3", price = "2" }], per = "furlong", source = "S", mark = "seen" }]
[[sku]]
id = "c"
table = "requests"
unit = "request"
scope = ["planet"]
aggregate = { max = "week" }
[[sku.meter]]
to = 2020-01-01
quantity = "1"
[[sku.meter]]
from = 2020-02-01
quantity = "1"
[[sku.price]]
to = 2020-01-01
price = 0.5
per = "event"
region = "nowhere"
source = "S"
mark = "seen"
[[sku.price]]
from = 2020-02-01
price = "-1"
per = "request"
source = "S"
mark = "seen"
[[sku]]
id = "c"
table = "clouds"
unit = "request"
[[allowance]]
id = "f"
skus = ["a", "nope"]
quantity = "1"
unit = "request"
period = "year"
[[allowance]]
id = "g"
skus = ["a"]
quantity = "1"
"#;

fn check(text: &str) -> Vec<Problem> {
    Catalogue::check([("x/y".to_owned(), text.to_owned())])
}

#[test]
fn every_problem_of_a_book_is_listed_at_once_with_its_line() {
    let problems = check(BAD);
    let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for expected in [
        "x/y:3: unknown key `colour`",
        "x/y:10: SKU `a`: units differ",
        "x/y:11: SKU `a`: `request` has the dimension a count, `GiB-s` has time × information",
        "x/y:11: SKU `a`: unknown source `Z` (known: S)",
        "x/y:11: SKU `a`: unknown mark `guess` (known: seen, derived, remembered, none)",
        "x/y:11: SKU `a`: price periods overlap at 2021-01-01",
        "x/y:15: SKU `b`: no column `colour` in the table requests (known: provider, service",
        "x/y:17: SKU `b`: division is not allowed",
        "x/y:18: SKU `b`: tiers must ascend",
        "x/y:18: SKU `b`: unknown unit `furlong` in `furlong` (units: us, ms",
        "x/y:19: SKU `c`: `planet` is not a scope (known: organisation, account, region, resource)",
        "x/y:24: SKU `c`: `max` is neither `h` nor `day`",
        "x/y:19: SKU `c`: meters leave a gap or overlap at 2020-02-01",
        "x/y:33: SKU `c`: `price` is not a decimal in quotes (write \"0.5\")",
        "x/y:34: SKU `c`: `event` does not count the same things as `request`",
        "x/y:35: SKU `c`: unknown region set `nowhere`",
        "x/y:40: SKU `c`: `price` is -1, below 0",
        "x/y:44: two SKUs with the id `c`: the other is at line 19",
        "x/y:46: SKU `c`: no table `clouds` (known: invocations, requests, storage, metered)",
        "x/y:48: allowance `f`: no SKU `nope`",
        "x/y:48: allowance `f`: unknown period `year` (known: month, day, hour)",
        "x/y:48: allowance `f`: `request` has the dimension a count",
        "x/y:54: allowance `g`: an allowance has either `quantity` and `unit` or `credit`",
    ] {
        let found = problems.iter().any(|problem| problem.to_string().starts_with(expected));
        assert!(found, "{expected}\nis not among\n{text}");
    }
    let error = Catalogue::with_files([("x/y".to_owned(), BAD.to_owned())]).unwrap_err();
    assert_eq!(error.problems, problems);
    assert!(error.to_string().contains("\nx/y:10: SKU `a`: units differ"), "{error}");
}

#[test]
fn a_text_that_is_not_toml_says_where() {
    let problems = check("provider = \"x\"\nservice = = 1\n");
    assert!(problems.iter().any(|problem| problem.line == 2), "{problems:?}");
    assert!(!check("").is_empty());
}

#[test]
fn gaps_in_price_periods_are_found() {
    let book = r#"provider = "x"
service = "y"
[sources]
S = "s"
[[sku]]
id = "a"
table = "requests"
unit = "request"
price = [{ to = 2020-01-01, price = "1", per = "request", source = "S", mark = "seen" }, { from = 2020-02-01, price = "1", per = "request", source = "S", mark = "seen" }]
"#;
    let problems = check(book);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].message, "gap between the prices until 2020-01-01 and from 2020-02-01");
}

#[test]
fn every_shipped_book_is_sound() {
    let catalogue = Catalogue::embedded().unwrap_or_else(|error| panic!("{error}"));
    assert!(catalogue.books().len() >= 54);
    assert!(catalogue.skus().count() > 400);
    for book in catalogue.books() {
        assert_eq!(book.name, format!("{}/{}", book.provider, book.service));
        assert!(!book.title.is_empty() && book.version.parse::<chrono::NaiveDate>().is_ok(), "{}", book.name);
    }
    for (index, sku) in catalogue.skus() {
        let book = catalogue.book_of(index);
        assert!(!sku.prices.is_empty() && !sku.meters.is_empty(), "{}", sku.name);
        assert!(sku.scope_columns.iter().any(|column| column == "region"), "{}", sku.name);
        assert_eq!(catalogue.find_sku(&sku.name), Some(index), "{}", sku.name);
        for price in &sku.prices {
            assert!(price.per.factor(&sku.unit, CHECK_MONTH_US).unwrap().is_positive(), "{}", sku.name);
            assert!(!book.source_address(&price.source).is_empty(), "{}: {}", sku.name, price.source);
            assert!(price.tiers.iter().all(|tier| MARKS.contains(&tier.mark.as_str())), "{}", sku.name);
        }
        for meter in &sku.meters {
            assert!(meter.unit.factor(&sku.unit, CHECK_MONTH_US).unwrap().is_positive(), "{}", sku.name);
            assert!(!meter.quantity.to_sql().is_empty());
        }
        assert!(sku.filter.iter().all(|filter| !filter.to_sql().is_empty()), "{}", sku.name);
    }
}

#[test]
fn a_given_book_replaces_the_shipped_one() {
    let text = r#"provider = "aws"
service = "lambda"
[sources]
S = "contract"
[[sku]]
id = "requests"
table = "invocations"
unit = "request"
price = [{ price = "0.10", per = "1_000_000 request", source = "S", mark = "seen" }]
"#;
    let files = |name: &str| (name.to_owned(), text.to_owned());
    let catalogue = Catalogue::with_files([files("own")]).unwrap();
    assert_eq!(catalogue.books().len(), Catalogue::embedded().unwrap().books().len());
    let book = catalogue.books().iter().find(|book| book.service == "lambda" && book.provider == "aws").unwrap();
    assert_eq!((book.name.as_str(), book.skus.len(), book.version.as_str()), ("own", 1, "unversioned"));
    let error = Catalogue::with_files([files("own"), files("other")]).unwrap_err();
    assert!(error.problems[0].message.contains("`own` is a book for aws/lambda too"), "{error}");
}

#[test]
fn metering_rules_are_cut_at_eras_and_the_period() {
    let catalogue = Catalogue::embedded().unwrap();
    let duration = catalogue.find_sku("aws.lambda.duration-x86").unwrap();
    let rules = |period: &str| {
        let period = period.parse().unwrap();
        let mut rules = catalogue.metering(Table::Invocations, period);
        rules.retain(|rule| rule.sku == duration);
        rules.into_iter().map(|rule| (rule.from_us, rule.to_us, rule.factor, rule.scope_columns)).collect::<Vec<_>>()
    };
    let june = rules("2019-06");
    assert_eq!(june.len(), 1);
    let period: crate::Period = "2019-06".parse().unwrap();
    assert_eq!((june[0].0, june[0].1), (period.start_us(), period.end_us()));
    assert_eq!(june[0].2, Exact::ratio(1, 1_024_000_000).unwrap(), "MiB-µs to GiB-s");
    assert_eq!(june[0].3, ["organisation", "account", "region"]);
    assert_eq!((rules("2020-12").len(), rules("2025-08").len()), (1, 1));

    let instance = catalogue.find_sku("aws.ec2.instance:t3.medium").unwrap();
    let october: crate::Period = "2017-10".parse().unwrap();
    let mut rules = catalogue.metering(Table::Metered, october);
    rules.retain(|rule| rule.sku == instance);
    assert_eq!(rules.len(), 2);
    assert_eq!((rules[0].from_us, rules[1].to_us), (october.start_us(), october.end_us()));
    assert_eq!(rules[0].to_us, rules[1].from_us);
}

#[test]
fn storage_rows_feed_the_data_transfer_book() {
    let catalogue = Catalogue::embedded().unwrap();
    let out = catalogue.find_sku("aws.data-transfer.internet-out").unwrap();
    assert!(catalogue.fed_by("aws", "s3", Table::Requests).contains(&out));
    assert!(catalogue.fed_by("aws", "data-transfer", Table::Requests).contains(&out));
}

const WITH_EXAMPLES: &str = r#"provider = "x"
service = "y"
currency = "EUR"
[sources]
S = "s"
[[sku]]
id = "a"
table = "requests"
services = ["y", "z"]
filter = "operation = 'a'"
unit = "request"
price = [{ price = "0.5", per = "request", source = "S", mark = "seen" }]
[[allowance]]
id = "free"
skus = ["a"]
quantity = "2"
unit = "request"
[[example]]
title = "three, two of them free"
period = "2025-06"
total = "0.5"
source = "S:page 1"
usage = [{ operation = "a", count = 3, at = 2025-06-15 }]
[[example]]
title = "of another service, none free"
period = "2025-06"
allowances = false
region = "eu-west-1"
total = "1.50"
[[example.usage]]
service = "z"
operation = "a"
count = "3"
"#;

#[test]
fn examples_are_kept_and_rated() {
    let catalogue = Catalogue::with_files([("x/y".to_owned(), WITH_EXAMPLES.to_owned())]).unwrap();
    let book = catalogue.books().iter().find(|book| book.name == "x/y").unwrap();
    let read: Vec<_> = book
        .examples
        .iter()
        .map(|example| (example.line, example.total.to_string(), example.source.as_str()))
        .collect();
    assert_eq!(read, [(18, "0.5".to_owned(), "S:page 1"), (24, "1.5".to_owned(), "")]);
    assert_eq!(check(WITH_EXAMPLES), []);
}

#[test]
fn wrong_examples_are_told_with_line_and_figures() {
    for (right, wrong, line, message) in [
        ("total = \"1.50\"", "total = \"1.51\"", 24, "the total is 1.5, not 1.51: x.y.a 1.5"),
        ("count = 3, at", "contents = 3, at", 18, "`contents` is not a word of the usage table requests"),
        ("count = 3, at", "count = 2.5, at", 23, "a number with a point outside quotes is not exact"),
        ("count = 3, at = 2025-06-15", "count = 3, at = 2025-07-15", 18, "outside the period 2025-06"),
        ("operation = \"a\", count = 3", "operation = \"b\", count = 3", 18, "usage row 0 (y): no SKU of x/y counts"),
        ("source = \"S:page 1\"", "source = \"T\"", 22, "unknown source `T`"),
        ("total = \"0.5\"", "", 18, "`total` is missing"),
        ("total = \"0.5\"", "total = 0.5", 21, "`total` is not a decimal in quotes"),
        ("title = \"three, two of them free\"", "", 18, "`title` is missing"),
        ("period = \"2025-06\"\ntotal", "period = \"2025-6\"\ntotal", 20, "is not a billing period"),
        ("allowances = false", "allowance = false", 27, "unknown field `allowance`"),
    ] {
        assert!(WITH_EXAMPLES.contains(right), "{right}");
        let problems = check(&WITH_EXAMPLES.replacen(right, wrong, 1));
        let found = problems.iter().any(|problem| problem.line == line && problem.message.contains(message));
        assert!(found, "{wrong}: {problems:#?}");
    }
}

#[test]
fn every_shipped_example_comes_out() {
    let catalogue = Catalogue::embedded().unwrap();
    let problems: Vec<String> =
        catalogue.books().iter().flat_map(|book| catalogue.check_examples(book)).map(|p| p.to_string()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn categories_are_those_of_the_specification() {
    const BOOK: &str = r#"provider = "x"
service = "y"
[sources]
S = "s"
[[sku]]
id = "a"
table = "requests"
unit = "request"
price = [{ price = "1", per = "request", source = "S", mark = "seen" }]
"#;
    let read = |keys: &str| {
        let books =
            Catalogue::of_files([("x/y".to_owned(), format!("{keys}\n{BOOK}"))]).map_err(|error| error.to_string())?;
        Ok::<_, String>((books.books()[0].category.clone(), books.books()[0].subcategory.clone()))
    };
    for (keys, category, subcategory) in [
        ("", "Other", "Other (Other)"),
        ("category = 'Compute'", "Compute", "Other (Compute)"),
        ("subcategory = 'Object Storage'", "Storage", "Object Storage"),
        ("category = 'Web'\nsubcategory = 'Application Platforms'", "Web", "Application Platforms"),
    ] {
        assert_eq!(read(keys), Ok((category.to_owned(), subcategory.to_owned())), "{keys}");
    }
    for (keys, problem) in [
        ("category = 'Computing'", "x/y:1: `Computing` is no FOCUS service category"),
        ("category = 'Compute'\nsubcategory = 'Serverless'", "x/y:2: `Serverless` is no FOCUS service subcategory"),
        (
            "category = 'Compute'\nsubcategory = 'Object Storage'",
            "x/y:1: `Object Storage` is a subcategory of `Storage`, not of `Compute`",
        ),
    ] {
        let error = read(keys).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
}
