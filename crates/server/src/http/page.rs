//! The page's files, from the program itself.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Serves a file of the page; paths that are no file and no API lead to the page itself, which routes on its own.
pub(crate) async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return super::ApiError::not_found("path of the API").into_response();
    }
    let looks_like_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let wanted = if path.is_empty() || !looks_like_file { "index.html" } else { path };
    let Some(asset) = web::asset(wanted) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    let fixed = [(header::ETAG, asset.etag.clone()), (header::CACHE_CONTROL, web::CACHE_CONTROL.to_owned())];
    if known == Some(asset.etag.as_str()) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    (fixed, [(header::CONTENT_TYPE, asset.content_type)], asset.bytes).into_response()
}
