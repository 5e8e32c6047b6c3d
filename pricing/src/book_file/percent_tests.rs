//! Tests of prices that are a percentage of another SKU's
use serde_json::json;

use crate::{Catalogue, estimate};

const OF: &str = r#"
provider = "x"
service = "vm"
version = "2026-01-01"
[sources]
S = "https://example.com"
[regions]
north = ["n-1"]
far = ["f-1"]
[[sku]]
id = "machine"
table = "metered"
by = "variant"
unit = "h"
[[sku.price]]
to = 2025-03-01
per = "h"
prices = { small = "0.10", large = "0.40" }
source = "S"
mark = "seen"
[[sku.price]]
from = 2025-03-01
per = "h"
prices = { small = "0.20", large = "0.80" }
source = "S"
mark = "seen"
marks = { large = "remembered" }
[[sku.price]]
region = "north"
from = 2025-03-01
per = "h"
prices = { small = "0.30" }
source = "S"
mark = "seen"
[[sku]]
id = "traffic"
table = "requests"
unit = "GiB"
quantity = "response_bytes"
[[sku.price]]
per = "GiB"
tiers = [{ up_to = "10", price = "1" }, { price = "0.5" }]
source = "S"
mark = "seen"
"#;

const PART: &str = r#"
provider = "x"
service = "managed"
version = "2026-01-01"
[sources]
M = "https://example.com/managed"
[regions]
north = ["other-1"]
[[sku]]
id = "fee"
table = "metered"
filter = "meter = 'fee'"
by = "variant"
unit = "h"
[[sku.price]]
from = 2025-02-01
to = 2025-06-01
percent_of = "x.vm.machine"
percent = "15"
source = "M"
mark = "derived"
[[sku.price]]
from = 2025-06-01
percent_of = "x.vm.machine"
percent = "12.5"
source = "M"
mark = "seen"
[[sku]]
id = "traffic-fee"
table = "requests"
unit = "GiB"
quantity = "response_bytes"
price = [{ percent_of = "x.vm.traffic", percent = "10", source = "M", mark = "seen" }]
[[allowance]]
id = "first-hours"
skus = ["fee"]
quantity = "10"
unit = "h"
period = "month"
source = "M"
mark = "seen"
"#;

fn books(part: &str) -> [(String, String); 2] {
    [("x/vm".to_owned(), OF.to_owned()), ("x/managed".to_owned(), part.to_owned())]
}

#[test]
fn a_percentage_follows_days_regions_keys_and_tiers() {
    let catalogue = Catalogue::with_files(books(PART)).unwrap_or_else(|error| panic!("{error}"));
    let total = |period: &str, usage: serde_json::Value| {
        let request = json!({"period": period, "provider": "x", "allowances": [], "usage": [usage]});
        let answer = estimate(&catalogue, serde_json::from_value(request).unwrap()).unwrap();
        answer.total.to_string()
    };
    let fee = |variant: &str, region: &str| json!({"service": "managed", "meter": "fee", "variant": variant, "region": region, "quantity": 100, "unit": "h"});
    // 100 h x 15 % of 0.10, of 0.20 and of 0.80, then 12.5 %; north has its own price for small machines.
    for (period, variant, region, expected) in [
        ("2025-02", "small", "f-1", "1.5"),
        ("2025-03", "small", "f-1", "3"),
        ("2025-03", "large", "f-1", "12"),
        ("2025-03", "small", "n-1", "4.5"),
        ("2025-06", "small", "n-1", "3.75"),
        ("2025-06", "small", "other-1", "2.5"),
    ] {
        assert_eq!(total(period, fee(variant, region)), expected, "{period} {variant} {region}");
    }
    // 10 GiB x 0.1 + 20 GiB x 0.05
    assert_eq!(total("2025-06", json!({"service": "managed", "response_gib": 30})), "2");
    let fee = catalogue.find_sku("x.managed.fee:large").map(|index| catalogue.sku(index)).unwrap();
    let marks: Vec<&str> = fee.prices.iter().map(|price| price.tiers[0].mark.as_str()).collect();
    assert_eq!(marks, ["derived", "remembered", "remembered"]);
    assert_eq!(fee.prices[0].tiers[0].published, "0.40 × 15 %");
    assert_eq!(fee.prices[0].published, "15 % of x.vm.machine");
    assert_eq!(fee.allowances, [0]);
}

#[test]
fn a_percentage_is_of_a_sku_that_can_be_followed() {
    let of_fee = "percent_of = \"x.managed.fee\"";
    for (from, to, expected) in [
        ("x.vm.traffic", "x.vm.trafic", "no SKU `x.vm.trafic` (did you mean `x.vm.traffic`?)"),
        ("x.vm.traffic", "x.vm.machine", "`x.vm.machine` has a price by key: name one, such as `x.vm.machine:small`"),
        ("x.vm.machine", "x.vm.traffic", "`x.vm.traffic` has one price and no keys for `by`"),
        ("x.vm.traffic", "x.vm.machine:small", "h"),
        ("percent_of = \"x.vm.traffic\"", of_fee, "`x.managed.fee` is itself a percentage of another SKU"),
        ("version", "currency = \"EUR\"\nversion", "`x.vm.machine` is in USD, this book in EUR"),
        ("percent_of = \"x.vm.traffic\", percent = \"10\"", "percent_of = \"x.vm.traffic\"", "`percent` is missing"),
        ("percent = \"10\"", "percent = \"10\", per = \"GiB\"", "unknown key `per`"),
        ("percent = \"10\"", "percent = \"-10\"", "`percent` is -10, below 0"),
        ("from = 2025-06-01", "from = 2025-07-01", "gap or overlap with the period before"),
        (
            "to = 2025-06-01\npercent_of = \"x.vm.machine\"\npercent = \"15\"",
            "to = 2025-06-01\nper = \"h\"",
            "not both",
        ),
        ("by = \"variant\"", "by = \"varant\"", "no text column `varant`"),
    ] {
        assert!(PART.contains(from), "{from}");
        let error = Catalogue::with_files(books(&PART.replacen(from, to, 1))).unwrap_err();
        assert!(error.to_string().contains(expected), "{to}: {error}");
        assert!(error.problems.iter().all(|problem| problem.line > 1 && problem.book == "x/managed"), "{to}: {error}");
    }
}
