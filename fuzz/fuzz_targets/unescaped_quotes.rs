//! Log records of Step Functions whose input has its quotes as they are, inside a JSON string.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (details, tail) = input;
    let file = [
        br#"{"id":"1","type":"TaskStateEntered","details":{"input":""#,
        details,
        br#"","name":"A"},"previous_event_id":"0","event_timestamp":"1791219601000","#,
        br#""execution_arn":"arn:aws:states:eu-west-1:123456789012:execution:orders:run-1"}"#,
        tail,
    ]
    .concat();
    paygrain_fuzz::check_named("aws-step-functions", &file);
    paygrain_fuzz::check_named("aws-step-functions", details);
});
