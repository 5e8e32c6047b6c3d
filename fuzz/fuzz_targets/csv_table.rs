//! CSV with a header: separators, quotes, ragged rows; through a mapping and through tables that look for their header.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use paygrain_formats::Mapping;
use paygrain_formats::format::mapped::Mapped;

static MAPPED: LazyLock<Mapped> = LazyLock::new(|| {
    let text = r#"
        table = "metered"
        time.column = "t"
        columns = { provider = { value = "x" }, service = { value = "y" }, resource = "r", quantity = "q" }
    "#;
    Mapped { mapping: Mapping::from_toml("fuzz", text).expect("a mapping") }
});

fuzz_target!(|bytes: &[u8]| {
    let found = paygrain_fuzz::check(&*MAPPED, bytes);
    let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).count();
    assert!(found.records.len() + found.rejected.len() <= lines);
    // Rows under a header that fits.
    let table = [b"t,r,q\n", bytes].concat();
    paygrain_fuzz::check(&*MAPPED, &table);
    for name in ["aws-cur", "azure-cost", "gcp-gcs-usage", "aws-s3-inventory", "oci-cost"] {
        paygrain_fuzz::check_named(name, bytes);
    }
});
