//! Lists and dictionaries as Python prints them, in a column of an export.
#![no_main]

use libfuzzer_sys::fuzz_target;

const HEADER: &str = "billing_account_id,service.description,sku.id,sku.description,usage_start_time,usage_end_time,\
    cost,currency,usage.amount,usage.unit,invoice.month,cost_type,credits\n";
const ROW: &str = "012345-6789AB-CDEF01,Cloud Run,0000-0001,CPU,2026-10-05 17:00:00+00:00,\
    2026-10-05 18:00:00+00:00,0.43,EUR,18000.0,seconds,202610,regular,";

fuzz_target!(|text: &str| {
    let file = format!("{HEADER}{ROW}\"{}\"\n", text.replace('"', "\"\""));
    let found = paygrain_fuzz::check_named("gcp-billing", file.as_bytes());
    assert_eq!(found.ended, None);
    assert!(found.rejected.len() <= 1, "{found:?}");
    assert_eq!(found.records.is_empty(), found.rejected.len() == 1, "{found:?}");
});
