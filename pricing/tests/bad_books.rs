//! Mistakes in price books: each is refused, with its line and what to write instead
use paygrain_pricing::{Catalogue, Problem};

const GOOD: &str = r#"provider = "x"
service = "y"
title = "Example service"
version = "2026-01-01"
currency = "EUR"
category = "Compute"
month = "730h"
[sources]
LIST = "https://example.com/prices"
[regions]
eu = ["eu-1", "eu-2"]
asia = ["asia-1"]
[[sku]]
id = "requests"
table = "requests"
filter = "operation = 'call'"
unit = "request"
quantity = "greatest(ceil_div(coalesce(request_bytes, 0), 64KiB), 1)"
scope = ["account"]
[[sku.price]]
to = 2026-02-01
price = "0.40"
per = "1_000_000 request"
source = "LIST"
mark = "seen"
[[sku.price]]
from = 2026-02-01
per = "1_000_000 request"
tiers = [
  { up_to = "1_000", price = "0.4" },
  { price = "0.3" },
]
tier_unit = "1_000_000 request"
source = "LIST:table 1"
mark = "seen"
[[sku.price]]
region = "asia"
price = "0.6"
per = "1_000_000 request"
source = "LIST"
mark = "derived"
[[sku.price]]
region = "eu"
price = "0.5"
per = "1_000_000 request"
source = "LIST"
mark = "derived"
[[sku]]
id = "machine"
table = "metered"
filter = "meter = 'machine'"
by = "variant"
default = "small"
unit = "instance-h"
meter_unit = "instance"
[[sku.meter]]
to = 2026-03-01
quantity = "quantity * ceil_to(held_us, 1h)"
source = "LIST"
[[sku.meter]]
from = 2026-03-01
quantity = "quantity * ceil_to(held_us, 1s)"
[[sku.price]]
prices = { small = "0.02", large = "0.08" }
marks = { large = "derived" }
per = "instance-h"
source = "LIST"
mark = "seen"
[[allowance]]
id = "free"
skus = ["requests"]
quantity = "1_000_000"
unit = "request"
period = "month"
source = "LIST"
mark = "seen"
"#;

fn check(text: &str) -> Vec<Problem> {
    Catalogue::check([("book.toml".to_owned(), text.to_owned())])
}

/// What to replace in the good book, by what, and the problem that follows.
const MISTAKES: &[(&str, &str, &str)] = &[
    // numbers
    (
        "price = \"0.40\"",
        "price = \"4e-1\"",
        "book.toml:22: SKU `requests`: `price` is `4e-1`, with an exponent (write \"0.4\")",
    ),
    (
        "price = \"0.40\"",
        "price = \"4E7\"",
        "book.toml:22: SKU `requests`: `price` is `4E7`, with an exponent (write \"40000000\")",
    ),
    (
        "price = \"0.40\"",
        "price = \"0,40\"",
        "book.toml:22: SKU `requests`: `price` is `0,40`, with a comma (write \"0.4\")",
    ),
    (
        "price = \"0.40\"",
        "price = \"1,234.50\"",
        "book.toml:22: SKU `requests`: `price` is `1,234.50`, with a comma (write \"1234.5\", or a point if the comma is decimal)",
    ),
    (
        "price = \"0.40\"",
        "price = \"$0.40\"",
        "book.toml:22: SKU `requests`: `price` is `$0.40`: only digits, a point and `_` between digits (write \"0.4\")",
    ),
    ("price = \"0.40\"", "price = \" 0.40\"", "book.toml:22: SKU `requests`: `price` is ` 0.40`: only digits"),
    ("price = \"0.40\"", "price = \"+0.40\"", "book.toml:22: SKU `requests`: `price` is `+0.40`: only digits"),
    (
        "price = \"0.40\"",
        "price = 0.40",
        "book.toml:22: SKU `requests`: `price` is not a decimal in quotes (write \"0.4\")",
    ),
    ("price = \"0.40\"", "price = 4", "book.toml:22: SKU `requests`: `price` is not a decimal in quotes (write \"4\")"),
    (
        "price = \"0.40\"",
        "price = 1e-7",
        "book.toml:22: SKU `requests`: `price` is not a decimal in quotes (write \"0.0000001\")",
    ),
    ("price = \"0.40\"", "price = nan", "book.toml:22: SKU `requests`: `price` is not a decimal in quotes"),
    ("price = \"0.40\"", "price = \"-0.40\"", "book.toml:22: SKU `requests`: `price` is -0.4, below 0"),
    (
        "price = \"0.40\"",
        "price = \"free\"",
        "book.toml:22: SKU `requests`: `price` is wrong: `free` is not a decimal number",
    ),
    (
        "price = \"0.40\"",
        "price = \"0.00000000000000000000000000000000000000000000000000000000000001\"",
        "book.toml:22: SKU `requests`: `price` is wrong: a number may have 60 digits, this one has 63",
    ),
    (
        "{ up_to = \"1_000\", price = \"0.4\" }",
        "{ up_to = \"1e3\", price = \"0.4\" }",
        "book.toml:30: SKU `requests`: `up_to` is `1e3`, with an exponent (write \"1000\")",
    ),
    (
        "quantity = \"1_000_000\"",
        "quantity = \"1,000,000\"",
        "book.toml:72: allowance `free`: `quantity` is `1,000,000`, with a comma (write \"1000000\"",
    ),
    // periods
    ("from = 2026-02-01", "from = 2026-01-01", "book.toml:26: SKU `requests`: price periods overlap at 2026-01-01"),
    (
        "from = 2026-02-01",
        "from = 2026-02-02",
        "book.toml:26: SKU `requests`: gap between the prices until 2026-02-01 and from 2026-02-02",
    ),
    ("from = 2026-02-01\n", "", "book.toml:26: SKU `requests`: price periods overlap at the beginning"),
    ("to = 2026-02-01", "to = 2026-02-30", "book.toml:21: "),
    ("to = 2026-02-01", "to = \"soon\"", "book.toml:21: SKU `requests`: `to` is not a day such as 2019-06-01"),
    (
        "to = 2026-02-01",
        "from = 2026-02-01\nto = 2026-01-01",
        "book.toml:20: SKU `requests`: the period ends on 2026-01-01, before it starts on 2026-02-01",
    ),
    (
        "from = 2026-03-01",
        "from = 2026-04-01",
        "book.toml:48: SKU `machine`: meters leave a gap or overlap at 2026-04-01",
    ),
    (
        "from = 2026-03-01",
        "from = 2026-02-01",
        "book.toml:48: SKU `machine`: meters leave a gap or overlap at 2026-02-01",
    ),
    // tiers
    (
        "{ up_to = \"1_000\", price = \"0.4\" }",
        "{ up_to = \"1_000\", price = \"0.4\" }, { up_to = \"500\", price = \"1\" }",
        "book.toml:29: SKU `requests`: tiers must ascend",
    ),
    (
        "{ price = \"0.3\" }",
        "{ up_to = \"2_000\", price = \"0.3\" }",
        "book.toml:29: SKU `requests`: tiers must ascend from above 0, and only the last is open",
    ),
    (
        "{ up_to = \"1_000\", price = \"0.4\" }",
        "{ up_to = \"0\", price = \"0.4\" }",
        "book.toml:29: SKU `requests`: tiers must ascend from above 0",
    ),
    ("{ price = \"0.3\" }", "{ }", "book.toml:26: SKU `requests`: a period or a tier without `price`"),
    (
        "{ price = \"0.3\" }",
        "{ price = \"0.3\", factor = \"0\" }",
        "book.toml:31: SKU `requests`: a tier has a price of its own or a `factor`",
    ),
    (
        "{ price = \"0.3\" }",
        "{ price = \"0.3\", source = \"LISTS\" }",
        "book.toml:31: SKU `requests`: unknown source `LISTS` (did you mean `LIST`?)",
    ),
    // units
    (
        "unit = \"request\"\nquantity",
        "unit = \"requests\"\nquantity",
        "book.toml:17: SKU `requests`: unknown unit `requests` in `requests` (did you mean `request`?)",
    ),
    (
        "per = \"instance-h\"",
        "per = \"instance-hour\"",
        "book.toml:66: SKU `machine`: unknown unit `hour` in `instance-hour` (did you mean `h`?)",
    ),
    (
        "per = \"instance-h\"",
        "per = \"instance\"",
        "book.toml:66: SKU `machine`: `instance` has the dimension a count, `instance-h` has time",
    ),
    (
        "per = \"instance-h\"",
        "per = \"h\"",
        "book.toml:66: SKU `machine`: `h` does not count the same things as `instance-h`",
    ),
    (
        "per = \"instance-h\"",
        "per = \"vCPU-h\"",
        "book.toml:66: SKU `machine`: `vCPU-h` does not count the same things as `instance-h`",
    ),
    (
        "meter_unit = \"instance\"",
        "meter_unit = \"rule\"",
        "book.toml:58: SKU `machine`: the rule counts `rule` (`meter_unit`), the SKU is in `instance-h`",
    ),
    (
        "tier_unit = \"1_000_000 request\"",
        "tier_unit = \"GB\"",
        "book.toml:33: SKU `requests`: `GB` has the dimension information, `request` has a count",
    ),
    (
        "tier_unit = \"1_000_000 request\"",
        "tier_unit = \"1,000 request\"",
        "book.toml:33: SKU `requests`: `1,000 request` is not a unit",
    ),
    (
        "unit = \"request\"\nperiod",
        "unit = \"message\"\nperiod",
        "book.toml:69: allowance `free`: `message` does not count the same things as `request`",
    ),
    (
        "unit = \"request\"\nperiod",
        "unit = \"gb\"\nperiod",
        "book.toml:73: allowance `free`: unknown unit `gb` in `gb` (did you mean `GB` (powers of 1,000) or `GiB` (of 1,024)?)",
    ),
    // expressions
    (
        "request_bytes, 0",
        "request_byte, 0",
        "book.toml:18: SKU `requests`: no column `request_byte` in the table requests (did you mean `request_bytes`?)",
    ),
    (
        "greatest(ceil_div",
        "greatest(ceildiv",
        "book.toml:18: SKU `requests`: no function `ceildiv` in `greatest(ceildiv(coalesce(request_bytes, 0), 64KiB), 1)` (did you mean `ceil_div`?)",
    ),
    ("64KiB", "64KiBs", "book.toml:18: SKU `requests`: unknown unit `KiBs` in `KiBs`"),
    ("64KiB", "64ms", "book.toml:18: SKU `requests`: units differ"),
    ("operation = 'call'", "operation == 'call'", "book.toml:16: SKU `requests`: "),
    ("operation = 'call'", "operation", "book.toml:16: SKU `requests`: the filter `operation` is not a condition"),
    ("held_us, 1h", "held_us, 1.5h", "book.toml:58: SKU `machine`: a number with a point"),
    // overflow
    (
        "coalesce(request_bytes, 0), 64KiB), 1)",
        "coalesce(request_bytes, 0), 64KiB), 1) * units * request_bytes * 10",
        "book.toml:18: SKU `requests`: a number of 50 digits is possible, beyond the 38 digits of a product (multiply fewer columns, or use `scale`)",
    ),
    (
        "coalesce(request_bytes, 0), 64KiB)",
        "coalesce(request_bytes, 0), 9_000_000_000GB)",
        "book.toml:18: SKU `requests`: a number of 20 digits is possible, beyond a 64-bit integer",
    ),
    (
        "coalesce(request_bytes, 0), 64KiB)",
        "request_bytes - 1KiB, 64KiB)",
        "book.toml:18: SKU `requests`: `ceil_div` of what can be below 0 (write `ceil_div(greatest(…, 0), …)`)",
    ),
    // words
    (
        "mark = \"derived\"\n[[sku.price]]",
        "mark = \"sene\"\n[[sku.price]]",
        "book.toml:41: SKU `requests`: unknown mark `sene` (did you mean `seen`?)",
    ),
    (
        "source = \"LIST:table 1\"",
        "source = \"PRICES\"",
        "book.toml:34: SKU `requests`: unknown source `PRICES` (known: LIST)",
    ),
    (
        "source = \"LIST\"\n[[sku.meter]]",
        "source = \"LOST\"\n[[sku.meter]]",
        "book.toml:59: SKU `machine`: unknown source `LOST` (did you mean `LIST`?)",
    ),
    (
        "region = \"asia\"",
        "region = \"aisa\"",
        "book.toml:37: SKU `requests`: unknown region set `aisa` (did you mean `asia`?)",
    ),
    (
        "asia = [\"asia-1\"]",
        "asia = [\"asia-1\", \"eu-2\"]",
        "book.toml:42: SKU `requests`: the region `eu-2` is in the sets `eu` and `asia`: two prices at once",
    ),
    ("asia = [\"asia-1\"]", "asia = []", "book.toml:12: the region set `asia` is empty"),
    (
        "asia = [\"asia-1\"]",
        "asia = [\"asia-1\", \"asia-1\"]",
        "book.toml:12: the region set `asia` names a region twice",
    ),
    (
        "table = \"requests\"",
        "table = \"request\"",
        "book.toml:15: SKU `requests`: no table `request` (did you mean `requests`?)",
    ),
    (
        "scope = [\"account\"]",
        "scope = [\"acount\"]",
        "book.toml:13: SKU `requests`: `acount` is not a scope (did you mean `account`?)",
    ),
    ("month = \"730h\"", "month = \"730\"", "book.toml:1: unknown month `730` (did you mean `730h`?)"),
    (
        "category = \"Compute\"",
        "category = \"Computing\"",
        "book.toml:6: unknown category `Computing` (did you mean `Compute`?)",
    ),
    (
        "currency = \"EUR\"",
        "currency = \"euro\"",
        "book.toml:5: `currency` is `euro`, not an ISO 4217 code such as USD",
    ),
    ("version = \"2026-01-01\"", "version = \"1.0\"", "book.toml:4: `version` is `1.0`, not a day such as 2026-10-01"),
    (
        "service = \"y\"",
        "service = \"y/z\"",
        "book.toml:2: `service` is `y/z`: letters, digits, `-` and `_` make a name",
    ),
    ("service = \"y\"\n", "", "book.toml:1: `service` is missing"),
    ("currency =", "curency =", "book.toml:5: unknown key `curency` (did you mean `currency`?)"),
    (
        "skus = [\"requests\"]",
        "skus = [\"request\"]",
        "book.toml:69: allowance `free`: no SKU `request` (did you mean `requests`?)",
    ),
    ("skus = [\"requests\"]", "skus = []", "book.toml:69: allowance `free`: `skus` is missing or empty"),
    (
        "period = \"month\"",
        "period = \"monthly\"",
        "book.toml:69: allowance `free`: unknown period `monthly` (did you mean `month`?)",
    ),
    // prices by key
    (
        "default = \"small\"",
        "default = \"smal\"",
        "book.toml:53: SKU `machine`: unknown key in `default`: `smal` (did you mean `small`?)",
    ),
    (
        "by = \"variant\"",
        "by = \"variants\"",
        "book.toml:48: SKU `machine`: no text column `variants` in the table metered (did you mean `variant`?)",
    ),
    ("by = \"variant\"\n", "", "book.toml:52: SKU `machine`: `default` without `by`"),
    (
        "marks = { large",
        "marks = { larg",
        "book.toml:65: SKU `machine`: unknown key in `marks`: `larg` (did you mean `large`?)",
    ),
    (
        "prices = { small = \"0.02\", large = \"0.08\" }",
        "price = \"0.02\"",
        "book.toml:63: SKU `machine`: `price` in a SKU with `by`",
    ),
    (
        "prices = { small = \"0.02\", large = \"0.08\" }",
        "prices = {}",
        "book.toml:63: SKU `machine`: no key has a price",
    ),
    ("prices = { small", "price = \"1\"\nprices = { small", "book.toml:65: SKU `machine`: both `price` and `prices`"),
    ("meter_unit = \"instance\"", "", "book.toml:58: SKU `machine`: "),
    // words of a bill
    (
        "scope = [\"account\"]",
        "scope = [\"account\"]\nbilled_as = [{ usagetype = \"x\", operation = \"y\" }]",
        "book.toml:20: SKU `requests`: unknown key `usagetype` (did you mean `usage_type`?)",
    ),
    (
        "scope = [\"account\"]",
        "scope = [\"account\"]\nbilled_as = [{ unit = \"request\" }]",
        "book.toml:20: SKU `requests`: `billed_as` names no word of a bill (name one or more of usage_type, ",
    ),
    (
        "scope = [\"account\"]",
        "scope = [\"account\"]\nbilled_as = [{ usage_type = \"*\" }]",
        "book.toml:20: SKU `requests`: `usage_type` is `*`, which says nothing of a line",
    ),
    (
        "scope = [\"account\"]",
        "scope = [\"account\"]\nbilled_as = [{ usage_type = \"x\", unit = \"GiB\" }]",
        "book.toml:20: SKU `requests`: `GiB` has the dimension information, `request` has a count",
    ),
    (
        "scope = [\"account\"]",
        "scope = [\"account\"]\nbilled_as = [{ usage_type = \"x\", key = \"small\" }]",
        "book.toml:20: SKU `requests`: `billed_as` has a `key`, and the SKU has no `by`",
    ),
    (
        "meter_unit = \"instance\"",
        "meter_unit = \"instance\"\nbilled_as = [{ usage_type = \"x\" }]",
        "book.toml:56: SKU `machine`: `billed_as` of a SKU with `by` says which `key` it is for",
    ),
    (
        "meter_unit = \"instance\"",
        "meter_unit = \"instance\"\nbilled_as = [{ usage_type = \"x\", key = \"smal\" }]",
        "book.toml:56: SKU `machine`: `billed_as`: no price has the key `smal` (did you mean `small`?)",
    ),
    (
        "month = \"730h\"",
        "month = \"730h\"\nbilled_services = [\"*\"]",
        "book.toml:8: `billed_services` names `*`, which every service fits",
    ),
];

#[test]
fn every_mistake_is_told_with_its_line_and_what_to_write() {
    assert_eq!(check(GOOD), [], "the book without mistake");
    let mut wrong = Vec::new();
    for (right, mistake, expected) in MISTAKES {
        assert!(GOOD.contains(right), "{right}");
        let problems: Vec<String> = check(&GOOD.replacen(right, mistake, 1)).iter().map(ToString::to_string).collect();
        if !problems.iter().any(|problem| problem.starts_with(expected)) {
            wrong.push(format!("{mistake}\n  expected {expected}\n  got      {}", problems.join("\n           ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_book_with_a_mistake_is_never_used() {
    for (right, mistake, _) in MISTAKES {
        let text = GOOD.replacen(right, mistake, 1);
        let error = Catalogue::with_files([("book.toml".to_owned(), text)]).unwrap_err();
        assert!(!error.problems.is_empty());
    }
}

#[test]
fn problems_of_all_files_are_told_at_once() {
    let texts: Vec<(String, String)> = [("b.toml", "price = \"0.40\"", "price = 1"), ("a.toml", "LIST =", "LOST =")]
        .map(|(name, right, mistake)| (name.to_owned(), GOOD.replacen(right, mistake, 1)))
        .into();
    let problems = Catalogue::check(texts.clone());
    let of = |name: &str| problems.iter().filter(|problem| problem.book == name).count();
    assert_eq!(of("b.toml"), 1);
    assert!(of("a.toml") >= 7, "{problems:#?}");
    let error = Catalogue::with_files(texts).unwrap_err();
    assert_eq!(error.problems.len(), problems.len());
    let twice = Catalogue::check([("a".to_owned(), GOOD.to_owned()), ("b".to_owned(), GOOD.to_owned())]);
    assert_eq!(twice.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b:1: `a` is a book for x/y too"]);
    let empty = Catalogue::check([("none".to_owned(), "provider = \"x\"\nservice = \"y\"\n".to_owned())]);
    assert_eq!(empty.iter().map(ToString::to_string).collect::<Vec<_>>(), ["none:1: the book has no `[[sku]]`"]);
}
