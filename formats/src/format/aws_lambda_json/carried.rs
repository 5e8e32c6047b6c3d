//! Payloads of CloudWatch Logs inside other objects: events of functions, records of streams.

use crate::format::json_stream::Fields;

/// A payload of CloudWatch Logs in base64, as whoever subscribes to a log group gets it.
pub(super) struct Carried {
    /// Where it stands.
    pub(super) name: &'static str,
    /// The payload.
    pub(super) base64: String,
}

impl Carried {
    /// The payload that an object carries.
    pub(super) fn of(fields: &Fields) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Data {
            data: String,
        }
        let inner = |field: &[u8]| serde_json::from_slice::<Data>(field).ok().map(|inner| inner.data);
        let beside = |data: &str, other: &str| fields.raw(other).and_then(|_| fields.string(data));
        let (name, base64) = if let Some(awslogs) = fields.raw("awslogs") {
            ("awslogs.data", inner(awslogs)?) // a subscribed function
        } else if let Some(kinesis) = fields.raw("kinesis") {
            ("kinesis.data", inner(kinesis)?) // a function behind a Kinesis stream
        } else if let Some(base64) = beside("Data", "SequenceNumber") {
            ("Data", base64) // `aws kinesis get-records`
        } else if let Some(base64) = beside("data", "recordId") {
            ("data", base64) // a function that transforms records of Firehose
        } else {
            ("rawData", beside("rawData", "errorCode")?) // what Firehose could not deliver
        };
        Some(Carried { name, base64 })
    }
}
