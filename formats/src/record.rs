//! Usage records: one metered fact each, as the formats hand them to the lake.
//!
//! Units are in the names. A field that a log does not carry is `None`; nothing is guessed.

use sha2::{Digest, Sha256};

mod billed;

pub use billed::{BilledLine, Export};

/// How keys begin that are compared without the time.
const ALONE: [u8; 4] = [0xff; 4];

/// 128 bits that name one record, whatever file or envelope it came in. See [`RecordKey::of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey(pub [u8; 16]);

impl RecordKey {
    /// The key of a record from the parts of its natural key, in a fixed order.
    ///
    /// Parts are separated, so `["ab", "c"]` and `["a", "bc"]` differ; an absent part differs from an empty one.
    ///
    /// The hash is a cryptographic one: what a stranger writes into a log must not be able to make another record look
    /// like a duplicate.
    pub fn of(parts: &[Option<&str>]) -> Self {
        Self::of_all(parts.iter().copied())
    }

    /// The key of a record that its parts name whatever its time says: two of them are one record, however far apart
    /// their times are. Such keys begin alike, so that one is known for what it is wherever it stands; of other keys one
    /// in four billion does, and nothing depends on that one.
    pub fn alone(parts: &[Option<&str>]) -> Self {
        let mut key = Self::of(parts);
        key.0[..ALONE.len()].copy_from_slice(&ALONE);
        key
    }

    /// Whether it names a record whatever the record's time says.
    pub fn is_alone(&self) -> bool {
        self.0.starts_with(&ALONE)
    }

    /// As [`RecordKey::of`].
    pub fn of_all<'a>(parts: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut hash = KeyHash::default();
        for part in parts {
            match part {
                // The length comes first and is never 0 there, so that no text can pass for the parts of another key.
                Some(text) => {
                    let mut length = text.len() as u64 + 1;
                    while length >= 0x80 {
                        hash.update(&[(length & 0x7f) as u8 | 0x80]);
                        length >>= 7;
                    }
                    hash.update(&[length as u8]);
                    hash.update(text.as_bytes());
                }
                None => hash.update(&[0]),
            }
        }
        hash.finish()
    }
}

/// Collects what is hashed: nearly always it fits, and one call of the hash is several times faster than many.
struct KeyHash {
    buffer: [u8; 256],
    length: usize,
    longer: Option<Sha256>,
}

impl Default for KeyHash {
    fn default() -> Self {
        KeyHash { buffer: [0; 256], length: 0, longer: None }
    }
}

impl KeyHash {
    #[inline]
    fn update(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.length..self.length + bytes.len()) {
            Some(free) if self.longer.is_none() => {
                free.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            _ => {
                let longer = self.longer.get_or_insert_with(|| Sha256::new_with_prefix(&self.buffer[..self.length]));
                longer.update(bytes);
            }
        }
    }

    fn finish(self) -> RecordKey {
        let digest = match self.longer {
            Some(hash) => hash.finalize(),
            None => Sha256::digest(&self.buffer[..self.length]),
        };
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        RecordKey(key)
    }
}

/// When a record happened, in microseconds since 1970 UTC, or that its log does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// The log says when.
    Logged(i64),
    /// The log does not say; the time of `--at`, or else of the upload, stands in.
    Assumed,
}

/// One function execution (or one container task): a row of the table `invocations`.
///
/// Its texts are its own, or borrowed from the line being read (`Invocation<&str>`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation<T = String> {
    /// `aws`, `gcp`, `azure`, …
    pub provider: T,
    /// The service as price books name it, for example `lambda`.
    pub service: T,
    /// Billing account that owns the resource.
    pub account: Option<T>,
    /// Provider region, for example `us-east-1`.
    pub region: Option<T>,
    /// Function or task name.
    pub resource: Option<T>,
    /// Function version or qualifier.
    pub version: Option<T>,
    /// The provider's id of the execution.
    pub request_id: Option<T>,
    /// Length of the handler phase, in microseconds; absent where a crash left none.
    pub duration_us: Option<i64>,
    /// Length of the initialisation, in microseconds, on a cold start.
    pub init_us: Option<i64>,
    /// Length of a snapshot restore, in microseconds.
    pub restore_us: Option<i64>,
    /// Billed duration as the provider reports it, in milliseconds.
    pub billed_ms: Option<i64>,
    /// Configured memory, in MB as the provider configures it (binary).
    pub memory_mb: Option<i64>,
    /// Most memory the environment used, in MB (binary).
    pub memory_used_mb: Option<i64>,
    /// Configured CPU, in thousandths of a virtual CPU.
    pub vcpu_milli: Option<i64>,
    /// Configured temporary storage, in MB (binary).
    pub ephemeral_mb: Option<i64>,
    /// Size of the request payload, in bytes.
    pub request_bytes: Option<i64>,
    /// Size of the response payload, in bytes.
    pub response_bytes: Option<i64>,
    /// `x86_64` or `arm64`.
    pub architecture: Option<T>,
    /// `Zip` or `Image`.
    pub package_type: Option<T>,
    /// Runtime identifier.
    pub runtime: Option<T>,
    /// Operating system.
    pub os: Option<T>,
    /// `on-demand`, `provisioned`, `edge`, …
    pub capacity: Option<T>,
    /// What caused the execution (`http`, `timer`, `async`, …).
    pub trigger: Option<T>,
    /// `buffered` or `stream`.
    pub invoke_mode: Option<T>,
    /// `success`, `error` or `timeout`.
    pub status: Option<T>,
    /// The provider's name of the error, where there is one.
    pub error_type: Option<T>,
    /// Whether a new environment was started for it.
    pub cold_start: Option<bool>,
    /// CPU time used, in microseconds.
    pub cpu_us: Option<i64>,
    /// Size, class or plan that picks the price, such as an instance class.
    pub variant: Option<T>,
    /// The instance, replica or container it ran on.
    pub instance: Option<T>,
    /// How many requests that instance takes at once.
    pub concurrency: Option<i64>,
}

impl Invocation<&str> {
    /// The same row with texts of its own.
    pub fn to_owned_texts(&self) -> Invocation {
        let text = |text: &&str| (*text).to_owned();
        Invocation {
            provider: text(&self.provider),
            service: text(&self.service),
            account: self.account.as_ref().map(text),
            region: self.region.as_ref().map(text),
            resource: self.resource.as_ref().map(text),
            version: self.version.as_ref().map(text),
            request_id: self.request_id.as_ref().map(text),
            duration_us: self.duration_us,
            init_us: self.init_us,
            restore_us: self.restore_us,
            billed_ms: self.billed_ms,
            memory_mb: self.memory_mb,
            memory_used_mb: self.memory_used_mb,
            vcpu_milli: self.vcpu_milli,
            ephemeral_mb: self.ephemeral_mb,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            architecture: self.architecture.as_ref().map(text),
            package_type: self.package_type.as_ref().map(text),
            runtime: self.runtime.as_ref().map(text),
            os: self.os.as_ref().map(text),
            capacity: self.capacity.as_ref().map(text),
            trigger: self.trigger.as_ref().map(text),
            invoke_mode: self.invoke_mode.as_ref().map(text),
            status: self.status.as_ref().map(text),
            error_type: self.error_type.as_ref().map(text),
            cold_start: self.cold_start,
            cpu_us: self.cpu_us,
            variant: self.variant.as_ref().map(text),
            instance: self.instance.as_ref().map(text),
            concurrency: self.concurrency,
        }
    }
}

/// One API or storage request, event or message: a row of the table `requests`. Texts as in [`Invocation`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request<T = String> {
    /// `aws`, `gcp`, `azure`, …
    pub provider: T,
    /// The service as price books name it, for example `s3`.
    pub service: T,
    /// Billing account that owns the resource.
    pub account: Option<T>,
    /// Provider region.
    pub region: Option<T>,
    /// Bucket, queue, API or table.
    pub resource: Option<T>,
    /// Normalised operation: `PUT`, `GET`, `HEAD`, `LIST`, `COPY`, `POST`, `DELETE`, `TRANSITION`, … or the log's own word.
    pub operation: Option<T>,
    /// Size, class or edition that picks the price.
    pub variant: Option<T>,
    /// Status as the provider reports it, for example `200`.
    pub status: Option<T>,
    /// Request payload, in bytes.
    pub request_bytes: Option<i64>,
    /// Response payload, in bytes.
    pub response_bytes: Option<i64>,
    /// Billable units where the log already counts them.
    pub units: Option<i64>,
    /// Storage class of the object, where the log says.
    pub storage_class: Option<T>,
    /// Where the request came from, in the words of the service's format.
    pub source: Option<T>,
    /// The provider's id of the request.
    pub request_id: Option<T>,
    /// How long it was in work, in microseconds.
    pub duration_us: Option<i64>,
    /// The instance, replica or object that served it.
    pub instance: Option<T>,
    /// How many requests that instance takes at once.
    pub concurrency: Option<i64>,
}

impl Request<&str> {
    /// The same row with texts of its own.
    pub fn to_owned_texts(&self) -> Request {
        let text = |text: &&str| (*text).to_owned();
        Request {
            provider: text(&self.provider),
            service: text(&self.service),
            account: self.account.as_ref().map(text),
            region: self.region.as_ref().map(text),
            resource: self.resource.as_ref().map(text),
            operation: self.operation.as_ref().map(text),
            variant: self.variant.as_ref().map(text),
            status: self.status.as_ref().map(text),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            units: self.units,
            storage_class: self.storage_class.as_ref().map(text),
            source: self.source.as_ref().map(text),
            request_id: self.request_id.as_ref().map(text),
            duration_us: self.duration_us,
            instance: self.instance.as_ref().map(text),
            concurrency: self.concurrency,
        }
    }
}

/// Bytes stored in one resource and class over an interval: a row of the table `storage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredBytes {
    /// `aws`, `gcp`, `azure`, …
    pub provider: String,
    /// The service as price books name it, for example `s3`.
    pub service: String,
    /// Billing account that owns the resource.
    pub account: Option<String>,
    /// Provider region.
    pub region: Option<String>,
    /// Bucket, table or volume.
    pub resource: Option<String>,
    /// Size, class or edition that picks the price.
    pub variant: Option<String>,
    /// Storage class as price books name it, for example `STANDARD`.
    pub storage_class: Option<String>,
    /// Bytes held.
    pub bytes: Option<i64>,
    /// Objects held.
    pub objects: Option<i64>,
    /// Length of the interval, in microseconds; the record's time is its start.
    pub held_us: Option<i64>,
}

/// A quantity that some meter already measured: a row of the table `metered`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeteredQuantity {
    /// `aws`, `gcp`, `azure`, …
    pub provider: String,
    /// The service as price books name it, for example `aurora-serverless`.
    pub service: String,
    /// Billing account that owns the resource.
    pub account: Option<String>,
    /// Provider region.
    pub region: Option<String>,
    /// Cluster, stream, dyno or instance.
    pub resource: Option<String>,
    /// What was measured, in the words of the price book: `acu`, `instance`, `dyno`.
    pub meter: Option<String>,
    /// Size, class or edition that picks the price.
    pub variant: Option<String>,
    /// How much, in units of 10⁻¹⁸ of `unit`. See [`MeteredQuantity::SCALE`].
    pub quantity: Option<i128>,
    /// Unit of the quantity, as price books write units: `ACU-h`, `GiB-s`; absent: the unit the price book expects.
    pub unit: Option<String>,
    /// Length of the interval, in microseconds, where the quantity is a level held for a time; the record's time is its
    /// start.
    pub held_us: Option<i64>,
    /// Configured memory, in MB as the provider configures it (binary).
    pub memory_mb: Option<i64>,
    /// Configured CPU, in thousandths of a virtual CPU.
    pub vcpu_milli: Option<i64>,
    /// Configured size of something else, in MB (binary).
    pub size_mb: Option<i64>,
    /// `x86_64` or `arm64`.
    pub architecture: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Runtime identifier.
    pub runtime: Option<String>,
}

impl MeteredQuantity {
    /// Fractional digits of a quantity; it has up to 20 digits in front of the point.
    pub const SCALE: u8 = 18;
}

/// A usage table of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UsageTable {
    /// [`Invocation`]s.
    Invocations,
    /// [`Request`]s.
    Requests,
    /// [`StoredBytes`].
    Storage,
    /// [`MeteredQuantity`]s.
    Metered,
}

impl UsageTable {
    /// Every one.
    pub const ALL: [UsageTable; 4] = [Self::Invocations, Self::Requests, Self::Storage, Self::Metered];

    /// Its name in SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invocations => "invocations",
            Self::Requests => "requests",
            Self::Storage => "storage",
            Self::Metered => "metered",
        }
    }
}

/// A record of any usage table, or of the table `billed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A row of `invocations`.
    Invocation(Box<Invocation>),
    /// A row of `requests`.
    Request(Box<Request>),
    /// A row of `storage`.
    StoredBytes(Box<StoredBytes>),
    /// A row of `metered`.
    MeteredQuantity(Box<MeteredQuantity>),
    /// A row of `billed`. Its key tells lines of one export apart, not those of different ones.
    BilledLine(Box<BilledLine>),
}

/// A usage record with its time and the keys that make it count once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it happened; for an invocation and for what is held over an interval this is its *start*.
    pub time: EventTime,
    /// Natural key *without* the time. Two records with equal `key` and equal logged time are one; so are two with equal
    /// `key` of which one has no logged time.
    pub key: RecordKey,
    /// The fact.
    pub usage: Usage,
}

/// A row that could not be read: kept with its place and the reason, never dropped unseen.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RejectedRow {
    /// Line in the decompressed file, from 1, where lines mean something.
    pub line: Option<u64>,
    /// Byte offset in the decompressed file.
    pub byte_offset: u64,
    /// Length in bytes, where it is not simply a JSON object or a line.
    #[serde(skip)]
    pub byte_length: Option<u64>,
    /// Length of the file's header, in bytes, without which the row cannot be read again.
    #[serde(skip)]
    pub header_length: Option<u64>,
    /// What was wrong and what was expected, naming the column or field.
    pub reason: String,
    /// The beginning of the row.
    pub excerpt: String,
}
