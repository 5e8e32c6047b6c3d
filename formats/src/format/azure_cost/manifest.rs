//! The manifest that Azure writes beside the parts of an export: which files belong to one run.

use serde::Deserialize;

/// What a `manifest.json` of Cost Management says. Names are paths in the container; what it leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manifest {
    /// Version of the manifest's own layout.
    pub manifest_version: Option<String>,
    /// `csv` or `parquet`; newer manifests say it in [`Manifest::delivery_config`].
    pub data_format: Option<String>,
    /// Files that belong to it.
    pub blob_count: Option<u64>,
    /// Size of all of them, in bytes.
    pub byte_count: Option<u64>,
    /// Rows of all of them, without headers.
    pub data_row_count: Option<u64>,
    /// The files.
    pub blobs: Vec<Blob>,
    /// Which export it is.
    pub export_config: ExportConfig,
    /// How it is delivered.
    pub delivery_config: DeliveryConfig,
    /// The run that wrote it.
    pub run_info: RunInfo,
}

/// One file of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Blob {
    /// Path in the container.
    pub blob_name: String,
    /// Its size, in bytes.
    pub byte_count: Option<u64>,
    /// Its rows, without the header.
    pub data_row_count: Option<u64>,
    /// Its header rows.
    pub header_row_count: Option<u64>,
}

/// Which export a manifest is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExportConfig {
    /// Its name.
    pub export_name: Option<String>,
    /// The scope with the export's own path.
    pub resource_id: Option<String>,
    /// Version of the columns.
    pub data_version: Option<String>,
    /// `ActualCost`, `AmortizedCost`, `FocusCost`, `Usage`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `MonthToDate`, `TheLastMonth`, `Custom`, …
    pub time_frame: Option<String>,
    /// `Daily` or nothing.
    pub granularity: Option<String>,
}

/// How an export is delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeliveryConfig {
    /// `OverwritePreviousReport` or `CreateNewReport`.
    pub data_overwrite_behavior: Option<String>,
    /// `Csv` or `Parquet`.
    pub file_format: Option<String>,
    /// `gzip`, `snappy` or `none`.
    pub compression_mode: Option<String>,
    /// Address of the container.
    pub container_uri: Option<String>,
    /// Folder in the container.
    pub root_folder_path: Option<String>,
}

/// The run that wrote an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunInfo {
    /// `Scheduled` or `OnDemand`.
    pub execution_type: Option<String>,
    /// When it was asked for.
    pub submitted_time: Option<String>,
    /// Its id.
    pub run_id: Option<String>,
    /// First day of the data.
    pub start_date: Option<String>,
    /// Last day of the data.
    pub end_date: Option<String>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When it is not JSON, or names no file.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json).trim_ascii_start();
        if !json.starts_with(b"{") {
            return Err("not a manifest: expected a JSON object".into());
        }
        let manifest: Manifest = serde_json::from_slice(json).map_err(|error| format!("not a manifest: {error}"))?;
        match manifest.blobs.iter().any(|blob| blob.blob_name.is_empty()) {
            true => Err("not a manifest: there is a file in `blobs` without a `blobName`".into()),
            false => Ok(manifest),
        }
    }

    /// Whether the beginning of a file is that of a manifest.
    pub(super) fn begins(head: &[u8]) -> bool {
        let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
        let has = |name: &[u8]| memchr::memmem::find(head, name).is_some();
        head.starts_with(b"{")
            && has(b"\"blobs\"")
            && [&b"\"blobName\""[..], b"\"manifestVersion\"", b"\"exportConfig\""]
                .into_iter()
                .filter(|name| has(name))
                .count()
                > 1
    }
}

#[cfg(test)]
mod tests {
    use super::Manifest;

    #[test]
    fn both_layouts_name_their_files() {
        let old = br#"{"manifestVersion":"2021-01-01","dataFormat":"csv","blobCount":1,"byteCount":9,"dataRowCount":2,
            "blobs":[{"blobName":"cost/a/000001.csv","byteCount":9,"dataRowCount":2,"headerRowCount":1}]}"#;
        let manifest = Manifest::parse(old).unwrap_or_default();
        assert_eq!(
            manifest.blobs.iter().map(|blob| blob.blob_name.as_str()).collect::<Vec<_>>(),
            ["cost/a/000001.csv"]
        );
        assert_eq!((manifest.data_row_count, manifest.run_info.run_id), (Some(2), None));
        let new = br#"{"manifestVersion":"2024-04-01","byteCount":9,"blobCount":2,"dataRowCount":3,
            "exportConfig":{"exportName":"daily","resourceId":"/providers/x","dataVersion":"2021-10-01","apiVersion":"y","type":"AmortizedCost","timeFrame":"OneTime","granularity":"Daily"},
            "deliveryConfig":{"partitionData":true,"dataOverwriteBehavior":"OverwritePreviousReport","fileFormat":"Csv","compressionMode":"Gzip","containerUri":"c","rootFolderPath":"r"},
            "runInfo":{"executionType":"OnDemand","submittedTime":"2026-10-07T17:00:00Z","runId":"5","startDate":"2026-10-01T00:00:00","endDate":"2026-10-31T00:00:00"},
            "blobs":[{"blobName":"r/part_0_0001.csv.gz","byteCount":5,"dataRowCount":2},{"blobName":"r/part_1_0001.csv.gz","byteCount":4,"dataRowCount":1}]}"#;
        assert!(Manifest::begins(old) && Manifest::begins(new));
        let manifest = Manifest::parse(new).unwrap_or_default();
        assert_eq!((manifest.blobs.len(), manifest.export_config.kind.as_deref()), (2, Some("AmortizedCost")));
        assert_eq!(manifest.run_info.run_id.as_deref(), Some("5"));
        for bad in ["{", "[]", r#"{"blobs":[{}]}"#, r#"{"blobs":{}}"#] {
            assert!(Manifest::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(!Manifest::begins(br#"{"blobs":[{"blobName":"x"}]}"#));
    }
}
