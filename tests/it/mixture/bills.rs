//! The providers' own bills, invented: each delivered once, and then restated.

use serde_json::{Value, json};

use super::family::{FIRST_MS, Family, lines, shown};
use crate::harness::Random;

/// A line of a bill.
#[derive(Clone)]
struct Line {
    id: String,
    from_ms: i64,
    usage: u64,
    /// In units of 10⁻⁹.
    cost: u64,
}

impl Line {
    fn cost(&self) -> String {
        format!("{}.{:09}", self.cost / 1_000_000_000, self.cost % 1_000_000_000)
    }

    /// The day of it and the next, as `format` says them.
    fn days(&self, format: &str) -> [String; 2] {
        let day = self.from_ms / 86_400_000 * 86_400_000;
        [day, day + 86_400_000].map(|day| shown(day, format))
    }

    fn hours(&self, format: &str) -> [String; 2] {
        let hour = self.from_ms / 3_600_000 * 3_600_000;
        [hour, hour + 3_600_000].map(|hour| shown(hour, format))
    }
}

/// A bill as it was first delivered, and as it was restated: some lines less, some more, some at another cost.
pub struct Bill {
    pub first: Family,
    pub restated: Family,
    /// The days of the lines of both, where a delivery replaces day by day: all of a day is in one file then.
    pub days: Option<[Vec<i64>; 2]>,
}

/// How much later than in UTC the days of a provider begin in October, in milliseconds.
const UTC: Option<i64> = Some(0);
const PACIFIC: Option<i64> = Some(7 * 3_600_000);

fn versions(random: &mut Random, equal_lines: bool) -> (Vec<Line>, Vec<Line>) {
    let line = |random: &mut Random| Line {
        id: random.uuid(),
        from_ms: random.time_ms(),
        usage: random.below(1 << 40),
        cost: random.below(100_000_000_000),
    };
    let mut first = random.many(line);
    // Every day is in both, wherever midnight is: some deliveries replace day by day.
    for half_day in 0..6 {
        first.push(Line { from_ms: FIRST_MS + half_day * 43_200_000 + 3_600_000, ..line(random) });
    }
    // Two lines that are equal, and both there.
    if equal_lines {
        first.push(first[0].clone());
    }
    let mut restated = first.clone();
    restated.remove(1);
    for line in &mut restated {
        if random.one_in(2) {
            line.cost += 1_000;
        }
    }
    let more = line(random);
    restated.push(more);
    (first, restated)
}

type Envelopes = Vec<(&'static str, fn(&[Line]) -> String)>;

fn bill(
    random: &mut Random,
    name: &'static str,
    equal_lines: bool,
    days_begin_ms: Option<i64>,
    envelopes: Envelopes,
) -> Bill {
    let (first, restated) = versions(random, equal_lines);
    let days = days_begin_ms.map(|begin| {
        [&first, &restated].map(|lines| lines.iter().map(|line| (line.from_ms - begin) / 86_400_000).collect())
    });
    let family = |lines| Family::new(name, lines, envelopes.clone()).file_name("bill");
    Bill { first: family(first), restated: family(restated), days }
}

pub fn bills(random: &mut Random) -> Vec<Bill> {
    vec![
        bill(random, "cur", false, None, vec![("legacy", legacy), ("2.0", second)]),
        bill(random, "focus", true, None, vec![("table", focus)]),
        bill(random, "azure-cost", true, None, vec![("table", azure)]),
        bill(random, "gcp-billing", true, PACIFIC, vec![("table", gcp_table), ("lines", gcp_lines)]),
        bill(random, "cost-explorer", false, UTC, vec![("answer", cost_explorer)]),
        oracle(random),
    ]
}

/// Oracle adds: a correction is a line of its own, and a line that comes again is the same line.
fn oracle(random: &mut Random) -> Bill {
    let (first, _) = versions(random, false);
    let mut restated = first.clone();
    let correction = Line { id: random.uuid(), ..first[0].clone() };
    restated.push(correction);
    let family =
        |lines| Family::new("oci-cost", lines, vec![("table", oci as fn(&[Line]) -> String)]).file_name("bill");
    Bill { first: family(first), restated: family(restated), days: None }
}

fn table(names: &str, rows: impl IntoIterator<Item = String>) -> String {
    format!("{names}\n{}", lines(rows))
}

const TO: &str = "%Y-%m-%dT%H:%M:%SZ";

fn legacy(all: &[Line]) -> String {
    table(
        "identity/LineItemId,identity/TimeInterval,bill/BillingEntity,bill/BillType,bill/PayerAccountId,bill/BillingPeriodStartDate,bill/BillingPeriodEndDate,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/UsageStartDate,lineItem/UsageEndDate,lineItem/ProductCode,lineItem/UsageType,lineItem/Operation,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost",
        all.iter().map(|line| {
            let [from, to] = line.hours(TO);
            format!(
                "{},{from}/{to},AWS,Anniversary,012345678901,2026-10-01T00:00:00.000Z,2026-11-01T00:00:00.000Z,123456789012,Usage,{from},{to},AWSLambda,EUW1-Lambda-GB-Second,Invoke,{},USD,{}",
                line.id, line.usage, line.cost()
            )
        }),
    )
}

fn second(all: &[Line]) -> String {
    table(
        "identity_line_item_id,identity_time_interval,bill_billing_entity,bill_bill_type,bill_payer_account_id,bill_billing_period_start_date,bill_billing_period_end_date,line_item_usage_account_id,line_item_line_item_type,line_item_usage_start_date,line_item_usage_end_date,line_item_product_code,line_item_usage_type,line_item_operation,line_item_usage_amount,line_item_currency_code,line_item_unblended_cost",
        legacy(all).lines().skip(1).map(str::to_owned),
    )
}

fn focus(all: &[Line]) -> String {
    table(
        "BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,ChargePeriodStart,ContractedCost,EffectiveCost,InvoiceIssuerName,ListCost,PricingQuantity,PricingUnit,ProviderName,PublisherName,ServiceCategory,ServiceName",
        all.iter().map(|line| {
            let [from, to] = line.hours(TO);
            let cost = line.cost();
            format!(
                "{cost},012345678901,Shop,USD,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,Usage,,{},{to},{from},{cost},{cost},AWS,{cost},{},GB-s,AWS,AWS,Compute,AWS Lambda",
                line.id, line.usage
            )
        }),
    )
}

fn azure(all: &[Line]) -> String {
    table(
        "BillingAccountId,BillingAccountName,BillingPeriodStartDate,BillingPeriodEndDate,SubscriptionId,SubscriptionName,Date,Product,MeterId,MeterCategory,MeterSubCategory,MeterRegion,MeterName,Quantity,EffectivePrice,Cost,UnitPrice,BillingCurrency,ResourceLocation,ConsumedService,ResourceId,ResourceName,AdditionalInfo,Tags,UnitOfMeasure,ResourceGroup,PublisherName,ChargeType,Frequency,PricingModel",
        all.iter().map(|line| {
            let [day, _] = line.days("%m/%d/%Y");
            format!(
                "1234567,Example Ltd,10/01/2026,10/31/2026,00000000-1111-2222-3333-444444444444,Production,{day},Functions,{},Functions,Functions,,Standard Execution Time,{},,{},,EUR,WestEurope,Microsoft.Web,/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/shop/providers/Microsoft.Web/sites/resize,resize,,\"\"\"env\"\": \"\"prod\"\"\",1 GB Second,shop,Microsoft,Usage,UsageBased,OnDemand",
                line.id, line.usage, line.cost()
            )
        }),
    )
}

fn gcp_table(all: &[Line]) -> String {
    table(
        "billing_account_id,service.id,service.description,sku.id,sku.description,usage_start_time,usage_end_time,project.id,project.name,location.region,export_time,cost,currency,usage.amount,usage.unit,usage.amount_in_pricing_units,usage.pricing_unit,credits,invoice.month,cost_type",
        all.iter().map(|line| {
            let [from, to] = line.hours("%Y-%m-%d %H:%M:%S+00:00");
            format!(
                "012345-6789AB-CDEF01,152E-C115-5142,Cloud Run,0000-0000-0001,{},{from},{to},shop-prod,Shop,europe-west1,2026-10-09 23:12:01.199000+00:00,{},EUR,{},seconds,{},second,\"[{{'name': 'FreeTier', 'amount': -0.000001, 'type': 'FREE_TIER'}}]\",202610,regular",
                line.id, line.cost(), line.usage, line.usage
            )
        }),
    )
}

fn gcp_lines(all: &[Line]) -> String {
    lines(all.iter().map(|line| {
        let [from, to] = line.hours("%Y-%m-%d %H:%M:%S UTC");
        let head = json!({"billing_account_id": "012345-6789AB-CDEF01",
            "service": {"id": "152E-C115-5142", "description": "Cloud Run"},
            "sku": {"id": "0000-0000-0001", "description": line.id}, "usage_start_time": from, "usage_end_time": to,
            "project": {"id": "shop-prod", "name": "Shop"}, "location": {"region": "europe-west1"},
            "export_time": "2026-10-09T23:12:01.199Z", "currency": "EUR",
            "credits": [{"name": "FreeTier", "amount": -0.000_001, "type": "FREE_TIER"}],
            "invoice": {"month": "202610"}, "cost_type": "regular",
            "usage": {"amount": line.usage, "unit": "seconds", "amount_in_pricing_units": line.usage, "pricing_unit": "second"}})
        .to_string();
        // The cost is a number of more digits than a float has.
        format!("{},\"cost\":{}}}", &head[..head.len() - 1], line.cost())
    }))
}

fn cost_explorer(all: &[Line]) -> String {
    let mut results: std::collections::BTreeMap<[String; 2], Vec<Value>> = std::collections::BTreeMap::new();
    for line in all {
        results.entry(line.days("%Y-%m-%d")).or_default().push(json!({
            "Keys": [&line.id], "Metrics": {"UnblendedCost": {"Amount": line.cost(), "Unit": "USD"}},
        }));
    }
    let result = |([from, to], groups): ([String; 2], Vec<Value>)| json!({"TimePeriod": {"Start": from, "End": to}, "Total": {}, "Groups": groups, "Estimated": false});
    json!({"GroupDefinitions": [{"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        "ResultsByTime": results.into_iter().map(result).collect::<Vec<_>>(), "DimensionValueAttributes": []})
    .to_string()
}

fn oci(all: &[Line]) -> String {
    table(
        "lineItem/referenceNo,lineItem/tenantId,lineItem/intervalUsageStart,lineItem/intervalUsageEnd,product/service,product/compartmentId,product/compartmentName,product/region,product/resourceId,usage/billedQuantity,cost/productSku,product/Description,cost/unitPrice,cost/myCost,cost/currencyCode,cost/billingUnitReadable,cost/skuUnitDescription,lineItem/isCorrection,lineItem/backreferenceNo",
        all.iter().map(|line| {
            let [from, to] = line.hours("%Y-%m-%dT%H:%M");
            format!(
                "{},ocid1.tenancy.oc1..example,{from}Z,{to}:00Z,FUNCTIONS,ocid1.compartment.oc1..shop,shop,eu-frankfurt-1,ocid1.fnfunc.oc1.example,{},B90617,Oracle Functions - Execution Time,0.00001417,{},EUR,GB,GB,false,",
                line.id, line.usage, line.cost()
            )
        }),
    )
}
