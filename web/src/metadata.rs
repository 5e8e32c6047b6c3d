//! Values that logs do not say, supplied by a form or a program: checked, then declared in the lake.

use paygrain_ingest::Defaults;
use paygrain_ingest::lake::Declaration;

use crate::app::App;
use crate::error::AppError;

/// Declares something, all of it or nothing.
///
/// # Errors
/// [`AppError::NothingToSet`], [`AppError::BadParameter`], [`AppError::NoSuchUpload`].
pub async fn declare(app: &App, declarations: &[Declaration]) -> Result<(), AppError> {
    for declaration in declarations {
        if declaration.values == Defaults::default() {
            return Err(AppError::NothingToSet);
        }
        if let Some(problem) = declaration.problem() {
            let name = problem.column.to_owned();
            return Err(AppError::BadParameter { name, value: problem.value, expected: problem.expected });
        }
    }
    let mut known: Option<&str> = None;
    for id in declarations.iter().filter_map(|declaration| declaration.scope.upload_id.as_deref()) {
        if known != Some(id) && app.engine().upload(id).await?.is_none() {
            return Err(AppError::NoSuchUpload { id: id.to_owned() });
        }
        known = Some(id);
    }
    Ok(app.engine().lake().declare(declarations).await?)
}
