//! What an operation is billed as.

/// Operations on blobs that write, as Microsoft's table for general-purpose v2 accounts has them.
const WRITES: [&str; 18] = [
    "AppendBlock",
    "AppendBlockThroughCopy",
    "AppendFile",
    "CopyBlob",
    "CopyBlobFromURL",
    "CreatePathDir",
    "CreatePathFile",
    "FlushFile",
    "PutBlob",
    "PutBlobFromURL",
    "PutBlock",
    "PutBlockFromURL",
    "PutBlockList",
    "PutPage",
    "PutPageFromURL",
    "SealBlob",
    "SetBlobTier",
    "UndeleteBlob",
];
const READS: [&str; 3] = ["GetBlob", "QueryBlobContents", "ReadFile"];
const LISTS: [&str; 6] =
    ["CreateContainer", "FindBlobsByTags", "ListBlobs", "ListContainers", "ListFilesystems", "RestoreContainer"];

/// `write`, `read`, `list` (lists and new containers), `other` or `free`, as the price list of blobs has them; of other
/// services the operation itself. Setting a tier is taken as a write: the log does not say whether it went up or down.
pub(super) fn billed_as<'a>(service: &str, operation: &'a str, status_text: &str, status: Option<&str>) -> &'a str {
    if is_free(status_text, status) {
        return "free";
    }
    if service != "blob" {
        return operation;
    }
    if WRITES.contains(&operation) {
        "write"
    } else if READS.contains(&operation) {
        "read"
    } else if LISTS.contains(&operation) {
        "list"
    } else if operation.starts_with("Delete") && !operation.contains("Policy") {
        "free"
    } else {
        "other"
    }
}

/// What the service itself could not do is not billed, and neither is a request whose sender is not known to it.
fn is_free(status_text: &str, status: Option<&str>) -> bool {
    let by_service = ["ThrottlingError", "ServerTimeoutError", "ServerOtherError"];
    by_service.iter().any(|word| status_text.ends_with(word)) || status == Some("401")
}
