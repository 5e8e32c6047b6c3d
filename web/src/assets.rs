//! Style, scripts and icon: embedded in the binary, named by their content so that browsers keep them for good.

use std::io::Write;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use crate::error::AppError;

struct Asset {
    name: &'static str,
    /// The name with a hash of the content in it.
    file: String,
    url: String,
    content_type: &'static str,
    entity_tag: String,
    plain: Bytes,
    gzip: Bytes,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    vec![
        asset("app.css", "text/css; charset=utf-8", include_bytes!("../static/app.css")),
        asset("app.js", "text/javascript; charset=utf-8", include_bytes!("../static/app.js")),
        asset("upload.js", "text/javascript; charset=utf-8", include_bytes!("../static/upload.js")),
        asset("sql.js", "text/javascript; charset=utf-8", include_bytes!("../static/sql.js")),
        asset("theme.js", "text/javascript; charset=utf-8", include_bytes!("../static/theme.js")),
        asset("icon.svg", "image/svg+xml", include_bytes!("../static/icon.svg")),
    ]
});

fn asset(name: &'static str, content_type: &'static str, content: &'static [u8]) -> Asset {
    let hash = hex::encode(&Sha256::digest(content)[..8]);
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let file = format!("{stem}.{hash}.{extension}");
    let url = format!("/assets/{file}");
    let entity_tag = format!("\"{hash}\"");
    Asset { name, file, url, content_type, entity_tag, plain: Bytes::from_static(content), gzip: compressed(content) }
}

/// Writing to memory does not fail; if it did, the empty answer makes [`serve`] send the plain bytes.
fn compressed(content: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).and_then(|()| encoder.finish()).unwrap_or_default().into()
}

/// The URL of an asset by its plain name; templates call this.
pub fn url(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| &asset.url)
}

/// `GET /assets/{file}`
pub async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Result<Response, AppError> {
    let Some(asset) = ASSETS.iter().find(|asset| asset.file == file) else {
        return Err(AppError::NoSuchPage { path: format!("/assets/{file}") });
    };
    let common = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::ETAG, &asset.entity_tag),
        (header::VARY, "accept-encoding"),
    ];
    let says = |name, value: &str| {
        headers.get(name).and_then(|header| header.to_str().ok()).is_some_and(|header| header.contains(value))
    };
    if says(header::IF_NONE_MATCH, &asset.entity_tag) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    if says(header::ACCEPT_ENCODING, "gzip") && !asset.gzip.is_empty() {
        return Ok((common, [(header::CONTENT_ENCODING, "gzip")], asset.gzip.clone()).into_response());
    }
    Ok((common, asset.plain.clone()).into_response())
}

/// `GET /favicon.ico`, which browsers ask for beside an answer that is not a page.
pub async fn favicon() -> Redirect {
    Redirect::permanent(url("icon.svg"))
}
